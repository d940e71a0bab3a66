/* The only user of libmicrohttpd: a daemon with an external epoll inside the libuv loop.
 *
 *   on_request: headers -> checks (method, path, auth) -> body -> hand over (suspend) -> ... ->
 * reply
 *
 * libmicrohttpd's own threads stall at 128 ready connections and its time-outs forget resumed
 * connections; hence MHD_run() from the loop, after an uv_async that follows each resume. */
#pragma once
#include "server/http/request.h"

struct listener;
/* Owns the daemon.  Errors: says in *e why the address cannot be used. */
MUST_CHECK enum err_code listener_start(struct server *server, struct err *e,
                                        struct listener **out);
/* Lets libmicrohttpd look around: needed after an upgraded connection was given back. */
void listener_poke(struct listener *l);
/* No new connections from now on. */
void listener_quiesce(struct listener *l);
size_t listener_in_flight(struct listener *l);
size_t listener_connections(struct listener *l);
/* The port in use, also when 0 was asked for. */
uint16_t listener_port(struct listener *l);
/* All requests must be finished.  Close the loop afterwards. */
void listener_stop(struct listener *l);
