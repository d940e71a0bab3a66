/* Batches of transitions against a real database. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/store/transitions.h"
#include "shared/base/fault.h"
#include "tests/db/fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_setup(&f);
    fixture_runs(&f, 8);
}

static void teardown(void)
{
    fixture_teardown(&f);
}

static struct transition propose(struct uuid run, enum state_type type)
{
    return (struct transition){
        .run_id = run,
        .policy = POLICY_FLOW,
        .proposed = {.type = type, .timestamp_us = TIME_NONE, .details = STATE_DETAILS_INIT}};
}

static enum err_code apply(struct transition *items, size_t count)
{
    struct transition *list[16];

    for (size_t i = 0; i < count; i++)
        list[i] = &items[i];
    enum err_code rc = db_begin(&f.work);
    if (!rc)
        rc = transitions_apply(&f.work, list, count);
    if (!rc)
        rc = db_commit(&f.work);
    if (rc)
        db_rollback(&f.work);
    return rc;
}

START_TEST(a_batch_moves_every_run_once)
{
    struct transition items[] = {propose(fixture_run(3), STATE_RUNNING),
                                 propose(fixture_run(0), STATE_RUNNING),
                                 propose(fixture_run(5), STATE_RUNNING)};

    ck_assert_msg(apply(items, COUNT(items)) == ERR_OK, "%s", f.work.err.detail);
    ck_assert_int_eq(
        fixture_count(
            &f, "SELECT count(*) FROM flow_run WHERE state_type = 'RUNNING' AND run_count = 1"),
        3);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow_run_state s JOIN flow_run r ON "
                                       "r.state_id = s.id AND r.id = s.flow_run_id"),
                     3);
}
END_TEST

START_TEST(transitions_of_one_run_are_decided_in_turn)
{
    struct transition items[] = {propose(fixture_run(1), STATE_RUNNING),
                                 propose(fixture_run(1), STATE_COMPLETED),
                                 propose(fixture_run(1), STATE_CRASHED)};

    ck_assert_int_eq(apply(items, COUNT(items)), ERR_OK);
    ck_assert_int_eq(items[0].verdict.status, VERDICT_ACCEPT);
    ck_assert_int_eq(items[1].verdict.status, VERDICT_ACCEPT);
    ck_assert_int_eq(items[2].verdict.status, VERDICT_ABORT); /* terminal is final */
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow_run_state"), 2);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow_run WHERE state_type = "
                                       "'COMPLETED' AND end_time IS NOT NULL AND run_count = 1"),
                     1);
}
END_TEST

START_TEST(a_missing_run_does_not_stop_the_others)
{
    struct transition items[] = {propose(fixture_run(900), STATE_RUNNING),
                                 propose(fixture_run(2), STATE_RUNNING)};
    const struct transition *missing = items[0].run_id.bytes[14] ? &items[0] : &items[1];

    ck_assert_int_eq(apply(items, COUNT(items)), ERR_OK);
    ck_assert(!missing->found);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow_run_state"), 1);
}
END_TEST

/* Whatever fails, nothing or everything is written; the next try succeeds. */
START_TEST(a_failure_leaves_nothing_behind)
{
    static const char *const points[] = {"db.query", "db.commit", "db.connect"};

    for (size_t p = 0; p < COUNT(points); p++) {
        for (int n = 1;; n++) {
            struct transition item = propose(fixture_run((int)p), STATE_RUNNING);
            int64_t before = fixture_count(&f, "SELECT count(*) FROM flow_run_state");
            fault_arm(points[p], n);
            enum err_code rc = apply(&item, 1);
            fault_arm("", 0);
            int64_t after = fixture_count(&f, "SELECT count(*) FROM flow_run_state");
            ck_assert_int_eq(after - before, rc ? 0 : 1);
            if (!rc)
                break;
            ck_assert_int_eq(rc, ERR_DB);
            ck_assert_int_lt(n, 20);
        }
    }
}
END_TEST

enum { THREADS = 4, ROUNDS = 40, SHARED_RUNS = 4 };

/* Every round moves all shared runs to RUNNING once more, over a connection of its own. */
static void *fight(void *arg)
{
    struct work w = {
        .server = &f.server, .db = db_open_for_batches(f.server.conninfo), .now_us = f.work.now_us};
    int *writes = arg;

    for (int round = 0; round < ROUNDS; round++) {
        struct transition items[SHARED_RUNS], *list[SHARED_RUNS];
        for (int i = 0; i < SHARED_RUNS; i++) {
            items[i] = propose(fixture_run(i), STATE_RUNNING);
            list[i] = &items[i];
        }
        if (transitions_run(&w, list, SHARED_RUNS) != ERR_OK) {
            fprintf(stderr, "%s\n", w.err.detail);
            break;
        }
        for (int i = 0; i < SHARED_RUNS; i++)
            *writes += items[i].verdict.writes;
        arena_reset(&w.arena);
    }
    db_close(w.db);
    return NULL;
}

START_TEST(no_transition_is_lost_when_connections_fight_over_runs)
{
    pthread_t threads[THREADS];
    int writes[THREADS] = {0}, total = 0;

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, fight, &writes[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += writes[i];
    }
    ck_assert_int_eq(total, THREADS * ROUNDS * SHARED_RUNS);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow_run_state"), total);
    ck_assert_int_eq(fixture_count(&f, "SELECT sum(run_count)::int FROM flow_run"), total);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db transitions");
    TCase *t = tcase_create("batch");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_batch_moves_every_run_once);
    tcase_add_test(t, transitions_of_one_run_are_decided_in_turn);
    tcase_add_test(t, a_missing_run_does_not_stop_the_others);
    tcase_add_test(t, no_transition_is_lost_when_connections_fight_over_runs);
    tcase_add_test(t, no_transition_is_lost_when_connections_fight_over_runs);
    tcase_add_test(t, a_failure_leaves_nothing_behind);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
