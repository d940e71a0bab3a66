/* Who is still there: workers, and what they serve.  What was not heard of loses its status, with
 * an event.   Thread: that of the work. */
#pragma once
#include "server/db/db.h"

/* Events of what became ready: rows of id and `work-pool`, `work-queue`, `deployment` or NULL, in
 * the transaction that changed them. */
MUST_CHECK enum err_code liveness_tell_ready(struct work *w, const struct rows *rows);

/* How long silence may last. */
struct silence {
    int64_t heartbeats, heartbeat_s; /* missed ones; where a worker does not tell how often */
    int64_t queue_us, deployment_us; /* since they were polled */
};

/* One transaction over a bounded number.  *out_next_us: when the next one may be given up,
 * TIME_NONE: none. */
MUST_CHECK enum err_code liveness_give_up(struct work *w, const struct silence *silence,
                                          int64_t *out_next_us);

/* Leases that expired: their slots are free for others already, now they go.  *out_next_us as
 * above. */
MUST_CHECK enum err_code leases_expire(struct work *w, int64_t limit, size_t *out_count,
                                       int64_t *out_next_us);
