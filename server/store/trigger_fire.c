#include "server/store/trigger_fire.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/events.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

enum { JSON_MAX_BYTES = 32 << 20 };

/* ---- the firing ---- */

struct firing {
    const struct fired *what;
    int64_t fired_us;
    struct raw children; /* JSON array */
    struct raw json;
};

static void make_firing(struct work *w, struct firings *f, struct firing *out)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    f->last_us = w->now_us > f->last_us ? w->now_us : f->last_us + 1;
    out->fired_us = f->last_us;
    write_object(&b);
    write_member(&b, "id", uuid_text(&w->arena, uuid_v7()));
    write_key(&b, "trigger");
    write_raw(&b, out->what->trigger->json);
    write_key(&b, "trigger_states");
    write_raw(&b, RAW("[\"Triggered\"]"));
    write_key(&b, "triggered");
    write_time(&b, out->fired_us);
    write_key(&b, "triggering_labels");
    write_raw(&b, out->what->labels);
    write_key(&b, "triggering_firings");
    write_raw(&b, out->children);
    write_key(&b, "triggering_event");
    write_raw(&b, out->what->event);
    write_key(&b, "triggering_value");
    write_null(&b);
    write_end_object(&b);
    out->json = write_take(&w->arena, &b);
}

/* ---- acting ---- */

static struct raw event_resource_of(struct work *w, const struct armed *automation)
{
    struct buf b = {.max_bytes = 1 << 20};
    const struct trigger *root = &automation->root;

    write_object(&b);
    write_member(
        &b, "prefect.resource.id",
        arena_printf(&w->arena, "prefect.automation.%s", uuid_text(&w->arena, automation->id)));
    write_member(&b, "prefect.resource.name", automation->name);
    if (root->kind == TRIGGER_EVENT)
        write_member(&b, "prefect.posture",
                     root->posture == POSTURE_REACTIVE ? "Reactive" : "Proactive");
    write_end_object(&b);
    return write_take(&w->arena, &b);
}

static const char *event_id(struct work *w, struct raw event)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;

    if (!event.text || !doc_parse(&w->arena, event.text, event.len, doc, &bad))
        return NULL;
    return val_string(&w->arena, val_get(doc_root(doc), "id"), NULL);
}

static struct raw event_related_of(struct work *w, struct raw triggering)
{
    const char *id = event_id(w, triggering);
    struct buf b = {.max_bytes = 4096};

    if (!id)
        return RAW("[]");
    write_array(&b);
    write_object(&b);
    write_member(&b, "prefect.resource.id", arena_printf(&w->arena, "prefect.event.%s", id));
    write_member(&b, "prefect.resource.role", "triggering-event");
    write_end_object(&b);
    write_end_array(&b);
    return write_take(&w->arena, &b);
}

/* The evidence: what led to the firing. */
static struct raw event_payload_of(struct work *w, const struct firing *firing)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    write_object(&b);
    write_key(&b, "triggering_labels");
    write_raw(&b, firing->what->labels);
    write_key(&b, "triggering_event");
    write_raw(&b, firing->what->event);
    if (firing->what->trigger->kind != TRIGGER_EVENT) {
        write_key(&b, "firings");
        write_raw(&b, firing->children);
    }
    write_end_object(&b);
    return write_take(&w->arena, &b);
}

static const struct event *add_event(struct work *w, struct firings *f, const struct firing *firing)
{
    struct event *e = arena_new(&w->arena, struct event);

    *e = (struct event){
        .id = uuid_v7(),
        .occurred_us = firing->fired_us,
        .event = "prefect.automation.triggered",
        .resource = event_resource_of(w, firing->what->automation),
        .related = event_related_of(w, firing->what->event),
        .payload = event_payload_of(w, firing),
    };
    if (f->event_count == f->event_room) {
        size_t room = f->event_room ? f->event_room * 2 : 16;
        const struct event **events = arena_array(&w->arena, const struct event *, room);
        if (f->event_count)
            memcpy(events, f->events, f->event_count * sizeof(const struct event *));
        f->events = events;
        f->event_room = room;
    }
    f->events[f->event_count++] = e;
    return e;
}

static void add_action(struct work *w, struct firings *f, const struct queued_action *action)
{
    if (f->action_count == f->action_room) {
        size_t room = f->action_room ? f->action_room * 2 : 16;
        struct queued_action *actions = arena_array(&w->arena, struct queued_action, room);
        if (f->action_count)
            memcpy(actions, f->actions, f->action_count * sizeof(*actions));
        f->actions = actions;
        f->action_room = room;
    }
    f->actions[f->action_count++] = *action;
}

struct cause {
    const struct firing *firing;
    struct raw event;            /* that the actions see */
    struct uuid triggered_event; /* prefect.automation.triggered */
};

static struct raw context_of(struct work *w, const struct cause *cause, struct val action,
                             size_t index)
{
    const struct firing *firing = cause->firing;
    struct buf b = {.max_bytes = JSON_MAX_BYTES};

    write_object(&b);
    write_key(&b, "automation");
    write_raw(&b, firing->what->automation->json);
    write_key(&b, "trigger_type");
    write_string(&b, firing->what->automation->root.type);
    write_key(&b, "firing");
    write_raw(&b, firing->json);
    write_key(&b, "triggering_labels");
    write_raw(&b, firing->what->labels);
    write_key(&b, "triggering_event");
    write_raw(&b, cause->event);
    write_key(&b, "action");
    write_raw(&b, val_raw(action));
    write_key(&b, "action_index");
    write_int64(&b, (int64_t)index);
    write_key(&b, "automation_triggered_event_id");
    write_uuid(&b, cause->triggered_event);
    write_end_object(&b);
    return write_take(&w->arena, &b);
}

/* Large events that many actions wait for must not outgrow the memory of one evaluation. */
static bool has_room(struct work *w, const struct cause *cause)
{
    bool room = w->arena.used_bytes + 4 * cause->event.len < ARENA_MAX_BYTES / 4 * 3;

    if (!room)
        log_warn("action_not_queued", KV_S("automation", cause->firing->what->automation->name),
                 KV_S("reason", "too many actions wait for events that are too large"));
    return room;
}

/* Returns how many there are. */
static size_t queue_actions(struct work *w, struct firings *f, const struct cause *cause,
                            struct raw actions, size_t index)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;

    if (!doc_parse(&w->arena, actions.text, actions.len, doc, &bad))
        return 0;
    for (struct val_iter it = val_each(doc_root(doc)); val_next(&it) && has_room(w, cause);) {
        struct queued_action action = {
            .id = uuid_v7(),
            .automation = cause->firing->what->automation,
            .triggered_us = cause->firing->fired_us,
            .context = context_of(w, cause, it.value, index + it.index).text,
        };
        add_action(w, f, &action);
    }
    return val_count(doc_root(doc));
}

static struct raw received(struct work *w, const struct event *e)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};
    const struct seen_event v = {
        .id = e->id,
        .occurred_us = e->occurred_us,
        .received_us = e->occurred_us,
        .name = e->event,
        .resource_json = e->resource,
        .related_json = e->related,
        .payload_json = e->payload,
    };
    seen_event_write(&b, &v);
    return write_take(&w->arena, &b);
}

static void act(struct work *w, struct firings *f, const struct firing *firing)
{
    const struct armed *automation = firing->what->automation;
    const struct event *e = add_event(w, f, firing);
    struct cause cause = {firing, firing->what->event, e->id};
    size_t index = queue_actions(w, f, &cause, automation->actions, 0);

    if (automation->actions_on_trigger.len <= 2)
        return;
    cause.event = received(w, e);
    queue_actions(w, f, &cause, automation->actions_on_trigger, index);
}

/* ---- composites ---- */

/* Children in the order in which they fired, as a JSON array; *out_ready: the parent fires. */
static enum err_code children_of(struct work *w, const struct trigger *parent, bool *out_ready,
                                 struct raw *out)
{
    struct buf b = {.max_bytes = JSON_MAX_BYTES};
    struct rows rows;
    size_t known = 0;
    bool in_order = true;

    enum err_code rc =
        db_query(w, Q_triggers_child_firings, PARAMS(param_uuid(w, parent->id)), &rows);
    if (rc)
        return rc;
    write_array(&b);
    for (int i = 0; i < rows.count; i++) {
        struct uuid id;
        size_t k = 0;
        if (!uuid_parse(rows_text(&rows, i, 0), rows_len(&rows, i, 0), &id))
            continue;
        while (k < parent->child_count && !uuid_equal(parent->children[k].id, id))
            k++;
        if (k == parent->child_count)
            continue; /* of an earlier version */
        in_order &= k == known++;
        write_separator(&b);
        write_raw(&b, (struct raw){rows_text(&rows, i, 1), rows_len(&rows, i, 1)});
    }
    write_end_array(&b);
    *out = write_take(&w->arena, &b);
    *out_ready = parent->kind == TRIGGER_SEQUENCE ? in_order && known == parent->child_count
                                                  : known >= parent->required;
    return ERR_OK;
}

static enum err_code fire_up(struct work *w, struct firings *f, const struct firing *firing);

static enum err_code fire_parent(struct work *w, struct firings *f, const struct firing *child,
                                 struct raw children)
{
    struct fired what = {child->what->automation, child->what->trigger->parent, RAW("{}"),
                         child->what->event};
    struct firing firing = {.what = &what, .children = children};

    make_firing(w, f, &firing);
    return fire_up(w, f, &firing);
}

static enum err_code child_fired(struct work *w, struct firings *f, const struct firing *child)
{
    const struct trigger *t = child->what->trigger, *parent = t->parent;
    int64_t within_us = parent->within_us;
    struct raw children;
    struct rows none;
    bool ready;

    if (parent->required == 1)
        return fire_parent(
            w, f, child,
            (struct raw){arena_printf(&w->arena, "[%s]", child->json.text), child->json.len + 2});
    const char *const parameters[] = {
        param_uuid(w, parent->id),
        param_uuid(w, t->id),
        param_uuid(w, child->what->automation->id),
        param_time(w, child->fired_us),
        child->json.text,
        within_us == TIME_NONE ? "-infinity" : param_time(w, child->fired_us - within_us),
    };
    enum err_code rc = db_query(w, Q_triggers_child_fired, parameters, &none);
    if (!rc)
        rc = children_of(w, parent, &ready, &children);
    if (rc || !ready)
        return rc;
    rc = db_query(w, Q_triggers_drop_children, PARAMS(param_uuid(w, parent->id)), &none);
    return rc ? rc : fire_parent(w, f, child, children);
}

static enum err_code fire_up(struct work *w, struct firings *f, const struct firing *firing)
{
    if (firing->what->trigger->parent)
        return child_fired(w, f, firing);
    act(w, f, firing);
    return ERR_OK;
}

enum err_code trigger_fire(struct work *w, struct firings *f, const struct fired *what)
{
    struct firing firing = {.what = what, .children = RAW("[]")};

    if (w->arena.used_bytes + 8 * what->event.len > ARENA_MAX_BYTES / 2) {
        log_warn("firing_dropped", KV_S("automation", what->automation->name),
                 KV_S("reason", "too many firings by events that are too large"));
        return ERR_OK;
    }
    make_firing(w, f, &firing);
    return fire_up(w, f, &firing);
}

/* ---- storing ---- */

enum err_code firings_store(struct work *w, struct firings *f)
{
    struct array columns[4] = {0};
    const char *parameters[COUNT(columns)];
    struct rows none;

    enum err_code rc = events_store(w, f->events, f->event_count);
    if (rc || !f->action_count)
        return rc;
    for (size_t i = 0; i < f->action_count; i++) {
        array_uuid(&columns[0], f->actions[i].id);
        array_uuid(&columns[1], f->actions[i].automation->id);
        array_time(&columns[2], f->actions[i].triggered_us);
        array_string(&columns[3], f->actions[i].context);
    }
    rc = arrays_finish(w, columns, COUNT(columns), parameters);
    if (!rc)
        rc = db_query(w, Q_triggers_put_actions, parameters, &none);
    arrays_free(columns, COUNT(columns));
    return rc;
}
