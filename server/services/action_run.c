#include "server/services/action_run.h"

#include <string.h>

#include "server/db/db.h"
#include "server/model/work_pool.h"
#include "server/store/automations.h"
#include "server/store/deployments.h"
#include "server/store/flow_run_resume.h"
#include "server/store/flow_runs.h"
#include "server/store/transitions.h"
#include "server/store/work_pools.h"
#include "shared/base/clock.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

enum { SUSPEND_S = 3600 };

/* ---- results ---- */

void result_relate(struct action_result *r, const char *id, const char *role, const char *name)
{
    write_object(&r->related);
    write_key(&r->related, "prefect.resource.id");
    write_string(&r->related, id);
    write_key(&r->related, "prefect.resource.role");
    write_string(&r->related, role);
    if (name) {
        write_key(&r->related, "prefect.resource.name");
        write_string(&r->related, name);
    }
    write_end_object(&r->related);
}

void result_target(struct work *w, struct action_result *r, const char *kind, struct uuid id,
                   const char *name)
{
    result_relate(r, arena_printf(&w->arena, "%s.%s", kind, uuid_text(&w->arena, id)), "target",
                  name);
}

void result_text(struct action_result *r, const char *key, const char *value)
{
    write_key(&r->details, key);
    write_string(&r->details, value);
}

void result_int(struct action_result *r, const char *key, int64_t value)
{
    write_key(&r->details, key);
    write_int64(&r->details, value);
}

enum err_code result_refused(struct work *w, const struct claimed_action *a,
                             struct action_result *result)
{
    int status = err_infos[w->err.code].http_status;
    const char *type = a->action.type;

    if (err_infos[w->err.code].retry || w->err.code == ERR_INTERNAL)
        return w->err.code;
    result_int(result, "status_code", status);
    if (status == 409)
        result_text(result, "validation_error", w->err.detail);
    if (status == 409 || status == 422)
        result->reason =
            arena_printf(&w->arena, "Validation error occurred for '%s' - %s", type, w->err.detail);
    else
        result->reason =
            arena_printf(&w->arena, "Unexpected status from '%s' action: %d", type, status);
    return ERR_OK;
}

static enum err_code done(struct action_result *result, int64_t status)
{
    result_int(result, "status_code", status);
    return ERR_OK;
}

/* ---- targets ---- */

bool action_target(struct work *w, const struct claimed_action *a, const char *kind,
                   struct action_result *result, struct uuid *out)
{
    const char *words = kind + strlen("prefect.");
    char *spaced = arena_strndup(&w->arena, words, strlen(words));

    for (char *p = spaced; *p; p++)
        if (*p == '-')
            *p = ' ';
    *out = a->action.target;
    if (a->action.source == SOURCE_SELECTED)
        return true;
    if (!a->has_event)
        result->reason = arena_printf(&w->arena, "No event to infer the %s", spaced);
    else if (!seen_event_id_of(&a->event, kind, out))
        result->reason = arena_printf(&w->arena, "No %s could be inferred", spaced);
    return !result->reason;
}

static bool find_flow_run(struct work *w, const struct claimed_action *a,
                          struct action_result *result, struct uuid *out)
{
    const char *label = val_string(&w->arena, val_get(a->labels, "prefect.resource.id"), NULL);

    if (label && resource_id_parse(label, "prefect.flow-run", out))
        return true;
    if (a->has_event && seen_event_id_of(&a->event, "prefect.flow-run", out))
        return true;
    result->reason = "No flow run could be inferred";
    return false;
}

static enum err_code pause_deployment(struct work *w, const struct claimed_action *a,
                                      struct action_result *result)
{
    struct uuid id;

    if (!action_target(w, a, "prefect.deployment", result, &id))
        return ERR_OK;
    result_target(w, result, "prefect.deployment", id, NULL);
    if (deployment_pause(w, id, a->action.kind == ACTION_PAUSE_DEPLOYMENT))
        return result_refused(w, a, result);
    return done(result, 200);
}

/* ---- flow runs ---- */

static struct state state_of(struct work *w, const struct claimed_action *a)
{
    static const struct state_details no_details = STATE_DETAILS_INIT;
    struct state_details *details = arena_new(&w->arena, struct state_details);
    const char *by = uuid_text(&w->arena, a->automation_id);
    struct state_create in = {.state_details = details};

    *details = no_details;
    if (a->action.kind == ACTION_CANCEL_FLOW_RUN) {
        in.type = STATE_CANCELLING;
        in.message = arena_printf(&w->arena, "Cancelled by Automation %s", by);
    } else if (a->action.kind == ACTION_SUSPEND_FLOW_RUN) {
        in.type = STATE_PAUSED;
        in.name = "Suspended";
        in.message = arena_printf(&w->arena, "Suspended by Automation %s", by);
        details->pause_reschedule = true;
        details->pause_timeout_us = clock_now_us() + SUSPEND_S * INT64_C(1000000);
    } else {
        in.type = (enum state_type)a->action.state;
        in.name = a->action.name;
        in.message = a->action.message && *a->action.message
                         ? a->action.message
                         : arena_printf(&w->arena, "State changed by Automation %s", by);
    }
    return state_from_create(&w->arena, &in);
}

static enum err_code move(struct work *w, struct transition *t)
{
    struct transition *items[] = {t};
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = transitions_apply(w, items, 1);
    rc = db_end(w, rc);
    if (!rc)
        transitions_announce(w, items, 1);
    return rc;
}

static enum err_code set_state(struct work *w, const struct claimed_action *a,
                               struct action_result *result)
{
    struct transition t = {.policy = a->action.force ? POLICY_FLOW_FORCED : POLICY_FLOW};

    if (!find_flow_run(w, a, result, &t.run_id))
        return ERR_OK;
    result_target(w, result, "prefect.flow-run", t.run_id, NULL);
    t.proposed = state_of(w, a);
    enum err_code rc = move(w, &t);
    if (rc)
        return rc;
    if (!t.found) {
        (void)err_set(&w->err, NOT_FOUND, "Flow run not found");
        return result_refused(w, a, result);
    }
    if (t.verdict.status != VERDICT_ACCEPT)
        result->reason = arena_printf(&w->arena, "Failed to set state: %s", t.verdict.reason);
    return done(result, t.verdict.writes ? 201 : 200);
}

static enum err_code resume_run(struct work *w, const struct claimed_action *a,
                                struct action_result *result)
{
    struct resume r = {0};

    if (!find_flow_run(w, a, result, &r.id))
        return ERR_OK;
    result_target(w, result, "prefect.flow-run", r.id, NULL);
    if (flow_run_resume(w, &r))
        return result_refused(w, a, result);
    if (r.verdict.status != VERDICT_ACCEPT)
        result->reason = arena_printf(&w->arena, "Failed to resume flow run: %s", r.verdict.reason);
    return ERR_OK;
}

static enum err_code delete_run(struct work *w, const struct claimed_action *a,
                                struct action_result *result)
{
    struct uuid id;
    struct rows rows;

    if (!find_flow_run(w, a, result, &id))
        return ERR_OK;
    result_target(w, result, "prefect.flow-run", id, NULL);
    enum err_code rc = flow_runs_delete(w, (struct uuids){&id, 1}, &rows);
    if (!rc && !rows.count)
        rc = err_set(&w->err, NOT_FOUND, "Flow run not found");
    return rc ? result_refused(w, a, result) : done(result, 204);
}

/* ---- pools, queues, automations ---- */

static const char *pause_body(bool paused)
{
    return paused ? "{\"is_paused\":true}" : "{\"is_paused\":false}";
}

static enum err_code pause_pool(struct work *w, const struct claimed_action *a,
                                struct action_result *result)
{
    const char *body = pause_body(a->action.kind == ACTION_PAUSE_WORK_POOL), *name;
    struct work_pool_update in;
    struct uuid id;

    if (!action_target(w, a, "prefect.work-pool", result, &id))
        return ERR_OK;
    enum err_code rc = action_pool_name(w, id, &name);
    if (!rc && !name)
        result->reason =
            arena_printf(&w->arena, "Work pool %s not found", uuid_text(&w->arena, id));
    if (rc || !name)
        return rc;
    result_target(w, result, "prefect.work-pool", id, name);
    rc = json_decode_text(&w->arena, &work_pool_update_resource, body, strlen(body), &in, &w->err);
    if (!rc)
        rc = work_pool_update(w, name, &in);
    return rc ? result_refused(w, a, result) : done(result, 204);
}

static enum err_code pause_queue(struct work *w, const struct claimed_action *a,
                                 struct action_result *result)
{
    const char *body = pause_body(a->action.kind == ACTION_PAUSE_WORK_QUEUE), *pool, *queue;
    struct work_queue_write in;
    struct uuid id;

    if (!action_target(w, a, "prefect.work-queue", result, &id))
        return ERR_OK;
    result_target(w, result, "prefect.work-queue", id, NULL);
    enum err_code rc = action_queue_names(w, id, &pool, &queue);
    if (!rc && !pool)
        rc = err_set(&w->err, NOT_FOUND, "Work queue not found");
    if (!rc)
        rc = json_decode_text(&w->arena, &work_queue_update_resource, body, strlen(body), &in,
                              &w->err);
    if (!rc)
        rc = work_queue_update(w, pool, queue, &in);
    return rc ? result_refused(w, a, result) : done(result, 204);
}

static enum err_code pause_automation(struct work *w, const struct claimed_action *a,
                                      struct action_result *result)
{
    struct uuid id;
    const char *reason;

    if (!action_target(w, a, "prefect.automation", result, &id))
        return ERR_OK;
    result_target(w, result, "prefect.automation", id, NULL);
    if (automation_enable(w, id, a->action.kind == ACTION_RESUME_AUTOMATION, &reason))
        return result_refused(w, a, result);
    return done(result, 204);
}

static enum err_code do_nothing(struct work *w, const struct claimed_action *a,
                                struct action_result *result)
{
    (void)w, (void)a, (void)result;
    return ERR_OK;
}

static action_fn *const runs[ACTION_KINDS] = {
    [ACTION_DO_NOTHING] = do_nothing,
    [ACTION_RUN_DEPLOYMENT] = action_run_deployment,
    [ACTION_PAUSE_DEPLOYMENT] = pause_deployment,
    [ACTION_RESUME_DEPLOYMENT] = pause_deployment,
    [ACTION_CANCEL_FLOW_RUN] = set_state,
    [ACTION_DELETE_FLOW_RUN] = delete_run,
    [ACTION_CHANGE_FLOW_RUN_STATE] = set_state,
    [ACTION_PAUSE_WORK_QUEUE] = pause_queue,
    [ACTION_RESUME_WORK_QUEUE] = pause_queue,
    [ACTION_SEND_NOTIFICATION] = action_send_notification,
    [ACTION_CALL_WEBHOOK] = action_call_webhook,
    [ACTION_PAUSE_AUTOMATION] = pause_automation,
    [ACTION_RESUME_AUTOMATION] = pause_automation,
    [ACTION_SUSPEND_FLOW_RUN] = set_state,
    [ACTION_RESUME_FLOW_RUN] = resume_run,
    [ACTION_PAUSE_WORK_POOL] = pause_pool,
    [ACTION_RESUME_WORK_POOL] = pause_pool,
};

enum err_code action_run(struct work *w, const struct claimed_action *a,
                         struct action_result *result)
{
    return runs[a->action.kind](w, a, result);
}
