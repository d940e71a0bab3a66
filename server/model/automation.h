/* Automations: when a trigger fires, actions are done.  Triggers and actions: trigger.h, action.h.
 */
#pragma once
#include "shared/json/field.h"

struct automation {
    struct given given;
    const char *name, *description;
    bool enabled;
    struct strings tags;
    struct raw trigger, actions, actions_on_trigger, actions_on_resolve; /* canonical JSON */
    struct uuid id;
    int64_t created_us, updated_us;
    const char *owner_resource;
};

struct automation_patch {
    struct given given;
    bool enabled;
};

extern const struct resource automation_resource, automation_create_resource,
    automation_update_resource, automation_patch_resource;

/* Why an enabled automation would make runs that make it fire again; NULL: it would not. */
const char *automation_loop_reason(struct arena *a, const struct automation *automation);
