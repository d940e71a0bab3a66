/* The rules of flow runs.  Source: CoreFlowPolicy, MinimalFlowPolicy and MarkLateRunsPolicy of
 * Prefect 3.9.1, by behaviour. */
#include "server/model/orchestration_rules.h"

enum {
    US_PER_S = 1000000,
    SLOT_WAIT_S = 30,
    LEASE_DEFAULT_S = 300,
    LEASES_SINCE = VERSION_NUMBER(3, 4, 11),
    API_0_8_4 = VERSION_NUMBER(0, 8, 4),
};

static const struct deployment_facts *deployment(const struct transition *t)
{
    return &t->facts->deployment;
}

static bool has_deployment(const struct transition *t)
{
    return !uuid_is_nil(deployment(t)->id);
}

static bool is_named(const struct state *s, const char *name)
{
    return s->name && !strcmp(s->name, name);
}

static void preserve_lease_id(struct transition *t)
{
    struct uuid *next = &t->proposed->details.deployment_concurrency_lease_id;
    if (uuid_is_nil(*next))
        *next = current(t)->details.deployment_concurrency_lease_id;
}

static void prevent_duplicate(struct transition *t)
{
    struct uuid last = current(t)->details.transition_id;
    if (!uuid_is_nil(last) && uuid_equal(last, t->proposed->details.transition_id))
        rule_reject(t, NULL, "This run has already made this state transition.");
}

static bool would_lose_result(const struct transition *t)
{
    return current(t)->type == STATE_COMPLETED && current(t)->data_persisted &&
           t->proposed->type == STATE_COMPLETED && !t->proposed->data_persisted;
}

static void prevent_result_loss(struct transition *t)
{
    if (would_lose_result(t))
        rule_reject(t, NULL,
                    "Cannot overwrite a COMPLETED state that carries persisted result "
                    "data with one that does not.");
}

static void forget_pauses(struct transition *t, enum retry_type retry)
{
    struct retry_policy *p = &t->out->run.policy;

    p->resuming = TRI_FALSE;
    p->pause_keys = (struct strings){arena_array(t->arena, const char *, 1), 0}; /* not null */
    p->retry_type = retry;
}

static void leave_terminal(struct transition *t)
{
    const struct state *now = current(t);
    enum state_type to = t->proposed->type;
    bool ends = state_is_terminal(to);

    if ((1u << to) & (STATE_SET(CANCELLING) | STATE_SET(PAUSED) | STATE_SET(CRASHED)))
        rule_abort(t, arena_printf(t->arena, "Run is already in terminal state %s.",
                                   state_type_name(now->type)));
    else if (now->type == STATE_COMPLETED && now->data_persisted && !ends)
        rule_reject(t, NULL, "Run is already COMPLETED.");
    else if (would_lose_result(t))
        prevent_result_loss(t);
    else if (to == STATE_SCHEDULED && !has_deployment(t))
        rule_abort(t, "Cannot reschedule a run without an associated deployment.");
    else if (!ends && api_at_least(t, API_0_8_4))
        forget_pauses(t, to == STATE_SCHEDULED ? RETRY_RESCHEDULE : RETRY_NONE);
}

static void restore_policy(struct transition *t)
{
    t->out->run.policy = t->facts->run.policy;
}

static void enforce_cancelled(struct transition *t)
{
    rule_reject(t, NULL,
                "Cannot transition flows that are cancelling to a state other than Cancelled.");
}

static void bypass_cancelling(struct transition *t)
{
    const struct state *now = current(t);
    struct state cancelled = rule_state(STATE_CANCELLED, NULL, NULL);

    if ((now->type == STATE_SCHEDULED && !t->facts->has_infrastructure_pid) ||
        is_named(now, "Resuming"))
        rule_reject(t, &cancelled, "Scheduled flow run has no infrastructure to terminate.");
    else if (now->type == STATE_PAUSED && now->details.pause_reschedule)
        rule_reject(t, &cancelled, "Suspended flow run has no infrastructure to terminate.");
}

static int64_t lease_ttl_s(const struct transition *t)
{
    int64_t grace_s = deployment(t)->grace_period_s;
    return grace_s ? grace_s : LEASE_DEFAULT_S;
}

static void take_slot(struct transition *t)
{
    t->out->effects |= EFFECT_TAKE_SLOT;
    t->out->lease_id = t->proposal->lease_id;
    t->out->lease_ttl_s = lease_ttl_s(t);
    t->proposed->details.deployment_concurrency_lease_id = t->proposal->lease_id;
}

static void renew_lease(struct transition *t)
{
    t->out->effects |= EFFECT_RENEW_LEASE;
    t->out->lease_ttl_s = lease_ttl_s(t);
}

static bool client_keeps_leases(const struct transition *t)
{
    return t->facts->client.version >= LEASES_SINCE;
}

/* Infrastructure that took longer than the lease: take a slot again, or stop before running. */
static void validate_slot(struct transition *t)
{
    struct uuid lease_id = current(t)->details.deployment_concurrency_lease_id;
    const struct deployment_facts *d = deployment(t);

    t->proposed->details.deployment_concurrency_lease_id = lease_id;
    if (uuid_is_nil(lease_id) || !client_keeps_leases(t) || !d->exists || !d->limited)
        return;
    if (d->slot_held) {
        renew_lease(t);
    } else if (d->free_slots > 0) {
        take_slot(t);
    } else {
        struct state lost = rule_state(STATE_CANCELLED, NULL,
                                       "Deployment concurrency slot lost during provisioning - "
                                       "no slots available to continue execution");
        rule_reject(t, &lost, "Deployment concurrency limit reached after lease expiry.");
    }
}

static void secure_slot(struct transition *t)
{
    static const char reached[] = "Deployment concurrency limit reached.";
    const struct deployment_facts *d = deployment(t);

    if (!has_deployment(t))
        return;
    if (!d->exists) {
        rule_abort(t, "Deployment not found.");
    } else if (d->limited && d->slot_held) {
        renew_lease(t); /* kept through a retry; Prefect would take a second one for the same run */
    } else if (!d->limited) {
        return;
    } else if (d->limit == 0) {
        rule_abort(t, "The deployment concurrency limit is 0. The flow will deadlock if submitted "
                      "again.");
    } else if (d->free_slots > 0) {
        take_slot(t);
    } else if (d->collision == COLLISION_CANCEL_NEW) {
        struct state cancelled = rule_state(STATE_CANCELLED, NULL, reached);
        rule_reject(t, &cancelled, reached);
    } else {
        struct state waiting = rule_state(STATE_SCHEDULED, "AwaitingConcurrencySlot", NULL);
        waiting.details.scheduled_time_us =
            t->proposal->now_us + (d->slot_wait_s ? d->slot_wait_s : SLOT_WAIT_S) * US_PER_S;
        rule_reject(t, &waiting, reached);
    }
}

static void give_slot_back(struct transition *t)
{
    if (!(t->out->effects & EFFECT_TAKE_SLOT))
        return;
    t->out->effects &= ~(unsigned)EFFECT_TAKE_SLOT;
    t->proposed->details.deployment_concurrency_lease_id = (struct uuid){0};
}

/* Old clients do not renew: their slot lives until the run leaves it. */
static void pin_slot(struct transition *t)
{
    if (!client_keeps_leases(t) && deployment(t)->slot_held)
        t->out->effects |= EFFECT_PIN_SLOT;
}

static void late_only_if_scheduled(struct transition *t)
{
    if (current(t)->type == STATE_NONE || !is_named(t->proposed, "Late"))
        return;
    if (current(t)->type != STATE_SCHEDULED)
        rule_reject(t, NULL, "Only scheduled flows can be marked late.");
    else if (is_named(current(t), "Late"))
        rule_reject(t, NULL, "This flow run is already marked late.");
}

static void cancel_late_if_full(struct transition *t)
{
    const struct deployment_facts *d = deployment(t);

    if (!is_named(t->proposed, "Late") || !has_deployment(t) || !d->exists || !d->limited ||
        d->collision != COLLISION_CANCEL_NEW || d->free_slots > 0)
        return;
    struct state cancelled =
        rule_state(STATE_CANCELLED, NULL, "Deployment concurrency limit reached.");
    rule_reject(t, &cancelled,
                "Deployment concurrency limit is full and uses the CANCEL_NEW strategy.");
}

static const char *pause_verb(const struct transition *t)
{
    return is_named(t->proposed, "Suspended") ? "suspend" : "pause";
}

static bool has_fired(const struct transition *t, const char *key)
{
    const struct strings *fired = &t->facts->run.policy.pause_keys;

    for (size_t i = 0; key && i < fired->count; i++)
        if (!strcmp(fired->items[i], key))
            return true;
    return false;
}

static void enter_pause(struct transition *t)
{
    const struct state_details *d = &t->proposed->details;
    const char *verb = pause_verb(t);

    if (current(t)->type == STATE_NONE)
        rule_abort(t, arena_printf(t->arena, "Cannot %s flows with no state.", verb));
    else if (current(t)->type != STATE_RUNNING)
        rule_reject(
            t, NULL,
            arena_printf(t->arena, "Cannot %s flows that are not currently running.", verb));
    else if (has_fired(t, d->pause_key))
        rule_reject(t, NULL, arena_printf(t->arena, "This %s has already fired.", verb));
    else if (d->pause_reschedule && !uuid_is_nil(t->facts->parent_task_run_id))
        rule_abort(t, arena_printf(t->arena, "Cannot %s subflows.", verb));
    else if (d->pause_reschedule && !has_deployment(t))
        rule_abort(t, arena_printf(t->arena, "Cannot %s flows without a deployment.", verb));
}

/* A pause without a key counts under its state's id.  Inputs left by an earlier attempt under the
 * same keys must not answer this pause. */
static void note_pause(struct transition *t)
{
    struct strings *fired = &t->out->run.policy.pause_keys;
    const char *key = t->proposed->details.pause_key;
    const char **keys = arena_array(t->arena, const char *, fired->count + 1);
    char id[UUID_TEXT_BYTES];

    if (!key) {
        uuid_format(t->proposal->state_id, id);
        key = arena_strndup(t->arena, id, sizeof(id) - 1);
    }
    for (size_t i = 0; i < fired->count; i++)
        keys[i] = fired->items[i];
    keys[fired->count] = key;
    *fired = (struct strings){keys, fired->count + 1};
    if (t->proposed->details.run_input_keyset.text)
        t->out->effects |= EFFECT_DELETE_INPUTS;
}

static const char *lower(struct transition *t, const char *text)
{
    char *copy = arena_strndup(t->arena, text, strlen(text));

    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    return copy;
}

static void leave_pause(struct transition *t)
{
    const struct state_details *paused = &current(t)->details;
    enum state_type to = t->proposed->type;
    const char *name = lower(t, t->proposed->name);

    if (!((1u << to) &
          (STATES_TERMINAL | STATE_SET(RUNNING) | STATE_SET(SCHEDULED) | STATE_SET(CANCELLING))))
        rule_reject(t, NULL,
                    arena_printf(t->arena,
                                 "This run cannot transition to the StateType.%s state from the "
                                 "StateType.%s state.",
                                 state_type_name(to), state_type_name(current(t)->type)));
    else if (paused->pause_reschedule && !has_deployment(t))
        rule_reject(
            t, NULL,
            arena_printf(t->arena, "Cannot reschedule a %s flow run without a deployment.", name));
    else if (to != STATE_CANCELLING && paused->pause_timeout_us != TIME_NONE &&
             paused->pause_timeout_us < t->proposal->now_us) {
        /* Named after the proposed state, as clients have always seen it. */
        struct state failed = rule_state(
            STATE_FAILED, NULL, arena_printf(t->arena, "The flow was %s and never resumed.", name));
        rule_reject(t, &failed,
                    arena_printf(t->arena,
                                 "The flow run %s has timed out and can no longer resume.",
                                 pause_verb(t)));
    }
}

/* A blocking pause that is rescheduled starts over: its pauses fire again.  A refused resume leaves
 * the policy alone (Prefect leaves `resuming` set). */
static void note_resume(struct transition *t)
{
    if (!current(t)->details.pause_reschedule && t->proposed->type == STATE_SCHEDULED &&
        api_at_least(t, API_0_8_4))
        forget_pauses(t, RETRY_RESCHEDULE);
    else if (t->out->status == VERDICT_ACCEPT)
        t->out->run.policy.resuming = TRI_TRUE;
}

static void retry_failed(struct transition *t)
{
    struct retry_policy *p = &t->out->run.policy;

    if (p->retries == INT_NONE || t->out->run.run_count > p->retries) {
        p->retry_type = RETRY_NONE;
        return;
    }
    if (api_at_least(t, API_0_8_4))
        forget_pauses(t, RETRY_IN_PROCESS);
    struct state retry = rule_retry(t, retry_policy_delay_s(p, 1));
    retry.details.deployment_concurrency_lease_id =
        current(t)->details.deployment_concurrency_lease_id;
    rule_reject(t, &retry, "Retrying");
}

static void emit_event(struct transition *t)
{
    t->out->effects |= EFFECT_EVENT;
}

/* Prefect counts slots and gives one back whenever a run leaves the running states, also when it
 * held none (forced through RUNNING, paused before).  Here only a slot that the run holds. */
static void release_slot(struct transition *t)
{
    const unsigned busy = STATE_SET(PENDING) | STATE_SET(RUNNING) | STATE_SET(CANCELLING);
    const struct state *next = t->proposed;
    bool retries_in_process = t->out->status == VERDICT_REJECT && next->type == STATE_SCHEDULED &&
                              is_named(next, "AwaitingRetry");

    if (deployment(t)->slot_held && !(busy & (1u << next->type)) && !retries_in_process)
        t->out->effects |= EFFECT_RELEASE_SLOT;
}

/* clang-format off */
#define FLOW        POLICY_FLOW
#define FLOW_FORCED (POLICY_FLOW | POLICY_FLOW_FORCED)
#define FORCED      POLICY_FLOW_FORCED
#define FLOW_LATE   (POLICY_FLOW | POLICY_FLOW_LATE)
#define S STATE_SET
#define ANY STATES_ANY
#define NOT_BUSY (ANY & ~(S(PENDING) | S(RUNNING) | S(CANCELLING)))
static const struct rule rules[] = {
    {"PreserveDeploymentConcurrencyLeaseId", FLOW_FORCED, 0, TO_TRANSFORM, preserve_lease_id, NULL, NULL},
    {"PreventDuplicateTransitions", FLOW, ANY, ANY, prevent_duplicate, NULL, NULL},
    {"HandleFlowTerminalStateTransitions", FLOW, STATES_TERMINAL, ANY, leave_terminal, NULL, restore_policy},
    {"PreventResultDataLoss", FORCED, STATES_TERMINAL, STATES_TERMINAL, prevent_result_loss, NULL, NULL},
    {"EnforceCancellingToCancelled", FLOW, S(CANCELLING), ANY & ~S(CANCELLED), enforce_cancelled, NULL, NULL},
    {"BypassCancellingFlowRunsWithNoInfra", FLOW_FORCED, S(SCHEDULED) | S(PAUSED), S(CANCELLING), bypass_cancelling, NULL, NULL},
    {"PreventPendingTransitions", FLOW, S(PENDING) | S(CANCELLING) | S(RUNNING) | S(CANCELLED), S(PENDING), prevent_pending, NULL, NULL},
    {"ValidateDeploymentConcurrencyAtRunning", FLOW, S(PENDING), S(RUNNING), validate_slot, NULL, give_slot_back},
    {"SecureFlowConcurrencySlots", FLOW, NOT_BUSY, S(PENDING), secure_slot, NULL, give_slot_back},
    {"RemoveDeploymentConcurrencyLeaseForOldClientVersions", FLOW, S(PENDING), S(RUNNING) | S(CANCELLING), NULL, pin_slot, NULL},
    {"EnsureOnlyScheduledFlowsMarkedLate", FLOW_LATE, ANY, S(SCHEDULED), late_only_if_scheduled, NULL, NULL},
    {"EnforceDeploymentConcurrencyOnLate", POLICY_FLOW_LATE, S(SCHEDULED), S(SCHEDULED), cancel_late_if_full, NULL, NULL},
    {"HandlePausingFlows", FLOW, ANY, S(PAUSED), enter_pause, note_pause, NULL},
    {"HandleResumingPausedFlows", FLOW, S(PAUSED), ANY, leave_pause, note_resume, NULL},
    {"CopyScheduledTime", FLOW, S(SCHEDULED), S(PENDING), copy_scheduled_time, NULL, NULL},
    {"WaitForScheduledTime", FLOW, S(SCHEDULED) | S(PENDING), S(RUNNING), wait_for_scheduled_time, NULL, NULL},
    {"RetryFailedFlows", FLOW, S(RUNNING), S(FAILED), retry_failed, NULL, NULL},
    {"InstrumentFlowRunStateTransitions", POLICIES_FLOW, 0, TO_TRANSFORM, NULL, emit_event, NULL},
    {"ReleaseFlowConcurrencySlots", FLOW_FORCED, 0, TO_TRANSFORM, NULL, release_slot, NULL},
};
/* clang-format on */

const struct rule_list flow_rules = {rules, COUNT(rules)};
