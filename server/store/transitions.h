/* State transitions of flow runs, in batches: read the rows, let model/orchestration decide each
 * item, write all with one statement.  Items of the same run are decided one after the other.
 * Thread: that of the work. */
#pragma once
#include "server/db/db.h"
#include "server/model/orchestration.h"

struct transition {
    struct uuid run_id;
    struct state proposed;
    enum policy_id policy;
    struct client_facts client;
    struct verdict verdict; /* out */
    bool found;             /* out: false when there is no such run */
    struct uuid previous;   /* out: the state before; nil for none */
    struct run_facts facts; /* working memory */
    int64_t version;        /* of the run's row when the facts were read */
    bool stale;             /* the row had changed when the verdict was to be written */
};

/* Within db_begin() ... db_commit(), which makes them durable.  Locks the rows in the order of
 * their ids. */
MUST_CHECK enum err_code transitions_apply(struct work *w, struct transition **items, size_t count);

/* A transaction of its own, durable when it returns.  Locks nothing at first: what somebody else
 * changed between reading and writing is decided again, with locks. */
MUST_CHECK enum err_code transitions_run(struct work *w, struct transition **items, size_t count);

/* After the commit: wakes whoever waits for runs, for cancellation and so on. */
void transitions_announce(struct work *w, struct transition **items, size_t count);
