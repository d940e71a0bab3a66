#pragma once
#include "server/http/request.h"

handler_fn deployments_create_flow_run, deployments_create_flow_runs, deployments_create_runs;

/* {"id", "type": "AUTOMATION", "display_value"} when the request says so, else null. */
struct raw created_by_of(struct request *rq);
