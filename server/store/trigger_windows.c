#include "server/store/trigger_windows.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"

static size_t hash_of(const struct trigger *t, const char *key)
{
    size_t h = (size_t)(uintptr_t)t >> 4;
    for (; *key; key++)
        h = h * 31 + (unsigned char)*key;
    return h % COUNT(((struct windows *)0)->hash);
}

struct touched *windows_get(struct work *w, struct windows *all, const struct watcher *watcher,
                            struct strings key)
{
    const char *text = param_strings(w, key);
    struct touched **slot = &all->hash[hash_of(watcher->trigger, text)], *t;

    for (t = *slot; t; t = t->next)
        if (t->window.trigger == watcher->trigger && !strcmp(t->key_text, text))
            return t;
    if (all->count == all->room) {
        size_t room = all->room ? all->room * 2 : 32;
        struct touched **items = arena_array(&w->arena, struct touched *, room);
        if (all->count)
            memcpy(items, all->items, all->count * sizeof(struct touched *));
        all->items = items;
        all->room = room;
    }
    t = arena_new(&w->arena, struct touched);
    *t = (struct touched){.window = {.trigger = watcher->trigger, .key = key},
                          .automation = watcher->automation,
                          .key_text = text,
                          .next = *slot};
    *slot = all->items[all->count++] = t;
    return t;
}

/* ---- loading ---- */

static bool is_kept(const struct touched *t)
{
    return !window_is_needless(t->window.trigger);
}

static bool holds(const struct touched *t)
{
    return trigger_holds(t->window.trigger);
}

/* Asks for the windows for which `wanted` holds; the first column of a row is a place in index[].
 */
static enum err_code load(struct work *w, struct windows *all, enum query q,
                          bool (*wanted)(const struct touched *), size_t *index, struct rows *out)
{
    struct array columns[2] = {0};
    const char *parameters[2];
    size_t n = 0;
    enum err_code rc = ERR_OK;

    out->count = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (!wanted(all->items[i]))
            continue;
        index[n++] = i;
        array_uuid(&columns[0], all->items[i]->window.trigger->id);
        array_string(&columns[1], all->items[i]->key_text);
    }
    if (n && !(rc = arrays_finish(w, columns, 2, parameters)))
        rc = db_query(w, q, parameters, out);
    arrays_free(columns, 2);
    return rc;
}

static void read_bucket(const struct rows *rows, int row, struct window *win)
{
    win->open = true;
    win->start_us = rows_time(rows, row, 1);
    win->end_us = rows_time(rows, row, 2);
    win->count = rows_i64(rows, row, 3);
    if (rows_text(rows, row, 4))
        win->last_event = (struct raw){rows_text(rows, row, 4), rows_len(rows, row, 4)};
}

static void read_held(struct work *w, const struct rows *rows, int row, struct window *win)
{
    if (win->held_count == win->held_room) {
        size_t room = win->held_room ? win->held_room * 2 : 8;
        struct held_event *held = arena_array(&w->arena, struct held_event, room);
        if (win->held_count)
            memcpy(held, win->held, win->held_count * sizeof(*held));
        win->held = held;
        win->held_room = room;
    }
    struct held_event *h = &win->held[win->held_count];
    h->occurred_us = rows_time(rows, row, 2);
    if (uuid_parse(rows_text(rows, row, 1), rows_len(rows, row, 1), &h->id))
        win->held_count++;
}

enum err_code windows_load(struct work *w, struct windows *all)
{
    size_t *index = arena_array(&w->arena, size_t, all->count + 1);
    struct rows rows;

    enum err_code rc = load(w, all, Q_triggers_load_buckets, is_kept, index, &rows);
    for (int i = 0; !rc && i < rows.count; i++)
        read_bucket(&rows, i, &all->items[index[rows_i64(&rows, i, 0)]]->window);
    if (!rc)
        rc = load(w, all, Q_triggers_load_held, holds, index, &rows);
    for (int i = 0; !rc && i < rows.count; i++)
        read_held(w, &rows, i, &all->items[index[rows_i64(&rows, i, 0)]]->window);
    return rc;
}

/* ---- saving ---- */

static enum err_code run(struct work *w, enum query q, struct array *columns, size_t count)
{
    const char *parameters[8];
    struct rows none;
    enum err_code rc = ERR_OK;

    if (columns[0].count && !(rc = arrays_finish(w, columns, count, parameters)))
        rc = db_query(w, q, parameters, &none);
    arrays_free(columns, count);
    return rc;
}

static void put_bucket(struct array *c, const struct touched *t)
{
    const struct window *win = &t->window;

    array_uuid(&c[0], win->trigger->id);
    array_string(&c[1], t->key_text);
    array_uuid(&c[2], t->automation->id);
    array_time(&c[3], win->start_us);
    array_time(&c[4], win->end_us);
    array_int(&c[5], win->count);
    array_raw(&c[6], win->last_event);
}

static void put_held(struct array *c, const struct touched *t)
{
    for (size_t i = 0; i < t->window.held_count; i++) {
        array_uuid(&c[0], t->window.trigger->id);
        array_string(&c[1], t->key_text);
        array_uuid(&c[2], t->automation->id);
        array_uuid(&c[3], t->window.held[i].id);
        array_time(&c[4], t->window.held[i].occurred_us);
    }
}

/* Those that are held no longer go, those that are new come. */
static enum err_code save_held(struct work *w, const struct windows *all)
{
    struct array gone[3] = {0}, kept[5] = {0};

    for (size_t i = 0; i < all->count; i++) {
        const struct touched *t = all->items[i];
        if (!t->window.held_changed)
            continue;
        array_uuid(&gone[0], t->window.trigger->id);
        array_string(&gone[1], t->key_text);
        for (size_t k = 0; k < t->window.held_count; k++)
            array_uuid(&gone[2], t->window.held[k].id);
        put_held(kept, t);
    }
    enum err_code rc = run(w, Q_triggers_drop_held, gone, COUNT(gone));
    if (!rc)
        return run(w, Q_triggers_save_held, kept, COUNT(kept));
    arrays_free(kept, COUNT(kept));
    return rc;
}

enum err_code windows_save(struct work *w, struct windows *all)
{
    struct array open[7] = {0}, closed[2] = {0};

    for (size_t i = 0; i < all->count; i++) {
        const struct touched *t = all->items[i];
        if (!t->window.changed || !is_kept(t))
            continue;
        if (t->window.open) {
            put_bucket(open, t);
            continue;
        }
        array_uuid(&closed[0], t->window.trigger->id);
        array_string(&closed[1], t->key_text);
    }
    enum err_code rc = run(w, Q_triggers_drop_buckets, closed, COUNT(closed));
    if (!rc)
        rc = run(w, Q_triggers_save_buckets, open, COUNT(open));
    else
        arrays_free(open, COUNT(open));
    return rc ? rc : save_held(w, all);
}
