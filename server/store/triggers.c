#include "server/store/triggers.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/server.h"
#include "server/store/trigger_fire.h"
#include "server/store/trigger_windows.h"
#include "shared/base/clock.h"
#include "shared/base/fault.h"

enum { BATCH_EVENTS = 256, BATCH_BYTES = 2 << 20, BUCKETS_MAX = 500 };

#define LOOKBACK_US INT64_C(900000000)
#define HELD_US     INT64_C(1800000000)

struct evaluation {
    struct work *work;
    struct trigger_set *set;
    struct firings firings;
    struct windows windows;
    int64_t clock_us, clock_seen_us;
};

/* ---- begin and end ---- */

static enum err_code begin(struct evaluation *e)
{
    struct work *w = e->work;
    struct rows rows;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_triggers_lock, NULL, &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, INTERNAL, "automation_state has no row");
    w->now_us = clock_now_us(); /* after the wait for the lock */
    e->clock_us = rows_time(&rows, 0, 1);
    e->clock_seen_us = rows_time(&rows, 0, 2);
    return trigger_set_load(w, e->set, rows_i64(&rows, 0, 0));
}

static enum err_code end(struct evaluation *e, enum err_code rc, struct trigger_pass *out)
{
    struct work *w = e->work;

    if (!rc)
        rc = windows_save(w, &e->windows);
    if (!rc)
        rc = firings_store(w, &e->firings);
    if (!rc && FAULT("triggers.commit"))
        rc = err_set(&w->err, DB, "fault: triggers.commit");
    rc = db_end(w, rc);
    if (!rc)
        out->actions += e->firings.action_count;
    return rc;
}

static enum err_code fire(struct evaluation *e, const struct touched *t, struct raw event)
{
    const struct window *win = &t->window;
    struct fired what = {t->automation, win->trigger,
                         trigger_labels(&e->work->arena, win->trigger, win->key), event};

    return trigger_fire(e->work, &e->firings, &what);
}

/* ---- events ---- */

struct taken {
    struct seen_event view;
    struct raw json; /* made when it is needed */
    bool evaluated;
    struct touched **touched;
    size_t touched_count;
};

static struct uuid uuid_at(const struct rows *rows, int row, int column)
{
    struct uuid id = {0};
    const char *text = rows_text(rows, row, column);
    return text && uuid_parse(text, strlen(text), &id) ? id : (struct uuid){0};
}

static struct raw raw_at(const struct rows *rows, int row, int column)
{
    return (struct raw){rows_text(rows, row, column), rows_len(rows, row, column)};
}

static enum err_code take_events(struct evaluation *e, struct taken **out, size_t *out_count)
{
    struct work *w = e->work;
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_triggers_take_events,
                 PARAMS(param_i64(w, BATCH_EVENTS), param_i64(w, BATCH_BYTES)), &rows);
    if (rc)
        return rc;
    struct taken *events = arena_array(&w->arena, struct taken, (size_t)rows.count + 1);
    for (int i = 0; !rc && i < rows.count; i++) {
        events[i].view = (struct seen_event){
            .id = uuid_at(&rows, i, 0),
            .occurred_us = rows_time(&rows, i, 1),
            .received_us = rows_time(&rows, i, 2),
            .name = rows_text(&rows, i, 3),
            .resource_json = raw_at(&rows, i, 4),
            .related_json = raw_at(&rows, i, 5),
            .payload_json = raw_at(&rows, i, 6),
            .follows = uuid_at(&rows, i, 7),
        };
        rc = seen_event_load(&w->arena, &events[i].view, &w->err);
    }
    *out = events;
    *out_count = (size_t)rows.count;
    return rc;
}

/* The clock of events goes on with the newest event, never beyond the real one. */
static enum err_code advance_clock(struct evaluation *e, const struct taken *events, size_t count)
{
    struct work *w = e->work;
    struct rows none;

    for (size_t i = 0; i < count; i++) {
        int64_t us = events[i].view.occurred_us;
        us = us > w->now_us ? w->now_us : us;
        if (e->clock_us == TIME_NONE || us > e->clock_us)
            e->clock_us = us;
    }
    if (!count)
        return ERR_OK;
    e->clock_seen_us = w->now_us;
    return db_query(w, Q_triggers_clock,
                    PARAMS(param_time(w, e->clock_us), param_time(w, e->clock_seen_us)), &none);
}

static bool is_watched(const struct seen_event *v)
{
    return strcmp(v->name, "prefect.log.write") != 0;
}

static void match(struct evaluation *e, struct taken *event)
{
    struct work *w = e->work;

    for (size_t i = 0; i < e->set->watcher_count && is_watched(&event->view); i++) {
        const struct watcher *watcher = &e->set->watchers[i];
        if (trigger_ignores(watcher->trigger, watcher->automation->id, &event->view) ||
            !trigger_covers(watcher->trigger, &event->view))
            continue;
        if (!event->touched)
            event->touched = arena_array(&w->arena, struct touched *, e->set->watcher_count - i);
        event->touched[event->touched_count++] = windows_get(
            w, &e->windows, watcher, trigger_key(&w->arena, watcher->trigger, &event->view));
    }
}

static enum err_code evaluate_one(struct evaluation *e, struct taken *event)
{
    struct work *w = e->work;
    struct buf b = {.max_bytes = 8 << 20};
    enum err_code rc = ERR_OK;

    event->evaluated = true;
    if (event->touched_count) {
        seen_event_write(&b, &event->view);
        event->json = (struct raw){arena_strndup(&w->arena, b.bytes, b.len), b.len};
        buf_free(&b);
    }
    for (size_t i = 0; i < event->touched_count && !rc; i++) {
        struct touched *t = event->touched[i];
        struct raw cause = {0};
        if (window_on_event(&w->arena, &t->window, &event->view, event->json, &cause))
            rc = fire(e, t, cause);
    }
    return rc;
}

/* ---- causal order ---- */

static bool has(const struct rows *rows, struct uuid id)
{
    for (int i = 0; i < rows->count; i++)
        if (uuid_equal(uuid_at(rows, i, 0), id))
            return true;
    return false;
}

static bool evaluated_here(const struct taken *events, size_t count, struct uuid id)
{
    for (size_t i = 0; i < count; i++)
        if (events[i].evaluated && uuid_equal(events[i].view.id, id))
            return true;
    return false;
}

/* Which of the events that others follow were evaluated before. */
static enum err_code seen_leaders(struct evaluation *e, const struct taken *events, size_t count,
                                  struct rows *out)
{
    struct uuids leaders = {arena_array(&e->work->arena, struct uuid, count + 1), 0};

    out->count = 0;
    for (size_t i = 0; i < count; i++)
        if (!uuid_is_nil(events[i].view.follows))
            leaders.items[leaders.count++] = events[i].view.follows;
    if (!leaders.count)
        return ERR_OK;
    return db_query(e->work, Q_triggers_seen_leaders, PARAMS(param_uuid_array(e->work, leaders)),
                    out);
}

static enum err_code put_early(struct evaluation *e, const struct taken *events, size_t count)
{
    struct array columns[3] = {0};
    const char *parameters[3];
    struct rows none;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count; i++) {
        if (events[i].evaluated)
            continue;
        array_uuid(&columns[0], events[i].view.id);
        array_uuid(&columns[1], events[i].view.follows);
        array_time(&columns[2], events[i].view.received_us + LOOKBACK_US);
    }
    if (columns[0].count && !(rc = arrays_finish(e->work, columns, 3, parameters)))
        rc = db_query(e->work, Q_triggers_put_early, parameters, &none);
    arrays_free(columns, 3);
    return rc;
}

/* Events follow the ones they say; those whose leader has not come wait for it, for a while. */
static enum err_code evaluate_in_order(struct evaluation *e, struct taken *events, size_t count)
{
    struct rows leaders;
    enum err_code rc = seen_leaders(e, events, count, &leaders);

    for (bool progress = true; progress && !rc;) {
        progress = false;
        for (size_t i = 0; i < count && !rc; i++) {
            const struct seen_event *v = &events[i].view;
            if (events[i].evaluated ||
                (!uuid_is_nil(v->follows) && v->received_us + LOOKBACK_US > e->work->now_us &&
                 !has(&leaders, v->follows) && !evaluated_here(events, count, v->follows)))
                continue;
            rc = evaluate_one(e, &events[i]);
            progress = true;
        }
    }
    return rc ? rc : put_early(e, events, count);
}

static enum err_code requeue_early(struct evaluation *e, const struct taken *events, size_t count)
{
    struct uuids done = {arena_array(&e->work->arena, struct uuid, count + 1), 0};
    struct rows rows;

    for (size_t i = 0; i < count; i++)
        if (events[i].evaluated)
            done.items[done.count++] = events[i].view.id;
    return db_query(e->work, Q_triggers_requeue_early, PARAMS(param_uuid_array(e->work, done)),
                    &rows);
}

static enum err_code evaluate(struct evaluation *e, struct trigger_pass *out)
{
    struct work *w = e->work;
    struct taken *events;
    size_t count;
    struct rows left;

    enum err_code rc = take_events(e, &events, &count);
    if (!rc)
        rc = advance_clock(e, events, count);
    if (rc)
        return rc;
    for (size_t i = 0; i < count; i++)
        match(e, &events[i]);
    rc = windows_load(w, &e->windows);
    if (!rc)
        rc = evaluate_in_order(e, events, count);
    if (!rc)
        rc = requeue_early(e, events, count);
    if (!rc)
        rc = db_query(w, Q_triggers_left_events, NULL, &left);
    if (!rc)
        out->more = rows_bool(&left, 0, 0);
    return rc;
}

enum err_code triggers_evaluate(struct work *w, struct trigger_set *set, struct trigger_pass *out)
{
    struct evaluation *e = arena_new(&w->arena, struct evaluation);

    e->work = w;
    e->set = set;
    enum err_code rc = begin(e);
    return end(e, rc ? rc : evaluate(e, out), out);
}

/* ---- time ---- */

/* How far the events are behind: Proactive triggers wait for them. */
static int64_t lag_us(const struct evaluation *e)
{
    if (e->clock_us == TIME_NONE || e->clock_seen_us == TIME_NONE)
        return 0;
    return e->clock_seen_us > e->clock_us ? e->clock_seen_us - e->clock_us : 0;
}

static const struct watcher *find(const struct trigger_set *set, struct uuid trigger)
{
    for (size_t i = 0; i < set->watcher_count; i++)
        if (uuid_equal(set->watchers[i].trigger->id, trigger))
            return &set->watchers[i];
    return NULL;
}

static struct strings key_at(struct work *w, const struct rows *rows, int row)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    struct strings key = {arena_array(&w->arena, const char *, 1), 0};

    if (!doc_parse(&w->arena, rows_text(rows, row, 0), rows_len(rows, row, 0), doc, &bad))
        return key;
    struct val list = doc_root(doc);
    key.items = arena_array(&w->arena, const char *, val_count(list) + 1);
    for (struct val_iter it = val_each(list); val_next(&it);)
        key.items[key.count++] = val_string(&w->arena, it.value, NULL);
    return key;
}

/* Windows that have ended: each once. */
static enum err_code look_at_ended(struct evaluation *e, const struct watcher *watcher,
                                   int64_t as_of_us, bool *out_more)
{
    struct work *w = e->work;
    struct rows rows;
    const char *id = param_uuid(w, watcher->trigger->id);
    enum err_code rc =
        db_query(w, Q_triggers_ended_buckets,
                 PARAMS(id, param_time(w, as_of_us), param_i64(w, BUCKETS_MAX)), &rows);

    for (int i = 0; !rc && i < rows.count; i++) {
        struct touched *t = windows_get(w, &e->windows, watcher, key_at(w, &rows, i));
        struct raw event = {0};
        t->window.open = true;
        t->window.start_us = rows_time(&rows, i, 1);
        t->window.end_us = rows_time(&rows, i, 2);
        t->window.count = rows_i64(&rows, i, 3);
        if (rows_text(&rows, i, 4))
            t->window.last_event = raw_at(&rows, i, 4);
        if (window_on_time(&w->arena, &t->window, as_of_us, &event))
            rc = fire(e, t, event);
    }
    *out_more = !rc && rows.count == BUCKETS_MAX;
    return rc;
}

/* A trigger without `for_each` watches even when nothing ever comes. */
static enum err_code ensure_window(struct evaluation *e, const struct watcher *watcher,
                                   int64_t as_of_us)
{
    struct windows own = {0};
    struct touched *t = windows_get(
        e->work, &own, watcher, (struct strings){arena_array(&e->work->arena, const char *, 1), 0});
    enum err_code rc = windows_load(e->work, &own);

    if (rc || t->window.open)
        return rc;
    window_ensure(&t->window, as_of_us);
    return windows_save(e->work, &own);
}

/* *out_us: when it is looked at again. */
static enum err_code look_at(struct evaluation *e, const struct watcher *watcher, int64_t *out_us)
{
    struct work *w = e->work;
    const struct trigger *t = watcher->trigger;
    int64_t lag = lag_us(e), as_of_us = w->now_us - lag, next_us = as_of_us + t->within_us;
    struct rows rows;
    bool more = false;

    enum err_code rc = t->for_each.count ? ERR_OK : ensure_window(e, watcher, as_of_us);
    if (!rc)
        rc = db_query(w, Q_triggers_drop_full,
                      PARAMS(param_uuid(w, t->id), param_i64(w, t->threshold)), &rows);
    if (!rc)
        rc = look_at_ended(e, watcher, as_of_us, &more);
    if (!rc)
        rc = windows_save(w, &e->windows);
    if (!rc)
        rc = db_query(w, Q_triggers_next_end, PARAMS(param_uuid(w, t->id), param_time(w, as_of_us)),
                      &rows);
    if (rc)
        return rc;
    int64_t end_us = rows_time(&rows, 0, 0);
    if (end_us != TIME_NONE && end_us < next_us)
        next_us = end_us;
    *out_us = more ? w->now_us : next_us + lag;
    return ERR_OK;
}

static int64_t buffer_us(const struct work *w)
{
    return settings_us(&w->server->config.settings, SETTING_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER);
}

static enum err_code look(struct evaluation *e, struct trigger_pass *out)
{
    struct work *w = e->work;
    struct array columns[2] = {0};
    const char *parameters[2];
    struct rows due, none;
    enum err_code rc = db_query(w, Q_triggers_due, PARAMS(param_time(w, w->now_us)), &due);

    for (int i = 0; !rc && i < due.count; i++) {
        struct uuid id = uuid_at(&due, i, 0);
        const struct watcher *watcher = find(e->set, id);
        int64_t next_us = w->now_us + buffer_us(w);
        if (watcher)
            rc = look_at(e, watcher, &next_us);
        array_uuid(&columns[0], id);
        array_time(&columns[1], next_us);
        out->more |= next_us <= w->now_us;
    }
    if (!rc && due.count && !(rc = arrays_finish(w, columns, 2, parameters)))
        rc = db_query(w, Q_triggers_set_due, parameters, &none);
    arrays_free(columns, 2);
    return rc;
}

enum err_code triggers_look(struct work *w, struct trigger_set *set, struct trigger_pass *out)
{
    struct evaluation *e = arena_new(&w->arena, struct evaluation);

    e->work = w;
    e->set = set;
    enum err_code rc = begin(e);
    return end(e, rc ? rc : look(e, out), out);
}

enum err_code triggers_sweep(struct work *w)
{
    struct rows rows, none;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_triggers_lock, NULL, &rows);
    if (!rc) {
        struct evaluation e = {.clock_us = rows_time(&rows, 0, 1),
                               .clock_seen_us = rows_time(&rows, 0, 2)};
        rc = db_query(w, Q_triggers_sweep,
                      PARAMS(param_time(w, w->now_us - lag_us(&e) - buffer_us(w)),
                             param_time(w, w->now_us - HELD_US)),
                      &none);
    }
    return db_end(w, rc);
}

enum err_code triggers_next_due(struct work *w, int64_t *out_us)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_triggers_next_due, NULL, &rows);

    if (!rc)
        *out_us = rows_time(&rows, 0, 0);
    return rc;
}

enum err_code triggers_have_events(struct work *w, bool *out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_triggers_left_events, NULL, &rows);

    if (!rc)
        *out = rows_bool(&rows, 0, 0);
    return rc;
}
