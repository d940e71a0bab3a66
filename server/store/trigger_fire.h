/* What follows when a trigger fires: its parent is looked at, or the automation acts - one event
 * that tells it and one queued action for each action. */
#pragma once
#include "server/model/event.h"
#include "server/store/trigger_set.h"

/* What the firings of a transaction give, stored together at its end. */
struct firings {
    int64_t last_us; /* firings of one transaction have times of their own, in their order */
    const struct event **events;
    size_t event_count, event_room;
    struct queued_action {
        struct uuid id;
        const struct armed *automation;
        int64_t triggered_us;
        const char *context;
    } * actions;
    size_t action_count, action_room;
};

struct fired {
    const struct armed *automation;
    const struct trigger *trigger;
    struct raw labels, event; /* event: no text for none */
};

/* Within the transaction that holds triggers_lock. */
MUST_CHECK enum err_code trigger_fire(struct work *w, struct firings *f, const struct fired *what);
MUST_CHECK enum err_code firings_store(struct work *w, struct firings *f);
