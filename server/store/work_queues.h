/* Work queues by their id, whatever pool they are in, and the slots of queues and pools. */
#pragma once
#include "server/db/db.h"
#include "server/model/work_pool.h"

/* Makes a queue in the pool for deployments that name none. */
MUST_CHECK enum err_code
work_queue_create_default(struct work *w, const struct work_queue_write *in, struct rows *out);
/* Rows of work_queue_resource. */
MUST_CHECK enum err_code work_queue_get_default(struct work *w, const char *name, struct rows *out);
MUST_CHECK enum err_code work_queue_update_by_id(struct work *w, struct uuid id,
                                                 const struct work_queue_write *in);
MUST_CHECK enum err_code work_queue_delete_by_id(struct work *w, struct uuid id);

/* The queues whose (old) filter lets its runs through: rows of legacy_queue_resource.  NOT_FOUND
 * when there is no such deployment. */
MUST_CHECK enum err_code deployment_queues(struct work *w, struct uuid deployment,
                                           struct rows *out);

struct queue_wanted {
    int64_t before_us, limit; /* TIME_NONE: any time */
    bool silent;              /* does not count as a poll */
};
/* Ids of the runs that are due, in starting order. */
MUST_CHECK enum err_code work_queue_due(struct work *w, struct uuid id,
                                        const struct queue_wanted *wanted, struct rows *out);
/* One row: late runs, last polled, whether that is recent. */
MUST_CHECK enum err_code work_queue_health(struct work *w, struct uuid id, struct rows *out);

/* One row: limit, slots in use. */
MUST_CHECK enum err_code work_queue_slots(struct work *w, struct uuid id, struct rows *out);
/* Rows of slot_run_resource. */
MUST_CHECK enum err_code work_queue_slot_runs(struct work *w, struct uuid id, int64_t limit,
                                              int64_t offset, struct rows *out);
/* One row: id, limit, slots in use, number of queues. */
MUST_CHECK enum err_code work_pool_slots(struct work *w, const char *name, struct rows *out);
/* Of a page of the pool's queues: id, name, slots in use, limit; and of their runs: the queue, then
 * slot_run_resource. */
MUST_CHECK enum err_code work_pool_queue_slots(struct work *w, const char *pool_id, int64_t limit,
                                               int64_t offset, struct rows *out);
MUST_CHECK enum err_code work_pool_slot_runs(struct work *w, const struct rows *queues,
                                             int64_t each, struct rows *out);
