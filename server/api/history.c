#include "server/api/history.h"

#include <math.h>

#include "server/http/reply.h"
#include "server/model/state.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

enum { BUCKETS_MAX = 500, INTERVAL_MAX_S = 1000000000 };

#define X(name) ",'" #name "'"
static const char states_in_order[] = "ARRAY[''" STATE_TYPES_NAMED(X) "]";
#undef X

struct history_in {
    struct given given;
    int64_t history_start_us, history_end_us;
    double history_interval_seconds;
};

static const struct field rows[] = {
    /* clang-format off */
    F_TIME(struct history_in, history_start,            F_REQUIRED, .doc = "Where the first interval begins."),
    F_TIME(struct history_in, history_end,              F_REQUIRED, .doc = "Where the last one ends."),
    F_NUM(struct history_in, history_interval_seconds,  F_REQUIRED, .doc = "Length of an interval, at least 1."),
    /* clang-format on */
};
static const struct resource body = {.name = "Body",
                                     .size = sizeof(struct history_in),
                                     .given_offset = offsetof(struct history_in, given),
                                     .fields = rows,
                                     .count = COUNT(rows),
                                     .extra = true};

static enum err_code decode(struct request *rq, struct history_in *out)
{
    struct work *w = &rq->work;
    struct val root = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};

    if (json_decode(&body, root, &loc_body, out, &rq->invalid))
        return err_set(&w->err, INVALID, "%s", rq->invalid.first);
    if (!(out->history_interval_seconds >= 1))
        return err_set(&w->err, INVALID, "History interval must not be less than 1 second.");
    return ERR_OK;
}

struct buckets {
    int64_t start_us, step_us, count;
};

static struct buckets buckets_of(const struct history_in *in)
{
    struct buckets b = {in->history_start_us,
                        (int64_t)(fmin(in->history_interval_seconds, INTERVAL_MAX_S) * 1e6), 0};
    if (in->history_end_us > in->history_start_us)
        b.count = (in->history_end_us - in->history_start_us + b.step_us - 1) / b.step_us;
    if (b.count > BUCKETS_MAX)
        b.count = BUCKETS_MAX;
    return b;
}

/* One row per bucket and state, in order. */
static enum err_code select_counts(struct request *rq, const struct history *h,
                                   const struct listing_in *filters, struct buckets buckets,
                                   struct rows *out)
{
    struct work *w = &rq->work;
    struct sql s;

    sql_begin(&s, w);
    listing_select(
        &s, h->listing, filters,
        arena_printf(
            &w->arena,
            "floor((extract(epoch from %s.expected_start_time) * 1000000 - %lld) / %lld)::int, "
            "%s.state_type, %s.state_name, count(*), sum(%s), sum(%s)",
            h->alias, (long long)buckets.start_us, (long long)buckets.step_us, h->alias, h->alias,
            h->run_time, h->lateness));
    sql_add(&s, arena_printf(&w->arena, " AND %s.expected_start_time >= ", h->alias));
    sql_param(&s, param_time(w, buckets.start_us));
    sql_add(&s, arena_printf(&w->arena, " AND %s.expected_start_time < ", h->alias));
    sql_param(&s, param_time(w, buckets.start_us + buckets.count * buckets.step_us));
    sql_add(&s, arena_printf(&w->arena,
                             " AND %s.state_type IS NOT NULL GROUP BY 1, 2, 3"
                             " ORDER BY 1, array_position(%s, %s.state_type), 3",
                             h->alias, states_in_order, h->alias));
    return sql_run(&s, out);
}

static void write_state(struct buf *b, const struct rows *r, int row)
{
    write_object(b);
    write_key(b, "state_type");
    write_string(b, rows_text(r, row, 1));
    write_key(b, "state_name");
    write_string(b, rows_text(r, row, 2));
    write_key(b, "count_runs");
    write_int64(b, rows_i64(r, row, 3));
    write_key(b, "sum_estimated_run_time");
    write_double(b, rows_text(r, row, 4) ? rows_f64(r, row, 4) : 0);
    write_key(b, "sum_estimated_lateness");
    write_double(b, rows_text(r, row, 5) ? rows_f64(r, row, 5) : 0);
    write_end_object(b);
}

enum err_code history_reply(struct request *rq, const struct history *h)
{
    struct history_in in = {0};
    struct listing_in filters;
    struct rows counts;
    struct buf *b = &rq->reply.body;
    enum err_code rc = decode(rq, &in);

    if (!rc)
        rc = listing_decode(rq, h->listing, PART_HISTORY, &filters);
    if (rc)
        return rc;
    struct buckets buckets = buckets_of(&in);
    rc = select_counts(rq, h, &filters, buckets, &counts);
    if (rc)
        return rc;
    write_array(b);
    for (int64_t i = 0, row = 0; i < buckets.count; i++) {
        write_object(b);
        write_key(b, "interval_start");
        write_time(b, buckets.start_us + i * buckets.step_us);
        write_key(b, "interval_end");
        write_time(b, buckets.start_us + (i + 1) * buckets.step_us);
        write_key(b, "states");
        write_array(b);
        for (; row < counts.count && rows_i64(&counts, (int)row, 0) == i; row++)
            write_state(b, &counts, (int)row);
        write_end_array(b);
        write_end_object(b);
    }
    write_end_array(b);
    return reply_status(rq, 200);
}
