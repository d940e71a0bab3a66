/* Whether pools, queues, workers and deployments count as ready.
 * Units: microseconds.   Source: the wire facts, sections 5.2 (foreman) and appendix A. */
#pragma once
#include "shared/base/clock.h"

enum work_status { WORK_NOT_READY, WORK_READY, WORK_PAUSED };

/* "NOT_READY", "READY", "PAUSED". */
const char *work_status_name(enum work_status status);

/* Online until three heartbeats were missed; interval_s 0: not told. */
bool worker_is_online(int64_t last_heartbeat_us, int64_t interval_s, int64_t now_us);
enum work_status work_pool_status(bool paused, int64_t online_workers);
enum work_status work_queue_status(bool paused, int64_t last_polled_us, int64_t now_us);
/* READY or NOT_READY: a paused deployment keeps its status. */
enum work_status deployment_status(int64_t last_polled_us, int64_t now_us);
