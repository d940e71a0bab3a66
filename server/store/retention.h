/* What is too old goes: whole weeks of the partitioned tables by DROP, the rest in batches.
 *
 * An event lives at least as long as its retention and at most a week longer.  Logs and states go
 * after their run; a week of them without a run that is left is dropped.
 *
 * Thread: that of the work; long, but gives up between two batches when the server stops. */
#pragma once
#include "server/db/db.h"
#include "shared/json/doc.h"

struct retention {
    int64_t batch;
    int64_t events_us;    /* how long events live */
    struct val overrides; /* {name of an event: ISO 8601 duration} */
    int64_t runs_us;      /* how long runs live after their end */
};

struct retention_count {
    int64_t partitions, rows;
};

/* Is it our turn to do `what`?  The other servers wait until every_us is over.  *out_next_us: the
 * next turn. */
MUST_CHECK enum err_code retention_turn(struct work *w, const char *what, int64_t every_us,
                                        bool *out_ours, int64_t *out_next_us);

MUST_CHECK enum err_code retention_events(struct work *w, const struct retention *r,
                                          struct retention_count *done);
MUST_CHECK enum err_code retention_runs(struct work *w, const struct retention *r,
                                        struct retention_count *done);
/* Logs, states and artifacts of runs that are gone. */
MUST_CHECK enum err_code retention_orphans(struct work *w, const struct retention *r,
                                           struct retention_count *done);

/* The partitions of the weeks to come. */
MUST_CHECK enum err_code partitions_make(struct work *w, int weeks);
