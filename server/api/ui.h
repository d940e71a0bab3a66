/* What only Prefect's pages call: counts and summaries for lists and the dashboard. */
#pragma once
#include "server/http/request.h"

handler_fn ui_flow_runs_history, ui_flow_runs_count_task_runs, ui_flows_count_deployments,
    ui_flows_next_runs, ui_schemas_validate, ui_task_runs_dashboard, ui_task_runs_count,
    ui_task_runs_get;
