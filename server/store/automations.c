#include "server/store/automations.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/db/update.h"
#include "server/model/action.h"
#include "server/model/job_template.h"
#include "server/model/trigger.h"
#include "server/store/automation_events.h"
#include "server/store/deployment_runs.h"
#include "server/store/event_wake.h"

/* ---- run-deployment actions ---- */

/* Calls visit() for every selected run-deployment among the actions. */
struct visitor {
    enum err_code (*visit)(struct work *w, const struct action *action, void *context);
    void *context;
};

static enum err_code each_deployment(struct work *w, struct raw actions, const struct visitor *v)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    enum err_code rc = ERR_OK;

    if (!doc_parse(&w->arena, actions.text, actions.len, doc, &bad))
        return err_set(&w->err, INTERNAL, "actions are not JSON");
    for (struct val_iter it = val_each(doc_root(doc)); !rc && val_next(&it);) {
        struct action action = {0};
        rc = action_load(&w->arena, val_raw(it.value), &action, &w->err);
        if (!rc && action.kind == ACTION_RUN_DEPLOYMENT && action.source == SOURCE_SELECTED)
            rc = v->visit(w, &action, v->context);
    }
    return rc;
}

static enum err_code check_variables(struct work *w, const struct action *action, void *problems)
{
    const char **text = problems, *why = NULL;
    struct run_source source;
    struct doc own;
    struct doc_error bad;
    struct val layers[2] = {{0}, {0}};

    if (!action->job_variables.text || !strcmp(action->job_variables.text, "{}"))
        return ERR_OK;
    enum err_code rc = run_source_get(w, action->target, &source);
    if (rc == ERR_NOT_FOUND)
        return err_set(&w->err, NOT_FOUND, "Deployment not found.");
    if (rc || !source.work_pool_name)
        return rc;
    layers[0] = source.job_variables;
    if (doc_parse(&w->arena, action->job_variables.text, action->job_variables.len, &own, &bad))
        layers[1] = doc_root(&own);
    why = job_variables_check(&w->arena, source.job_template, JOB_RUN, layers, COUNT(layers));
    if (why)
        *text = arena_printf(&w->arena, "%s%s%s", *text, **text ? " " : "", why);
    return ERR_OK;
}

static enum err_code check_actions(struct work *w, struct raw actions)
{
    const char *problems = "";
    enum err_code rc = each_deployment(w, actions, &(struct visitor){check_variables, &problems});

    if (rc || !*problems)
        return rc;
    return err_set(&w->err, INVALID, "Error creating automation: %s", problems);
}

static enum err_code relate_one(struct work *w, const struct action *action, void *automation)
{
    struct rows none;
    char id[UUID_TEXT_BYTES];

    uuid_format(action->target, id);
    return db_query(
        w, Q_automation_relate,
        PARAMS(automation, arena_printf(&w->arena, "prefect.deployment.%s", id), param_bool(false)),
        &none);
}

static enum err_code relate(struct work *w, struct uuid id, struct raw actions)
{
    struct rows none;
    void *automation = (void *)(uintptr_t)param_uuid(w, id);
    enum err_code rc = db_query(w, Q_automation_unrelate, PARAMS(automation), &none);

    return rc ? rc : each_deployment(w, actions, &(struct visitor){relate_one, automation});
}

/* ---- Proactive triggers ---- */

static enum err_code arm_tree(struct work *w, const char *automation, const struct trigger *t)
{
    struct rows none;
    enum err_code rc = ERR_OK;

    if (t->kind == TRIGGER_EVENT && t->posture == POSTURE_PROACTIVE)
        return db_query(w, Q_automation_arm, PARAMS(param_uuid(w, t->id), automation), &none);
    for (size_t i = 0; i < t->child_count && !rc; i++)
        rc = arm_tree(w, automation, &t->children[i]);
    return rc;
}

static enum err_code arm(struct work *w, struct uuid id)
{
    const char *automation = param_uuid(w, id);
    struct trigger t = {0};
    struct rows rows, none;

    enum err_code rc = db_query(w, Q_automation_disarm, PARAMS(automation), &none);
    if (!rc)
        rc = db_query(w, Q_automation_by_id, PARAMS(automation), &rows);
    if (rc || !rows.count || !rows_bool(&rows, 0, 2))
        return rc;
    rc = trigger_load(&w->arena, (struct raw){rows_text(&rows, 0, 4), rows_len(&rows, 0, 4)}, &t,
                      &w->err);
    return rc ? rc : arm_tree(w, automation, &t);
}

/* ---- changes ---- */

static void wake(struct work *w, struct commit_hook *hook)
{
    (void)hook;
    event_wake_ring(w->server->wake);
}

static enum err_code begin(struct work *w)
{
    struct rows none;
    enum err_code rc = db_begin(w);
    return rc ? rc : db_query(w, Q_automation_change, NULL, &none);
}

/* Proactive triggers start at once. */
static enum err_code end(struct work *w, enum err_code rc)
{
    if (!rc) {
        struct commit_hook *hook = arena_new(&w->arena, struct commit_hook);
        hook->run = wake;
        db_after_commit(w, hook);
        rc = db_commit(w);
    }
    if (rc)
        db_rollback(w);
    return rc;
}

static enum err_code not_found(struct work *w)
{
    return err_set_object(&w->err, NOT_FOUND, "Automation not found");
}

static enum err_code insert(struct work *w, const struct automation *in, struct uuid id,
                            struct rows *out)
{
    struct rows none;
    const char *const parameters[] = {
        param_uuid(w, id),
        in->name,
        in->description,
        param_bool(in->enabled),
        param_strings(w, in->tags),
        in->trigger.text,
        in->actions.text,
        in->actions_on_trigger.text,
        in->actions_on_resolve.text,
    };
    enum err_code rc = db_query(w, Q_automation_insert, parameters, out);
    if (!rc)
        rc = relate(w, id, in->actions);
    if (!rc && in->owner_resource && *in->owner_resource)
        rc = db_query(w, Q_automation_relate,
                      PARAMS(parameters[0], in->owner_resource, param_bool(true)), &none);
    if (!rc)
        rc = arm(w, id);
    return rc ? rc : automation_event(w, "created", out);
}

enum err_code automation_create(struct work *w, const struct automation *in, struct rows *out)
{
    enum err_code rc = check_actions(w, in->actions);

    if (!rc && !(rc = begin(w)))
        rc = end(w, insert(w, in, uuid_v4(), out));
    return rc;
}

enum err_code automation_get(struct work *w, struct uuid id, struct rows *out)
{
    enum err_code rc = db_query(w, Q_automation_by_id, PARAMS(param_uuid(w, id)), out);
    return rc ? rc : out->count ? ERR_OK : not_found(w);
}

static enum err_code tell(struct work *w, const char *what, struct uuid id)
{
    struct rows rows;
    enum err_code rc = automation_get(w, id, &rows);
    return rc ? rc : automation_event(w, what, &rows);
}

static enum err_code update(struct work *w, struct uuid id, const struct automation *in)
{
    struct rows rows, none;
    struct sql s;

    sql_begin(&s, w);
    sql_update(&s, "automation", &automation_update_resource, in);
    sql_add(&s, " WHERE id = ");
    sql_param(&s, param_uuid(w, id));
    sql_add(&s, " RETURNING id");
    enum err_code rc = sql_run(&s, &rows);
    if (!rc && !rows.count)
        rc = not_found(w);
    if (!rc)
        rc = db_query(w, Q_automations_forget_triggers, PARAMS(param_uuid(w, id)), &none);
    if (!rc)
        rc = relate(w, id, in->actions);
    if (!rc)
        rc = arm(w, id);
    return rc ? rc : tell(w, "updated", id);
}

enum err_code automation_update(struct work *w, struct uuid id, const struct automation *in)
{
    enum err_code rc = check_actions(w, in->actions);

    if (!rc && !(rc = begin(w)))
        rc = end(w, update(w, id, in));
    return rc;
}

static enum err_code enable(struct work *w, struct uuid id, bool enabled, const char **out_reason)
{
    struct rows rows, none;
    enum err_code rc = automation_get(w, id, &rows);

    if (rc)
        return rc;
    struct automation a = {
        .enabled = enabled,
        .trigger = {rows_text(&rows, 0, 4), rows_len(&rows, 0, 4)},
        .actions = {rows_text(&rows, 0, 5), rows_len(&rows, 0, 5)},
    };
    if ((*out_reason = automation_loop_reason(&w->arena, &a)))
        return err_set(&w->err, INVALID, "%s", *out_reason);
    rc = db_query(w, Q_automation_enable, PARAMS(param_uuid(w, id), param_bool(enabled)), &none);
    if (!rc)
        rc = arm(w, id);
    return rc ? rc : tell(w, "updated", id);
}

enum err_code automation_enable(struct work *w, struct uuid id, bool enabled,
                                const char **out_reason)
{
    *out_reason = NULL;
    enum err_code rc = begin(w);
    return rc ? rc : end(w, enable(w, id, enabled, out_reason));
}

static enum err_code delete_one(struct work *w, struct uuid id)
{
    struct rows none;
    enum err_code rc = tell(w, "deleted", id);
    return rc ? rc : db_query(w, Q_automation_delete, PARAMS(param_uuid(w, id)), &none);
}

enum err_code automation_delete(struct work *w, struct uuid id)
{
    enum err_code rc = begin(w);
    return rc ? rc : end(w, delete_one(w, id));
}

enum err_code automations_related_to(struct work *w, const char *resource_id, struct rows *out)
{
    return db_query(w, Q_automations_related_to, PARAMS(resource_id, param_bool(false)), out);
}

static enum err_code delete_owned(struct work *w, const char *resource_id)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_automations_related_to, PARAMS(resource_id, param_bool(true)), &rows);

    for (int i = 0; !rc && i < rows.count; i++) {
        struct uuid id;
        if (uuid_parse(rows_text(&rows, i, 8), rows_len(&rows, i, 8), &id))
            rc = delete_one(w, id);
    }
    return rc;
}

enum err_code automations_delete_owned(struct work *w, const char *resource_id)
{
    enum err_code rc = begin(w);
    return rc ? rc : end(w, delete_owned(w, resource_id));
}
