#include "server/api/logs.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/logs.h"

struct pending {
    struct lane_item item;
    struct request *rq;
};

void logs_create(struct request *rq)
{
    struct pending *p = arena_new(&rq->work.arena, struct pending);

    p->rq = rq;
    if (lane_submit(rq->work.server->logs, &p->item, &rq->work.err) == ERR_OK)
        return;
    reply_error(rq);
    request_finish(rq);
}

static void answer(struct request *rq, const struct err *failed)
{
    if (failed) {
        rq->work.err = *failed;
        reply_error(rq);
    } else if (reply_text(rq, 201, "null") != ERR_OK) {
        reply_error(rq);
    }
    request_finish(rq);
}

static void run_lane(struct work *w, struct lane_item **items, size_t count)
{
    struct pending **batch = (struct pending **)items; /* item is the first member */
    struct log_batch *logs = arena_array(&w->arena, struct log_batch, count);

    for (size_t i = 0; i < count; i++)
        logs[i] = (struct log_batch){batch[i]->rq->in, batch[i]->rq->in_count};
    enum err_code rc = logs_store(w, logs, count);
    for (size_t i = 0; i < count; i++) {
        enum err_code own = rc && count > 1 ? logs_store(w, &logs[i], 1) : rc;
        answer(batch[i]->rq, own ? &w->err : NULL);
    }
}

const struct lane_kind logs_lane = {"logs", 256, 8192, run_lane};

static const struct sort sorts[] = {
    {"TIMESTAMP_ASC", "l.\"timestamp\", l.id"},
    {"TIMESTAMP_DESC", "l.\"timestamp\" DESC, l.id DESC"},
};
static const struct listing logs = {
    .resource = &log_resource,
    .from = "log l",
    .alias = "l",
    .target = FILTER_LOGS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum err_code logs_filter(struct request *rq)
{
    return listing_filter(rq, &logs);
}
