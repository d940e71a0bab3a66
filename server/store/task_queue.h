/* The queue of background task runs.  A run is held by the consumer it was sent to until it is
 * acknowledged or released, or the time is over (the consumer's server died). */
#pragma once
#include "server/db/db.h"
#include "shared/json/value.h"

enum { TASK_HOLD_S = 30 };

struct task_hold {
    struct uuid task_run_id;
    const char *until; /* as PostgreSQL prints it; NULL: nothing is held */
};

/* Within the transaction that schedules the run; again: it failed and comes before the others. */
MUST_CHECK enum err_code task_queue_put(struct work *w, struct uuid task_run, bool again);
/* The next run of these task keys; out->until is NULL when there is none. */
MUST_CHECK enum err_code task_queue_take(struct work *w, struct strings keys,
                                         struct task_hold *out);
MUST_CHECK enum err_code task_queue_acknowledge(struct work *w, const struct task_hold *hold);
MUST_CHECK enum err_code task_queue_release(struct work *w, const struct task_hold *hold);
/* Forgets runs that no longer wait. */
MUST_CHECK enum err_code task_queue_sweep(struct work *w);
