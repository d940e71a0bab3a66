/* What running flows ask people, and what they answer. */
#pragma once
#include "server/http/request.h"

handler_fn flow_runs_input_create, flow_runs_input_filter, flow_runs_input_get,
    flow_runs_input_delete;
handler_fn flow_runs_resume;

extern const struct resource flow_run_input_create_resource, flow_run_input_filter_resource,
    resume_resource;
