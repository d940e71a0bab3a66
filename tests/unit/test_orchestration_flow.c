/* Every rule of flow runs: when it fires, when not, and what a client reads. */
#include "tests/unit/orchestration_fixture.h"

static const char *fired_keys[] = {"1"};

static void deployed(void)
{
    facts.deployment.id = ID(0xdd);
    facts.deployment.exists = true;
}
static void limited_full(void)
{
    deployed();
    facts.deployment.limited = true;
    facts.deployment.limit = 1;
}
static void limited_free(void)
{
    limited_full();
    facts.deployment.free_slots = 1;
}
static void limited_zero(void)
{
    limited_full();
    facts.deployment.limit = 0;
}
static void limited_cancel_new(void)
{
    limited_full();
    facts.deployment.collision = COLLISION_CANCEL_NEW;
}
static void limited_held(void)
{
    limited_full();
    facts.deployment.slot_held = true;
    facts.state.details.deployment_concurrency_lease_id = ID(0x77);
}
static void lease_lost(void)
{
    limited_held();
    facts.deployment.slot_held = false;
}
static void lease_lost_slot_free(void)
{
    lease_lost();
    facts.deployment.free_slots = 1;
}
static void lease_lost_old_client(void)
{
    lease_lost();
    facts.client.version = VERSION_NUMBER(3, 4, 10);
}
static void held_old_client(void)
{
    limited_held();
    facts.client.version = 0;
}
static void deployment_deleted(void)
{
    facts.deployment.id = ID(0xdd);
}
static void same_transition(void)
{
    facts.state.details.transition_id = proposed.details.transition_id = ID(0x33);
}
static void other_transition(void)
{
    facts.state.details.transition_id = ID(0x33);
    proposed.details.transition_id = ID(0x34);
}
static void has_result(void)
{
    facts.state.data = RAW("{\"type\":\"result\"}");
    facts.state.data_persisted = true;
}
static void both_results(void)
{
    has_result();
    proposed.data = RAW("{\"type\":\"reference\"}");
    proposed.data_persisted = proposed.data_stored = true;
}
static void has_pid(void)
{
    facts.has_infrastructure_pid = true;
}
static void resuming_with_pid(void)
{
    has_pid();
    facts.state.name = "Resuming";
}
static void suspended(void)
{
    facts.state.name = "Suspended";
    facts.state.details.pause_reschedule = true;
}
static void suspended_deployed(void)
{
    suspended();
    deployed();
}
static void submitting(void)
{
    proposed.name = "Submitting";
}
static void propose_late(void)
{
    proposed.name = "Late";
}
static void late_deployed(void)
{
    propose_late();
    deployed();
}
static void already_late(void)
{
    propose_late();
    facts.state.name = "Late";
}
static void late_full_cancel(void)
{
    propose_late();
    limited_cancel_new();
}
static void late_full_enqueue(void)
{
    propose_late();
    limited_full();
}
static void key_fired(void)
{
    facts.run.policy.pause_keys = (struct strings){fired_keys, 1};
    proposed.details.pause_key = "1";
}
static void suspend_key_fired(void)
{
    key_fired();
    proposed.name = "Suspended";
}
static void suspend(void)
{
    proposed.name = "Suspended";
    proposed.details.pause_reschedule = true;
}
static void suspend_deployed(void)
{
    suspend();
    deployed();
}
static void suspend_subflow(void)
{
    suspend_deployed();
    facts.parent_task_run_id = ID(0x99);
}
static void pause_with_inputs(void)
{
    proposed.details.run_input_keyset = RAW("{\"response\":\"paused-1-response\"}");
}
static void pause_expired(void)
{
    facts.state.details.pause_timeout_us = NOW - 1;
}
static void pause_open(void)
{
    facts.state.details.pause_timeout_us = NOW + S(1);
}
static void due_in_5s(void)
{
    facts.state.details.scheduled_time_us = NOW + S(5);
}
static void due_in_half_a_second(void)
{
    facts.state.details.scheduled_time_us = NOW + S(1) / 2;
}
static void one_retry(void)
{
    facts.run.policy.retries = 1;
}
static void one_retry_used(void)
{
    one_retry();
    facts.run.run_count = 2;
}
static void one_retry_held(void)
{
    one_retry();
    limited_held();
}
static void awaiting_retry_held(void)
{
    limited_held();
    proposed.name = "AwaitingRetry";
}
static void subflow(void)
{
    facts.parent_task_run_id = ID(0x99);
}
static void unpersisted(void)
{
    proposed.data = RAW("{\"type\":\"unpersisted\"}");
}
static void plain_data(void)
{
    proposed.data = RAW("[1]");
    proposed.data_stored = true;
}

#define F  POLICY_FLOW
#define FF POLICY_FLOW_FORCED
#define FL POLICY_FLOW_LATE
#define OK VERDICT_ACCEPT, NULL
#define LOSS                                                                                       \
    "Cannot overwrite a COMPLETED state that carries persisted result data with one that does "    \
    "not."
#define CANCELLING_ONLY                                                                            \
    "Cannot transition flows that are cancelling to a state other than Cancelled."
#define FULL  "Deployment concurrency limit reached."
#define ST(x) STATE_##x
/* clang-format off */
static const struct rule_row rows[] = {
    {"first state", FF, ST(NONE), ST(PENDING), NULL, OK, ST(PENDING), "Pending", 0},
    {"duplicate", F, ST(RUNNING), ST(RUNNING), same_transition, VERDICT_REJECT, "This run has already made this state transition.", ST(RUNNING), "Running", 0},
    {"not a duplicate", F, ST(RUNNING), ST(COMPLETED), other_transition, OK, ST(COMPLETED), "Completed", 0},
    {"duplicate, forced", FF, ST(RUNNING), ST(RUNNING), same_transition, OK, ST(RUNNING), "Running", 0},

    {"terminal to cancelling", F, ST(FAILED), ST(CANCELLING), NULL, VERDICT_ABORT, "Run is already in terminal state FAILED.", ST(FAILED), "Failed", 0},
    {"terminal to paused", F, ST(CANCELLED), ST(PAUSED), NULL, VERDICT_ABORT, "Run is already in terminal state CANCELLED.", ST(CANCELLED), "Cancelled", 0},
    {"terminal to crashed", F, ST(COMPLETED), ST(CRASHED), NULL, VERDICT_ABORT, "Run is already in terminal state COMPLETED.", ST(COMPLETED), "Completed", 0},
    {"rerun of a kept result", F, ST(COMPLETED), ST(RUNNING), has_result, VERDICT_REJECT, "Run is already COMPLETED.", ST(COMPLETED), "Completed", 0},
    {"rerun without result", F, ST(COMPLETED), ST(RUNNING), NULL, OK, ST(RUNNING), "Running", 0},
    {"result lost", F, ST(COMPLETED), ST(COMPLETED), has_result, VERDICT_REJECT, LOSS, ST(COMPLETED), "Completed", 0},
    {"result replaced", F, ST(COMPLETED), ST(COMPLETED), both_results, OK, ST(COMPLETED), "Completed", EFFECT_WRITE_RESULT},
    {"result to failed", F, ST(COMPLETED), ST(FAILED), has_result, OK, ST(FAILED), "Failed", 0},
    {"result lost, forced", FF, ST(COMPLETED), ST(COMPLETED), has_result, VERDICT_REJECT, LOSS, ST(COMPLETED), "Completed", 0},
    {"rerun, forced", FF, ST(COMPLETED), ST(RUNNING), has_result, OK, ST(RUNNING), "Running", 0},
    {"reschedule without deployment", F, ST(FAILED), ST(SCHEDULED), NULL, VERDICT_ABORT, "Cannot reschedule a run without an associated deployment.", ST(FAILED), "Failed", 0},
    {"reschedule", F, ST(FAILED), ST(SCHEDULED), deployed, OK, ST(SCHEDULED), "Scheduled", 0},

    {"cancelling to completed", F, ST(CANCELLING), ST(COMPLETED), NULL, VERDICT_REJECT, CANCELLING_ONLY, ST(CANCELLING), "Cancelling", 0},
    {"cancelling again", F, ST(CANCELLING), ST(CANCELLING), NULL, VERDICT_REJECT, CANCELLING_ONLY, ST(CANCELLING), "Cancelling", 0},
    {"cancelling to pending", F, ST(CANCELLING), ST(PENDING), NULL, VERDICT_REJECT, CANCELLING_ONLY, ST(CANCELLING), "Cancelling", 0},
    {"cancelling to cancelled", F, ST(CANCELLING), ST(CANCELLED), NULL, OK, ST(CANCELLED), "Cancelled", 0},
    {"cancelling to failed, forced", FF, ST(CANCELLING), ST(FAILED), NULL, OK, ST(FAILED), "Failed", 0},

    {"cancel before start", F, ST(SCHEDULED), ST(CANCELLING), NULL, VERDICT_REJECT, "Scheduled flow run has no infrastructure to terminate.", ST(CANCELLED), "Cancelled", 0},
    {"cancel before start, forced", FF, ST(SCHEDULED), ST(CANCELLING), NULL, VERDICT_REJECT, "Scheduled flow run has no infrastructure to terminate.", ST(CANCELLED), "Cancelled", 0},
    {"cancel with infrastructure", F, ST(SCHEDULED), ST(CANCELLING), has_pid, OK, ST(CANCELLING), "Cancelling", 0},
    {"cancel while resuming", F, ST(SCHEDULED), ST(CANCELLING), resuming_with_pid, VERDICT_REJECT, "Scheduled flow run has no infrastructure to terminate.", ST(CANCELLED), "Cancelled", 0},
    {"cancel while suspended", F, ST(PAUSED), ST(CANCELLING), suspended, VERDICT_REJECT, "Suspended flow run has no infrastructure to terminate.", ST(CANCELLED), "Cancelled", 0},
    {"cancel while paused", F, ST(PAUSED), ST(CANCELLING), NULL, OK, ST(CANCELLING), "Cancelling", 0},
    {"cancel while paused, too late", F, ST(PAUSED), ST(CANCELLING), pause_expired, OK, ST(CANCELLING), "Cancelling", 0},

    {"second claim", F, ST(PENDING), ST(PENDING), NULL, VERDICT_ABORT, "This run is in a PENDING state and cannot transition to a PENDING state.", ST(PENDING), "Pending", 0},
    {"claim of a running run", F, ST(RUNNING), ST(PENDING), NULL, VERDICT_ABORT, "This run is in a RUNNING state and cannot transition to a PENDING state.", ST(RUNNING), "Running", 0},
    {"claim of a cancelled run", F, ST(CANCELLED), ST(PENDING), NULL, VERDICT_ABORT, "This run is in a CANCELLED state and cannot transition to a PENDING state.", ST(CANCELLED), "Cancelled", 0},
    {"submitting", F, ST(PENDING), ST(PENDING), submitting, OK, ST(PENDING), "Submitting", 0},
    {"submitting a running run", F, ST(RUNNING), ST(PENDING), submitting, VERDICT_ABORT, "This run is in a RUNNING state and cannot transition to a PENDING state.", ST(RUNNING), "Running", 0},
    {"second claim, forced", FF, ST(PENDING), ST(PENDING), NULL, OK, ST(PENDING), "Pending", 0},

    {"start under a lease", F, ST(PENDING), ST(RUNNING), limited_held, OK, ST(RUNNING), "Running", EFFECT_RENEW_LEASE},
    {"start, lease lost, slot free", F, ST(PENDING), ST(RUNNING), lease_lost_slot_free, OK, ST(RUNNING), "Running", EFFECT_TAKE_SLOT},
    {"start, lease lost, full", F, ST(PENDING), ST(RUNNING), lease_lost, VERDICT_REJECT, "Deployment concurrency limit reached after lease expiry.", ST(CANCELLED), "Cancelled", 0},
    {"start, lease lost, old client", F, ST(PENDING), ST(RUNNING), lease_lost_old_client, OK, ST(RUNNING), "Running", 0},
    {"start, held, old client", F, ST(PENDING), ST(RUNNING), held_old_client, OK, ST(RUNNING), "Running", EFFECT_PIN_SLOT},
    {"cancel, held, old client", F, ST(PENDING), ST(CANCELLING), held_old_client, OK, ST(CANCELLING), "Cancelling", EFFECT_PIN_SLOT},
    {"cancel, held", F, ST(PENDING), ST(CANCELLING), limited_held, OK, ST(CANCELLING), "Cancelling", 0},

    {"claim, slot free", F, ST(SCHEDULED), ST(PENDING), limited_free, OK, ST(PENDING), "Pending", EFFECT_TAKE_SLOT},
    {"claim, no limit", F, ST(SCHEDULED), ST(PENDING), deployed, OK, ST(PENDING), "Pending", 0},
    {"claim, limit 0", F, ST(SCHEDULED), ST(PENDING), limited_zero, VERDICT_ABORT, "The deployment concurrency limit is 0. The flow will deadlock if submitted again.", ST(SCHEDULED), "Scheduled", 0},
    {"claim, deployment gone", F, ST(SCHEDULED), ST(PENDING), deployment_deleted, VERDICT_ABORT, "Deployment not found.", ST(SCHEDULED), "Scheduled", 0},
    {"claim, full", F, ST(SCHEDULED), ST(PENDING), limited_full, VERDICT_REJECT, FULL, ST(SCHEDULED), "AwaitingConcurrencySlot", 0},
    {"claim, full, cancel new", F, ST(SCHEDULED), ST(PENDING), limited_cancel_new, VERDICT_REJECT, FULL, ST(CANCELLED), "Cancelled", 0},
    {"claim, already held", F, ST(SCHEDULED), ST(PENDING), limited_held, OK, ST(PENDING), "Pending", EFFECT_RENEW_LEASE},
    {"claim, full, forced", FF, ST(SCHEDULED), ST(PENDING), limited_full, OK, ST(PENDING), "Pending", 0},

    {"late", FL, ST(SCHEDULED), ST(SCHEDULED), late_deployed, OK, ST(SCHEDULED), "Late", 0},
    {"late too late", FL, ST(PENDING), ST(SCHEDULED), propose_late, VERDICT_REJECT, "Only scheduled flows can be marked late.", ST(PENDING), "Pending", 0},
    {"late twice", F, ST(SCHEDULED), ST(SCHEDULED), already_late, VERDICT_REJECT, "This flow run is already marked late.", ST(SCHEDULED), "Late", 0},
    {"late at creation", FL, ST(NONE), ST(SCHEDULED), propose_late, OK, ST(SCHEDULED), "Late", 0},
    {"late, full, cancel new", FL, ST(SCHEDULED), ST(SCHEDULED), late_full_cancel, VERDICT_REJECT, "Deployment concurrency limit is full and uses the CANCEL_NEW strategy.", ST(CANCELLED), "Cancelled", 0},
    {"late, full, enqueue", FL, ST(SCHEDULED), ST(SCHEDULED), late_full_enqueue, OK, ST(SCHEDULED), "Late", 0},
    {"late by a client, full", F, ST(SCHEDULED), ST(SCHEDULED), late_full_cancel, OK, ST(SCHEDULED), "Late", 0},

    {"pause", F, ST(RUNNING), ST(PAUSED), NULL, OK, ST(PAUSED), "Paused", 0},
    {"pause with inputs", F, ST(RUNNING), ST(PAUSED), pause_with_inputs, OK, ST(PAUSED), "Paused", EFFECT_DELETE_INPUTS},
    {"pause without state", F, ST(NONE), ST(PAUSED), NULL, VERDICT_ABORT, "Cannot pause flows with no state.", ST(NONE), "", 0},
    {"pause before start", F, ST(PENDING), ST(PAUSED), NULL, VERDICT_REJECT, "Cannot pause flows that are not currently running.", ST(PENDING), "Pending", 0},
    {"suspend before start", F, ST(PENDING), ST(PAUSED), suspend, VERDICT_REJECT, "Cannot suspend flows that are not currently running.", ST(PENDING), "Pending", 0},
    {"pause while paused", F, ST(PAUSED), ST(PAUSED), NULL, VERDICT_REJECT, "Cannot pause flows that are not currently running.", ST(PAUSED), "Paused", 0},
    {"pause again", F, ST(RUNNING), ST(PAUSED), key_fired, VERDICT_REJECT, "This pause has already fired.", ST(RUNNING), "Running", 0},
    {"suspend again", F, ST(RUNNING), ST(PAUSED), suspend_key_fired, VERDICT_REJECT, "This suspend has already fired.", ST(RUNNING), "Running", 0},
    {"suspend a subflow", F, ST(RUNNING), ST(PAUSED), suspend_subflow, VERDICT_ABORT, "Cannot suspend subflows.", ST(RUNNING), "Running", 0},
    {"suspend without deployment", F, ST(RUNNING), ST(PAUSED), suspend, VERDICT_ABORT, "Cannot suspend flows without a deployment.", ST(RUNNING), "Running", 0},
    {"suspend", F, ST(RUNNING), ST(PAUSED), suspend_deployed, OK, ST(PAUSED), "Suspended", 0},

    {"resume", F, ST(PAUSED), ST(RUNNING), pause_open, OK, ST(RUNNING), "Running", 0},
    {"resume to pending", F, ST(PAUSED), ST(PENDING), NULL, VERDICT_REJECT, "This run cannot transition to the StateType.PENDING state from the StateType.PAUSED state.", ST(PAUSED), "Paused", 0},
    {"resume without deployment", F, ST(PAUSED), ST(SCHEDULED), suspended, VERDICT_REJECT, "Cannot reschedule a scheduled flow run without a deployment.", ST(PAUSED), "Suspended", 0},
    {"resume a suspended run", F, ST(PAUSED), ST(SCHEDULED), suspended_deployed, OK, ST(SCHEDULED), "Scheduled", 0},
    {"resume too late", F, ST(PAUSED), ST(RUNNING), pause_expired, VERDICT_REJECT, "The flow run pause has timed out and can no longer resume.", ST(FAILED), "Failed", 0},

    {"start too early", F, ST(SCHEDULED), ST(RUNNING), due_in_5s, VERDICT_WAIT, "Scheduled time is in the future", ST(SCHEDULED), "Scheduled", 0},
    {"start of a claim too early", F, ST(PENDING), ST(RUNNING), due_in_5s, VERDICT_WAIT, "Scheduled time is in the future", ST(PENDING), "Pending", 0},
    {"start half a second early", F, ST(PENDING), ST(RUNNING), due_in_half_a_second, OK, ST(RUNNING), "Running", 0},
    {"start too early, forced", FF, ST(SCHEDULED), ST(RUNNING), due_in_5s, OK, ST(RUNNING), "Running", 0},

    {"fail", F, ST(RUNNING), ST(FAILED), NULL, OK, ST(FAILED), "Failed", 0},
    {"retry", F, ST(RUNNING), ST(FAILED), one_retry, VERDICT_REJECT, "Retrying", ST(SCHEDULED), "AwaitingRetry", 0},
    {"retries used up", F, ST(RUNNING), ST(FAILED), one_retry_used, OK, ST(FAILED), "Failed", 0},
    {"retry, forced", FF, ST(RUNNING), ST(FAILED), one_retry, OK, ST(FAILED), "Failed", 0},
    {"retry keeps the slot", F, ST(RUNNING), ST(FAILED), one_retry_held, VERDICT_REJECT, "Retrying", ST(SCHEDULED), "AwaitingRetry", 0},

    {"end releases the slot", F, ST(RUNNING), ST(COMPLETED), limited_held, OK, ST(COMPLETED), "Completed", EFFECT_RELEASE_SLOT},
    {"crash of a claim releases it", F, ST(PENDING), ST(CRASHED), limited_held, OK, ST(CRASHED), "Crashed", EFFECT_RELEASE_SLOT},
    {"pause releases it", F, ST(RUNNING), ST(PAUSED), limited_held, OK, ST(PAUSED), "Paused", EFFECT_RELEASE_SLOT},
    {"nothing held, nothing released", F, ST(RUNNING), ST(COMPLETED), limited_full, OK, ST(COMPLETED), "Completed", 0},
    {"forced end releases it", FF, ST(RUNNING), ST(CANCELLED), limited_held, OK, ST(CANCELLED), "Cancelled", EFFECT_RELEASE_SLOT},
    {"cancelling keeps it", F, ST(RUNNING), ST(CANCELLING), limited_held, OK, ST(CANCELLING), "Cancelling", 0},
    {"reschedule on SIGTERM releases it", F, ST(RUNNING), ST(SCHEDULED), awaiting_retry_held, OK, ST(SCHEDULED), "AwaitingRetry", EFFECT_RELEASE_SLOT},

    {"subflow", F, ST(PENDING), ST(RUNNING), subflow, OK, ST(RUNNING), "Running", EFFECT_MIRROR_TO_PARENT},
    {"subflow, nothing written", F, ST(PENDING), ST(PENDING), subflow, VERDICT_ABORT, "This run is in a PENDING state and cannot transition to a PENDING state.", ST(PENDING), "Pending", 0},
    {"unpersisted data", F, ST(RUNNING), ST(COMPLETED), unpersisted, OK, ST(COMPLETED), "Completed", 0},
    {"plain data", F, ST(RUNNING), ST(COMPLETED), plain_data, OK, ST(COMPLETED), "Completed", EFFECT_WRITE_RESULT},
};
/* clang-format on */

START_TEST(rule)
{
    check_row(RUN_FLOW, &rows[_i]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("orchestration_flow");
    TCase *t = tcase_create("rules");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, rule, 0, COUNT(rows));
    suite_add_tcase(s, t);
    return run_suite(s);
}
