/* The WebSocket /logs/out: log lines that match a filter, as they come.  Open for all, but lines
 * are only sent while both settings say so: server.logs.stream_out_enabled and
 * stream_publishing_enabled. */
#pragma once
#include "server/http/broadcast.h"
#include "server/http/websocket.h"

extern const struct websocket_kind logs_out_socket;
extern const struct broadcast_kind logs_broadcast;
