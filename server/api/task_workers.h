/* The WebSocket /task_runs/subscriptions/scheduled, on which task workers get background task runs,
 * and POST /task_workers/filter, which shows the workers of this server.
 *
 *   client  {"type":"subscribe","keys":[...],"client_id":"..."}
 *   server  a task run
 *   client  {"type":"ack"}      the run is the client's; the next one may come
 *           {"type":"quit"}     no more
 *
 * A run that was sent and not acknowledged comes again when the connection is gone, in front of the
 * others; a consumer that keeps it longer than TASK_HOLD_S is closed.
 *
 *   IDLE -> ASKING -> HOLDING -> ASKING ...      ASKING -> IDLE: nothing was there
 *
 * Idle ones ask again when a run of one of their keys is queued here, and every few seconds for
 * what other servers queued. Thread: the socket lives on the loop, the queue is asked in a lane. */
#pragma once
#include "server/http/websocket.h"

struct task_workers;
struct task_workers *task_workers_start(struct server *server);
/* After the loop and the lane have ended. */
void task_workers_stop(struct task_workers *t);

/* A run of that key was queued and committed; NULL: of any.  Thread: any. */
void task_workers_wake(struct server *server, const char *task_key);
/* The same from another server. */
void task_workers_heard(struct server *server, const char *rest);

extern const struct websocket_kind task_runs_socket;
extern const struct resource task_workers_filter_resource;
handler_fn task_workers_filter;
