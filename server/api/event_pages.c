#include "server/api/event_pages.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/http/reply.h"
#include "server/model/event_token.h"
#include "server/store/event_query.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

enum { BUCKETS_MAX = 1000 };

struct page_in {
    struct given given;
    struct raw filter;
    int64_t limit;
};
static const struct field page_fields[] = {
    F_JSON(struct page_in, filter, F_NULLABLE, .doc = "EventFilter."),
    F_INT(struct page_in, limit, F_GE(0), F_LE(EVENT_PAGE_MAX), .def = "50", .doc = "At most."),
};
static const struct resource page_resource =
    RESOURCE_NAMED("Body_read_events_events_filter_post", page_in, page_fields, .extra = true);

static struct val body_of(struct request *rq)
{
    return rq->doc.count ? doc_root(&rq->doc) : (struct val){0};
}

static enum err_code refuse(struct request *rq)
{
    return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
}

static enum err_code read_filter(struct request *rq, struct event_filter *out)
{
    const struct loc at = {&loc_body, "filter", 0};
    struct val v = val_get(body_of(rq), "filter");

    if (event_filter_decode(v, &at, rq->work.now_us, out, &rq->invalid) != ERR_OK)
        return refuse(rq);
    return ERR_OK;
}

/* ---- pages ---- */

/* Where the client reaches this API: http://host/api/events/filter/next. */
static const char *next_url(struct request *rq, const char *token)
{
    const char *events = strstr(rq->path, "/events");
    int before = events ? (int)(events - rq->path) : 0;

    return arena_printf(&rq->work.arena, "%s%.*s/events/filter/next?page-token=%s", rq->work.origin,
                        before, rq->path, token);
}

/* `t` is the token of this page; of its last event the next one is made. */
static enum err_code answer_page(struct request *rq, struct event_token *t,
                                 const struct stored_events *events)
{
    struct buf *b = &rq->reply.body;

    write_object(b);
    write_key(b, "events");
    write_array(b);
    for (size_t i = 0; i < events->count; i++)
        event_write(b, &events->items[i].event, events->items[i].received_us);
    write_end_array(b);
    write_key(b, "total");
    write_int64(b, t->total);
    write_key(b, "next_page");
    t->seen += (int64_t)events->count;
    if (events->count) {
        t->after = events->items[events->count - 1].event.id;
        t->after_us = events->items[events->count - 1].event.occurred_us;
    }
    /* A page that has room for more was the last one, whatever was counted in the beginning. */
    if (t->seen < t->total && (int64_t)events->count == t->page_size)
        write_string(b, next_url(rq, event_token_write(&rq->work.arena, t)));
    else
        write_null(b);
    write_end_object(b);
    return reply_status(rq, 200);
}

enum err_code events_filter(struct request *rq)
{
    struct page_in in = {0};
    struct event_filter filter;
    struct stored_events events;
    struct event_token t = {0};

    if (json_decode(&page_resource, body_of(rq), &loc_body, &in, &rq->invalid) != ERR_OK)
        return refuse(rq);
    enum err_code rc = read_filter(rq, &filter);
    if (!rc)
        rc = events_page(&rq->work, &filter, (struct event_cursor){0}, in.limit, &events);
    if (!rc && (int64_t)events.count < in.limit)
        t.total = (int64_t)events.count; /* all of them: no second look at what is stored */
    else if (!rc)
        rc = events_count(&rq->work, &filter, &t.total);
    if (rc)
        return rc;
    t.filter = in.filter;
    t.since_us = filter.since_us;
    t.until_us = filter.until_us;
    t.page_size = in.limit;
    return answer_page(rq, &t, &events);
}

enum err_code events_filter_next(struct request *rq)
{
    static const struct loc query = {NULL, "query", 0}, at = {&query, "page-token", 0};
    const char *text = request_query(rq, "page-token");
    struct work *w = &rq->work;
    struct event_filter filter;
    struct event_token t;
    struct stored_events events;
    struct doc doc;
    struct doc_error bad;

    if (!text) {
        invalid_add(&rq->invalid, &at, "missing", "Field required", (struct raw){0}, NULL);
        return refuse(rq);
    }
    if (!event_token_read(&w->arena, text, &t))
        return err_set(&w->err, FORBIDDEN, "Forbidden");
    struct raw json = t.filter.text ? t.filter : RAW("null");
    if (!doc_parse(&w->arena, json.text, json.len, &doc, &bad) ||
        event_filter_decode(doc_root(&doc), &at, w->now_us, &filter, &rq->invalid) != ERR_OK)
        return err_set(&w->err, FORBIDDEN, "Forbidden");
    filter.since_us = t.since_us;
    filter.until_us = t.until_us;
    struct event_cursor after = {t.after_us, t.after};
    enum err_code rc = events_page(w, &filter, after, t.page_size, &events);
    return rc ? rc : answer_page(rq, &t, &events);
}

/* ---- counts ---- */

struct count_in {
    struct given given;
    struct raw filter;
    double time_interval;
    int time_unit;
};

#define SECOND_US INT64_C(1000000)
static const int64_t unit_us[] = {7 * 86400 * SECOND_US, 86400 * SECOND_US, 3600 * SECOND_US,
                                  60 * SECOND_US, SECOND_US};
static const struct enum_name units[] = {{"week", 0},   {"day", 1},    {"hour", 2},
                                         {"minute", 3}, {"second", 4}, {NULL, 0}};
static const struct field count_fields[] = {
    F_JSON(struct count_in, filter, F_REQUIRED, .doc = "EventFilter."),
    F_ENUM(struct count_in, time_unit, units, .def = "\"day\"", .doc = "Of the interval."),
    F_NUM(struct count_in, time_interval, F_GE(0.01), .def = "1.0", .doc = "In units."),
};
static const struct resource count_resource =
    RESOURCE_NAMED("Body_count_account_events_events_count_by__countable__post", count_in,
                   count_fields, .extra = true);

/* Buckets are counted from Monday, 2024-04-01. */
#define PIVOT_US INT64_C(1711929600000000)

static int64_t floor_to(int64_t time_us, int64_t step_us)
{
    int64_t rest = (time_us - PIVOT_US) % step_us;
    return time_us - (rest < 0 ? rest + step_us : rest);
}

/* As Python prints it: `2024-04-01T00:00:00+00:00`. */
static void write_label(struct buf *b, int64_t time_us)
{
    char text[TIME_TEXT_BYTES + 8];
    size_t len = time_format(time_us, text);

    memcpy(text + len - 1, "+00:00", sizeof("+00:00"));
    write_string(b, text);
}

static void write_bucket(struct buf *b, int64_t number, int64_t start_us, int64_t end_us,
                         int64_t count)
{
    char value[24];

    snprintf(value, sizeof(value), "%lld", (long long)number);
    write_object(b);
    write_key(b, "value");
    write_string(b, value);
    write_key(b, "label");
    write_label(b, start_us);
    write_key(b, "count");
    write_int64(b, count);
    write_key(b, "start_time");
    write_time(b, start_us);
    write_key(b, "end_time");
    write_time(b, end_us);
    write_end_object(b);
}

struct event_buckets {
    int64_t start_us, step_us, count;
};

static enum err_code buckets_of(struct request *rq, const struct event_filter *f,
                                const struct count_in *in, struct event_buckets *out)
{
    struct work *w = &rq->work;
    double step = fmin(in->time_interval, 1e6) * (double)unit_us[in->time_unit];
    int64_t step_us = step < 1 ? 1 : (int64_t)(step + 0.5);
    int64_t start_us = floor_to(f->since_us, step_us);
    int64_t end_us = f->until_us < w->now_us ? f->until_us : w->now_us;
    int64_t count = end_us < f->since_us ? 0 : (end_us - start_us + step_us - 1) / step_us;

    *out = (struct event_buckets){start_us, step_us, count};
    if (count <= BUCKETS_MAX)
        return ERR_OK;
    return err_set(&w->err, INVALID,
                   "The given interval would create %lld buckets, which is too many. Please "
                   "increase the interval or reduce the time range to produce 1000 buckets or "
                   "fewer.",
                   (long long)count);
}

static enum err_code count_by_time(struct request *rq, const struct event_filter *f,
                                   const struct event_buckets *in)
{
    int64_t row = 0;
    struct rows rows;
    enum err_code rc = events_count_by_time(&rq->work, f, in->start_us, in->step_us, &rows);

    if (rc)
        return rc;
    write_array(&rq->reply.body);
    for (int64_t i = 0; i < in->count; i++) {
        bool here = row < rows.count && rows_i64(&rows, (int)row, 0) == i;
        int64_t start_us = in->start_us + i * in->step_us;
        write_bucket(&rq->reply.body, i, start_us, start_us + in->step_us - 1,
                     here ? rows_i64(&rows, (int)row, 1) : 0);
        row += here;
    }
    write_end_array(&rq->reply.body);
    return reply_status(rq, 200);
}

static enum err_code answer_counts(struct request *rq, const struct rows *rows)
{
    struct buf *b = &rq->reply.body;

    write_array(b);
    for (int i = 0; i < rows->count; i++) {
        write_object(b);
        write_key(b, "value");
        write_string(b, rows_text(rows, i, 0));
        write_key(b, "label");
        write_string(b, rows_text(rows, i, 1));
        write_key(b, "count");
        write_int64(b, rows_i64(rows, i, 2));
        write_key(b, "start_time");
        write_time(b, rows_time(rows, i, 3));
        write_key(b, "end_time");
        write_time(b, rows_time(rows, i, 4));
        write_end_object(b);
    }
    write_end_array(b);
    return reply_status(rq, 200);
}

enum countable { BY_DAY, BY_TIME, BY_EVENT, BY_RESOURCE, COUNTABLES };

static enum err_code read_countable(struct request *rq, enum countable *out)
{
    static const char *const names[COUNTABLES] = {"day", "time", "event", "resource"};
    static const struct loc path = {NULL, "path", 0}, at = {&path, "countable", 0};
    const char *given = rq->params[0];
    struct buf input = {.max_bytes = 64 << 10};

    for (enum countable c = 0; c < COUNTABLES; c++)
        if (strcmp(given, names[c]) == 0) {
            *out = c;
            return ERR_OK;
        }
    write_string(&input, given);
    invalid_add(&rq->invalid, &at, "enum", "Input should be 'day', 'time', 'event' or 'resource'",
                (struct raw){input.bytes, input.len},
                "{\"expected\":\"'day', 'time', 'event' or 'resource'\"}");
    buf_free(&input);
    *out = COUNTABLES;
    return ERR_OK;
}

enum err_code events_count_by(struct request *rq)
{
    struct count_in in = {0};
    struct event_filter filter = {0};
    enum countable by = BY_DAY;
    struct event_buckets buckets;
    struct rows rows;
    enum err_code rc = read_countable(rq, &by);

    if (rc)
        return rc;
    bool good = json_decode(&count_resource, body_of(rq), &loc_body, &in, &rq->invalid) == ERR_OK;
    if (val_type(val_get(body_of(rq), "filter")) != DOC_NONE)
        good = read_filter(rq, &filter) == ERR_OK && good;
    if (!good || by == COUNTABLES)
        return refuse(rq);
    if ((rc = buckets_of(rq, &filter, &in, &buckets)))
        return rc;
    if (by == BY_DAY || by == BY_TIME)
        return count_by_time(rq, &filter, &buckets);
    rc = by == BY_EVENT ? events_count_by_name(&rq->work, &filter, &rows)
                        : events_count_by_resource(&rq->work, &filter, &rows);
    return rc ? rc : answer_counts(rq, &rows);
}
