#include "server/api/flow_run_lanes.h"

#include <string.h>

#include "server/api/deployment_runs.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/flow_runs.h"

/* A request in a lane; lives in the request's arena. */
struct pending {
    struct lane_item item;
    struct request *rq;
    struct flow_run_new run; /* creations */
};

static void submit(struct request *rq, struct lane *lane)
{
    struct pending *p = arena_new(&rq->work.arena, struct pending);

    p->rq = rq;
    p->run.in = rq->in;
    p->run.created_by = created_by_of(rq);
    if (lane_submit(lane, &p->item, &rq->work.err) == ERR_OK)
        return;
    reply_error(rq);
    request_finish(rq);
}

void flow_runs_create(struct request *rq)
{
    submit(rq, rq->work.server->creations);
}

void flow_runs_get_one(struct request *rq)
{
    submit(rq, rq->work.server->reads);
}

static void fail(struct request *rq, const struct err *e)
{
    rq->work.err = *e;
    reply_error(rq);
    request_finish(rq);
}

static int find_row(const struct rows *rows, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    for (int i = 0; i < rows->count; i++)
        if (memcmp(rows_text(rows, i, 0), text, sizeof(text)) == 0)
            return i;
    return -1;
}

/* ---- reads ---- */

static void answer_read(struct pending *p, const struct rows *rows)
{
    struct request *rq = p->rq;
    int at = find_row(rows, rq->ids[0]);

    if (at < 0)
        (void)err_set(&rq->work.err, NOT_FOUND, "Flow run not found");
    if (at < 0 || reply_row(rq, 200, &flow_run_resource, rows, at) != ERR_OK)
        reply_error(rq);
    request_finish(rq);
}

static void run_reads(struct work *w, struct lane_item **items, size_t count)
{
    struct pending **batch = (struct pending **)items; /* item is the first member */
    struct uuids ids = {arena_array(&w->arena, struct uuid, count), count};
    struct rows rows;

    for (size_t i = 0; i < count; i++)
        ids.items[i] = batch[i]->rq->ids[0];
    enum err_code rc = flow_runs_get(w, ids, &rows);
    for (size_t i = 0; i < count; i++) {
        if (rc)
            fail(batch[i]->rq, &w->err);
        else
            answer_read(batch[i], &rows);
    }
}

const struct lane_kind reads_lane = {"reads", 64, 8192, run_reads};

/* ---- creations ---- */

static enum err_code insert(struct work *w, struct flow_run_new **runs, size_t count)
{
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = flow_runs_insert(w, runs, count);
    rc = db_end(w, rc);
    if (!rc)
        flow_runs_announce(w, runs, count);
    return rc;
}

static enum err_code read_back(struct work *w, struct flow_run_new **runs, size_t count,
                               struct rows *out)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, count), count};

    for (size_t i = 0; i < count; i++)
        ids.items[i] = runs[i]->id;
    return flow_runs_get(w, ids, out);
}

static void answer_creation(struct pending *p, const struct rows *rows)
{
    struct request *rq = p->rq;
    int at = find_row(rows, p->run.id);

    if (at < 0)
        (void)err_set(&rq->work.err, CONFLICT,
                      "Data integrity conflict. This usually means a unique or foreign key "
                      "constraint was violated. See server "
                      "logs for details.");
    if (at < 0 || reply_row(rq, p->run.created ? 201 : 200, &flow_run_resource, rows, at) != ERR_OK)
        reply_error(rq);
    request_finish(rq);
}

/* One after the other, when the batch as a whole was refused. */
static void create_each(struct work *w, struct pending **batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct flow_run_new *run = &batch[i]->run;
        struct rows rows;
        run->id = (struct uuid){{0}};
        enum err_code rc = insert(w, &run, 1);
        if (!rc)
            rc = read_back(w, &run, 1, &rows);
        if (rc)
            fail(batch[i]->rq, &w->err);
        else
            answer_creation(batch[i], &rows);
    }
}

/* Leaves out the items whose queue does not exist; they are answered. */
static size_t find_queues(struct work *w, struct pending **batch, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        if (flow_run_find_queue(w, &batch[i]->run) == ERR_OK)
            batch[n++] = batch[i];
        else
            fail(batch[i]->rq, &w->err);
    }
    return n;
}

static void run_creations(struct work *w, struct lane_item **items, size_t count)
{
    struct pending **batch = (struct pending **)items;
    struct flow_run_new **runs = arena_array(&w->arena, struct flow_run_new *, count);
    struct rows rows;

    count = find_queues(w, batch, count);
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        runs[i] = &batch[i]->run;
    enum err_code rc = insert(w, runs, count);
    if (!rc)
        rc = read_back(w, runs, count, &rows);
    if (rc) {
        create_each(w, batch, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        answer_creation(batch[i], &rows);
}

const struct lane_kind creations_lane = {"creations", 128, 8192, run_creations};
