/* Threads that may block.  Each has its own database connection and runs one handler at a time,
 * start to end. */
#pragma once
#include "server/http/request.h"

struct executor;
struct executor *executor_start(struct server *server, size_t threads, size_t queue_max);
/* Runs what is queued, then joins. */
void executor_stop(struct executor *ex);
/* BUSY when queue_max requests wait already.  Thread: any. */
MUST_CHECK enum err_code executor_submit(struct executor *ex, struct request *rq);
size_t executor_waiting(struct executor *ex);
