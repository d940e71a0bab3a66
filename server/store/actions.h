/* The queue of actions that fired automations wait for.
 *
 *   claim (a term) -> done: deleted, with the events that tell it, in one transaction
 *                  -> put off: tried again       nobody is heard of: claimed again after the term
 *
 * So each is done at least once; runs are made with an idempotency key, once. */
#pragma once
#include "server/db/db.h"
#include "server/model/action.h"
#include "server/model/seen_event.h"

enum { ACTION_TERM_S = 15, ACTION_SENDING_S = 240, ACTION_ATTEMPTS_MAX = 5 };

struct claimed_action {
    struct uuid id, automation_id, triggered_event;
    int64_t triggered_us, attempts, index;
    struct val context, automation, firing, labels;
    bool has_event;
    struct seen_event event;
    struct action action;
};

/* Rows that cannot be read are dropped, with a line in the log. */
MUST_CHECK enum err_code actions_claim(struct work *w, size_t count, struct claimed_action *out,
                                       size_t *out_count);
/* TIME_NONE: none waits. */
MUST_CHECK enum err_code actions_next_due(struct work *w, int64_t *out_us);
/* Not before so many seconds: tried again then, or the term of one that takes long. */
MUST_CHECK enum err_code action_put_off(struct work *w, const struct claimed_action *a,
                                        double seconds);

/* What became of it. */
struct action_result {
    const char *reason; /* NULL: it was executed */
    struct buf details; /* members of the event's payload, behind each other */
    struct buf related; /* resources of the event, behind each other */
};

/* One transaction: the action is gone, its two events are there.  *out_lost: it was somebody
 * else's by now, nothing was written. */
MUST_CHECK enum err_code action_done(struct work *w, const struct claimed_action *a,
                                     const struct action_result *result, bool *out_lost);

/* NULL when there is none of that id. */
MUST_CHECK enum err_code action_pool_name(struct work *w, struct uuid id, const char **out);
MUST_CHECK enum err_code action_queue_names(struct work *w, struct uuid id, const char **out_pool,
                                            const char **out_queue);
/* Columns name, value. */
MUST_CHECK enum err_code action_variables(struct work *w, struct rows *out);
