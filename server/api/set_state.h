/* POST /flow_runs/{id}/set_state: through the lane of transitions. */
#pragma once
#include "server/db/lane.h"
#include "server/http/request.h"

void flow_runs_set_state(struct request *rq);

extern const struct resource set_state_resource;
extern const struct lane_kind transitions_lane;
