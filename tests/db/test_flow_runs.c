/* Flow runs in a real database: made, moved in batches, limited, resumed, deleted. */
#include <stdlib.h>
#include <string.h>

#include "server/store/deployment_runs.h"
#include "server/store/flow_run_resume.h"
#include "server/store/flow_runs.h"
#include "server/store/transitions.h"
#include "shared/json/codec.h"
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

static struct uuid flow;

static void setup_flow(void)
{
    setup();
    flow = uuid_v4();
    fixture_sql(&f,
                "INSERT INTO flow (id, name, labels) VALUES ('%s', '%s', '{\"team\": \"lab\"}')",
                fixture_text(&f, flow), fixture_text(&f, flow));
}

static struct flow_run_create *plan(enum state_type type)
{
    struct flow_run_create *in = arena_new(&f.work.arena, struct flow_run_create);
    struct state_create *state = arena_new(&f.work.arena, struct state_create);

    *state = (struct state_create){.type = type};
    *in = (struct flow_run_create){.flow_id = flow, .state = state};
    return in;
}

static struct uuid make(const struct flow_run_create *in)
{
    struct flow_run_new run = {.in = in};
    OK(flow_run_create(&f.work, &run));
    ck_assert(run.created);
    return run.id;
}

static struct transition propose(struct uuid id, enum state_type type)
{
    struct transition t = {
        .run_id = id, .policy = POLICY_FLOW, .client.version = VERSION_NUMBER(3, 9, 1)};
    t.proposed = (struct state){.type = type, .details = STATE_DETAILS_INIT};
    return t;
}

static void apply(struct transition *items, size_t count)
{
    struct transition *order[16];

    for (size_t i = 0; i < count; i++)
        order[i] = &items[i];
    later();
    OK(db_begin(&f.work));
    OK(transitions_apply(&f.work, order, count));
    OK(db_commit(&f.work));
}

static const char *move(struct uuid id, enum state_type type)
{
    struct transition t = propose(id, type);
    apply(&t, 1);
    return t.verdict.state.name ? t.verdict.state.name : "";
}

static const char *state_name(struct uuid id)
{
    return fixture_sql(&f, "SELECT state_name FROM flow_run WHERE id = '%s'", fixture_text(&f, id));
}

START_TEST(a_new_run_has_a_state_a_name_and_labels)
{
    struct uuid id = make(plan(STATE_PENDING));

    ck_assert_str_eq(state_name(id), "Pending");
    ck_assert_ptr_nonnull(strchr(
        fixture_sql(&f, "SELECT name FROM flow_run WHERE id = '%s'", fixture_text(&f, id)), '-'));
    ck_assert_str_eq(fixture_sql(&f, "SELECT labels->>'team' FROM flow_run WHERE id = '%s'",
                                 fixture_text(&f, id)),
                     "lab");
    ck_assert_str_eq(fixture_sql(&f,
                                 "SELECT labels->>'prefect.flow.id' FROM flow_run WHERE id = '%s'",
                                 fixture_text(&f, id)),
                     fixture_text(&f, flow));
    ck_assert_str_eq(
        fixture_sql(&f,
                    "SELECT s.type FROM flow_run r JOIN flow_run_state s ON s.id = r.state_id "
                    "WHERE r.id = '%s'",
                    fixture_text(&f, id)),
        "PENDING");
}
END_TEST

START_TEST(a_key_makes_one_run)
{
    struct flow_run_create *in = plan(STATE_SCHEDULED);
    in->idempotency_key = "today";
    struct uuid id = make(in);
    struct flow_run_new again = {.in = in};

    OK(flow_run_create(&f.work, &again));
    ck_assert(!again.created);
    ck_assert_str_eq(fixture_text(&f, again.id), fixture_text(&f, id));
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM flow_run_state WHERE flow_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "1");
}
END_TEST

START_TEST(a_batch_goes_on_without_what_refers_to_nothing)
{
    struct flow_run_create *bad = plan(STATE_PENDING), *orphan = plan(STATE_PENDING);
    bad->flow_id = uuid_v4();
    orphan->parent_task_run_id = uuid_v4();
    struct flow_run_new runs[] = {
        {.in = plan(STATE_PENDING)}, {.in = bad}, {.in = orphan}, {.in = plan(STATE_SCHEDULED)}};
    struct flow_run_new *items[] = {&runs[0], &runs[1], &runs[2], &runs[3]};

    OK(db_begin(&f.work));
    OK(flow_runs_insert(&f.work, items, 4));
    OK(db_commit(&f.work));
    ck_assert(runs[0].created && runs[3].created);
    ck_assert(uuid_is_nil(runs[1].id) && uuid_is_nil(runs[2].id));
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM flow_run WHERE flow_id = '%s'",
                                 fixture_text(&f, flow)),
                     "2");
}
END_TEST

START_TEST(an_unknown_flow_is_a_conflict)
{
    struct flow_run_create *in = plan(STATE_PENDING);
    in->flow_id = uuid_v4();
    struct flow_run_new run = {.in = in};

    ck_assert_int_eq(flow_run_create(&f.work, &run), ERR_CONFLICT);
}
END_TEST

START_TEST(transitions_of_one_run_in_a_batch_follow_each_other)
{
    struct uuid id = make(plan(STATE_SCHEDULED));
    struct transition items[] = {propose(id, STATE_PENDING), propose(id, STATE_PENDING),
                                 propose(uuid_v4(), STATE_RUNNING)};

    apply(items, 3);
    int accepted = 0, aborted = 0, missing = 0;
    for (int i = 0; i < 3; i++) {
        missing += !items[i].found;
        accepted += items[i].found && items[i].verdict.status == VERDICT_ACCEPT;
        aborted += items[i].found && items[i].verdict.status == VERDICT_ABORT;
    }
    ck_assert_int_eq(accepted, 1); /* one claim wins */
    ck_assert_int_eq(aborted, 1);
    ck_assert_int_eq(missing, 1);
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM flow_run_state WHERE flow_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "2");
}
END_TEST

START_TEST(a_run_keeps_its_times)
{
    struct uuid id = make(plan(STATE_PENDING));

    ck_assert_str_eq(move(id, STATE_RUNNING), "Running");
    ck_assert_str_eq(move(id, STATE_COMPLETED), "Completed");
    ck_assert_str_eq(fixture_sql(&f, "SELECT total_run_time FROM flow_run WHERE id = '%s'",
                                 fixture_text(&f, id)),
                     "1");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT end_time - start_time = '1 second' FROM flow_run WHERE id = '%s'",
                    fixture_text(&f, id)),
        "t");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT run_count FROM flow_run WHERE id = '%s'", fixture_text(&f, id)),
        "1");
}
END_TEST

static struct uuid deployment(const char *options)
{
    struct uuid id = uuid_v4(), limit = uuid_v4();

    fixture_sql(&f, "INSERT INTO concurrency_limit (id, name, slot_limit) VALUES ('%s', '%s', 1)",
                fixture_text(&f, limit), fixture_text(&f, limit));
    fixture_sql(
        &f,
        "INSERT INTO deployment (id, name, flow_id, concurrency_limit_id, concurrency_options, "
        "labels)"
        " VALUES ('%s', 'd', '%s', '%s', '%s', '{\"bench\": 7}')",
        fixture_text(&f, id), fixture_text(&f, flow), fixture_text(&f, limit), options);
    return id;
}

static int leases(struct uuid run)
{
    return atoi(fixture_sql(&f, "SELECT count(*) FROM concurrency_lease WHERE holder_id = '%s'",
                            fixture_text(&f, run)));
}

START_TEST(slots_of_a_deployment_are_leases)
{
    struct flow_run_create *in = plan(STATE_SCHEDULED);
    in->deployment_id = deployment("{\"collision_strategy\": \"ENQUEUE\"}");
    struct uuid a = make(in), b = make(in);
    struct transition both[] = {propose(a, STATE_PENDING), propose(b, STATE_PENDING)};

    apply(both, 2);
    bool a_first = leases(a) == 1;
    struct uuid first = a_first ? a : b, second = a_first ? b : a;
    ck_assert_int_eq(leases(first), 1);
    ck_assert_int_eq(leases(second), 0);
    ck_assert_str_eq(state_name(second), "AwaitingConcurrencySlot");
    ck_assert_str_eq(move(first, STATE_RUNNING), "Running");
    ck_assert_str_eq(move(first, STATE_COMPLETED), "Completed");
    ck_assert_int_eq(leases(first), 0);
    ck_assert_str_eq(move(second, STATE_PENDING), "Pending");
    ck_assert_int_eq(leases(second), 1);
    ck_assert_str_eq(fixture_sql(&f, "SELECT labels->>'bench' FROM flow_run WHERE id = '%s'",
                                 fixture_text(&f, a)),
                     "7");
}
END_TEST

START_TEST(a_new_run_is_cancelled_when_the_deployment_says_so)
{
    struct flow_run_create *in = plan(STATE_SCHEDULED);
    in->deployment_id = deployment("{\"collision_strategy\": \"CANCEL_NEW\"}");
    struct uuid a = make(in), b = make(in);

    ck_assert_str_eq(move(a, STATE_PENDING), "Pending");
    ck_assert_str_eq(move(b, STATE_PENDING), "Cancelled");
}
END_TEST

START_TEST(deleting_a_run_frees_its_slot_and_its_children)
{
    struct flow_run_create *in = plan(STATE_SCHEDULED);
    in->deployment_id = deployment("{}");
    struct uuid id = make(in);
    struct rows gone;

    move(id, STATE_PENDING);
    fixture_sql(
        &f,
        "INSERT INTO task_run (id, name, flow_run_id, task_key, dynamic_key) VALUES ('%s', 't', "
        "'%s', 'k', '0')",
        fixture_text(&f, uuid_v4()), fixture_text(&f, id));
    OK(flow_runs_delete(&f.work, (struct uuids){&id, 1}, &gone));
    ck_assert_int_eq(gone.count, 1);
    ck_assert_int_eq(leases(id), 0);
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM task_run WHERE flow_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "0");
    ck_assert_str_eq(fixture_sql(&f, "SELECT count(*) FROM flow_run_state WHERE flow_run_id = '%s'",
                                 fixture_text(&f, id)),
                     "0");
}
END_TEST

START_TEST(a_subflow_shows_in_its_parent_task)
{
    struct uuid parent = make(plan(STATE_RUNNING)), task = uuid_v4();
    fixture_sql(
        &f,
        "INSERT INTO task_run (id, name, flow_run_id, task_key, dynamic_key) VALUES ('%s', 't', "
        "'%s', 'k', '0')",
        fixture_text(&f, task), fixture_text(&f, parent));
    struct flow_run_create *in = plan(STATE_PENDING);
    in->parent_task_run_id = task;
    struct uuid child = make(in);

    move(child, STATE_RUNNING);
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT state_type FROM task_run WHERE id = '%s'", fixture_text(&f, task)),
        "RUNNING");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT state_details->>'child_flow_run_id' FROM task_run WHERE id = '%s'",
                    fixture_text(&f, task)),
        fixture_text(&f, child));
    move(child, STATE_FAILED);
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT state_type FROM task_run WHERE id = '%s'", fixture_text(&f, task)),
        "FAILED");
}
END_TEST

static void parse(const char *text, struct doc *out)
{
    struct doc_error bad;
    ck_assert(doc_parse(&f.work.arena, text, strlen(text), out, &bad));
}

START_TEST(a_paused_run_waits_for_an_input_that_fits)
{
    struct uuid id = make(plan(STATE_RUNNING));
    struct transition pause = propose(id, STATE_PAUSED);
    pause.proposed.details.run_input_keyset = RAW("{\"schema\":\"s\",\"response\":\"r\"}");
    struct doc wrong, right;
    struct rows value;

    apply(&pause, 1);
    OK(flow_run_input_add(&f.work, id, "s",
                          "{\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}",
                          NULL));
    parse("{\"n\":\"x\"}", &wrong);
    parse("{\"n\":4}", &right);
    struct resume r = {.id = id, .input = doc_root(&wrong)};
    OK(flow_run_resume(&f.work, &r));
    ck_assert(r.input_refused);
    ck_assert_str_eq(
        r.verdict.reason,
        "Reason: Validation failed for field 'n'. Failure reason: 'x' is not of type 'integer'");
    ck_assert_str_eq(state_name(id), "Paused");
    later();
    r = (struct resume){.id = id, .input = doc_root(&right)};
    OK(flow_run_resume(&f.work, &r));
    ck_assert_str_eq(state_name(id), "Running");
    OK(flow_run_input_get(&f.work, id, "r", &value));
    ck_assert_str_eq(rows_text(&value, 0, 0), "{\"n\":4}");
}
END_TEST

START_TEST(an_input_key_is_taken_once)
{
    struct uuid id = make(plan(STATE_RUNNING));

    OK(flow_run_input_add(&f.work, id, "k", "1", NULL));
    ck_assert_int_eq(flow_run_input_add(&f.work, id, "k", "2", NULL), ERR_CONFLICT);
    ck_assert_str_eq(f.work.err.detail, "A flow run input with this key already exists.");
    ck_assert_int_eq(flow_run_input_add(&f.work, uuid_v4(), "k", "2", NULL), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_run_of_a_deployment_inherits)
{
    struct uuid id = uuid_v4();
    fixture_sql(&f,
                "INSERT INTO deployment (id, name, flow_id, version, parameters, tags, "
                "parameter_openapi_schema)"
                " VALUES ('%s', 'd', '%s', 'v1', '{\"a\": 1, \"b\": 2}', '[\"nightly\"]', "
                "'{\"properties\": {\"b\": {\"type\": \"integer\"}}, \"required\": [\"b\"]}')",
                fixture_text(&f, id), fixture_text(&f, flow));
    struct run_source source;
    struct flow_run_create in = {.parameters = RAW("{\"b\": 3}"),
                                 .enforce_parameter_schema = TRI_NONE};
    struct flow_run_new run = {0};

    OK(run_source_get(&f.work, id, &source));
    OK(run_source_prepare(&f.work, &source, &in, &run));
    OK(flow_run_create(&f.work, &run));
    ck_assert_str_eq(
        fixture_sql(
            &f, "SELECT parameters::jsonb = '{\"a\": 1, \"b\": 3}' FROM flow_run WHERE id = '%s'",
            fixture_text(&f, run.id)),
        "t");
    ck_assert_str_eq(
        fixture_sql(&f, "SELECT deployment_version || tags::text FROM flow_run WHERE id = '%s'",
                    fixture_text(&f, run.id)),
        "v1[\"nightly\"]");
    ck_assert_str_eq(state_name(run.id), "Scheduled");
    in.parameters = RAW("{\"b\": \"x\"}");
    ck_assert_int_eq(run_source_prepare(&f.work, &source, &in, &run), ERR_CONFLICT);
    ck_assert_str_eq(f.work.err.detail, "Error creating flow run: Validation failed for field 'b'. "
                                        "Failure reason: 'x' is not of type 'integer'");
}
END_TEST

START_TEST(runs_carry_the_pools_of_their_queues)
{
    struct uuid pool = uuid_v4(), queue = uuid_v4(), runs[3];
    int at = columns_index(&flow_run_resource, "work_pool_id");
    struct rows rows;

    fixture_sql(&f, "INSERT INTO work_pool (id, name, type) VALUES ('%s', 'lab \"1\"', 'process')",
                fixture_text(&f, pool));
    fixture_sql(&f, "INSERT INTO work_queue (id, name, work_pool_id) VALUES ('%s', 'q', '%s')",
                fixture_text(&f, queue), fixture_text(&f, pool));
    for (int i = 0; i < 3; i++)
        runs[i] = make(plan(STATE_SCHEDULED));
    fixture_sql(&f, "UPDATE flow_run SET work_queue_id = '%s' WHERE id = '%s'",
                fixture_text(&f, queue), fixture_text(&f, runs[0]));
    fixture_sql(&f, "UPDATE flow_run SET work_queue_id = gen_random_uuid() WHERE id = '%s'",
                fixture_text(&f, runs[1])); /* a queue that is gone */

    for (int i = 0; i < 3; i++) {
        OK(flow_run_get(&f.work, runs[i], &rows));
        const char *id = rows_text(&rows, 0, at), *name = rows_text(&rows, 0, at + 1);
        ck_assert_pstr_eq(id, i ? NULL : fixture_text(&f, pool));
        ck_assert_pstr_eq(name, i ? NULL : "lab \"1\"");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow_runs");
    TCase *t = tcase_create("store");
    tcase_add_checked_fixture(t, setup_flow, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, a_new_run_has_a_state_a_name_and_labels);
    tcase_add_test(t, a_key_makes_one_run);
    tcase_add_test(t, a_batch_goes_on_without_what_refers_to_nothing);
    tcase_add_test(t, an_unknown_flow_is_a_conflict);
    tcase_add_test(t, transitions_of_one_run_in_a_batch_follow_each_other);
    tcase_add_test(t, a_run_keeps_its_times);
    tcase_add_test(t, slots_of_a_deployment_are_leases);
    tcase_add_test(t, a_new_run_is_cancelled_when_the_deployment_says_so);
    tcase_add_test(t, deleting_a_run_frees_its_slot_and_its_children);
    tcase_add_test(t, a_subflow_shows_in_its_parent_task);
    tcase_add_test(t, a_paused_run_waits_for_an_input_that_fits);
    tcase_add_test(t, an_input_key_is_taken_once);
    tcase_add_test(t, a_run_of_a_deployment_inherits);
    tcase_add_test(t, runs_carry_the_pools_of_their_queues);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
