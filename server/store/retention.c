#include "server/store/retention.h"

#include <string.h>

#include "server/db/params.h"
#include "server/server.h"
#include "shared/base/clock.h"
#include "shared/json/codec.h"

enum { OVERRIDES_MAX = 64, LOGS_PER_RUN = 50 };
#define WEEK_US (INT64_C(7 * 86400) * 1000000)

static bool stopping(const struct work *w)
{
    return atomic_load(&w->server->stopping);
}

enum err_code retention_turn(struct work *w, const char *what, int64_t every_us, bool *out_ours,
                             int64_t *out_next_us)
{
    struct rows turn, last;
    enum err_code rc = db_query(
        w, Q_retention_turn,
        PARAMS(what, param_time(w, w->now_us), param_f64(w, (double)every_us / 1e6)), &turn);

    if (!rc)
        rc = db_query(w, Q_retention_last, PARAMS(what), &last);
    if (rc)
        return rc;
    *out_ours = turn.count > 0;
    *out_next_us = last.count ? rows_time(&last, 0, 0) + every_us : w->now_us;
    return ERR_OK;
}

/* Until a batch is not full any more. */
static enum err_code repeat(struct work *w, enum query q, const char *const *parameters,
                            int64_t batch, int64_t *count)
{
    struct rows gone;
    enum err_code rc;

    do {
        rc = db_query(w, q, parameters, &gone);
        if (!rc)
            *count += gone.count;
    } while (!rc && gone.count >= batch && !stopping(w));
    return rc;
}

/* ---- partitions ---- */

/* Readers of the table are not held up for long: who cannot get the lock tries again next time. */
static enum err_code drop(struct work *w, const char *partition)
{
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_script(w, "SET LOCAL lock_timeout = '2s'");
    if (!rc)
        rc = db_script(w, arena_printf(&w->arena, "DROP TABLE %s", partition));
    return db_end(w, rc);
}

/* A table whose rows belong to runs. */
struct owned {
    const char *table, *column, *owner;
};
static const struct owned owned[] = {
    {"log", "flow_run_id", "flow_run"},
    {"flow_run_state", "flow_run_id", "flow_run"},
    {"task_run_state", "task_run_id", "task_run"},
};

static enum err_code is_needed(struct work *w, const struct owned *o, const char *partition,
                               bool *out)
{
    struct rows rows;
    const char *sql = arena_printf(&w->arena,
                                   "SELECT EXISTS (SELECT FROM %s p JOIN %s o ON o.id = p.%s) OR "
                                   "EXISTS (SELECT FROM %s WHERE %s IS NULL)",
                                   partition, o->owner, o->column, partition, o->column);
    enum err_code rc = db_query_text(w, sql, 0, NULL, &rows);

    if (!rc)
        *out = rows_bool(&rows, 0, 0);
    return rc;
}

/* owner NULL: old ones are dropped whatever is in them.  Last week's stays, for what comes late. */
static enum err_code drop_old(struct work *w, const char *table, const struct owned *owner,
                              int64_t cutoff_us, struct retention_count *done)
{
    int64_t last_week_us = w->now_us - WEEK_US;
    const char *before = param_time(w, cutoff_us < last_week_us ? cutoff_us : last_week_us);
    struct rows old;
    enum err_code rc = db_query(w, Q_retention_partitions, PARAMS(table, before), &old);

    for (int i = 0; !rc && i < old.count && !stopping(w); i++) {
        bool needed = false;
        if (owner)
            rc = is_needed(w, owner, rows_text(&old, i, 0), &needed);
        if (!rc && !needed) {
            rc = drop(w, rows_text(&old, i, 0));
            done->partitions += !rc;
        }
    }
    return rc;
}

enum err_code partitions_make(struct work *w, int weeks)
{
    static const char *const tables[] = {"flow_run_state", "task_run_state", "log", "event"};
    struct rows none;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < COUNT(tables) && !rc; i++) {
        rc = db_begin(w);
        if (!rc)
            rc = db_script(w, "SET LOCAL lock_timeout = '5s'; "
                              "SELECT pg_advisory_xact_lock(hashtext('switchyard.partitions'))");
        if (!rc)
            rc = db_query_text(w, "SELECT make_partitions($1, $2::int)", 2,
                               PARAMS(tables[i], param_i64(w, weeks)), &none);
        rc = db_end(w, rc);
    }
    return rc;
}

/* ---- events ---- */

/* Names with a life of their own. */
struct override {
    const char *name;
    int64_t us;
};

static size_t read_overrides(struct work *w, struct val v, struct override *out)
{
    size_t count = 0, len;

    for (struct val_iter it = val_each(v); count < OVERRIDES_MAX && val_next(&it);) {
        struct override o = {.name = val_string(&w->arena, it.key, NULL)};
        double seconds;
        if (val_double(it.value, &seconds))
            o.us = (int64_t)(seconds * 1e6);
        else if (val_type(it.value) != DOC_STRING)
            continue;
        else {
            const char *text = val_string(&w->arena, it.value, &len);
            if (duration_parse(text, len, &o.us))
                continue;
        }
        out[count++] = o;
    }
    return count;
}

static enum err_code delete_named(struct work *w, int64_t cutoff_us, struct strings names,
                                  bool these, const struct retention *r,
                                  struct retention_count *done)
{
    return repeat(w, Q_retention_events_named,
                  PARAMS(param_time(w, cutoff_us), param_text_array(w, names), param_bool(these),
                         param_i64(w, r->batch)),
                  r->batch, &done->rows);
}

enum err_code retention_events(struct work *w, const struct retention *r,
                               struct retention_count *done)
{
    struct override overrides[OVERRIDES_MAX];
    size_t count = read_overrides(w, r->overrides, overrides);
    struct strings names = {arena_array(&w->arena, const char *, count + 1), 0};
    int64_t longest_us = r->events_us;

    for (size_t i = 0; i < count; i++) {
        names.items[names.count++] = overrides[i].name;
        if (overrides[i].us > longest_us)
            longest_us = overrides[i].us;
    }
    enum err_code rc = drop_old(w, "event", NULL, w->now_us - longest_us, done);
    if (!rc)
        rc = repeat(w, Q_retention_events,
                    PARAMS(param_time(w, w->now_us - longest_us), param_i64(w, r->batch)), r->batch,
                    &done->rows);
    for (size_t i = 0; i < count && !rc; i++)
        if (overrides[i].us < longest_us)
            rc = delete_named(w, w->now_us - overrides[i].us, (struct strings){&names.items[i], 1},
                              true, r, done);
    if (!rc && r->events_us < longest_us)
        rc = delete_named(w, w->now_us - r->events_us, names, false, r, done);
    return rc;
}

/* ---- runs ---- */

enum err_code retention_runs(struct work *w, const struct retention *r,
                             struct retention_count *done)
{
    int64_t cutoff_us = w->now_us - r->runs_us;
    enum err_code rc =
        repeat(w, Q_retention_runs, PARAMS(param_time(w, cutoff_us), param_i64(w, r->batch)),
               r->batch, &done->rows);

    for (size_t i = 0; i < COUNT(owned) && !rc; i++)
        rc = drop_old(w, owned[i].table, &owned[i], cutoff_us, done);
    return rc;
}

/* The next owners in the order of their ids, from $1 on: id, whether it is gone. */
static const char *walk_sql(struct work *w, const struct owned *o)
{
    return arena_printf(
        &w->arena,
        "WITH RECURSIVE ids AS ((SELECT %s AS id FROM %s WHERE %s > $1::uuid ORDER BY 1 LIMIT 1) "
        "UNION ALL SELECT (SELECT %s FROM %s WHERE %s > ids.id ORDER BY 1 LIMIT 1) FROM ids WHERE "
        "ids.id IS NOT NULL) SELECT i.id, NOT EXISTS (SELECT FROM %s o WHERE o.id = i.id) FROM "
        "(SELECT id FROM ids WHERE id IS NOT NULL LIMIT $2::bigint) i",
        o->column, o->table, o->column, o->column, o->table, o->column, o->owner);
}

static enum err_code delete_owned(struct work *w, const struct owned *o, const char *ids,
                                  int64_t batch, struct retention_count *done)
{
    const char *sql = arena_printf(&w->arena,
                                   "DELETE FROM %s WHERE id IN (SELECT id FROM %s WHERE %s = "
                                   "ANY($1::uuid[]) LIMIT $2::bigint) "
                                   "RETURNING 1",
                                   o->table, o->table, o->column);
    struct rows gone;
    enum err_code rc;

    do {
        rc = db_query_text(w, sql, 2, PARAMS(ids, param_i64(w, batch * LOGS_PER_RUN)), &gone);
        if (!rc)
            done->rows += gone.count;
    } while (!rc && gone.count == batch * LOGS_PER_RUN && !stopping(w));
    return rc;
}

static enum err_code walk(struct work *w, const struct owned *o, int64_t batch,
                          struct retention_count *done)
{
    const char *from = "00000000-0000-0000-0000-000000000000", *sql = walk_sql(w, o);
    struct rows page;
    enum err_code rc;

    do {
        rc = db_query_text(w, sql, 2, PARAMS(from, param_i64(w, batch)), &page);
        struct strings gone = {arena_array(&w->arena, const char *, (size_t)batch + 1), 0};
        for (int i = 0; !rc && i < page.count; i++) {
            from = rows_text(&page, i, 0);
            if (rows_bool(&page, i, 1))
                gone.items[gone.count++] = from;
        }
        if (!rc && gone.count)
            rc = delete_owned(w, o, param_text_array(w, gone), batch, done);
    } while (!rc && page.count == batch && !stopping(w));
    return rc;
}

enum err_code retention_orphans(struct work *w, const struct retention *r,
                                struct retention_count *done)
{
    struct rows none;
    enum err_code rc =
        repeat(w, Q_retention_artifacts, PARAMS(param_i64(w, r->batch)), r->batch, &done->rows);

    if (!rc)
        rc = db_query(w, Q_retention_collections, NULL, &none);
    for (size_t i = 0; i < COUNT(owned) && !rc && !stopping(w); i++)
        rc = walk(w, &owned[i], r->batch, done);
    return rc;
}
