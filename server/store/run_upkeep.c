#include "server/store/run_upkeep.h"

#include <string.h>

#include "server/db/params.h"
#include "server/store/task_runs.h"
#include "server/store/worker_cleanup.h"
#include "shared/base/clock.h"

static const struct state_details no_details = STATE_DETAILS_INIT;

static struct state proposal(enum state_type type, const char *name, const char *message)
{
    return (struct state){.type = type,
                          .name = name ? name : state_default_name(type),
                          .message = message,
                          .timestamp_us = TIME_NONE,
                          .details = no_details};
}

static struct uuid id_of(const struct rows *r, int row)
{
    struct uuid id;
    return uuid_parse(rows_text(r, row, 0), rows_len(r, row, 0), &id) ? id : (struct uuid){0};
}

/* What becomes of a run that was found. */
typedef void propose_fn(const struct rows *r, int row, struct transition *out);

/* Runs that the query finds, and locks, get the proposed states. */
static enum err_code move_found(struct work *w, enum query find, const char *const *parameters,
                                propose_fn *propose, size_t *out_count)
{
    struct transition **items = NULL;
    struct rows r;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, find, parameters, &r);
    if (!rc && r.count) {
        items = arena_array(&w->arena, struct transition *, (size_t)r.count);
        for (int i = 0; i < r.count; i++) {
            items[i] = arena_new(&w->arena, struct transition);
            items[i]->run_id = id_of(&r, i);
            propose(&r, i, items[i]);
        }
        rc = transitions_apply(w, items, (size_t)r.count);
    }
    rc = db_end(w, rc);
    if (rc)
        return rc;
    for (int i = 0; i < r.count; i++)
        *out_count += items[i]->found && items[i]->verdict.writes;
    if (items)
        transitions_announce(w, items, (size_t)r.count);
    return ERR_OK;
}

static enum err_code next_time(struct work *w, enum query q, int64_t *out_us)
{
    struct rows r;
    enum err_code rc = db_query(w, q, NULL, &r);

    if (!rc)
        *out_us = r.count ? rows_time(&r, 0, 0) : TIME_NONE;
    return rc;
}

/* ---- one kind after the other ---- */

static void propose_late(const struct rows *r, int row, struct transition *out)
{
    out->policy = POLICY_FLOW_LATE;
    out->proposed = proposal(STATE_SCHEDULED, "Late", NULL);
    out->proposed.details.scheduled_time_us = rows_time(r, row, 1);
}

enum err_code runs_mark_late(struct work *w, int64_t cutoff_us, int64_t limit, size_t *out_count,
                             int64_t *out_next_us)
{
    enum err_code rc =
        move_found(w, Q_late_runs, PARAMS(param_time(w, cutoff_us), param_i64(w, limit)),
                   propose_late, out_count);
    return rc ? rc : next_time(w, Q_late_runs_next, out_next_us);
}

static void propose_failed(const struct rows *r, int row, struct transition *out)
{
    (void)r, (void)row;
    out->policy = POLICY_FLOW_FORCED;
    out->proposed = proposal(STATE_FAILED, NULL, "The flow was paused and never resumed.");
}

enum err_code runs_end_pauses(struct work *w, int64_t limit, size_t *out_count,
                              int64_t *out_next_us)
{
    enum err_code rc =
        move_found(w, Q_pauses_over, PARAMS(param_time(w, w->now_us), param_i64(w, limit)),
                   propose_failed, out_count);
    return rc ? rc : next_time(w, Q_pauses_next, out_next_us);
}

static void propose_timed_out(const struct rows *r, int row, struct transition *out)
{
    (void)r, (void)row;
    out->policy = POLICY_FLOW_FORCED;
    out->proposed = proposal(STATE_CANCELLED, NULL,
                             "Flow run cancellation timed out; marked this flow run as Cancelled.");
}

enum err_code runs_end_cancellations(struct work *w, int64_t cutoff_us, int64_t limit,
                                     size_t *out_count, int64_t *out_next_us)
{
    enum err_code rc =
        move_found(w, Q_cancellations_over, PARAMS(param_time(w, cutoff_us), param_i64(w, limit)),
                   propose_timed_out, out_count);
    if (!rc && *out_count)
        rc = worker_cleanup_make(w);
    return rc ? rc : next_time(w, Q_cancellations_next, out_next_us);
}

/* ---- children ---- */

#define PARENT_CANCELLED "The parent flow run was cancelled."

/* Somebody can stop the run of a deployment; the others have no process of their own. */
static void propose_stop(const struct rows *r, int row, struct transition *out)
{
    bool cancelling = rows_bool(r, row, 1);
    out->policy = cancelling ? POLICY_FLOW : POLICY_FLOW_FORCED;
    out->proposed =
        proposal(cancelling ? STATE_CANCELLING : STATE_CANCELLED, NULL, PARENT_CANCELLED);
}

static enum err_code cancel_task_runs(struct work *w, const char *since, int64_t limit,
                                      size_t *out_count, bool *out_more)
{
    const struct state cancelled = proposal(STATE_CANCELLED, NULL, PARENT_CANCELLED);
    struct verdict v;
    struct rows r;
    enum err_code rc = db_query(w, Q_cancelled_task_runs, PARAMS(since, param_i64(w, limit)), &r);

    for (int i = 0; i < r.count && !rc; i++) {
        rc = task_run_set_state(w, id_of(&r, i), &cancelled, true, &v);
        if (rc == ERR_NOT_FOUND) /* deleted meanwhile */
            rc = ERR_OK;
        *out_count += !rc;
    }
    *out_more |= !rc && r.count == limit;
    return rc;
}

enum err_code runs_cancel_children(struct work *w, int64_t since_us, int64_t limit,
                                   size_t *out_count, bool *out_more)
{
    const char *since = param_time(w, since_us);
    size_t subflows = 0;
    enum err_code rc = move_found(w, Q_cancelled_subflows, PARAMS(since, param_i64(w, limit)),
                                  propose_stop, &subflows);

    *out_more = subflows == (size_t)limit;
    *out_count += subflows;
    return rc ? rc : cancel_task_runs(w, since, limit, out_count, out_more);
}
