#include "server/api/work_pools.h"

#include <string.h>

#include "server/api/listing.h"
#include "server/api/worker_channel.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/flow_run.h"
#include "server/model/orchestration.h"
#include "server/store/flow_runs.h"
#include "server/store/work_pools.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

static const struct resource *shape_for(struct request *rq)
{
    int32_t client = client_version_parse(request_header(rq, "User-Agent"));
    return client && client <= VERSION_NUMBER(3, 3, 7) ? &old_work_pool_resource
                                                       : &work_pool_resource;
}

static enum err_code reply_pool(struct request *rq, int status, const char *name)
{
    const struct resource *shape = shape_for(rq);
    struct rows rows;
    enum err_code rc = work_pool_get_as(&rq->work, shape, name, &rows);
    return rc ? rc : reply_row(rq, status, shape, &rows, 0);
}

enum err_code work_pools_create(struct request *rq)
{
    const struct work_pool_create *in = request_in(rq, struct work_pool_create);
    enum err_code rc = work_pool_create(&rq->work, in);
    return rc ? rc : reply_pool(rq, 201, in->name);
}

enum err_code work_pools_get(struct request *rq)
{
    return reply_pool(rq, 200, rq->params[0]);
}

enum err_code work_pools_update(struct request *rq)
{
    enum err_code rc =
        work_pool_update(&rq->work, rq->params[0], request_in(rq, struct work_pool_update));
    if (!rc)
        worker_channels_wake(rq->work.server, rq->params[0]);
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code work_pools_delete(struct request *rq)
{
    enum err_code rc = work_pool_delete(&rq->work, rq->params[0]);
    if (!rc)
        worker_channels_wake(rq->work.server, rq->params[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort by_name[] = {{"NAME_ASC", "wp.name COLLATE \"C\", wp.id"}};
static const struct listing pools = {
    .resource = &work_pool_resource,
    .from = "work_pool wp",
    .alias = "wp",
    .target = FILTER_WORK_POOLS,
    .sorts = by_name,
    .sort_count = 1,
};

enum err_code work_pools_filter(struct request *rq)
{
    struct listing listing = pools;
    listing.resource = shape_for(rq);
    return listing_filter(rq, &listing);
}

enum err_code work_pools_count(struct request *rq)
{
    return listing_count(rq, &pools);
}

/* ---- queues ---- */

static enum err_code reply_queue(struct request *rq, int status, const char *pool, const char *name)
{
    struct rows rows;
    enum err_code rc = work_queue_get(&rq->work, pool, name, &rows);
    return rc ? rc : reply_row(rq, status, &work_queue_resource, &rows, 0);
}

enum err_code work_queues_create(struct request *rq)
{
    const struct work_queue_write *in = request_in(rq, struct work_queue_write);
    enum err_code rc = work_queue_create(&rq->work, rq->params[0], in);
    return rc ? rc : reply_queue(rq, 201, rq->params[0], in->name);
}

enum err_code work_queues_get(struct request *rq)
{
    return reply_queue(rq, 200, rq->params[0], rq->params[1]);
}

enum err_code work_queues_get_by_id(struct request *rq)
{
    struct rows rows;
    enum err_code rc = work_queue_get_by_id(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &work_queue_resource, &rows, 0);
}

enum err_code work_queues_update(struct request *rq)
{
    enum err_code rc = work_queue_update(&rq->work, rq->params[0], rq->params[1],
                                         request_in(rq, struct work_queue_write));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code work_queues_delete(struct request *rq)
{
    enum err_code rc = work_queue_delete(&rq->work, rq->params[0], rq->params[1]);
    return rc ? rc : reply_empty(rq, 204);
}

/* Listings within one pool: its id goes into the fixed condition. */
static enum err_code list_in_pool(struct request *rq, const struct listing *l,
                                  const char *condition)
{
    const char *pool = NULL;
    struct listing_in in; /* a body that is wrong is told before a pool that is not there */
    struct listing own = *l;
    enum err_code rc = listing_decode(rq, l, LISTING_FILTER, &in);

    if (!rc)
        rc = work_pool_find(&rq->work, rq->params[0], &pool);

    own.where = rc ? NULL : arena_printf(&rq->work.arena, "%s = '%s'", condition, pool);
    return rc ? rc : listing_filter(rq, &own);
}

static const struct sort by_priority[] = {{"PRIORITY_ASC", "wq.priority, wq.name"}};
static const struct listing queues = {
    .resource = &work_queue_resource,
    .from = "work_queue wq JOIN work_pool wp ON wp.id = wq.work_pool_id",
    .alias = "wq",
    .target = FILTER_WORK_QUEUES,
    .sorts = by_priority,
    .sort_count = 1,
};

enum err_code work_queues_filter(struct request *rq)
{
    return list_in_pool(rq, &queues, "wq.work_pool_id");
}

/* ---- workers ---- */

enum err_code workers_heartbeat(struct request *rq)
{
    enum err_code rc =
        worker_heartbeat(&rq->work, rq->params[0], request_in(rq, struct worker_heartbeat));
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort by_heartbeat[] = {{"HEARTBEAT_DESC", "w.last_heartbeat_time DESC, w.id"}};
static const struct listing workers = {
    .resource = &worker_resource,
    .from = "worker w",
    .alias = "w",
    .target = FILTER_WORKERS,
    .sorts = by_heartbeat,
    .sort_count = 1,
};

enum err_code workers_filter(struct request *rq)
{
    return list_in_pool(rq, &workers, "w.work_pool_id");
}

enum err_code workers_delete(struct request *rq)
{
    enum err_code rc = worker_delete(&rq->work, rq->params[0], rq->params[1]);
    return rc ? rc : reply_empty(rq, 204);
}

/* ---- due runs ---- */

struct scheduled_body {
    struct given given;
    struct strings work_queue_names;
    int64_t scheduled_before_us, scheduled_after_us, limit;
};

static const struct field scheduled_fields[] = {
    F_STRS(struct scheduled_body, work_queue_names, F_NULLABLE, .doc = "All queues by default."),
    F_TIME(struct scheduled_body, scheduled_before, F_NULLABLE,
           .doc = "Due at this time or before."),
    F_TIME(struct scheduled_body, scheduled_after, F_NULLABLE, .doc = "Due at this time or after."),
    F_INT(struct scheduled_body, limit, F_NULLABLE, F_GE(0),
          .doc = "At most so many, 200 by default."),
};
const struct resource scheduled_body_resource =
    RESOURCE_NAMED("GetScheduledFlowRuns", scheduled_body, scheduled_fields, .extra = true);

static int find_run(const struct rows *runs, const char *id)
{
    for (int i = 0; i < runs->count; i++)
        if (strcmp(rows_text(runs, i, 0), id) == 0)
            return i;
    return -1;
}

/* [{work_pool_id, work_queue_id, flow_run}], in starting order. */
static enum err_code reply_due(struct request *rq, const char *pool, const struct rows *due,
                               const struct rows *runs)
{
    struct buf *b = &rq->reply.body;
    enum err_code rc = ERR_OK;

    write_array(b);
    for (int i = 0; i < due->count && !rc; i++) {
        int at = find_run(runs, rows_text(due, i, 0));
        if (at < 0)
            continue;
        write_object(b);
        write_key(b, "work_pool_id");
        write_string(b, pool);
        write_key(b, "work_queue_id");
        write_string(b, rows_text(due, i, 1));
        write_key(b, "flow_run");
        rc = reply_row(rq, 200, &due_run_resource, runs, at);
        write_end_object(b);
    }
    write_end_array(b);
    return rc ? rc : reply_status(rq, 200);
}

enum err_code work_pools_scheduled(struct request *rq)
{
    const struct scheduled_body *in = request_in(rq, struct scheduled_body);
    struct work *w = &rq->work;
    struct work_wanted wanted = {in->work_queue_names, in->scheduled_before_us,
                                 in->scheduled_after_us, in->limit};
    struct rows due, runs;
    const char *pool;

    enum err_code rc = listing_limit(rq, 0, &wanted.limit);
    if (!rc)
        rc = work_pool_find(w, rq->params[0], &pool);
    if (!rc)
        rc = work_scheduled(w, rq->params[0], &wanted, &due);
    if (rc)
        return rc;
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)due.count), 0};
    for (int i = 0; i < due.count; i++)
        if (uuid_parse(rows_text(&due, i, 0), rows_len(&due, i, 0), &ids.items[ids.count]))
            ids.count++;
    rc = flow_runs_get_as(w, &due_run_resource, ids, &runs);
    return rc ? rc : reply_due(rq, pool, &due, &runs);
}
