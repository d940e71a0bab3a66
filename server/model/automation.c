#include "server/model/automation.h"

#include <string.h>

#include "server/model/action.h"
#include "server/model/trigger.h"

#define A struct automation

/* ---- loops of runs ---- */

static bool expects_new_runs(const struct trigger *t)
{
    static const char *const names[] = {"prefect.flow-run.Scheduled", "prefect.flow-run.Pending",
                                        "prefect.flow-run.Running", "prefect.flow-run.*"};

    for (size_t i = 0; i < t->expect.count; i++)
        for (size_t k = 0; k < COUNT(names); k++)
            if (!strcmp(t->expect.items[i], names[k]))
                return true;
    return false;
}

static bool matches_all_runs(const struct trigger *t)
{
    if (!specification_is_open(&t->resource, "prefect.flow-run"))
        return false;
    for (size_t i = 0; i < t->related_count; i++)
        if (specification_is_open(&t->related[i], "prefect.flow-run"))
            return true;
    return false;
}

static const char *reason_of(const struct trigger *t, const struct action *action)
{
    if (action->kind != ACTION_RUN_DEPLOYMENT)
        return NULL;
    if (action->source == SOURCE_INFERRED)
        return "Running an inferred deployment from a flow run state change event will lead to an "
               "infinite loop of flow runs.  Please choose a specific deployment and add "
               "additional filtering labels to the match or match_related for this automation's "
               "trigger.";
    if (matches_all_runs(t))
        return "Running a selected deployment from a flow run state change event may lead to an "
               "infinite loop of flow runs.  Please include additional filtering labels on either "
               "match or match_related to narrow down which flow runs will trigger this "
               "automation to exclude flow runs from the deployment you've selected.";
    return NULL;
}

const char *automation_loop_reason(struct arena *a, const A *automation)
{
    struct trigger t = {0};
    struct doc doc;
    struct doc_error bad;
    struct err e = {0};
    const char *reason = NULL;

    if (!automation->enabled || trigger_load(a, automation->trigger, &t, &e) ||
        t.kind != TRIGGER_EVENT || t.posture != POSTURE_REACTIVE || !expects_new_runs(&t) ||
        !doc_parse(a, automation->actions.text, automation->actions.len, &doc, &bad))
        return NULL;
    for (struct val_iter it = val_each(doc_root(&doc)); !reason && val_next(&it);) {
        struct action action = {0};
        if (!action_load(a, val_raw(it.value), &action, &e))
            reason = reason_of(&t, &action);
    }
    return reason;
}

static const char *check(struct arena *a, const void *object)
{
    return automation_loop_reason(a, object);
}

/* ---- rows ---- */

/* clang-format off */
#define WRITTEN \
    F_STR(A, name, F_REQUIRED, .doc = "For people."), \
    F_STR(A, description, .def = "\"\"", .doc = "What it is for."), \
    F_BOOL(A, enabled, .def = "true", .doc = "Whether it is evaluated."), \
    F_STRS(A, tags, .def = "[]", .doc = "For filters."), \
    F_JSON(A, trigger, F_REQUIRED, .read = trigger_read, .doc = "An event, compound or sequence trigger."), \
    F_JSON(A, actions, F_REQUIRED, .read = actions_read, .doc = "Done when the trigger fires."), \
    F_JSON(A, actions_on_trigger, .def = "[]", .read = actions_read, .doc = "Done when the automation becomes triggered; their event is the one that says so."), \
    F_JSON(A, actions_on_resolve, .def = "[]", .read = actions_read, .doc = "Done when it is resolved.")

static const struct field automation_fields[] = {
    WRITTEN,
    F_UUID(A, id, .doc = "Assigned by the server."),
    F_TIME(A, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(A, updated, F_NULLABLE, .doc = "When it was last changed."),
};
const struct resource automation_resource = RESOURCE_NAMED("Automation", automation, automation_fields);

static const struct field create_fields[] = {
    WRITTEN,
    F_STR(A, owner_resource, F_NULLABLE, .column = "", .doc = "The resource it belongs to."),
};
const struct resource automation_create_resource = RESOURCE_NAMED("AutomationCreate", automation, create_fields, .check = check);

static const struct field update_fields[] = {WRITTEN};
const struct resource automation_update_resource = RESOURCE_NAMED("AutomationUpdate", automation, update_fields, .check = check);

static const struct field patch_fields[] = {
    F_BOOL(struct automation_patch, enabled, .def = "true", .doc = "Whether it is evaluated."),
};
const struct resource automation_patch_resource = RESOURCE_NAMED("AutomationPartialUpdate", automation_patch, patch_fields);
/* clang-format on */
