/* What agents deliver from their journals, exactly once. */
#pragma once
#include "server/store/claims.h"

/* What became of a record. */
struct journal_outcome {
    struct uuid flow_run_id;
    const char *refused;                 /* NULL: it took effect, or had it before */
    const struct transition *transition; /* of a `state` that took effect; else NULL */
};

/* Within db_begin() ... db_commit().  outcomes has in->records_count items.  *out_room: claims
 * ended. Errors: INVALID when the database refuses a text; the caller tries the records one by one.
 */
MUST_CHECK enum err_code journal_take(struct work *w, const struct journal_call *in,
                                      struct journal_outcome *outcomes,
                                      struct transition_list *done, bool *out_room);

/* Passes over a record for good. */
MUST_CHECK enum err_code journal_skip(struct work *w, struct uuid agent, int64_t seq);
