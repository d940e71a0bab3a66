#pragma once
#include "server/http/request.h"

handler_fn flow_runs_update_one, flow_runs_delete_one;
handler_fn flow_runs_filter, flow_runs_count, flow_runs_paginate, flow_runs_history, flow_runs_lateness;
handler_fn flow_runs_bulk_delete, flow_runs_bulk_set_state, flow_runs_resume, flow_runs_labels;
handler_fn flow_runs_input_create, flow_runs_input_filter, flow_runs_input_get, flow_runs_input_delete;
handler_fn flow_runs_logs_download;

extern const struct resource flow_run_input_create_resource, flow_run_input_filter_resource;
extern const struct resource bulk_delete_resource, bulk_set_state_resource, resume_resource;
