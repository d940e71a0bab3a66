/* Task runs in a real database: made by their keys, moved by the rules, cached, limited by tags. */
#include "server/store/task_runs.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)

static void setup(void)
{
    fixture_setup(&f);
}

static void teardown(void)
{
    fixture_teardown(&f);
}

static void later(void)
{
    f.work.now_us += 1000000;
}

static struct uuid flow_run;

static void setup_flow_run(void)
{
    struct uuid flow = uuid_v4();

    setup();
    flow_run = uuid_v4();
    fixture_sql(&f, "INSERT INTO flow (id, name) VALUES ('%s', '%s')", fixture_text(&f, flow),
                fixture_text(&f, flow));
    fixture_sql(&f,
                "INSERT INTO flow_run (id, name, flow_id, state_type, run_count, labels)"
                " VALUES ('%s', 'r', '%s', 'RUNNING', 1, '{\"team\": \"lab\"}')",
                fixture_text(&f, flow_run), fixture_text(&f, flow));
}

static struct task_run_create plan(const char *key)
{
    return (struct task_run_create){.flow_run_id = flow_run,
                                    .task_key = "t",
                                    .dynamic_key = key,
                                    .cache_expiration_us = TIME_NONE};
}

static struct uuid make(const struct task_run_create *in)
{
    struct uuid id;
    bool created;

    OK(task_run_upsert(&f.work, in, &id, &created));
    ck_assert(created);
    return id;
}

static struct verdict propose(struct uuid id, const struct state *state)
{
    struct verdict v;

    later();
    OK(task_run_set_state(&f.work, id, state, false, &v));
    return v;
}

static struct verdict move(struct uuid id, enum state_type type)
{
    struct state s = {.type = type, .details = STATE_DETAILS_INIT};
    return propose(id, &s);
}

START_TEST(a_task_run_is_found_by_its_keys)
{
    struct task_run_create in = plan("0"), free_standing = plan("0");
    struct uuid id = make(&in), again;
    bool created;

    OK(task_run_upsert(&f.work, &in, &again, &created));
    ck_assert(!created && uuid_equal(id, again));
    ck_assert_str_eq(fixture_sql(&f, "SELECT labels->>'team' FROM task_run WHERE id = '%s'",
                                 fixture_text(&f, id)),
                     "lab");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT labels->>'prefect.flow-run.id' FROM task_run WHERE id = '%s'",
                    fixture_text(&f, id)),
        fixture_text(&f, flow_run));
    free_standing.flow_run_id = (struct uuid){0};
    free_standing.dynamic_key = fixture_text(&f, flow_run);
    id = make(&free_standing);
    OK(task_run_upsert(&f.work, &free_standing, &again, &created));
    ck_assert(!created && uuid_equal(id, again));
}
END_TEST

START_TEST(an_id_belongs_to_one_run)
{
    struct task_run_create in = plan("0"), other = plan("1"), orphan = plan("2");
    struct uuid id;
    bool created;

    in.id = other.id = uuid_v4();
    ck_assert(uuid_equal(make(&in), in.id));
    ck_assert_int_eq(task_run_upsert(&f.work, &other, &id, &created), ERR_CONFLICT);
    orphan.flow_run_id = uuid_v4();
    ck_assert_int_eq(task_run_upsert(&f.work, &orphan, &id, &created), ERR_CONFLICT);
}
END_TEST

START_TEST(a_failed_run_is_tried_again)
{
    struct retry_policy policy = RETRY_POLICY_INIT;
    policy.retries = 1;
    struct task_run_create in = plan("0");
    in.empirical_policy = &policy;
    struct uuid id = make(&in);

    ck_assert_str_eq(move(id, STATE_RUNNING).state.name, "Running");
    ck_assert_str_eq(move(id, STATE_FAILED).state.name, "AwaitingRetry");
    ck_assert_str_eq(move(id, STATE_RUNNING).state.name, "Retrying");
    ck_assert_str_eq(move(id, STATE_FAILED).state.name, "Failed");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT run_count || ' ' || total_run_time FROM task_run WHERE id = '%s'",
                    fixture_text(&f, id)),
        "2 2");
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM task_run_state WHERE task_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "5");
}
END_TEST

START_TEST(a_completed_state_is_shared_by_its_cache_key)
{
    struct task_run_create in = plan("0"), second = plan("1");
    struct uuid a = make(&in), b = make(&second);
    struct state done = {.type = STATE_COMPLETED, .details = STATE_DETAILS_INIT};
    struct state running = {.type = STATE_RUNNING, .details = STATE_DETAILS_INIT};

    done.details.cache_key = running.details.cache_key = fixture_text(&f, a);
    state_set_data(&f.work.arena, &done,
                   RAW("{\"type\":\"result\",\"artifact_key\":\"k\",\"v\":1}"));
    propose(a, &done);
    ck_assert_str_eq(fixture_sql(&f,
                                 "SELECT key || data::text FROM artifact WHERE task_run_id = '%s'",
                                 fixture_text(&f, a)),
                     "k{\"type\":\"result\",\"v\":1}");
    struct verdict v = propose(b, &running);
    ck_assert_int_eq(v.status, VERDICT_REJECT);
    ck_assert_str_eq(v.state.name, "Cached");
    ck_assert_str_eq(fixture_sql(&f, "SELECT state_data->>'v' FROM task_run WHERE id = '%s'",
                                 fixture_text(&f, b)),
                     "1");
}
END_TEST

START_TEST(tags_limit_how_many_run)
{
    const char *tags[] = {fixture_text(&f, flow_run)};
    struct task_run_create in = plan("0"), second = plan("1");
    in.tags = second.tags = (struct strings){tags, 1};
    struct uuid a = make(&in), b = make(&second);
    fixture_sql(&f,
                "INSERT INTO concurrency_limit (id, name, slot_limit) VALUES ('%s', 'tag:%s', 1)",
                fixture_text(&f, uuid_v4()), tags[0]);

    ck_assert_int_eq(move(a, STATE_RUNNING).status, VERDICT_ACCEPT);
    struct verdict v = move(b, STATE_RUNNING);
    ck_assert_int_eq(v.status, VERDICT_WAIT);
    ck_assert_int_ge(v.delay_s, 1);
    ck_assert_str_eq(v.state.name, "Pending");
    ck_assert_int_eq(move(a, STATE_COMPLETED).status, VERDICT_ACCEPT);
    ck_assert_str_eq(fixture_sql(&f,
                                 "SELECT count(*) FROM concurrency_lease WHERE holder_id = '%s'",
                                 fixture_text(&f, a)),
                     "0");
    ck_assert_int_eq(move(b, STATE_RUNNING).status, VERDICT_ACCEPT);
}
END_TEST

START_TEST(no_task_runs_in_a_stopped_flow)
{
    struct task_run_create in = plan("0");
    struct uuid id = make(&in);

    fixture_sql(&f, "UPDATE flow_run SET state_type = 'CANCELLED' WHERE id = '%s'",
                fixture_text(&f, flow_run));
    struct verdict v = move(id, STATE_RUNNING);
    ck_assert_int_eq(v.status, VERDICT_ABORT);
    ck_assert_str_eq(v.reason, "The enclosing flow must be running to begin task execution.");
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM task_run_state WHERE task_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "1");
}
END_TEST

START_TEST(a_missing_run_is_told)
{
    struct state s = {.type = STATE_RUNNING, .details = STATE_DETAILS_INIT};
    struct verdict v;
    struct uuid id = uuid_v4();
    struct rows rows;

    ck_assert_int_eq(task_run_set_state(&f.work, id, &s, false, &v), ERR_NOT_FOUND);
    ck_assert(f.work.err.object_level);
    ck_assert_int_eq(task_run_get(&f.work, id, &rows), ERR_NOT_FOUND);
    ck_assert_str_eq(f.work.err.detail, "Task not found");
    ck_assert_int_eq(task_run_rename(&f.work, id, "x"), ERR_NOT_FOUND);
    ck_assert_str_eq(f.work.err.detail, "Task run not found");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("task_runs");
    TCase *t = tcase_create("store");
    tcase_add_checked_fixture(t, setup_flow_run, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_task_run_is_found_by_its_keys);
    tcase_add_test(t, an_id_belongs_to_one_run);
    tcase_add_test(t, a_failed_run_is_tried_again);
    tcase_add_test(t, a_completed_state_is_shared_by_its_cache_key);
    tcase_add_test(t, tags_limit_how_many_run);
    tcase_add_test(t, no_task_runs_in_a_stopped_flow);
    tcase_add_test(t, a_missing_run_is_told);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
