/* Runs that schedules make: once each, caught up or skipped as the policy says. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/services/run_upkeep.h"
#include "server/services/scheduler.h"
#include "shared/base/fault.h"
#include "tests/db/services_fixture.h"

#define DEPLOYED "'d0000000-0000-0000-0000-000000000000'"
#define SCHEDULE "'5c000000-0000-0000-0000-000000000000'"

static void deploy(const char *schedule, const char *misfire, int64_t made_until_ago_s)
{
    char sql[1200];

    snprintf(sql, sizeof(sql),
             "INSERT INTO deployment (id, name, flow_id, parameters, tags) VALUES (" DEPLOYED
             ", 'd', " FLOW ", '{\"x\": 1, \"y\": 2}', '[\"t\"]');"
             "INSERT INTO deployment_schedule (id, deployment_id, schedule, parameters, misfire, "
             "made_until) VALUES (" SCHEDULE ", " DEPLOYED ", '%s', '{\"x\": 5}', %s%s%s, now() - "
             "interval '%lld seconds')",
             schedule, misfire ? "'" : "", misfire ? misfire : "NULL", misfire ? "'" : "",
             (long long)made_until_ago_s);
    run_sql(sql);
}

#define HOURLY       "{\"interval\": 3600, \"anchor_date\": \"2020-01-01T00:10:00Z\"}"
#define EVERY_MINUTE "{\"interval\": 60, \"anchor_date\": \"2020-01-01T00:00:00Z\"}"
#define MADE         "SELECT count(*) FROM flow_run WHERE auto_scheduled"

START_TEST(a_schedule_makes_runs_that_look_like_prefects)
{
    deploy("{\"cron\": \"0 3 * * *\", \"timezone\": \"America/New_York\", \"day_or\": true}", NULL,
           0);
    ck_assert_int_gt(look(scheduler_run), S(3600));
    ck_assert_int_eq(
        count(MADE " AND state_type = 'SCHEDULED' AND state_message = 'Flow run scheduled' AND "
                   "parameters->>'x' = '5' AND parameters->>'y' = '2' AND tags = "
                   "'[\"auto-scheduled\", \"t\"]' AND created_by = '{\"id\": "
                   "\"5c000000-0000-0000-0000-000000000000\", \"type\": \"SCHEDULE\", "
                   "\"display_value\": \"CronSchedule\"}' AND idempotency_key LIKE 'scheduled "
                   "d0000000-0000-0000-0000-000000000000 5c000000-0000-0000-0000-000000000000 "
                   "____-__-__ 03:00:00-0_:00' AND next_scheduled_start_time > now() AND "
                   "uuid_time(id) > now() - interval '1 minute'"),
        3);
    look(scheduler_run);
    ck_assert_int_eq(count(MADE), 3);
}
END_TEST

START_TEST(a_paused_or_broken_schedule_makes_nothing)
{
    deploy(HOURLY, NULL, 0);
    run_sql("UPDATE deployment SET paused = true");
    ck_assert_int_eq(look(scheduler_run), INT64_MAX);
    run_sql("UPDATE deployment SET paused = false;"
            "UPDATE deployment_schedule SET due = now(), schedule = '{\"cron\": \"no\"}'");
    ck_assert_int_eq(look(scheduler_run), INT64_MAX);
    ck_assert_int_eq(count(MADE), 0);
}
END_TEST

/* Whatever fails, the next look finds everything as it was. */
START_TEST(a_failure_in_the_middle_makes_no_run_twice)
{
    static const char *const points[] = {"db.query", "db.commit"};

    deploy(EVERY_MINUTE, NULL, 0);
    for (size_t p = 0; p < COUNT(points); p++) {
        for (int n = 1;; n++) {
            run_sql("UPDATE deployment_schedule SET due = now(), made_until = NULL");
            struct pass pass = pass_of(false);
            fault_arm(points[p], n);
            enum err_code rc = scheduler_run(&pass);
            fault_arm("", 0);
            db_rollback(&f.work);
            if (!rc)
                break;
            ck_assert_int_lt(n, 100);
        }
    }
    ck_assert_int_ge(count(MADE), 60);
    ck_assert_int_eq(count("SELECT count(*) - count(DISTINCT expected_start_time) FROM flow_run "
                           "WHERE auto_scheduled"),
                     0);
}
END_TEST

/* Each server looks at everything that is due as often as it can. */
static void *replica(void *unused)
{
    struct server server = {.config = f.server.config,
                            .conninfo = f.server.conninfo,
                            .zones = f.server.zones,
                            .parking = f.server.parking};
    struct work w = {.server = &server, .db = db_open(server.conninfo)};
    (void)unused;

    for (int i = 0; i < 40; i++) {
        struct rows none;
        w.now_us = clock_now_us();
        struct pass p = {&w, false, INT64_MAX};
        if (scheduler_run(&p))
            db_rollback(&w);
        if (i % 4 == 0) /* as if somebody had changed the deployment meanwhile */
            (void)!db_query_text(&w,
                                 "UPDATE deployment_schedule SET due = now(), made_until = NULL", 0,
                                 NULL, &none);
        arena_reset(&w.arena);
    }
    db_close(w.db);
    return NULL;
}

START_TEST(two_servers_make_one_run_per_fire_time)
{
    pthread_t threads[2];

    deploy(EVERY_MINUTE, NULL, 0);
    run_sql("INSERT INTO deployment (id, name, flow_id) SELECT gen_random_uuid(), 'd' || i, " FLOW
            " FROM generate_series(1, 20) i;"
            "INSERT INTO deployment_schedule (id, deployment_id, schedule) SELECT "
            "gen_random_uuid(), id, '" HOURLY "' FROM deployment WHERE id <> " DEPLOYED);
    for (size_t i = 0; i < COUNT(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, replica, NULL), 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_ge(count(MADE), 60 + 20 * 3);
    ck_assert_int_eq(count("SELECT count(*) FROM (SELECT FROM flow_run WHERE auto_scheduled GROUP "
                           "BY created_by->>'id', expected_start_time HAVING count(*) > 1) twice"),
                     0);
    ck_assert_int_eq(count(MADE " AND NOT EXISTS (SELECT FROM flow_run_state s WHERE s.id = "
                                "flow_run.state_id)"),
                     0);
}
END_TEST

START_TEST(the_schema_refuses_a_second_run)
{
    deploy(HOURLY, NULL, 0);
    look(scheduler_run);
    ck_assert_int_eq(
        db_script(&f.work,
                  "INSERT INTO flow_run (id, name, flow_id, auto_scheduled, created_by, "
                  "expected_start_time) SELECT gen_random_uuid(), 'again', flow_id, true, "
                  "created_by, expected_start_time FROM flow_run WHERE auto_scheduled LIMIT 1"),
        ERR_CONFLICT);
}
END_TEST

/* ---- misfires ---- */

static const struct {
    const char *misfire;
    int64_t least, most; /* of ten hours without a server */
} outages[] = {
    {NULL, 0, 1}, /* a run that is due within the last minute counts as on time */
    {"{\"policy\": \"run_all\"}", 10, 10},
    {"{\"policy\": \"latest_only\"}", 1, 1},
    {"{\"policy\": \"skip_if_later_than\", \"seconds\": 7300}", 2, 3},
    {"{\"policy\": \"cancel\"}", 0, 0},
};

START_TEST(a_schedule_catches_up_as_its_policy_says)
{
    deploy(HOURLY, outages[_i].misfire, 36000);
    look(scheduler_run);
    int64_t past = count(MADE " AND expected_start_time < now()");
    ck_assert_int_ge(past, outages[_i].least);
    ck_assert_int_le(past, outages[_i].most);
}
END_TEST

/* Three runs were made; nobody took them at their times, 100, 60 and 20 s ago. */
static const struct {
    const char *misfire;
    int64_t skipped;
} overdue[] = {
    {"{\"policy\": \"run_all\"}", 0},
    {"{\"policy\": \"latest_only\"}", 2},
    {"{\"policy\": \"skip_if_later_than\", \"seconds\": 70}", 1},
    {"{\"policy\": \"skip_if_later_than\", \"seconds\": 0}", 3},
    {"{\"policy\": \"cancel\"}", 3},
};

START_TEST(overdue_runs_are_skipped_as_the_policy_says)
{
    deploy(HOURLY, overdue[_i].misfire, 0);
    look(scheduler_run);
    run_sql("UPDATE flow_run SET expected_start_time = t, next_scheduled_start_time = t "
            "FROM (SELECT id, now() - (20 + 40 * (row_number() OVER (ORDER BY id DESC) - 1)) * "
            "interval '1 second' AS t FROM flow_run WHERE auto_scheduled) n WHERE n.id = "
            "flow_run.id");
    int64_t next_us = look(misfires_run);
    ck_assert_int_eq(count(MADE " AND state_type = 'CANCELLED' AND state_name = 'Skipped' AND "
                                "state_message LIKE '%misfire policy%' AND end_time IS NOT NULL"),
                     overdue[_i].skipped);
    ck_assert_int_eq(count(MADE " AND state_type = 'SCHEDULED'"), 3 - overdue[_i].skipped);
    if (overdue[_i].skipped == 1) /* the next one gets too late 70 s after its time */
        ck_assert(next_us > S(5) && next_us < S(15));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db scheduler");
    TCase *t = tcase_create("scheduler");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_schedule_makes_runs_that_look_like_prefects);
    tcase_add_test(t, a_paused_or_broken_schedule_makes_nothing);
    tcase_add_test(t, a_failure_in_the_middle_makes_no_run_twice);
    tcase_add_test(t, two_servers_make_one_run_per_fire_time);
    tcase_add_test(t, the_schema_refuses_a_second_run);
    tcase_add_loop_test(t, a_schedule_catches_up_as_its_policy_says, 0, COUNT(outages));
    tcase_add_loop_test(t, overdue_runs_are_skipped_as_the_policy_says, 0, COUNT(overdue));
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
