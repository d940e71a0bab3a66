/* Logs of runs: appended by COPY. */
#pragma once
#include "server/db/db.h"
#include "server/model/log.h"

/* A piece of what is stored together. */
struct log_batch {
    const struct log *logs;
    size_t count;
};

/* All in one COPY; within a transaction of the caller or as one of its own. */
MUST_CHECK enum err_code logs_store(struct work *w, const struct log_batch *batches, size_t count);

/* To server->log_broadcast: the oldest `limit` lines that were stored since; TIME_NONE: in the last
 * two seconds.  Moves *since_us to the newest of them. */
MUST_CHECK enum err_code logs_publish_since(struct work *w, int64_t limit, int64_t *since_us,
                                            size_t *out_count);
