#include "server/api/listing.h"

#include <string.h>

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "shared/json/write.h"

/* The keys of filters in a body. */
static const char *const keys[FILTER_TARGETS] = {
    [FILTER_FLOWS] = "flows",
    [FILTER_FLOW_RUNS] = "flow_runs",
    [FILTER_TASK_RUNS] = "task_runs",
    [FILTER_DEPLOYMENTS] = "deployments",
    [FILTER_WORK_POOLS] = "work_pools",
    [FILTER_WORK_QUEUES] = "work_queues",
    [FILTER_WORKERS] = "workers",
    [FILTER_LOGS] = "logs",
    [FILTER_BLOCK_TYPES] = "block_types",
    [FILTER_BLOCK_SCHEMAS] = "block_schemas",
    [FILTER_BLOCK_DOCUMENTS] = "block_documents",
    [FILTER_ARTIFACTS] = "artifacts",
    [FILTER_ARTIFACT_COLLECTIONS] = "artifacts",
    [FILTER_VARIABLES] = "variables",
    [FILTER_AUTOMATIONS] = "automations",
    [FILTER_MEASUREMENTS] = "measurements",
};

enum { ROWS_MAX = FILTER_TARGETS + 5, SORTS_MAX = 16 };

static bool is_related(enum filter_target from, enum filter_target target);

static struct field filter_row(const char *key, enum filter_target t, size_t offset)
{
    return (struct field){.name = key,
                          .kind = FIELD_OBJECT,
                          .nullable = true,
                          .of = &filter_resources[t],
                          .offset = offset};
}

/* What a filter on the target is called in the body. */
static const char *key_of(const struct listing *l, enum filter_target t, enum listing_part parts)
{
    if (t == l->target)
        return l->key ? l->key : keys[t];
    return t == FILTER_WORK_QUEUES && !(parts & PART_HISTORY) ? "work_pool_queues" : keys[t];
}

/* The resource of this listing's body. */
static size_t make_rows(const struct listing *l, enum listing_part parts, struct field *rows,
                        const struct enum_name *sorts, const char *default_sort)
{
    size_t n = 0;

    for (enum filter_target t = 0; t < FILTER_TARGETS; t++)
        if (t == l->target || is_related(l->target, t) ||
            ((parts & PART_POOLS) && (t == FILTER_WORK_POOLS || t == FILTER_WORK_QUEUES)))
            rows[n++] =
                filter_row(key_of(l, t, parts), t,
                           offsetof(struct listing_in, filters) + t * sizeof(struct filter_node *));
    if (l->sort_count > 1 && (parts & PART_SORT))
        rows[n++] = (struct field){.name = "sort",
                                   .kind = FIELD_ENUM,
                                   .names = sorts,
                                   .def = default_sort,
                                   .offset = offsetof(struct listing_in, sort)};
    if (parts & PART_LIMIT) {
        rows[n] = (struct field)F_INT(struct listing_in, limit, F_NULLABLE);
        rows[n].has_max = l->limit_max > 0;
        rows[n++].max = (double)l->limit_max;
    }
    if (parts & PART_OFFSET)
        rows[n++] = (struct field)F_INT(struct listing_in, offset, F_GE(0), .def = "0");
    if (parts & PART_PAGE)
        rows[n++] = (struct field)F_INT(struct listing_in, page, F_GE(1), .def = "1");
    return n;
}

enum err_code listing_decode(struct request *rq, const struct listing *l, enum listing_part parts,
                             struct listing_in *out)
{
    struct enum_name sorts[SORTS_MAX + 1] = {{0}};
    struct field rows[ROWS_MAX];
    struct work *w = &rq->work;

    for (size_t i = 0; i < l->sort_count && i < SORTS_MAX; i++)
        sorts[i] = (struct enum_name){l->sorts[i].name, (int)i};
    const char *def =
        l->sort_count ? arena_printf(&w->arena, "\"%s\"", l->sorts[l->default_sort].name) : NULL;
    const struct resource body = {.name = "Body",
                                  .size = sizeof(*out),
                                  .given_offset = offsetof(struct listing_in, given),
                                  .fields = rows,
                                  .count = make_rows(l, parts, rows, sorts, def),
                                  .extra = true};
    struct val root = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};
    if (json_decode(&body, root, &loc_body, out, &rq->invalid))
        return err_set(&w->err, INVALID, "%s", rq->invalid.first);
    if (!given(out, limit))
        out->limit = INT_NONE;
    return listing_limit(rq, l->limit_max, &out->limit);
}

enum err_code listing_limit(struct request *rq, int64_t most, int64_t *in_out)
{
    struct work *w = &rq->work;

    if (!most)
        most = settings_int(&w->server->config.settings, SETTING_SERVER_API_DEFAULT_LIMIT);
    if (*in_out == INT_NONE)
        *in_out = most;
    if (*in_out > most)
        return err_set(&w->err, INVALID, "Invalid limit: must be less than or equal to %lld.",
                       (long long)most);
    if (*in_out < 0)
        return err_set(&w->err, INVALID, "Invalid limit: must be greater than or equal to 0.");
    return ERR_OK;
}

static bool is_related(enum filter_target from, enum filter_target target)
{
    static const unsigned runs = 1u << FILTER_FLOWS | 1u << FILTER_FLOW_RUNS |
                                 1u << FILTER_TASK_RUNS | 1u << FILTER_DEPLOYMENTS;
    static const unsigned pools = 1u << FILTER_WORK_POOLS, queues = 1u << FILTER_WORK_QUEUES;
    static const unsigned related[FILTER_TARGETS] = {
        [FILTER_FLOWS] = runs | pools,
        [FILTER_FLOW_RUNS] = runs | pools | queues,
        [FILTER_TASK_RUNS] = runs,
        [FILTER_DEPLOYMENTS] = runs | pools | queues,
        [FILTER_ARTIFACTS] = runs,
        [FILTER_ARTIFACT_COLLECTIONS] = runs,
        [FILTER_MEASUREMENTS] = 1u << FILTER_FLOW_RUNS,
        [FILTER_BLOCK_TYPES] = 1u << FILTER_BLOCK_SCHEMAS,
        [FILTER_BLOCK_DOCUMENTS] = 1u << FILTER_BLOCK_TYPES | 1u << FILTER_BLOCK_SCHEMAS,
    };
    return from < FILTER_TARGETS && related[from] >> target & 1u;
}

void listing_select(struct sql *s, const struct listing *l, const struct listing_in *in,
                    const char *what)
{
    sql_add(s, "SELECT ");
    if (what)
        sql_add(s, what);
    else
        columns_list(&s->text, l->resource, l->alias);
    sql_add(s, " FROM ");
    sql_add(s, l->from);
    sql_add(s, " WHERE ");
    sql_add(s, l->where ? l->where : "true");
    for (enum filter_target t = 0; t < FILTER_TARGETS; t++)
        filter_compile(s, l->target, t, in->filters[t]);
}

static enum err_code select_page(struct request *rq, const struct listing *l,
                                 const struct listing_in *in, int64_t offset, struct rows *out)
{
    struct sql s;

    sql_begin(&s, &rq->work);
    listing_select(&s, l, in, NULL);
    sql_add(&s, " ORDER BY ");
    sql_add(&s, l->sorts[in->sort].sql);
    sql_add(&s, " LIMIT ");
    sql_param(&s, param_i64(&rq->work, in->limit));
    if (offset) {
        sql_add(&s, " OFFSET ");
        sql_param(&s, param_i64(&rq->work, offset));
    }
    enum err_code rc = sql_run(&s, out);
    return rc || !l->complete ? rc : l->complete(&rq->work, out);
}

static enum err_code count_all(struct request *rq, const struct listing *l,
                               const struct listing_in *in, int64_t *out)
{
    struct sql s;
    struct rows rows;

    sql_begin(&s, &rq->work);
    listing_select(&s, l, in, "count(*)");
    enum err_code rc = sql_run(&s, &rows);
    if (!rc)
        *out = rows_i64(&rows, 0, 0);
    return rc;
}

enum err_code listing_filter(struct request *rq, const struct listing *l)
{
    struct listing_in in;
    struct rows rows;
    enum err_code rc = listing_decode(rq, l, LISTING_FILTER, &in);

    if (!rc)
        rc = select_page(rq, l, &in, in.offset, &rows);
    return rc ? rc : reply_rows(rq, l->resource, &rows);
}

enum err_code listing_count(struct request *rq, const struct listing *l)
{
    struct listing_in in;
    int64_t count = 0;
    enum err_code rc = listing_decode(rq, l, LISTING_COUNT, &in);

    if (!rc)
        rc = count_all(rq, l, &in, &count);
    if (rc)
        return rc;
    write_int64(&rq->reply.body, count);
    return reply_status(rq, 200);
}

enum err_code listing_paginate(struct request *rq, const struct listing *l)
{
    struct listing_in in;
    struct rows rows;
    int64_t count = 0;
    enum err_code rc = listing_decode(rq, l, LISTING_PAGE, &in);

    if (!rc)
        rc = count_all(rq, l, &in, &count);
    if (!rc)
        rc = select_page(rq, l, &in, (in.page - 1) * in.limit, &rows);
    if (rc)
        return rc;
    struct buf *b = &rq->reply.body;
    write_object(b);
    write_key(b, "results");
    rc = reply_rows(rq, l->resource, &rows);
    write_key(b, "count");
    write_int64(b, count);
    write_key(b, "limit");
    write_int64(b, in.limit);
    write_key(b, "pages");
    write_int64(b, in.limit ? (count + in.limit - 1) / in.limit : 0);
    write_key(b, "page");
    write_int64(b, in.page);
    write_end_object(b);
    return rc ? rc : reply_status(rq, 200);
}
