/* The WebSocket /events/out: events that match a filter, stored ones and those that come. */
#pragma once
#include "server/http/broadcast.h"
#include "server/http/websocket.h"

extern const struct websocket_kind events_out_socket;
extern const struct broadcast_kind events_broadcast;
