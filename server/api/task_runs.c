#include "server/api/task_runs.h"

#include "server/api/history.h"
#include "server/api/listing.h"
#include "server/api/set_state.h"
#include "server/api/task_workers.h"
#include "server/http/reply.h"
#include "server/store/task_runs.h"

static bool is_background(const struct state_create *state)
{
    return state && state->type == STATE_SCHEDULED && state->state_details &&
           state->state_details->deferred == TRI_TRUE;
}

enum err_code task_runs_create(struct request *rq)
{
    struct uuid id;
    struct rows rows;
    bool created;
    const struct task_run_create *in = request_in(rq, struct task_run_create);
    enum err_code rc = task_run_upsert(&rq->work, in, &id, &created);

    if (!rc && created && is_background(in->state))
        task_workers_wake(rq->work.server, in->task_key);
    if (!rc)
        rc = task_run_get(&rq->work, id, &rows);
    return rc ? rc : reply_row(rq, created ? 201 : 200, &task_run_resource, &rows, 0);
}

enum err_code task_runs_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = task_run_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &task_run_resource, &rows, 0);
}

enum err_code task_runs_update(struct request *rq)
{
    const struct task_run_update *in = request_in(rq, struct task_run_update);
    struct rows rows;
    enum err_code rc = given(in, name) ? task_run_rename(&rq->work, rq->ids[0], in->name)
                                       : task_run_get(&rq->work, rq->ids[0], &rows);
    if (rc == ERR_NOT_FOUND)
        return err_set(&rq->work.err, NOT_FOUND, "Task run not found");
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code task_runs_delete(struct request *rq)
{
    enum err_code rc = task_run_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code task_runs_set_state(struct request *rq)
{
    const struct set_state *in = request_in(rq, struct set_state);
    struct state proposed = state_from_create(&rq->work.arena, in->state);
    struct verdict verdict;
    enum err_code rc = task_run_set_state(&rq->work, rq->ids[0], &proposed, in->force, &verdict);

    if (rc)
        return rc;
    if (verdict.effects & (EFFECT_ENQUEUE_TASK | EFFECT_ENQUEUE_RETRY))
        task_workers_wake(rq->work.server, NULL);
    set_state_write(&rq->reply.body, &verdict);
    return reply_status(rq, verdict.writes ? 201 : 200);
}

/* ---- lists ---- */

#define DURATION RUN_ESTIMATED_RUN_TIME("tr")
static const struct sort sorts[] = {
    {"ID_DESC", "tr.id DESC"},
    {"EXPECTED_START_TIME_ASC", "tr.expected_start_time, tr.id"},
    {"EXPECTED_START_TIME_DESC", "tr.expected_start_time DESC, tr.id DESC"},
    {"NAME_ASC", "tr.name COLLATE \"C\", tr.id"},
    {"NAME_DESC", "tr.name COLLATE \"C\" DESC, tr.id"},
    {"NEXT_SCHEDULED_START_TIME_ASC", "tr.next_scheduled_start_time, tr.id"},
    {"END_TIME_DESC", "tr.end_time DESC, tr.id DESC"},
    {"DURATION_DESC", DURATION " DESC, tr.expected_start_time DESC, tr.id DESC"},
    {"DURATION_ASC", DURATION ", tr.expected_start_time DESC, tr.id DESC"},
};
const struct listing task_runs_listing = {
    .resource = &task_run_resource,
    .from = "task_run tr",
    .alias = "tr",
    .target = FILTER_TASK_RUNS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 0,
};

enum err_code task_runs_filter(struct request *rq)
{
    return listing_filter(rq, &task_runs_listing);
}

enum err_code task_runs_count(struct request *rq)
{
    return listing_count(rq, &task_runs_listing);
}

enum err_code task_runs_paginate(struct request *rq)
{
    struct listing paged = task_runs_listing;

    paged.resource = &task_run_paged_resource;
    return listing_paginate(rq, &paged);
}

enum err_code task_runs_history(struct request *rq)
{
    static const struct history history = {&task_runs_listing, "tr", RUN_ESTIMATED_RUN_TIME("tr"),
                                           RUN_ESTIMATED_DELTA("tr")};
    return history_reply(rq, &history);
}
