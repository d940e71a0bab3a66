#pragma once
#include "server/db/lane.h"
#include "server/http/request.h"

void logs_create(struct request *rq); /* through the lane of logs */
handler_fn logs_filter;

extern const struct lane_kind logs_lane;
