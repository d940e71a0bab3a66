/* State transitions of flow runs, in batches: lock the rows in the order of their ids, let
 * model/orchestration decide each item, write all with a few statements.
 *
 * A batch is one transaction of the caller.  Items of the same run are decided one after the other.
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
};

/* Within db_begin() ... db_commit(). */
MUST_CHECK enum err_code transitions_apply(struct work *w, struct transition **items, size_t count);

/* After the commit: wakes whoever waits for runs, for cancellation and so on. */
void transitions_announce(struct work *w, struct transition **items, size_t count);
