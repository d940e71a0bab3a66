/* The two busiest operations on flow runs, in batches: POST /flow_runs/ and GET /flow_runs/{id}. */
#pragma once
#include "server/db/lane.h"
#include "server/http/request.h"

void flow_runs_create(struct request *rq);
void flow_runs_get_one(struct request *rq);

extern const struct lane_kind creations_lane, reads_lane;
