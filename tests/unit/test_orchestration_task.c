/* Every rule of task runs: when it fires, when not, and what a client reads. */
#include "tests/unit/orchestration_fixture.h"

static struct state cached;
static struct tag_limit_facts limits[2];
static char long_key[2002];

static void in_flow_run(enum state_type type, int64_t run_count)
{
    facts.flow_run_id = ID(0xf1);
    facts.parent = (struct parent_facts){.exists = true,
                                         .id = ID(0xf1),
                                         .state_type = type,
                                         .run_count = run_count,
                                         .pause_timeout_us = NOW + S(60)};
}
static void flow_running(void)
{
    in_flow_run(STATE_RUNNING, 1);
    facts.run.flow_run_run_count = 1;
}
static void flow_retried(void)
{
    in_flow_run(STATE_RUNNING, 2);
    facts.run.flow_run_run_count = 1;
}
static void flow_failed(void)
{
    in_flow_run(STATE_FAILED, 1);
}
static void flow_without_state(void)
{
    in_flow_run(STATE_NONE, 0);
}
static void flow_paused(void)
{
    in_flow_run(STATE_PAUSED, 1);
}
static void cache_hit(void)
{
    cached = (struct state){.id = ID(0xca),
                            .type = STATE_COMPLETED,
                            .name = "Completed",
                            .data = RAW("{\"type\":\"result\"}"),
                            .data_persisted = true,
                            .data_stored = true,
                            .details = STATE_DETAILS_INIT};
    facts.cached = &cached;
    proposed.details.cache_key = "k";
}
static void cache_refresh(void)
{
    cache_hit();
    proposed.details.refresh_cache = TRI_TRUE;
}
static void cache_no_key(void)
{
    cache_hit();
    proposed.details.cache_key = NULL;
}
static void cache_key_only(void)
{
    proposed.details.cache_key = "k";
}
static void cache_key_long(void)
{
    memset(long_key, 'k', 2001);
    proposed.details.cache_key = long_key;
}
static void cache_key_2000(void)
{
    cache_key_long();
    long_key[2000] = '\0';
}
static void has_result(void)
{
    facts.state.data = RAW("{\"type\":\"result\"}");
    facts.state.data_persisted = true;
}
static void limited(int64_t limit, int64_t active)
{
    limits[0] = (struct tag_limit_facts){"gpu", 10, 0, 0};
    limits[1] = (struct tag_limit_facts){"db", limit, active, 2};
    facts.tag_limits = limits;
    facts.tag_limit_count = 2;
}
static void tags_free(void)
{
    limited(1, 0);
}
static void tags_full(void)
{
    limited(1, 1);
}
static void tags_zero(void)
{
    limited(0, 0);
}
static void tags_held(void)
{
    limited(1, 1);
    facts.tag_slots_held = true;
}
static void tags_free_due_later(void)
{
    tags_free();
    facts.state.details.scheduled_time_us = NOW + S(5);
}
static void due_in_5s(void)
{
    facts.state.details.scheduled_time_us = NOW + S(5);
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
static void not_retriable(void)
{
    one_retry();
    proposed.details.retriable = TRI_FALSE;
}
static void awaited_retry(void)
{
    facts.state.name = "AwaitingRetry";
    facts.run.run_count = 1;
}
static void ran_before(void)
{
    facts.run.run_count = 1;
}
static void deferred(void)
{
    proposed.details.deferred = TRI_TRUE;
}
static void deferred_retry(void)
{
    deferred();
    one_retry();
}
static void deferred_tags_full(void)
{
    deferred();
    tags_full();
}
static void awaiting_retry_deferred(void)
{
    deferred();
    proposed.name = "AwaitingRetry";
}
static void submitting(void)
{
    proposed.name = "Submitting";
}

#define T           POLICY_TASK
#define TB          POLICY_TASK_BACKGROUND
#define TF          POLICY_TASK_FORCED
#define OK          VERDICT_ACCEPT, NULL
#define ST(x)       STATE_##x
#define NOT_RUNNING "The enclosing flow must be running to begin task execution."
#define FLOW_PAUSED                                                                                \
    "The flow is paused, new tasks can execute after resuming flow run: "                          \
    "f1000000-0000-0000-0000-000000000000."
/* clang-format off */
static const struct rule_row rows[] = {
    {"cached", T, ST(PENDING), ST(RUNNING), cache_hit, VERDICT_REJECT, "Retrieved state from cache", ST(COMPLETED), "Cached", EFFECT_WRITE_RESULT},
    {"cached, refreshed", T, ST(PENDING), ST(RUNNING), cache_refresh, OK, ST(RUNNING), "Running", 0},
    {"cached, no key", T, ST(PENDING), ST(RUNNING), cache_no_key, OK, ST(RUNNING), "Running", 0},
    {"not cached", T, ST(PENDING), ST(RUNNING), cache_key_only, OK, ST(RUNNING), "Running", 0},
    {"cached, forced", TF, ST(PENDING), ST(RUNNING), cache_hit, OK, ST(RUNNING), "Running", 0},
    {"cached in the background", TB, ST(PENDING), ST(RUNNING), cache_hit, VERDICT_REJECT, "Retrieved state from cache", ST(COMPLETED), "Cached", EFFECT_WRITE_RESULT},

    {"terminal to cancelling", T, ST(FAILED), ST(CANCELLING), NULL, VERDICT_ABORT, "Run is already FAILED.", ST(FAILED), "Failed", 0},
    {"terminal to crashed", T, ST(COMPLETED), ST(CRASHED), NULL, VERDICT_ABORT, "Run is already COMPLETED.", ST(COMPLETED), "Completed", 0},
    {"terminal to crashed, forced", TF, ST(COMPLETED), ST(CRASHED), NULL, OK, ST(CRASHED), "Crashed", 0},
    {"kept result", T, ST(COMPLETED), ST(FAILED), has_result, VERDICT_REJECT, "This run is already completed.", ST(COMPLETED), "Completed", 0},
    {"completed without result", T, ST(COMPLETED), ST(FAILED), NULL, OK, ST(FAILED), "Failed", 0},
    {"flow retried", T, ST(FAILED), ST(RUNNING), flow_retried, OK, ST(RUNNING), "Retrying", 0},
    {"flow not retried", T, ST(FAILED), ST(RUNNING), flow_running, OK, ST(RUNNING), "Running", 0},

    {"flow not running", T, ST(PENDING), ST(RUNNING), flow_failed, VERDICT_ABORT, NOT_RUNNING, ST(PENDING), "Pending", 0},
    {"flow without state", T, ST(PENDING), ST(RUNNING), flow_without_state, VERDICT_ABORT, NOT_RUNNING, ST(PENDING), "Pending", 0},
    {"flow paused", T, ST(PENDING), ST(RUNNING), flow_paused, VERDICT_REJECT, FLOW_PAUSED, ST(PAUSED), "NotReady", 0},
    {"flow running", T, ST(PENDING), ST(RUNNING), flow_running, OK, ST(RUNNING), "Running", 0},
    {"flow not running, background", TB, ST(PENDING), ST(RUNNING), flow_failed, OK, ST(RUNNING), "Running", 0},

    {"tags free", T, ST(PENDING), ST(RUNNING), tags_free, OK, ST(RUNNING), "Running", EFFECT_TAKE_TAG_SLOTS},
    {"tags full", T, ST(PENDING), ST(RUNNING), tags_full, VERDICT_WAIT, "Concurrency limit reached for tags: gpu, db", ST(PENDING), "Pending", 0},
    {"tag limit 0", T, ST(PENDING), ST(RUNNING), tags_zero, VERDICT_ABORT, "The concurrency limit on tag \"db\" is 0 and will deadlock if the task tries to run again.", ST(PENDING), "Pending", 0},
    {"tags held", T, ST(RUNNING), ST(RUNNING), tags_held, OK, ST(RUNNING), "Rerunning", 0},
    {"tags free, too early", T, ST(PENDING), ST(RUNNING), tags_free_due_later, VERDICT_WAIT, "Scheduled time is in the future", ST(PENDING), "Pending", 0},
    {"tags full, background", TB, ST(PENDING), ST(RUNNING), deferred_tags_full, OK, ST(RUNNING), "Running", 0},
    {"tags full, forced", TF, ST(PENDING), ST(RUNNING), tags_full, OK, ST(RUNNING), "Running", 0},
    {"end releases tags", T, ST(RUNNING), ST(COMPLETED), tags_held, OK, ST(COMPLETED), "Completed", EFFECT_RELEASE_TAG_SLOTS},
    {"forced end releases tags", TF, ST(RUNNING), ST(FAILED), tags_held, OK, ST(FAILED), "Failed", EFFECT_RELEASE_TAG_SLOTS},
    {"cancelling keeps tags", T, ST(RUNNING), ST(CANCELLING), tags_held, OK, ST(CANCELLING), "Cancelling", 0},

    {"too early", T, ST(SCHEDULED), ST(RUNNING), due_in_5s, VERDICT_WAIT, "Scheduled time is in the future", ST(SCHEDULED), "Scheduled", 0},
    {"too early, forced", TF, ST(SCHEDULED), ST(RUNNING), due_in_5s, OK, ST(RUNNING), "Running", 0},

    {"retry", T, ST(RUNNING), ST(FAILED), one_retry, VERDICT_REJECT, "Retrying", ST(SCHEDULED), "AwaitingRetry", 0},
    {"retries used up", T, ST(RUNNING), ST(FAILED), one_retry_used, OK, ST(FAILED), "Failed", 0},
    {"not retriable", T, ST(RUNNING), ST(FAILED), not_retriable, OK, ST(FAILED), "Failed", 0},
    {"no retries", T, ST(RUNNING), ST(FAILED), NULL, OK, ST(FAILED), "Failed", 0},
    {"retry in the background", TB, ST(RUNNING), ST(FAILED), deferred_retry, VERDICT_REJECT, "Retrying", ST(SCHEDULED), "AwaitingRetry", 0},

    {"retrying", T, ST(SCHEDULED), ST(RUNNING), awaited_retry, OK, ST(RUNNING), "Retrying", 0},
    {"rerunning", T, ST(SCHEDULED), ST(RUNNING), ran_before, OK, ST(RUNNING), "Rerunning", 0},
    {"rerunning, forced", TF, ST(SCHEDULED), ST(RUNNING), ran_before, OK, ST(RUNNING), "Running", 0},

    {"cache written", T, ST(RUNNING), ST(COMPLETED), cache_key_only, OK, ST(COMPLETED), "Completed", EFFECT_WRITE_CACHE},
    {"longest cache key", T, ST(RUNNING), ST(COMPLETED), cache_key_2000, OK, ST(COMPLETED), "Completed", EFFECT_WRITE_CACHE},
    {"cache key too long", T, ST(RUNNING), ST(COMPLETED), cache_key_long, VERDICT_REJECT, "Cache key exceeded maximum allowed length of 2000 characters.", ST(COMPLETED), "Completed", 0},

    {"second claim, ordinary", T, ST(PENDING), ST(PENDING), NULL, OK, ST(PENDING), "Pending", 0},
    {"second claim, background", TB, ST(PENDING), ST(PENDING), NULL, VERDICT_ABORT, "This run is in a PENDING state and cannot transition to a PENDING state.", ST(PENDING), "Pending", 0},
    {"step forward, background", TB, ST(PENDING), ST(PENDING), submitting, OK, ST(PENDING), "Submitting", 0},
    {"enqueued", TB, ST(NONE), ST(SCHEDULED), deferred, OK, ST(SCHEDULED), "Scheduled", EFFECT_ENQUEUE_TASK},
    {"enqueued for a retry", TB, ST(RUNNING), ST(SCHEDULED), awaiting_retry_deferred, OK, ST(SCHEDULED), "AwaitingRetry", EFFECT_ENQUEUE_RETRY},
    {"not deferred, not enqueued", TB, ST(NONE), ST(SCHEDULED), NULL, OK, ST(SCHEDULED), "Scheduled", 0},
};
/* clang-format on */

START_TEST(rule)
{
    check_row(RUN_TASK, &rows[_i]);
}
END_TEST

START_TEST(a_new_attempt_counts_from_one)
{
    start(RUN_TASK, STATE_FAILED, STATE_RUNNING);
    flow_retried();
    facts.run.run_count = 3;
    decide(POLICY_TASK);
    ck_assert_int_eq(verdict.run.run_count, 1);
    ck_assert_int_eq(verdict.run.flow_run_run_count, 2);
}
END_TEST

START_TEST(a_refused_attempt_keeps_its_count)
{
    start(RUN_TASK, STATE_FAILED, STATE_RUNNING);
    flow_paused();
    facts.run.run_count = 3;
    decide(POLICY_TASK);
    ck_assert_int_eq(verdict.state.type, STATE_PAUSED);
    ck_assert_int_eq(verdict.run.run_count, 3);
    ck_assert_int_eq(verdict.state.details.pause_timeout_us, NOW + S(60));
}
END_TEST

/* Attempt, delays and the one that applies. */
static const struct {
    int64_t run_count;
    const char *delays;
    double expected_s;
} delays[] = {
    {1, NULL, 0},           {1, "2.5", 2.5},         {2, "2.5", 2.5},         {1, "[1, 10,100]", 1},
    {2, "[1, 10,100]", 10}, {3, "[1, 10,100]", 100}, {4, "[1, 10,100]", 100}, {0, "[1, 10,100]", 1},
    {1, "[]", 0},
};

START_TEST(each_attempt_has_its_delay)
{
    start(RUN_TASK, STATE_RUNNING, STATE_FAILED);
    facts.run.policy.retries = 9;
    facts.run.run_count = delays[_i].run_count;
    facts.run.policy.retry_delay.text = delays[_i].delays;
    decide(POLICY_TASK);
    ck_assert_int_eq(verdict.state.details.scheduled_time_us - NOW,
                     (int64_t)(delays[_i].expected_s * 1e6));
    ck_assert_int_eq(verdict.run.next_scheduled_start_time_us,
                     verdict.state.details.scheduled_time_us);
}
END_TEST

START_TEST(jitter_stays_within_its_factor)
{
    for (int i = 0; i < 64; i++) {
        start(RUN_TASK, STATE_RUNNING, STATE_FAILED);
        facts.run.policy.retries = 1;
        facts.run.policy.retry_delay = RAW("10");
        facts.run.policy.retry_jitter_factor = 0.5;
        struct proposal p = {&proposed, POLICY_TASK, NOW,
                             STATE_ID,  LEASE_ID,    UINT64_MAX / 63 * (uint64_t)i};
        orchestrate(&arena, &facts, &p, &verdict);
        int64_t wait_us = verdict.state.details.scheduled_time_us - NOW;
        ck_assert_int_ge(wait_us, S(1));
        ck_assert_int_le(wait_us, S(15));
    }
}
END_TEST

START_TEST(waits_for_tags_are_short_and_spread)
{
    start(RUN_TASK, STATE_PENDING, STATE_RUNNING);
    tags_full();
    decide(POLICY_TASK);
    ck_assert_int_ge(verdict.delay_s, 1);
    ck_assert_int_le(verdict.delay_s, 3); /* average 2 s, give or take 30 % */
}
END_TEST

static const struct {
    enum run_kind kind;
    enum tri deferred;
    bool force;
    enum policy_id policy;
} policies[] = {
    {RUN_FLOW, TRI_FALSE, false, POLICY_FLOW},
    {RUN_FLOW, TRI_TRUE, true, POLICY_FLOW_FORCED},
    {RUN_TASK, TRI_FALSE, false, POLICY_TASK},
    {RUN_TASK, TRI_FALSE, true, POLICY_TASK_FORCED},
    {RUN_TASK, TRI_NONE, false, POLICY_TASK},
    {RUN_TASK, TRI_TRUE, false, POLICY_TASK_BACKGROUND},
    {RUN_TASK, TRI_TRUE, true, POLICY_TASK_BACKGROUND},
};

START_TEST(the_proposal_selects_the_policy)
{
    struct state s = {.type = STATE_PENDING, .details = STATE_DETAILS_INIT};
    s.details.deferred = policies[_i].deferred;
    ck_assert_int_eq(policy_for(policies[_i].kind, &s, policies[_i].force), policies[_i].policy);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("orchestration_task");
    TCase *t = tcase_create("rules");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, rule, 0, COUNT(rows));
    tcase_add_test(t, a_new_attempt_counts_from_one);
    tcase_add_test(t, a_refused_attempt_keeps_its_count);
    tcase_add_loop_test(t, each_attempt_has_its_delay, 0, COUNT(delays));
    tcase_add_test(t, jitter_stays_within_its_factor);
    tcase_add_test(t, waits_for_tags_are_short_and_spread);
    tcase_add_loop_test(t, the_proposal_selects_the_policy, 0, COUNT(policies));
    suite_add_tcase(s, t);
    return run_suite(s);
}
