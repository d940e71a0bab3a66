/* The WebSocket /work_pools/{name}/workers/connect: heartbeats of a worker, changes of its pool and
 * infrastructure to clean up.  Runs are still taken over REST.
 *
 *   CONNECTED --hello--> GREETING --ready--> OPEN --frames--> OPEN ...
 *
 * Close reasons are the protocol's: protocol_error 1002; unsupported_version and
 * authorization_failed (no such pool or queue) 1008; transient_server_error and
 * heartbeat_persistence_failed 1011.
 * Thread: the loop; the database is asked in jobs. */
#pragma once
#include "server/http/websocket.h"

struct worker_channels;
struct worker_channels *worker_channels_start(struct server *server);
void worker_channels_stop(struct worker_channels *c);

/* The pool changed or is gone; NULL: any may have.  Thread: any. */
void worker_channels_wake(struct server *server, const char *pool);
void worker_channels_heard(struct server *server, const char *rest);

extern const struct websocket_kind worker_channel_socket;
