/* Events come in by POST /events and by the WebSocket /events/in; both go through the lane of
 * events. */
#pragma once
#include "server/db/lane.h"
#include "server/http/websocket.h"

void events_create(struct request *rq);

extern const struct websocket_kind events_in_socket;
extern const struct lane_kind events_lane;
