/* A lane: many small writes, few commits.
 *
 *   submit -> [ queue ] -> a batch of all that waits -> run() -> one commit -> each caller its
 * verdict
 *
 * While a lane's connection is busy with one batch the next one gathers; an idle lane sends at
 * once, so there is no timer and no added latency.  Each thread of a lane has its own connection;
 * batches that run side by side must lock their rows in the order of their ids.
 *
 * Owns:   nothing but its threads; items belong to the caller until run() has finished them.
 * Thread: lane_submit() from any. */
#pragma once
#include "server/work.h"

struct lane;

/* First member of whatever a caller submits. */
struct lane_item {
    struct lane_item *next;
};

struct lane_kind {
    const char *name;
    size_t batch_max;
    size_t queue_max; /* then lane_submit() says BUSY */
    /* Handles every item and tells its caller, whatever happens.  w->arena is reset afterwards. */
    void (*run)(struct work *w, struct lane_item **items, size_t count);
};

struct lane *lane_start(struct server *server, const struct lane_kind *kind, size_t threads);
/* Runs what is queued, then joins its threads. */
void lane_stop(struct lane *lane);
MUST_CHECK enum err_code lane_submit(struct lane *lane, struct lane_item *item, struct err *e);

struct lane_numbers {
    const char *name;
    uint64_t batches, items;
    size_t waiting;
};
struct lane_numbers lane_numbers(struct lane *lane);
