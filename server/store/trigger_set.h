/* All enabled automations as triggers see them: loaded once, and again when one has changed.
 *
 * Thread: one owner, the service that evaluates. */
#pragma once
#include "server/db/db.h"
#include "server/model/trigger.h"

struct armed {
    struct uuid id;
    const char *name;
    struct raw json; /* the automation as GET gives it */
    struct trigger root;
    struct raw actions, actions_on_trigger;
};

/* An event trigger, wherever it stands in the tree. */
struct watcher {
    struct armed *automation;
    const struct trigger *trigger;
};

struct trigger_set {
    struct arena arena;
    int64_t version; /* 0: not loaded */
    struct armed *automations;
    size_t count;
    struct watcher *watchers;
    size_t watcher_count;
};

/* Within the transaction that holds triggers_lock. */
MUST_CHECK enum err_code trigger_set_load(struct work *w, struct trigger_set *set, int64_t version);
void trigger_set_free(struct trigger_set *set);
