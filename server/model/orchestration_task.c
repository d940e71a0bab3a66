/* The rules of task runs.  Source: CoreTaskPolicy, BackgroundTaskPolicy and MinimalTaskPolicy of
 * Prefect 3.9.1, by behaviour. */
#include "server/model/limits.h"
#include "server/model/orchestration_rules.h"
#include "server/model/task_run.h"

static const double wait_spread = 0.3;

static void retrieve_cached(struct transition *t)
{
    const struct state_details *d = &t->proposed->details;

    if (!d->cache_key || !*d->cache_key || d->refresh_cache == TRI_TRUE || !t->facts->cached)
        return;
    struct state cached = *t->facts->cached;
    cached.name = "Cached";
    rule_reject(t, &cached, "Retrieved state from cache");
}

static void leave_terminal(struct transition *t)
{
    const struct state *now = current(t);
    const struct parent_facts *flow_run = &t->facts->parent;
    enum state_type to = t->proposed->type;

    if ((1u << to) & (STATE_SET(CANCELLING) | STATE_SET(PAUSED) | STATE_SET(CRASHED))) {
        rule_abort(t, arena_printf(t->arena, "Run is already %s.", state_type_name(now->type)));
        return;
    }
    if (now->type == STATE_COMPLETED && now->data_persisted) {
        rule_reject(t, NULL, "This run is already completed.");
        return;
    }
    if (!state_is_terminal(to))
        t->out->run.run_count = 0;
    if (to == STATE_RUNNING && flow_run->exists &&
        t->facts->run.flow_run_run_count < flow_run->run_count)
        t->proposed->name = "Retrying";
}

static void restore_run_count(struct transition *t)
{
    t->out->run.run_count = t->facts->run.run_count;
}

static void prevent_running_when_stopped(struct transition *t)
{
    const struct parent_facts *flow_run = &t->facts->parent;
    char id[UUID_TEXT_BYTES];

    if (!flow_run->exists || flow_run->state_type == STATE_RUNNING)
        return;
    if (flow_run->state_type != STATE_PAUSED) {
        rule_abort(t, "The enclosing flow must be running to begin task execution.");
        return;
    }
    struct state paused = rule_state(STATE_PAUSED, "NotReady", NULL);
    paused.details.pause_timeout_us = flow_run->pause_timeout_us;
    paused.details.pause_reschedule = flow_run->pause_reschedule;
    uuid_format(flow_run->id, id);
    rule_reject(t, &paused,
                arena_printf(t->arena,
                             "The flow is paused, new tasks can execute after resuming flow run: "
                             "%s.",
                             id));
}

static const char *tag_list(struct transition *t)
{
    const char *list = "";

    for (size_t i = 0; i < t->facts->tag_limit_count; i++)
        list = arena_printf(t->arena, "%s%s%s", list, i ? ", " : "", t->facts->tag_limits[i].tag);
    return list;
}

/* The wait follows the tag that is fullest. */
static void wait_for_tags(struct transition *t)
{
    const struct tag_limit_facts *fullest = &t->facts->tag_limits[0];

    for (size_t i = 1; i < t->facts->tag_limit_count; i++) {
        const struct tag_limit_facts *l = &t->facts->tag_limits[i];
        if (l->active_slots * fullest->limit > fullest->active_slots * l->limit)
            fullest = l;
    }
    double average_s = fullest->average_occupancy_s;
    if (average_s <= 0 || average_s > limits()->tag_wait_s)
        average_s = limits()->tag_wait_s;
    double delay_s = rule_spread(average_s, wait_spread, t->proposal->random);
    rule_wait(t, (int64_t)(delay_s + 0.5),
              arena_printf(t->arena, "Concurrency limit reached for tags: %s", tag_list(t)));
}

static void secure_tag_slots(struct transition *t)
{
    bool free = true;

    if (!t->facts->tag_limit_count || t->facts->tag_slots_held)
        return; /* held: Prefect would take a second set for the same run */
    for (size_t i = 0; i < t->facts->tag_limit_count; i++) {
        const struct tag_limit_facts *l = &t->facts->tag_limits[i];
        if (l->limit == 0) {
            rule_abort(t, arena_printf(t->arena,
                                       "The concurrency limit on tag \"%s\" is 0 and will deadlock "
                                       "if the task tries to run again.",
                                       l->tag));
            return;
        }
        free = free && l->active_slots < l->limit;
    }
    if (!free) {
        wait_for_tags(t);
        return;
    }
    t->out->effects |= EFFECT_TAKE_TAG_SLOTS;
    t->out->lease_id = t->proposal->lease_id;
}

static void give_tag_slots_back(struct transition *t)
{
    t->out->effects &= ~(unsigned)EFFECT_TAKE_TAG_SLOTS;
}

static void copy_task_parameters_id(struct transition *t)
{
    struct uuid *next = &t->proposed->details.task_parameters_id;
    if (uuid_is_nil(*next))
        *next = current(t)->details.task_parameters_id;
}

static double retry_delay_s(const struct transition *t)
{
    const struct retry_policy *p = &t->out->run.policy;
    double base_s = retry_policy_delay_s(p, t->out->run.run_count);

    if (p->retry_jitter_factor > 0 && base_s > 0)
        return rule_spread(base_s, p->retry_jitter_factor, t->proposal->random);
    return base_s;
}

static void retry_failed(struct transition *t)
{
    const struct retry_policy *p = &t->out->run.policy;

    if (t->proposed->details.retriable == TRI_FALSE || p->retries == INT_NONE ||
        t->out->run.run_count > p->retries)
        return;
    struct state retry = rule_retry(t, retry_delay_s(t));
    rule_reject(t, &retry, "Retrying");
}

static void rename_rerun(struct transition *t)
{
    if (current(t)->type == STATE_NONE || t->out->run.run_count <= 0)
        return;
    bool retry = !strcmp(current(t)->name, "AwaitingRetry");
    t->proposed->name = retry ? "Retrying" : "Rerunning";
}

static void track_flow_run(struct transition *t)
{
    if (t->facts->parent.exists)
        t->out->run.flow_run_run_count = t->facts->parent.run_count;
}

static void check_cache_key(struct transition *t)
{
    const char *key = t->proposed->details.cache_key;
    const char *why = key ? cache_key_check(t->arena, key) : NULL;

    if (why)
        rule_reject(t, t->proposed, why);
}

/* A key that is too long is not written; the state itself is. */
static void write_cache(struct transition *t)
{
    const char *key = t->proposed->details.cache_key;
    if (key && *key && !cache_key_check(t->arena, key))
        t->out->effects |= EFFECT_WRITE_CACHE;
}

static void release_tag_slots(struct transition *t)
{
    const unsigned busy = STATE_SET(RUNNING) | STATE_SET(CANCELLING);
    if (t->facts->tag_slots_held && !(busy & (1u << t->proposed->type)))
        t->out->effects |= EFFECT_RELEASE_TAG_SLOTS;
}

static void enqueue(struct transition *t)
{
    bool retry = !strcmp(t->proposed->name, "AwaitingRetry");
    if (t->proposed->details.deferred == TRI_TRUE)
        t->out->effects |= retry ? EFFECT_ENQUEUE_RETRY : EFFECT_ENQUEUE_TASK;
}

/* clang-format off */
#define CORE POLICY_TASK
#define BACK POLICY_TASK_BACKGROUND
#define BOTH (CORE | BACK)
#define S STATE_SET
#define ANY STATES_ANY
static const struct rule rules[] = {
    {"PreventPendingTransitions", BACK, S(PENDING) | S(CANCELLING) | S(RUNNING) | S(CANCELLED), S(PENDING), prevent_pending, NULL, NULL},
    {"CacheRetrieval", BOTH, ANY, S(RUNNING), retrieve_cached, NULL, NULL},
    {"HandleTaskTerminalStateTransitions", BOTH, STATES_TERMINAL, ANY, leave_terminal, NULL, restore_run_count},
    {"PreventRunningTasksFromStoppedFlows", CORE, ANY, S(RUNNING), prevent_running_when_stopped, NULL, NULL},
    {"SecureTaskConcurrencySlots", CORE, ANY, S(RUNNING), secure_tag_slots, NULL, give_tag_slots_back},
    {"CopyScheduledTime", BOTH, S(SCHEDULED), S(PENDING), copy_scheduled_time, NULL, NULL},
    {"CopyTaskParametersID", BACK, S(SCHEDULED) | S(PENDING), S(PENDING) | S(RUNNING), copy_task_parameters_id, NULL, NULL},
    {"WaitForScheduledTime", BOTH, S(SCHEDULED) | S(PENDING), S(RUNNING), wait_for_scheduled_time, NULL, NULL},
    {"RetryFailedTasks", BOTH, S(RUNNING), S(FAILED), retry_failed, NULL, NULL},
    {"RenameReruns", BOTH, ANY, S(RUNNING), rename_rerun, NULL, NULL},
    {"UpdateFlowRunTrackerOnTasks", BOTH, ANY, S(RUNNING), NULL, track_flow_run, NULL},
    {"CacheInsertion", BOTH, ANY, S(COMPLETED), check_cache_key, write_cache, NULL},
    {"ReleaseTaskConcurrencySlots", POLICIES_TASK, 0, TO_TRANSFORM, NULL, release_tag_slots, NULL},
    {"EnqueueScheduledTasks", BACK, ANY, S(SCHEDULED), NULL, enqueue, NULL},
};
/* clang-format on */

const struct rule_list task_rules = {rules, COUNT(rules)};
