#include "server/api/work_queues.h"

#include <string.h>

#include "server/api/listing.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/flow_run.h"
#include "server/model/slot_run.h"
#include "server/model/work_pool.h"
#include "server/store/flow_runs.h"
#include "server/store/work_queues.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

enum { HEALTHY_LATE_RUNS = 0, HEALTHY_POLL_S = 60 };

enum err_code queues_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc =
        work_queue_create_default(&rq->work, request_in(rq, struct work_queue_write), &rows);
    return rc ? rc : reply_row(rq, 201, &work_queue_resource, &rows, 0);
}

enum err_code queues_get_by_name(struct request *rq)
{
    struct rows rows;
    enum err_code rc = work_queue_get_default(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &work_queue_resource, &rows, 0);
}

enum err_code queues_update(struct request *rq)
{
    enum err_code rc =
        work_queue_update_by_id(&rq->work, rq->ids[0], request_in(rq, struct work_queue_write));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code queues_delete(struct request *rq)
{
    enum err_code rc = work_queue_delete_by_id(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort by_name[] = {{"NAME_ASC", "wq.name COLLATE \"C\", wq.id"}};
static const struct listing queues = {
    .resource = &work_queue_resource,
    .from = "work_queue wq JOIN work_pool wp ON wp.id = wq.work_pool_id",
    .alias = "wq",
    .target = FILTER_WORK_QUEUES,
    .sorts = by_name,
    .sort_count = 1,
};

enum err_code queues_filter(struct request *rq)
{
    return listing_filter(rq, &queues);
}

/* Queues that let a deployment's runs through. */
enum err_code deployments_work_queue_check(struct request *rq)
{
    struct rows rows;
    enum err_code rc = deployment_queues(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_rows(rq, &legacy_queue_resource, &rows);
}

/* ---- runs ---- */

struct queue_runs {
    struct given given;
    int64_t scheduled_before_us, limit;
};

static const struct field queue_runs_fields[] = {
    F_TIME(struct queue_runs, scheduled_before, F_NULLABLE, .doc = "Due at this time or before."),
    F_INT(struct queue_runs, limit, F_NULLABLE, .doc = "At most so many, 200 by default."),
};
const struct resource queue_runs_resource =
    RESOURCE_NAMED("GetQueueRuns", queue_runs, queue_runs_fields, .extra = true);

enum err_code queues_get_runs(struct request *rq)
{
    const struct queue_runs *in = request_in(rq, struct queue_runs);
    const char *from_page = request_header(rq, "X-Prefect-UI");
    struct queue_wanted wanted = {in->scheduled_before_us, in->limit,
                                  from_page && strcasecmp(from_page, "true") == 0};
    struct work *w = &rq->work;
    struct rows due, runs;
    enum err_code rc = listing_limit(rq, 0, &wanted.limit);

    if (!rc)
        rc = work_queue_due(w, rq->ids[0], &wanted, &due);
    if (rc)
        return rc;
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)due.count + 1), 0};
    for (int i = 0; i < due.count; i++)
        ids.count += uuid_parse(rows_text(&due, i, 0), rows_len(&due, i, 0), &ids.items[ids.count]);
    rc = flow_runs_get(w, ids, &runs);
    if (rc)
        return rc;
    write_array(&rq->reply.body);
    for (int i = 0; i < due.count && !rc; i++)
        for (int k = 0; k < runs.count && !rc; k++)
            if (strcmp(rows_text(&runs, k, 0), rows_text(&due, i, 0)) == 0)
                rc = reply_row(rq, 200, &flow_run_resource, &runs, k);
    write_end_array(&rq->reply.body);
    return rc ? rc : reply_status(rq, 200);
}

enum err_code queues_status(struct request *rq)
{
    struct buf *b = &rq->reply.body;
    struct rows rows;
    enum err_code rc = work_queue_health(&rq->work, rq->ids[0], &rows);

    if (rc)
        return rc;
    int64_t late = rows_i64(&rows, 0, 0);
    write_object(b);
    write_key(b, "healthy");
    write_bool(b, late <= HEALTHY_LATE_RUNS && rows_bool(&rows, 0, 2));
    write_key(b, "late_runs_count");
    write_int64(b, late);
    write_key(b, "last_polled");
    write_time(b, rows_time(&rows, 0, 1));
    write_key(b, "health_check_policy");
    write_object(b);
    write_key(b, "maximum_late_runs");
    write_int64(b, HEALTHY_LATE_RUNS);
    write_key(b, "maximum_seconds_since_last_polled");
    write_int64(b, HEALTHY_POLL_S);
    write_end_object(b);
    write_end_object(b);
    return reply_status(rq, 200);
}

/* ---- slots ---- */

struct slots_page {
    struct given given;
    int64_t page, limit, flow_run_limit;
};

static const struct field slots_page_fields[] = {
    F_INT(struct slots_page, page, F_GE(1), .def = "1", .doc = "Counted from 1."),
    F_INT(struct slots_page, limit, F_NULLABLE, .doc = "At most so many, 200 by default."),
    F_INT(struct slots_page, flow_run_limit, F_GE(0), F_LE(200), .def = "10",
          .doc = "Runs of each queue."),
};
const struct resource slots_page_resource =
    RESOURCE_NAMED("SlotsPage", slots_page, slots_page_fields, .extra = true);

static void write_slots(struct buf *b, const char *limit, int64_t in_use)
{
    write_key(b, "active_slots");
    write_int64(b, in_use);
    write_key(b, "concurrency_limit");
    write_raw(b, (struct raw){limit, limit ? strlen(limit) : 0});
}

static void write_page(struct buf *b, int64_t count, int64_t limit, int64_t page)
{
    write_key(b, "count");
    write_int64(b, count);
    write_key(b, "limit");
    write_int64(b, limit);
    write_key(b, "pages");
    write_int64(b, limit ? (count + limit - 1) / limit : 0);
    write_key(b, "page");
    write_int64(b, page);
}

/* Runs from row *at on that belong to the queue (or, with NULL, all). */
static void write_runs(struct buf *b, const struct rows *runs, int first_column, const char *queue,
                       int *at)
{
    struct column columns[8];

    write_key(b, "flow_runs");
    write_array(b);
    for (; *at < runs->count && (!queue || strcmp(rows_text(runs, *at, 0), queue) == 0); ++*at) {
        for (int i = first_column; i < runs->columns; i++)
            columns[i - first_column] =
                (struct column){rows_text(runs, *at, i), rows_len(runs, *at, i)};
        json_encode_columns(b, &slot_run_resource, columns);
    }
    write_end_array(b);
}

enum err_code queues_concurrency(struct request *rq)
{
    const struct slots_page *in = request_in(rq, struct slots_page);
    struct work *w = &rq->work;
    struct buf *b = &rq->reply.body;
    int64_t limit = in->limit;
    struct rows slots, runs;
    int at = 0;
    enum err_code rc = listing_limit(rq, 0, &limit);

    if (!rc)
        rc = work_queue_slots(w, rq->ids[0], &slots);
    if (!rc)
        rc = work_queue_slot_runs(w, rq->ids[0], limit, (in->page - 1) * limit, &runs);
    if (rc)
        return rc;
    write_object(b);
    write_slots(b, rows_text(&slots, 0, 0), rows_i64(&slots, 0, 1));
    write_runs(b, &runs, 0, NULL, &at);
    write_page(b, rows_i64(&slots, 0, 1), limit, in->page);
    write_end_object(b);
    return reply_status(rq, 200);
}

/* The rows of runs come in the order of their queues' ids, those of queues by priority. */
static int first_run(const struct rows *runs, const char *queue)
{
    for (int i = 0; i < runs->count; i++)
        if (strcmp(rows_text(runs, i, 0), queue) == 0)
            return i;
    return runs->count;
}

static void write_queue(struct buf *b, const struct rows *all, int i, const struct rows *runs)
{
    const char *id = rows_text(all, i, 0);
    int at = first_run(runs, id);

    write_object(b);
    write_key(b, "queue_id");
    write_string(b, id);
    write_key(b, "queue_name");
    write_string(b, rows_text(all, i, 1));
    write_slots(b, rows_text(all, i, 3), rows_i64(all, i, 2));
    write_runs(b, runs, 1, id, &at);
    write_key(b, "flow_run_count");
    write_int64(b, rows_i64(all, i, 2));
    write_end_object(b);
}

enum err_code pools_concurrency(struct request *rq)
{
    const struct slots_page *in = request_in(rq, struct slots_page);
    struct work *w = &rq->work;
    struct buf *b = &rq->reply.body;
    int64_t limit = in->limit;
    struct rows pool, found, runs;
    enum err_code rc = listing_limit(rq, 0, &limit);

    if (!rc)
        rc = work_pool_slots(w, rq->params[0], &pool);
    if (!rc)
        rc =
            work_pool_queue_slots(w, rows_text(&pool, 0, 0), limit, (in->page - 1) * limit, &found);
    if (!rc)
        rc = work_pool_slot_runs(w, &found, in->flow_run_limit, &runs);
    if (rc)
        return rc;
    write_object(b);
    write_slots(b, rows_text(&pool, 0, 1), rows_i64(&pool, 0, 2));
    write_key(b, "queues");
    write_array(b);
    for (int i = 0; i < found.count; i++)
        write_queue(b, &found, i, &runs);
    write_end_array(b);
    write_page(b, rows_i64(&pool, 0, 3), limit, in->page);
    write_end_object(b);
    return reply_status(rq, 200);
}
