#include "server/store/trigger_set.h"

#include <string.h>

#include "server/model/automation.h"
#include "shared/base/log.h"

enum { AUTOMATION_MAX_BYTES = 32 << 20, COLUMNS_BEFORE = 1, COLUMNS = 12 };

static size_t count_watchers(const struct trigger *t)
{
    size_t n = t->kind == TRIGGER_EVENT;
    for (size_t i = 0; i < t->child_count; i++)
        n += count_watchers(&t->children[i]);
    return n;
}

static void add_watchers(struct trigger_set *set, struct armed *automation, const struct trigger *t)
{
    if (t->kind == TRIGGER_EVENT)
        set->watchers[set->watcher_count++] = (struct watcher){automation, t};
    for (size_t i = 0; i < t->child_count; i++)
        add_watchers(set, automation, &t->children[i]);
}

static struct raw text_at(struct arena *a, const struct rows *rows, int row, int column)
{
    size_t len = rows_len(rows, row, column);
    return (struct raw){arena_strndup(a, rows_text(rows, row, column), len), len};
}

/* One that cannot be read is left out: the others go on. */
static bool load_one(struct arena *a, const struct rows *rows, int row, struct armed *out)
{
    struct buf b = {.max_bytes = AUTOMATION_MAX_BYTES};
    struct column columns[COLUMNS];
    struct err e = {0};

    for (int i = 0; i < COLUMNS; i++)
        columns[i] = (struct column){rows_text(rows, row, i), rows_len(rows, row, i)};
    json_encode_columns(&b, &automation_resource, columns + COLUMNS_BEFORE);
    *out = (struct armed){
        .name = text_at(a, rows, row, 1).text,
        .json = {arena_strndup(a, b.bytes, b.len), b.len},
        .actions = text_at(a, rows, row, 6),
        .actions_on_trigger = text_at(a, rows, row, 7),
    };
    buf_free(&b);
    bool ok = uuid_parse(columns[0].text, columns[0].len, &out->id) &&
              !trigger_load(a, text_at(a, rows, row, 5), &out->root, &e);
    if (!ok)
        log_warn("automation_unreadable", KV_S("automation", columns[0].text), KV_E(&e));
    return ok;
}

enum err_code trigger_set_load(struct work *w, struct trigger_set *set, int64_t version)
{
    struct rows rows;
    size_t watchers = 0;

    if (set->version == version)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_triggers_automations, NULL, &rows);
    if (rc)
        return rc;
    trigger_set_free(set);
    set->automations = arena_array(&set->arena, struct armed, (size_t)rows.count + 1);
    for (int i = 0; i < rows.count; i++)
        set->count += load_one(&set->arena, &rows, i, &set->automations[set->count]);
    for (size_t i = 0; i < set->count; i++)
        watchers += count_watchers(&set->automations[i].root);
    set->watchers = arena_array(&set->arena, struct watcher, watchers + 1);
    for (size_t i = 0; i < set->count; i++)
        add_watchers(set, &set->automations[i], &set->automations[i].root);
    set->version = version;
    return ERR_OK;
}

void trigger_set_free(struct trigger_set *set)
{
    arena_reset(&set->arena);
    *set = (struct trigger_set){.arena = set->arena};
}
