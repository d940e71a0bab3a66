#include "server/store/actions.h"

#include <string.h>

#include "server/db/params.h"
#include "server/store/events.h"
#include "shared/base/clock.h"
#include "shared/base/fault.h"
#include "shared/base/log.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

enum { JSON_MAX_BYTES = 4 << 20 };

#define FOLLOWS_US INT64_C(300000000)

/* ---- claiming ---- */

static struct uuid uuid_of(const char *text)
{
    struct uuid id = {0};
    return text && uuid_parse(text, strlen(text), &id) ? id : (struct uuid){0};
}

static enum err_code read_one(struct work *w, const struct rows *rows, int row,
                              struct claimed_action *out)
{
    struct arena *a = &w->arena;
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    *out = (struct claimed_action){
        .id = uuid_of(rows_text(rows, row, 0)),
        .automation_id = uuid_of(rows_text(rows, row, 1)),
        .triggered_us = rows_time(rows, row, 2),
        .attempts = rows_i64(rows, row, 3),
    };
    if (!doc_parse(a, rows_text(rows, row, 4), rows_len(rows, row, 4), doc, &bad))
        return err_set(&w->err, INTERNAL, "context: %s", bad.reason);
    struct val root = doc_root(doc), event = val_get(root, "triggering_event");
    out->context = root;
    out->automation = val_get(root, "automation");
    out->firing = val_get(root, "firing");
    out->labels = val_get(root, "triggering_labels");
    out->triggered_event =
        uuid_of(val_string(a, val_get(root, "automation_triggered_event_id"), NULL));
    if (!val_int64(val_get(root, "action_index"), &out->index))
        out->index = 0;
    out->has_event = val_type(event) == DOC_OBJECT;
    enum err_code rc = action_load(a, val_raw(val_get(root, "action")), &out->action, &w->err);
    if (!rc && out->has_event)
        rc = seen_event_read(a, val_raw(event), &out->event, &w->err);
    return rc;
}

static enum err_code drop(struct work *w, const struct claimed_action *a)
{
    struct rows none;

    log_warn("action_unreadable", KV_E(&w->err));
    return db_query(w, Q_action_done, PARAMS(param_uuid(w, a->id), param_i64(w, a->attempts)),
                    &none);
}

enum err_code actions_claim(struct work *w, size_t count, struct claimed_action *out,
                            size_t *out_count)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_actions_claim,
                 PARAMS(param_i64(w, (int64_t)count), param_i64(w, ACTION_TERM_S)), &rows);

    *out_count = 0;
    for (int i = 0; !rc && i < rows.count; i++) {
        struct claimed_action *a = &out[*out_count];
        if (read_one(w, &rows, i, a))
            rc = drop(w, a);
        else
            ++*out_count;
    }
    return rc;
}

enum err_code actions_next_due(struct work *w, int64_t *out_us)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_actions_next_due, NULL, &rows);

    if (!rc)
        *out_us = rows_time(&rows, 0, 0);
    return rc;
}

enum err_code action_put_off(struct work *w, const struct claimed_action *a, double seconds)
{
    struct rows none;
    return db_query(w, Q_action_put_off,
                    PARAMS(param_uuid(w, a->id), param_i64(w, a->attempts), param_f64(w, seconds)),
                    &none);
}

/* ---- the events that tell it ---- */

static struct raw resource_of(struct work *w, const struct claimed_action *a)
{
    struct val posture = val_get(val_get(a->automation, "trigger"), "posture");
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    write_object(&b);
    write_member(
        &b, "prefect.resource.id",
        arena_printf(&w->arena, "prefect.automation.%s", uuid_text(&w->arena, a->automation_id)));
    write_member(&b, "prefect.resource.name",
                 val_string(&w->arena, val_get(a->automation, "name"), NULL));
    write_member(&b, "prefect.trigger-type",
                 val_string(&w->arena, val_get(a->context, "trigger_type"), NULL));
    if (val_type(posture) == DOC_STRING)
        write_member(&b, "prefect.posture", val_string(&w->arena, posture, NULL));
    write_end_object(&b);
    return write_take(&w->arena, &b);
}

static void write_event_link(struct work *w, struct buf *b, struct uuid event, const char *role)
{
    write_object(b);
    write_member(b, "prefect.resource.id",
                 arena_printf(&w->arena, "prefect.event.%s", uuid_text(&w->arena, event)));
    write_member(b, "prefect.resource.role", role);
    write_end_object(b);
}

static struct raw related_of(struct work *w, const struct claimed_action *a,
                             const struct action_result *result)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    write_array(&b);
    if (result->related.len)
        write_raw(&b, (struct raw){result->related.bytes, result->related.len});
    if (!uuid_is_nil(a->triggered_event)) {
        write_separator(&b);
        write_event_link(w, &b, a->triggered_event, "automation-triggered-event");
    }
    if (a->has_event) {
        write_separator(&b);
        write_event_link(w, &b, a->event.id, "triggering-event");
    }
    write_end_array(&b);
    return write_take(&w->arena, &b);
}

static struct raw payload_of(struct work *w, const struct claimed_action *a,
                             const struct action_result *result)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    write_object(&b);
    write_key(&b, "action_index");
    write_int64(&b, a->index);
    write_member(&b, "action_type", a->action.type);
    write_member(&b, "invocation", uuid_text(&w->arena, a->id));
    if (result && result->reason)
        write_member(&b, "reason", result->reason);
    if (result && result->details.len) {
        write_separator(&b);
        write_raw(&b, (struct raw){result->details.bytes, result->details.len});
    }
    write_end_object(&b);
    return write_take(&w->arena, &b);
}

static enum err_code tell(struct work *w, const struct claimed_action *a,
                          const struct action_result *result)
{
    struct raw resource = resource_of(w, a), related = related_of(w, a, result);
    int64_t apart_us = a->has_event ? a->triggered_us - a->event.occurred_us : FOLLOWS_US;
    bool tight = apart_us < FOLLOWS_US && apart_us > -FOLLOWS_US;
    struct uuid none = {0};
    struct event triggered = {
        .id = uuid_v7(),
        .occurred_us = a->triggered_us,
        .event = "prefect.automation.action.triggered",
        .resource = resource,
        .related = related,
        .payload = payload_of(w, a, NULL),
        .follows = tight ? a->event.id : none,
    };
    struct event ended = {
        .id = uuid_v7(),
        .occurred_us = clock_now_us(),
        .event = result->reason ? "prefect.automation.action.failed"
                                : "prefect.automation.action.executed",
        .resource = resource,
        .related = related,
        .payload = payload_of(w, a, result),
        .follows = triggered.id,
    };
    const struct event *both[] = {&triggered, &ended};
    return events_store(w, both, COUNT(both));
}

enum err_code action_done(struct work *w, const struct claimed_action *a,
                          const struct action_result *result, bool *out_lost)
{
    struct rows rows;
    enum err_code rc = db_begin(w);

    *out_lost = false;
    if (!rc)
        rc = db_query(w, Q_action_done, PARAMS(param_uuid(w, a->id), param_i64(w, a->attempts)),
                      &rows);
    if (!rc && !(*out_lost = !rows.count))
        rc = tell(w, a, result);
    if (!rc && FAULT("actions.commit"))
        rc = err_set(&w->err, DB, "fault: actions.commit");
    return db_end(w, rc);
}

/* ---- targets ---- */

enum err_code action_pool_name(struct work *w, struct uuid id, const char **out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_action_pool_name, PARAMS(param_uuid(w, id)), &rows);

    *out = !rc && rows.count ? rows_text(&rows, 0, 0) : NULL;
    return rc;
}

enum err_code action_queue_names(struct work *w, struct uuid id, const char **out_pool,
                                 const char **out_queue)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_action_queue_names, PARAMS(param_uuid(w, id)), &rows);
    bool found = !rc && rows.count;

    *out_pool = found ? rows_text(&rows, 0, 0) : NULL;
    *out_queue = found ? rows_text(&rows, 0, 1) : NULL;
    return rc;
}

enum err_code action_variables(struct work *w, struct rows *out)
{
    return db_query(w, Q_action_variables, NULL, out);
}
