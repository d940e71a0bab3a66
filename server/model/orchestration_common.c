/* What the rules of both kinds of run share, and the global transforms. */
#include <math.h>

#include "server/model/orchestration_rules.h"

enum { US_PER_S = 1000000 };

static void refuse(struct transition *t, enum verdict_status status, const char *reason)
{
    t->out->status = status;
    t->out->reason = reason;
}

void rule_reject(struct transition *t, const struct state *state, const char *reason)
{
    refuse(t, VERDICT_REJECT, reason);
    if (state && state != t->proposed)
        t->storage = *state;
    if (!state)
        t->proposed = NULL;
}

void rule_abort(struct transition *t, const char *reason)
{
    refuse(t, VERDICT_ABORT, reason);
    t->proposed = NULL;
}

void rule_wait(struct transition *t, int64_t delay_s, const char *reason)
{
    refuse(t, VERDICT_WAIT, reason);
    t->out->delay_s = delay_s;
    t->proposed = NULL;
}

struct state rule_state(enum state_type type, const char *name, const char *message)
{
    return (struct state){
        .type = type,
        .name = name ? name : state_default_name(type),
        .message = message,
        .details = STATE_DETAILS_INIT,
    };
}

double rule_spread(double average_s, double factor, uint64_t random)
{
    const double k = 1 + factor;
    double uniform = (double)(random >> 11) / 9007199254740992.0; /* 53 bits: [0, 1) */
    double shortest = -log2(-expm1(-k * 0.6931471805599453));     /* in units of the average */
    double low = exp(-k), high = exp(-shortest);                  /* survival at both ends */

    return -log(high - uniform * (high - low)) * average_s;
}

struct state rule_retry(const struct transition *t, double delay_s)
{
    struct state retry = *t->proposed;

    retry.type = STATE_SCHEDULED;
    retry.name = "AwaitingRetry";
    retry.details = (struct state_details)STATE_DETAILS_INIT;
    retry.details.scheduled_time_us = t->proposal->now_us + (int64_t)(delay_s * US_PER_S);
    return retry;
}

/* The claim mutex: a run that is PENDING was taken by someone.  Only a named step forward
 * (Submitting, InfrastructurePending) may follow. */
void prevent_pending(struct transition *t)
{
    const struct state *now = current(t);
    struct state *next = t->proposed;

    if (now->type == STATE_PENDING && strcmp(now->name, next->name) != 0 &&
        strcmp(next->name, state_default_name(STATE_PENDING)) != 0) {
        next->details.scheduled_time_us = now->details.scheduled_time_us;
        next->details.deployment_concurrency_lease_id =
            now->details.deployment_concurrency_lease_id;
        return;
    }
    rule_abort(t,
               arena_printf(t->arena,
                            "This run is in a %s state and cannot transition to a PENDING state.",
                            state_type_name(now->type)));
}

void copy_scheduled_time(struct transition *t)
{
    if (t->proposed->details.scheduled_time_us == TIME_NONE)
        t->proposed->details.scheduled_time_us = current(t)->details.scheduled_time_us;
}

void wait_for_scheduled_time(struct transition *t)
{
    int64_t scheduled_us = current(t)->details.scheduled_time_us;

    if (scheduled_us == TIME_NONE || scheduled_us <= t->proposal->now_us)
        return;
    int64_t delay_s = (scheduled_us - t->proposal->now_us + US_PER_S / 2 - 1) / US_PER_S;
    if (delay_s > 0)
        rule_wait(t, delay_s, "Scheduled time is in the future");
}

/* ---- global transforms ---- */

/* Prefect moves a timestamp on when the run has a state with the same one.  Here a run's states
 * also never go back in time when the clock does. */
static void set_identity(struct transition *t)
{
    int64_t last_us = current(t)->type == STATE_NONE ? INT64_MIN : current(t)->timestamp_us;
    int64_t now_us = t->proposal->now_us;

    t->proposed->id = t->proposal->state_id;
    t->proposed->timestamp_us = now_us > last_us ? now_us : last_us + 1;
}

static void set_state_columns(struct transition *t)
{
    struct run_columns *run = &t->out->run;

    run->state_type = t->proposed->type;
    run->state_name = t->proposed->name;
    run->state_timestamp_us = t->proposed->timestamp_us;
}

static void set_start_time(struct transition *t)
{
    if (t->proposed->type == STATE_RUNNING && t->out->run.start_time_us == TIME_NONE)
        t->out->run.start_time_us = t->proposed->timestamp_us;
}

static void set_end_time(struct transition *t)
{
    struct run_columns *run = &t->out->run;

    if (!state_is_terminal(t->proposed->type)) {
        if (state_is_terminal(current(t)->type))
            run->end_time_us = TIME_NONE;
        return;
    }
    if (run->end_time_us != TIME_NONE)
        return;
    run->end_time_us = t->proposed->timestamp_us;
    if (run->start_time_us == TIME_NONE)
        run->start_time_us = t->proposed->timestamp_us;
}

static void add_run_time(struct transition *t)
{
    if (current(t)->type == STATE_RUNNING)
        t->out->run.total_run_time_us += t->proposed->timestamp_us - current(t)->timestamp_us;
}

static void set_expected_start_time(struct transition *t)
{
    const struct state *s = t->proposed;

    if (t->out->run.expected_start_time_us == TIME_NONE)
        t->out->run.expected_start_time_us =
            s->type == STATE_SCHEDULED ? s->details.scheduled_time_us : s->timestamp_us;
}

static void set_next_scheduled_start_time(struct transition *t)
{
    if (t->proposed->type == STATE_SCHEDULED)
        t->out->run.next_scheduled_start_time_us = t->proposed->details.scheduled_time_us;
    else if (current(t)->type == STATE_SCHEDULED)
        t->out->run.next_scheduled_start_time_us = TIME_NONE;
}

static void set_details(struct transition *t)
{
    const struct run_facts *run = t->facts;
    struct state_details *d = &t->proposed->details;

    d->flow_run_id = run->kind == RUN_FLOW ? run->id : run->flow_run_id;
    if (run->kind == RUN_TASK)
        d->task_run_id = run->id;
    else if (!uuid_is_nil(run->parent_task_run_id))
        d->task_run_id = run->parent_task_run_id;
}

static void mirror_to_parent(struct transition *t)
{
    if (!uuid_is_nil(t->facts->parent_task_run_id))
        t->out->effects |= EFFECT_MIRROR_TO_PARENT;
}

static bool is_resuming(const struct transition *t)
{
    return api_at_least(t, VERSION_NUMBER(0, 8, 4)) && t->out->run.policy.resuming == TRI_TRUE;
}

static void count_flow_run(struct transition *t)
{
    if (t->proposed->type == STATE_RUNNING && !is_resuming(t))
        t->out->run.run_count++;
}

static void end_resuming(struct transition *t)
{
    bool over = t->proposed->type == STATE_RUNNING || state_is_terminal(t->proposed->type);
    if (over && is_resuming(t))
        t->out->run.policy.resuming = TRI_FALSE;
}

static void count_task_run(struct transition *t)
{
    if (t->proposed->type == STATE_RUNNING)
        t->out->run.run_count++;
}

static void write_result(struct transition *t)
{
    if (t->proposed->data_stored)
        t->out->effects |= EFFECT_WRITE_RESULT;
}

/* clang-format off */
#define FLOW_AND_TASK (POLICIES_FLOW | POLICIES_TASK)
#define T(name, policies, before, after) {name, policies, 0, TO_TRANSFORM, before, after, NULL}
static const struct rule transforms[] = {
    T("EnsureFlowRunStateTimestampIsUnique", FLOW_AND_TASK, set_identity, NULL),
    T("SetRunState",                FLOW_AND_TASK, set_state_columns, NULL), /* type, name, time */
    T("SetStartTime",               FLOW_AND_TASK, set_start_time, NULL),
    T("SetEndTime",                 FLOW_AND_TASK, set_end_time, NULL),
    T("IncrementRunTime",           FLOW_AND_TASK, add_run_time, NULL),
    T("SetExpectedStartTime",       FLOW_AND_TASK, set_expected_start_time, NULL),
    T("SetNextScheduledStartTime",  FLOW_AND_TASK, set_next_scheduled_start_time, NULL),
    T("UpdateStateDetails",         FLOW_AND_TASK, set_details, NULL), /* and UpdateSubflowStateDetails */
    T("UpdateSubflowParentTask",    POLICIES_FLOW, NULL, mirror_to_parent),
    T("IncrementFlowRunCount",      POLICIES_FLOW, count_flow_run, NULL),
    T("RemoveResumingIndicator",    POLICIES_FLOW, end_resuming, NULL),
    T("IncrementTaskRunCount",      POLICIES_TASK, count_task_run, NULL),
    T("WriteResult",                FLOW_AND_TASK, NULL, write_result),
};
/* clang-format on */

const struct rule_list global_transforms = {transforms, COUNT(transforms)};
