#include "server/store/event_query.h"

#include <string.h>

#include "server/db/filter.h"
#include "server/db/params.h"

enum { LIKE_MAX_BYTES = 1 << 20 };

#define COLUMNS "e.id, e.occurred, e.received, e.event, e.resource, e.related, e.payload, e.follows"

static const char *texts(const struct sql *s, const struct strings *list)
{
    return param_array(s->work, list->items, list->count);
}

/* ` AND <before> $n <after>` */
static void add(struct sql *s, const char *before, const char *value, const char *after)
{
    sql_add(s, " AND ");
    sql_add(s, before);
    sql_param(s, value);
    sql_add(s, after);
}

/* ---- labels and resources; `r.v` is the resource that is looked at ---- */

/* As LIKE wants it: everything but * and ? literally. */
static const char *like(struct arena *a, const char *pattern)
{
    struct buf b = {.max_bytes = LIKE_MAX_BYTES};

    for (; *pattern; pattern++) {
        char c = *pattern;
        if (strchr("%_\\", c))
            buf_add(&b, "\\", 1);
        if (c == '*')
            c = '%';
        else if (c == '?')
            c = '_';
        buf_add(&b, &c, 1);
    }
    const char *text = arena_strndup(a, b.bytes ? b.bytes : "", b.len);
    buf_free(&b);
    return text;
}

/* One of the patterns, or not one of those behind a `!`. */
static void add_label(struct sql *s, const struct label_spec *spec)
{
    struct arena *a = &s->work->arena;
    size_t count = spec->patterns.count;
    struct strings any = {arena_array(a, const char *, count + 1), 0}, none = any;

    none.items = arena_array(a, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *p = spec->patterns.items[i];
        if (*p == '!')
            none.items[none.count++] = like(a, p + 1);
        else
            any.items[any.count++] = like(a, p);
    }
    add(s, "(r.v->>", spec->label, "::text LIKE ANY(");
    sql_param(s, texts(s, &any));
    sql_add(s, "::text[])");
    if (none.count) {
        sql_add(s, " OR NOT r.v->>");
        sql_param(s, spec->label);
        sql_add(s, "::text LIKE ALL(");
        sql_param(s, texts(s, &none));
        sql_add(s, "::text[])");
    }
    sql_add(s, ")");
}

static void add_pairs(struct sql *s, const struct strings *pairs)
{
    struct arena *a = &s->work->arena;
    struct strings ids = {arena_array(a, const char *, pairs->count), 0}, roles = ids;

    roles.items = arena_array(a, const char *, pairs->count);
    for (size_t i = 0; i + 1 < pairs->count; i += 2) {
        ids.items[ids.count++] = pairs->items[i];
        roles.items[roles.count++] = pairs->items[i + 1];
    }
    add(s, "(r.v->>'prefect.resource.id', r.v->>'prefect.resource.role') IN (SELECT * FROM unnest(",
        texts(s, &ids), "::text[], ");
    sql_param(s, texts(s, &roles));
    sql_add(s, "::text[]))");
}

static void add_spec(struct sql *s, const struct resource_spec *spec)
{
    if (spec->id.count)
        add(s, "r.v->>'prefect.resource.id' = ANY(", texts(s, &spec->id), "::text[])");
    if (spec->id_prefix.count)
        add(s, "r.v->>'prefect.resource.id' ^@ ANY(", texts(s, &spec->id_prefix), "::text[])");
    if (spec->role.count)
        add(s, "r.v->>'prefect.resource.role' = ANY(", texts(s, &spec->role), "::text[])");
    if (spec->in_roles.count)
        add_pairs(s, &spec->in_roles);
    for (size_t i = 0; i < spec->label_count; i++)
        add_label(s, &spec->labels[i]);
}

static bool restricts(const struct resource_spec *spec)
{
    return spec->id.count || spec->id_prefix.count || spec->role.count || spec->in_roles.count ||
           spec->label_count;
}

/* The primary resource stands in columns of its own, with an index. */
static void add_primary(struct sql *s, const struct resource_spec *spec)
{
    struct resource_spec rest = *spec;

    if (spec->id.count)
        add(s, "e.resource_id = ANY(", texts(s, &spec->id), "::text[])");
    if (spec->id_prefix.count)
        add(s, "e.resource_id ^@ ANY(", texts(s, &spec->id_prefix), "::text[])");
    rest.id = rest.id_prefix = (struct strings){0};
    if (!restricts(&rest))
        return;
    sql_add(s, " AND EXISTS (SELECT FROM (SELECT e.resource) r(v) WHERE true");
    add_spec(s, &rest);
    sql_add(s, ")");
}

static void add_related(struct sql *s, const struct resource_spec *spec)
{
    if (!restricts(spec))
        return;
    if (spec->id.count) /* for the index */
        add(s, "e.related_ids && ", texts(s, &spec->id), "::text[]");
    sql_add(s, " AND EXISTS (SELECT FROM jsonb_array_elements(e.related) r(v) WHERE true");
    add_spec(s, spec);
    sql_add(s, ")");
}

static void add_any(struct sql *s, const struct resource_spec *spec)
{
    if (!restricts(spec))
        return;
    if (spec->id.count) { /* for the indexes */
        add(s, "(e.resource_id = ANY(", texts(s, &spec->id), "::text[]) OR e.related_ids && ");
        sql_param(s, texts(s, &spec->id));
        sql_add(s, "::text[])");
    }
    sql_add(s, " AND EXISTS (SELECT FROM jsonb_array_elements(jsonb_build_array(e.resource) || "
               "e.related) r(v) WHERE true");
    add_spec(s, spec);
    sql_add(s, ")");
}

/* ---- the rest ---- */

static void add_names(struct sql *s, const struct event_filter *f)
{
    if (f->prefix.count)
        add(s, "e.event ^@ ANY(", texts(s, &f->prefix), "::text[])");
    if (f->exclude_prefix.count)
        add(s, "NOT e.event ^@ ANY(", texts(s, &f->exclude_prefix), "::text[])");
    if (f->name.count)
        add(s, "e.event = ANY(", texts(s, &f->name), "::text[])");
    if (f->exclude_name.count)
        add(s, "e.event <> ALL(", texts(s, &f->exclude_name), "::text[])");
}

static const char searched[] =
    "(e.event || ' ' || e.payload::text || ' ' || e.resource::text || ' ' || e.related::text)";

static void add_filter(struct sql *s, const struct event_filter *f)
{
    sql_add(s, "e.occurred >= ");
    sql_param(s, param_time(s->work, f->since_us));
    add(s, "e.occurred <= ", param_time(s->work, f->until_us), "");
    add_names(s, f);
    if (f->id.count)
        add(s, "e.id = ANY(", param_uuid_array(s->work, f->id), "::uuid[])");
    add_primary(s, &f->resource);
    for (size_t i = 0; i < f->related.count; i++)
        add_related(s, &f->related.items[i]);
    for (size_t i = 0; i < f->any_resource.count; i++)
        add_any(s, &f->any_resource.items[i]);
    if (f->query) {
        sql_add(s, " AND ");
        sql_text_search(s, searched, &f->text);
    }
}

static struct uuid read_uuid(const struct rows *r, int row, int column)
{
    struct uuid id = {{0}};
    const char *text = rows_text(r, row, column);

    if (text && !uuid_parse(text, rows_len(r, row, column), &id))
        return (struct uuid){{0}};
    return id;
}

static struct raw read_raw(const struct rows *r, int row, int column)
{
    return (struct raw){rows_text(r, row, column), rows_len(r, row, column)};
}

static struct stored_events read_events(struct work *w, const struct rows *r)
{
    struct stored_events out = {arena_array(&w->arena, struct stored_event, (size_t)r->count + 1),
                                (size_t)r->count};

    for (int i = 0; i < r->count; i++)
        out.items[i] = (struct stored_event){.event = {.id = read_uuid(r, i, 0),
                                                       .occurred_us = rows_time(r, i, 1),
                                                       .event = rows_text(r, i, 3),
                                                       .resource = read_raw(r, i, 4),
                                                       .related = read_raw(r, i, 5),
                                                       .payload = read_raw(r, i, 6),
                                                       .follows = read_uuid(r, i, 7)},
                                             .received_us = rows_time(r, i, 2)};
    return out;
}

static void add_cursor(struct sql *s, const struct event_filter *f, struct event_cursor after)
{
    if (uuid_is_nil(after.id))
        return;
    sql_add(s, f->ascending ? " AND (e.occurred, e.id) > (" : " AND (e.occurred, e.id) < (");
    sql_param(s, param_time(s->work, after.occurred_us));
    sql_add(s, "::timestamptz, ");
    sql_param(s, param_uuid(s->work, after.id));
    sql_add(s, "::uuid)");
}

enum err_code events_page(struct work *w, const struct event_filter *f, struct event_cursor after,
                          int64_t limit, struct stored_events *out)
{
    const char *order = f->ascending ? "e.occurred, e.id" : "e.occurred DESC, e.id DESC";
    struct sql s;
    struct rows rows;

    sql_begin(&s, w);
    if (f->distinct) {
        sql_add(&s, "SELECT " COLUMNS
                    " FROM (SELECT DISTINCT ON (e.resource_id) e.* FROM event e WHERE ");
        add_filter(&s, f);
        sql_add(&s, arena_printf(&w->arena, " ORDER BY e.resource_id, %s) e WHERE true", order));
    } else {
        sql_add(&s, "SELECT " COLUMNS " FROM event e WHERE ");
        add_filter(&s, f);
    }
    add_cursor(&s, f, after);
    sql_add(&s, arena_printf(&w->arena, " ORDER BY %s LIMIT ", order));
    sql_param(&s, param_i64(w, limit));
    enum err_code rc = sql_run(&s, &rows);
    if (!rc)
        *out = read_events(w, &rows);
    return rc;
}

enum err_code events_get(struct work *w, struct uuids ids, struct stored_events *out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_events_by_id, PARAMS(param_uuid_array(w, ids)), &rows);

    if (!rc)
        *out = read_events(w, &rows);
    return rc;
}

enum err_code events_since(struct work *w, int64_t since_us, int64_t limit,
                           struct stored_events *out)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_events_since, PARAMS(param_time(w, since_us), param_i64(w, limit)), &rows);

    if (!rc)
        *out = read_events(w, &rows);
    return rc;
}

static enum err_code select_counts(struct work *w, const struct event_filter *f, const char *what,
                                   const char *end, struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    sql_add(&s, what);
    sql_add(&s, " FROM event e WHERE ");
    add_filter(&s, f);
    sql_add(&s, end);
    return sql_run(&s, out);
}

enum err_code events_count(struct work *w, const struct event_filter *f, int64_t *out)
{
    struct rows rows;
    enum err_code rc =
        select_counts(w, f, f->distinct ? "count(DISTINCT e.resource_id)" : "count(*)", "", &rows);

    if (!rc)
        *out = rows_i64(&rows, 0, 0);
    return rc;
}

enum err_code events_count_by_time(struct work *w, const struct event_filter *f, int64_t start_us,
                                   int64_t step_us, struct rows *out)
{
    const char *bucket =
        arena_printf(&w->arena,
                     "floor((extract(epoch FROM e.occurred) * 1000000 - %lld) / %lld)"
                     "::bigint, count(*)",
                     (long long)start_us, (long long)step_us);

    return select_counts(w, f, bucket, " GROUP BY 1 ORDER BY 1", out);
}

enum err_code events_count_by_name(struct work *w, const struct event_filter *f, struct rows *out)
{
    return select_counts(w, f, "e.event, e.event, count(*), min(e.occurred), max(e.occurred)",
                         " GROUP BY e.event ORDER BY 3 DESC, 2", out);
}

enum err_code events_count_by_resource(struct work *w, const struct event_filter *f,
                                       struct rows *out)
{
    return select_counts(w, f,
                         "e.resource_id, (array_agg(coalesce(e.resource->>'prefect.resource.name', "
                         "e.resource_id) ORDER BY e.occurred DESC))[1], count(*), "
                         "min(e.occurred), max(e.occurred)",
                         " GROUP BY e.resource_id ORDER BY 3 DESC, 2", out);
}
