/* Evaluating triggers, for the service (services/triggers.c).  Every server may do it: one at a
 * time holds the row automation_state, so evaluations and changes of automations follow one
 * another, whoever does them.
 *
 *   take events -> windows -> firings -> actions: one transaction, so a crash changes nothing
 *
 * Thread: one per set. */
#pragma once
#include "server/store/trigger_set.h"

struct trigger_pass {
    bool more;      /* out: there is more to do now */
    size_t actions; /* out: how many were queued */
};

/* Evaluates queued events, those that came too early after the ones they follow. */
MUST_CHECK enum err_code triggers_evaluate(struct work *w, struct trigger_set *set,
                                           struct trigger_pass *out);
/* Looks at Proactive triggers whose time has come. */
MUST_CHECK enum err_code triggers_look(struct work *w, struct trigger_set *set,
                                       struct trigger_pass *out);
/* Drops what is too old to matter. */
MUST_CHECK enum err_code triggers_sweep(struct work *w);
/* When triggers_look() or triggers_evaluate() has something to do without a new event;
 * TIME_NONE: not before there is one. */
MUST_CHECK enum err_code triggers_next_due(struct work *w, int64_t *out_us);
/* Whether events are queued; without a lock. */
MUST_CHECK enum err_code triggers_have_events(struct work *w, bool *out);
