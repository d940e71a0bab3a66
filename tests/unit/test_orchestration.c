/* What a transition does to the columns of a run, and what holds for every transition. */
#include "tests/unit/orchestration_fixture.h"

static void step(enum state_type to, enum policy_id policy, int64_t now_us)
{
    proposed = (struct state){.type = to, .details = STATE_DETAILS_INIT};
    struct proposal p = {&proposed, policy, now_us, STATE_ID, LEASE_ID, 0};
    orchestrate(&arena, &facts, &p, &verdict);
    run_facts_apply(&facts, &verdict);
}

START_TEST(a_run_from_schedule_to_end)
{
    start(RUN_FLOW, STATE_NONE, STATE_SCHEDULED);
    step(STATE_SCHEDULED, POLICY_FLOW_FORCED, NOW);
    ck_assert_int_eq(facts.run.expected_start_time_us, NOW);
    ck_assert_int_eq(facts.run.next_scheduled_start_time_us, NOW);
    step(STATE_PENDING, POLICY_FLOW, NOW + S(1));
    ck_assert_int_eq(facts.run.next_scheduled_start_time_us, TIME_NONE);
    ck_assert_int_eq(facts.state.details.scheduled_time_us, NOW);
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(2));
    ck_assert_int_eq(facts.run.start_time_us, NOW + S(2));
    ck_assert_int_eq(facts.run.run_count, 1);
    ck_assert_int_eq(facts.run.end_time_us, TIME_NONE);
    step(STATE_COMPLETED, POLICY_FLOW, NOW + S(5));
    ck_assert_int_eq(facts.run.end_time_us, NOW + S(5));
    ck_assert_int_eq(facts.run.total_run_time_us, S(3));
    ck_assert_int_eq(facts.run.expected_start_time_us, NOW);
    ck_assert(uuid_equal(facts.state.details.flow_run_id, RUN_ID));
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(7));
    ck_assert_int_eq(facts.run.end_time_us, TIME_NONE);
    ck_assert_int_eq(facts.run.start_time_us, NOW + S(2));
    ck_assert_int_eq(facts.run.run_count, 2);
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(8));
    ck_assert_int_eq(facts.run.run_count, 3);
    step(STATE_FAILED, POLICY_FLOW, NOW + S(10));
    ck_assert_int_eq(facts.run.total_run_time_us, S(6));
}
END_TEST

START_TEST(a_run_that_never_started_ends_when_it_starts)
{
    start(RUN_FLOW, STATE_PENDING, STATE_CRASHED);
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.run.start_time_us, NOW);
    ck_assert_int_eq(verdict.run.end_time_us, NOW);
    ck_assert_int_eq(verdict.run.total_run_time_us, 0);
}
END_TEST

START_TEST(the_end_stays_when_terminal_states_follow_each_other)
{
    start(RUN_FLOW, STATE_FAILED, STATE_COMPLETED);
    facts.run.end_time_us = NOW - S(9);
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.run.end_time_us, NOW - S(9));
}
END_TEST

START_TEST(a_clock_that_steps_back_does_not_reorder_states)
{
    start(RUN_FLOW, STATE_RUNNING, STATE_COMPLETED);
    facts.state.timestamp_us = NOW + S(60);
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.state.timestamp_us, NOW + S(60) + 1);
    ck_assert_int_eq(verdict.run.total_run_time_us, 1);
}
END_TEST

START_TEST(pause_and_resume_in_process_is_one_attempt)
{
    start(RUN_FLOW, STATE_RUNNING, STATE_PAUSED);
    proposed.details.pause_key = "7";
    decide(POLICY_FLOW);
    ck_assert_uint_eq(verdict.run.policy.pause_keys.count, 1);
    ck_assert_str_eq(verdict.run.policy.pause_keys.items[0], "7");
    ck_assert(verdict.policy_changed);
    run_facts_apply(&facts, &verdict);
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(1));
    /* The rule marks the run after it was counted: the next RUNNING is the one not counted. */
    ck_assert_int_eq(facts.run.policy.resuming, TRI_TRUE);
    ck_assert_int_eq(facts.run.run_count, 2);
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(2));
    ck_assert_int_eq(facts.run.run_count, 2);
    ck_assert_int_eq(facts.run.policy.resuming, TRI_FALSE);
}
END_TEST

START_TEST(a_suspended_run_resumes_without_a_new_attempt)
{
    start(RUN_FLOW, STATE_PAUSED, STATE_SCHEDULED);
    facts.deployment = (struct deployment_facts){.id = ID(0xdd), .exists = true};
    facts.state.details.pause_reschedule = true;
    facts.run.run_count = 1;
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.run.policy.resuming, TRI_TRUE);
    run_facts_apply(&facts, &verdict);
    step(STATE_PENDING, POLICY_FLOW, NOW + S(1));
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(2));
    ck_assert_int_eq(facts.run.run_count, 1);
    ck_assert_int_eq(facts.run.policy.resuming, TRI_FALSE);
}
END_TEST

START_TEST(a_blocking_pause_that_is_rescheduled_starts_over)
{
    static const char *keys[] = {"1"};
    start(RUN_FLOW, STATE_PAUSED, STATE_SCHEDULED);
    facts.run.policy.pause_keys = (struct strings){keys, 1};
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.run.policy.resuming, TRI_FALSE);
    ck_assert_uint_eq(verdict.run.policy.pause_keys.count, 0);
    ck_assert_int_eq(verdict.run.policy.retry_type, RETRY_RESCHEDULE);
    facts.client.api_version = VERSION_NUMBER(0, 8, 3);
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.run.policy.resuming, TRI_TRUE);
    ck_assert_uint_eq(verdict.run.policy.pause_keys.count, 1);
}
END_TEST

START_TEST(a_refused_resume_leaves_the_policy_alone)
{
    start(RUN_FLOW, STATE_PAUSED, STATE_RUNNING);
    facts.state.details.pause_timeout_us = NOW - S(1);
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.state.type, STATE_FAILED);
    ck_assert_str_eq(verdict.state.message, "The flow was running and never resumed.");
    ck_assert_int_eq(verdict.run.policy.resuming, TRI_FALSE);
}
END_TEST

START_TEST(a_retry_waits_and_keeps_lease_message_and_data)
{
    start(RUN_FLOW, STATE_RUNNING, STATE_FAILED);
    facts.run.policy.retries = 1;
    facts.run.policy.retry_delay = RAW("30");
    facts.state.details.deployment_concurrency_lease_id = ID(0x77);
    proposed.message = "boom";
    proposed.data = RAW("{\"type\":\"unpersisted\"}");
    decide(POLICY_FLOW);
    ck_assert_str_eq(verdict.state.message, "boom");
    ck_assert_ptr_eq(verdict.state.data.text, proposed.data.text);
    ck_assert(uuid_equal(verdict.state.details.deployment_concurrency_lease_id, ID(0x77)));
    ck_assert_int_eq(verdict.run.next_scheduled_start_time_us, NOW + S(30));
    ck_assert_int_eq(verdict.run.policy.retry_type, RETRY_IN_PROCESS);
    ck_assert_int_eq(verdict.run.end_time_us, TIME_NONE);
    ck_assert_int_eq(verdict.run.total_run_time_us, S(10));
}
END_TEST

START_TEST(a_failed_claim_keeps_the_retry_type)
{
    start(RUN_FLOW, STATE_FAILED, STATE_PENDING);
    facts.run.policy.retry_type = RETRY_RESCHEDULE;
    facts.deployment =
        (struct deployment_facts){.id = ID(0xdd), .exists = true, .limited = true, .limit = 1};
    decide(POLICY_FLOW);
    ck_assert_str_eq(verdict.state.name, "AwaitingConcurrencySlot");
    ck_assert_int_eq(verdict.state.details.scheduled_time_us, NOW + S(30));
    ck_assert_int_eq(verdict.run.policy.retry_type, RETRY_RESCHEDULE);
}
END_TEST

START_TEST(a_lease_lasts_as_long_as_the_deployment_says)
{
    start(RUN_FLOW, STATE_SCHEDULED, STATE_PENDING);
    facts.deployment = (struct deployment_facts){
        .id = ID(0xdd), .exists = true, .limited = true, .limit = 2, .free_slots = 1};
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.lease_ttl_s, 300);
    ck_assert(uuid_equal(verdict.lease_id, LEASE_ID));
    ck_assert(uuid_equal(verdict.state.details.deployment_concurrency_lease_id, LEASE_ID));
    facts.deployment.grace_period_s = 60;
    decide(POLICY_FLOW);
    ck_assert_int_eq(verdict.lease_ttl_s, 60);
    run_facts_apply(&facts, &verdict);
    ck_assert_int_eq(facts.deployment.free_slots, 0);
    step(STATE_RUNNING, POLICY_FLOW, NOW + S(1));
    step(STATE_COMPLETED, POLICY_FLOW, NOW + S(2));
    ck_assert_int_eq(facts.deployment.free_slots, 1);
    ck_assert(!facts.deployment.slot_held);
    ck_assert(uuid_equal(facts.state.details.deployment_concurrency_lease_id, LEASE_ID));
}
END_TEST

START_TEST(a_subflow_shows_in_its_parent_task)
{
    start(RUN_FLOW, STATE_PENDING, STATE_RUNNING);
    facts.parent_task_run_id = ID(0x99);
    decide(POLICY_FLOW);
    ck_assert(uuid_equal(verdict.state.details.task_run_id, ID(0x99)));
    struct state mirror = verdict_mirror(&verdict, RUN_ID);
    ck_assert(uuid_equal(mirror.details.child_flow_run_id, RUN_ID));
    start(RUN_TASK, STATE_PENDING, STATE_NONE);
    facts.id = ID(0x99);
    facts.flow_run_id = ID(0xf0);
    proposed = mirror;
    decide(POLICY_TASK_FORCED);
    ck_assert_int_eq(verdict.status, VERDICT_ACCEPT);
    ck_assert(uuid_equal(verdict.state.details.flow_run_id, ID(0xf0)));
    ck_assert(uuid_equal(verdict.state.details.task_run_id, ID(0x99)));
}
END_TEST

/* ---- every type from every type, every policy ---- */

static const enum policy_id all_policies[] = {
    POLICY_FLOW, POLICY_FLOW_FORCED,     POLICY_FLOW_LATE,
    POLICY_TASK, POLICY_TASK_BACKGROUND, POLICY_TASK_FORCED,
};

static void check_refusal(void)
{
    ck_assert_int_ne(verdict.status, VERDICT_ACCEPT);
    ck_assert_int_eq(verdict.effects, 0);
    ck_assert_mem_eq(&verdict.run, &facts.run, sizeof(facts.run));
    ck_assert(uuid_equal(verdict.state.id, facts.state.id));
}

static void check_written(enum state_type from)
{
    const struct run_columns *run = &verdict.run;
    enum state_type to = verdict.state.type;

    ck_assert_int_ne(to, STATE_NONE);
    ck_assert_int_eq(run->state_type, to);
    ck_assert_str_eq(run->state_name, verdict.state.name);
    ck_assert_int_eq(run->state_timestamp_us, verdict.state.timestamp_us);
    ck_assert(from == STATE_NONE || verdict.state.timestamp_us > facts.state.timestamp_us);
    ck_assert(uuid_equal(verdict.state.id, STATE_ID));
    ck_assert_int_eq(state_is_terminal(to), run->end_time_us != TIME_NONE);
    ck_assert(run->end_time_us == TIME_NONE || run->start_time_us <= run->end_time_us);
    ck_assert_int_eq(to == STATE_SCHEDULED, run->next_scheduled_start_time_us != TIME_NONE);
    ck_assert_int_ne(run->expected_start_time_us, TIME_NONE);
    ck_assert(to != STATE_RUNNING || run->start_time_us != TIME_NONE);
    ck_assert_int_eq(run->total_run_time_us, from == STATE_RUNNING ? S(10) : 0);
    ck_assert_int_eq(verdict.status == VERDICT_REJECT, verdict.reason != NULL);
}

static void check_transition(enum run_kind kind, enum policy_id policy, enum state_type from,
                             enum state_type to)
{
    start(kind, from, to);
    if (state_is_terminal(from))
        facts.run.start_time_us = facts.run.end_time_us = facts.state.timestamp_us;
    if (from == STATE_SCHEDULED)
        facts.run.next_scheduled_start_time_us = facts.state.timestamp_us;
    decide(policy);
    if (!verdict.writes) {
        check_refusal();
        return;
    }
    check_written(from);
    bool fresh = kind == RUN_TASK && state_is_terminal(from) && !state_is_terminal(to) &&
                 policy != POLICY_TASK_FORCED;
    int64_t before = fresh ? 0 : facts.run.run_count;
    ck_assert_int_eq(verdict.run.run_count, before + (verdict.state.type == STATE_RUNNING));
}

START_TEST(every_transition_keeps_the_books)
{
    enum policy_id policy = all_policies[_i];
    enum run_kind kind = policy < POLICY_TASK ? RUN_FLOW : RUN_TASK;

    for (int from = STATE_NONE; from < STATE_TYPE_COUNT; from++)
        for (int to = STATE_SCHEDULED; to < STATE_TYPE_COUNT; to++)
            check_transition(kind, policy, (enum state_type)from, (enum state_type)to);
}
END_TEST

START_TEST(force_writes_all_but_the_loss_of_a_result_and_a_pointless_cancelling)
{
    for (int from = STATE_NONE; from < STATE_TYPE_COUNT; from++)
        for (int to = STATE_SCHEDULED; to < STATE_TYPE_COUNT; to++) {
            start(RUN_FLOW, (enum state_type)from, (enum state_type)to);
            decide(POLICY_FLOW_FORCED);
            bool no_infra = from == STATE_SCHEDULED && to == STATE_CANCELLING;
            ck_assert(verdict.writes);
            ck_assert_int_eq(verdict.state.type, no_infra ? STATE_CANCELLED : to);
        }
}
END_TEST

START_TEST(a_terminal_state_is_final_unless_it_is_run_again)
{
    const unsigned again = STATE_SET(PENDING) | STATE_SET(RUNNING);

    for (int from = STATE_NONE; from < STATE_TYPE_COUNT; from++)
        for (int to = STATE_SCHEDULED; to < STATE_TYPE_COUNT; to++) {
            if (!state_is_terminal((enum state_type)from) || state_is_terminal((enum state_type)to))
                continue;
            start(RUN_FLOW, (enum state_type)from, (enum state_type)to);
            decide(POLICY_FLOW);
            bool allowed = again & (1u << to) && !(from == STATE_CANCELLED && to == STATE_PENDING);
            ck_assert_int_eq(verdict.writes, allowed);
        }
}
END_TEST

static const struct {
    const char *text;
    int32_t version;
} versions[] = {
    {"prefect/3.9.1 (API 0.8.4)", VERSION_NUMBER(3, 9, 1)},
    {"prefect/3.4.11", VERSION_NUMBER(3, 4, 11)},
    {"prefect/3.10.0+12.gabc (API 0.8.4)", VERSION_NUMBER(3, 10, 0)},
    {"prefect/3.9", 0},
    {"prefect/", 0},
    {"prefect/3..1", 0},
    {"python-httpx/0.28.1", 0},
    {"prefect/-1.2.3", 0},
    {"prefect/3.9999.1", 0},
    {"", 0},
    {NULL, 0},
};

START_TEST(versions_are_read_from_user_agents)
{
    ck_assert_int_eq(client_version_parse(versions[_i].text), versions[_i].version);
}
END_TEST

START_TEST(state_types_have_names)
{
    for (int type = STATE_SCHEDULED; type < STATE_TYPE_COUNT; type++) {
        const char *name = state_type_name((enum state_type)type);
        ck_assert_int_eq(state_type_parse(name, strlen(name)), type);
        ck_assert_int_eq(state_default_name((enum state_type)type)[0], name[0]);
    }
    ck_assert_int_eq(state_type_parse("running", 7), STATE_NONE);
    ck_assert_int_eq(state_type_parse("", 0), STATE_NONE);
    ck_assert_int_eq(state_type_parse("RUNNINGS", 8), STATE_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("orchestration");
    TCase *t = tcase_create("columns");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_test(t, a_run_from_schedule_to_end);
    tcase_add_test(t, a_run_that_never_started_ends_when_it_starts);
    tcase_add_test(t, the_end_stays_when_terminal_states_follow_each_other);
    tcase_add_test(t, a_clock_that_steps_back_does_not_reorder_states);
    tcase_add_test(t, pause_and_resume_in_process_is_one_attempt);
    tcase_add_test(t, a_suspended_run_resumes_without_a_new_attempt);
    tcase_add_test(t, a_blocking_pause_that_is_rescheduled_starts_over);
    tcase_add_test(t, a_refused_resume_leaves_the_policy_alone);
    tcase_add_test(t, a_retry_waits_and_keeps_lease_message_and_data);
    tcase_add_test(t, a_failed_claim_keeps_the_retry_type);
    tcase_add_test(t, a_lease_lasts_as_long_as_the_deployment_says);
    tcase_add_test(t, a_subflow_shows_in_its_parent_task);
    suite_add_tcase(s, t);
    t = tcase_create("matrix");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, every_transition_keeps_the_books, 0, COUNT(all_policies));
    tcase_add_test(t, force_writes_all_but_the_loss_of_a_result_and_a_pointless_cancelling);
    tcase_add_test(t, a_terminal_state_is_final_unless_it_is_run_again);
    tcase_add_loop_test(t, versions_are_read_from_user_agents, 0, COUNT(versions));
    tcase_add_test(t, state_types_have_names);
    suite_add_tcase(s, t);
    return run_suite(s);
}
