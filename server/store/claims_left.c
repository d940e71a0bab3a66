#include "server/store/claims_left.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"

enum { EXPIRE_BATCH = 200, LOST_ATTEMPTS_MAX = 1000 };

static const struct state_details no_details = STATE_DETAILS_INIT;

struct state claims_proposal(enum state_type type, const char *name, const char *message)
{
    return (struct state){.type = type,
                          .name = name ? name : state_default_name(type),
                          .message = message,
                          .timestamp_us = TIME_NONE,
                          .details = no_details};
}

void transition_list_add(struct work *w, struct transition_list *list, struct transition **items,
                         size_t count)
{
    if (list->count + count > list->room) {
        size_t room = (list->count + count) * 2;
        struct transition **grown = arena_array(&w->arena, struct transition *, room);
        for (size_t i = 0; i < list->count; i++)
            grown[i] = list->items[i];
        list->items = grown;
        list->room = room;
    }
    for (size_t i = 0; i < count; i++)
        list->items[list->count++] = items[i];
}

/* ---- the decision: why the claim is over and what the run is doing ---- */

enum why { WHY_RETURNED, WHY_LOST, WHY_DONE, WHY_CANCELLED, WHY_COUNT };

enum action {
    LEAVE,       /* it is over, or not ours */
    QUEUE,       /* SCHEDULED again */
    CRASH,       /* CRASHED for good */
    CRASH_QUEUE, /* CRASHED, then SCHEDULED while the budget lasts */
    CANCEL,      /* CANCELLED: it was asked for */
    RELEASE,     /* it awaits a retry: any agent may take it */
};

/* clang-format off */
static const enum action actions[STATE_TYPE_COUNT][WHY_COUNT] = {
    /*                     returned  lost         done     cancelled */
    [STATE_SCHEDULED]  = { LEAVE,    RELEASE,     RELEASE, CANCEL },
    [STATE_PENDING]    = { QUEUE,    CRASH_QUEUE, CRASH,   CANCEL },
    [STATE_RUNNING]    = { LEAVE,    CRASH_QUEUE, CRASH,   CANCEL },
    [STATE_PAUSED]     = { LEAVE,    CRASH_QUEUE, CRASH,   CANCEL },
    [STATE_CANCELLING] = { CANCEL,   CANCEL,      CANCEL,  CANCEL },
    /* Prefect's engine calls a run crashed that was ended by TERM. */
    [STATE_CRASHED]    = { LEAVE,    LEAVE,       LEAVE,   CANCEL },
};
/* clang-format on */

struct left {
    struct uuid run_id;
    enum why why;
    const char *message;
};

/* The columns of claim_left_runs. */
enum { C_RUN, C_TYPE, C_SUSPENDED, C_LOST, C_BUDGET };

static int compare_left(const void *a, const void *b)
{
    const struct left *x = a, *y = b;
    return memcmp(&x->run_id, &y->run_id, sizeof(x->run_id));
}

static const struct left *find_left(const struct left *left, size_t count, const struct rows *runs,
                                    int row)
{
    struct left key;
    if (!uuid_parse(rows_text(runs, row, C_RUN), rows_len(runs, row, C_RUN), &key.run_id))
        return NULL;
    return bsearch(&key, left, count, sizeof(key), compare_left);
}

static enum action action_for(const struct left *left, const struct rows *runs, int row)
{
    enum state_type type =
        state_type_parse(rows_text(runs, row, C_TYPE), rows_len(runs, row, C_TYPE));

    if (type == STATE_PAUSED && rows_bool(runs, row, C_SUSPENDED))
        return LEAVE; /* a suspended run has no process by design */
    return actions[type][left->why];
}

static bool may_try_again(const struct rows *runs, int row)
{
    const char *budget = rows_text(runs, row, C_BUDGET);
    return rows_i64(runs, row, C_LOST) <= (budget ? strtol(budget, NULL, 10) : 0);
}

/* One wave: at most one proposal per run. */
struct wave {
    struct transition **items;
    size_t count;
};

static void propose(struct work *w, struct wave *wave, struct uuid run_id, struct state state)
{
    struct transition *t = arena_new(&w->arena, struct transition);
    *t = (struct transition){
        .run_id = run_id,
        .proposed = state,
        .policy = state.type == STATE_CANCELLED ? POLICY_FLOW_FORCED : POLICY_FLOW,
    };
    wave->items[wave->count++] = t;
}

static enum err_code apply(struct work *w, struct wave *wave, struct transition_list *done)
{
    if (!wave->count)
        return ERR_OK;
    enum err_code rc = transitions_apply(w, wave->items, wave->count);
    if (!rc)
        transition_list_add(w, done, wave->items, wave->count);
    return rc;
}

static struct state queued(struct work *w, const char *name)
{
    struct state s = claims_proposal(STATE_SCHEDULED, name, NULL);
    state_complete(&s, w->now_us);
    return s;
}

struct plan {
    struct wave first, second;
    struct uuids release, crashed;
};

static void plan_run(struct work *w, struct plan *plan, const struct left *left,
                     const struct rows *runs, int row)
{
    enum action action = action_for(left, runs, row);

    if (action == RELEASE)
        plan->release.items[plan->release.count++] = left->run_id;
    else if (action == QUEUE)
        propose(w, &plan->first, left->run_id, queued(w, NULL));
    else if (action == CANCEL)
        propose(w, &plan->first, left->run_id,
                claims_proposal(STATE_CANCELLED, NULL, left->message));
    else if (action == CRASH || action == CRASH_QUEUE)
        propose(w, &plan->first, left->run_id, claims_proposal(STATE_CRASHED, NULL, left->message));
    if (action == CRASH || action == CRASH_QUEUE)
        plan->crashed.items[plan->crashed.count++] = left->run_id;
    if (action == CRASH_QUEUE && may_try_again(runs, row))
        propose(w, &plan->second, left->run_id, queued(w, "AwaitingRetry"));
}

static enum err_code settle(struct work *w, struct left *left, size_t count,
                            struct transition_list *done)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, count + 1), count};
    struct rows runs, none;

    if (!count)
        return ERR_OK;
    qsort(left, count, sizeof(*left), compare_left);
    for (size_t i = 0; i < count; i++)
        ids.items[i] = left[i].run_id;
    enum err_code rc = db_query(w, Q_claim_left_runs, PARAMS(param_uuid_array(w, ids)), &runs);
    if (rc)
        return rc;
    struct plan plan = {
        .first.items = arena_array(&w->arena, struct transition *, count),
        .second.items = arena_array(&w->arena, struct transition *, count),
        .release.items = arena_array(&w->arena, struct uuid, count),
        .crashed.items = arena_array(&w->arena, struct uuid, count),
    };
    for (int i = 0; i < runs.count; i++) {
        const struct left *l = find_left(left, count, &runs, i);
        if (l)
            plan_run(w, &plan, l, &runs, i);
    }
    rc = apply(w, &plan.first, done);
    if (!rc && plan.crashed.count)
        rc = db_query(w, Q_claim_end_task_runs, PARAMS(param_uuid_array(w, plan.crashed)), &none);
    if (!rc)
        rc = apply(w, &plan.second, done);
    if (!rc && plan.release.count)
        rc = db_query(w, Q_claim_release_retries, PARAMS(param_uuid_array(w, plan.release)), &none);
    return rc;
}

enum err_code claims_settle_dropped(struct work *w, const struct rows *dropped, const char *message,
                                    struct transition_list *done)
{
    struct left *left = arena_array(&w->arena, struct left, (size_t)dropped->count + 1);
    size_t count = 0;

    for (int i = 0; i < dropped->count; i++) {
        left[count].why = strcmp(rows_text(dropped, i, 1), "LOST") == 0 ? WHY_LOST : WHY_RETURNED;
        left[count].message = message;
        count += uuid_parse(rows_text(dropped, i, 0), rows_len(dropped, i, 0), &left[count].run_id);
    }
    return settle(w, left, count, done);
}

enum err_code claims_end(struct work *w, const struct claim_end *ends, size_t count,
                         struct transition_list *done)
{
    struct left *left = arena_array(&w->arena, struct left, count + 1);
    struct array columns[2] = {0};
    const char *parameters[2];
    struct rows none;

    if (!count)
        return ERR_OK;
    for (size_t i = 0; i < count; i++) {
        enum why why = ends[i].cancelled ? WHY_CANCELLED : ends[i].lost ? WHY_LOST : WHY_DONE;
        left[i] = (struct left){ends[i].flow_run_id, why, ends[i].message};
        array_int(&columns[0], ends[i].token);
        array_string(&columns[1], ends[i].lost ? "LOST" : "ENDED");
    }
    enum err_code rc = arrays_finish(w, columns, COUNT(columns), parameters);
    if (!rc)
        rc = db_query(w, Q_claim_end, parameters, &none);
    arrays_free(columns, COUNT(columns));
    return rc ? rc : settle(w, left, count, done);
}

enum err_code claims_expire(struct work *w, struct transition_list *done, bool *out_more)
{
    struct rows dropped;

    enum err_code rc =
        db_query(w, Q_claim_drop_expired, PARAMS(param_i64(w, EXPIRE_BATCH)), &dropped);
    if (rc)
        return rc;
    *out_more = dropped.count == EXPIRE_BATCH;
    return claims_settle_dropped(w, &dropped, "The agent was not heard of in time.", done);
}

enum err_code claims_next(struct work *w, int64_t *out_us)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_claims_next, NULL, &rows);

    if (!rc)
        *out_us = rows_time(&rows, 0, 0);
    return rc;
}

enum err_code claims_spare(struct work *w)
{
    struct rows none;
    return db_query(w, Q_claim_spare, PARAMS(claim_term_s(w)), &none);
}
