/* What the server does by itself, against a real database. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/agenda.h"
#include "server/model/zone.h"
#include "server/services/liveness.h"
#include "server/services/run_upkeep.h"
#include "server/services/scheduler.h"
#include "server/store/actions.h"
#include "server/store/retention.h"
#include "shared/base/clock.h"
#include "shared/base/fault.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)
#define S(n)     ((int64_t)(n)*1000000)
#define FLOW     "'00000000-0000-0000-0000-00000000000f'"
#define DEPLOYED "'d0000000-0000-0000-0000-000000000000'"
#define SCHEDULE "'5c000000-0000-0000-0000-000000000000'"
#define RUN(n)   "'01000000-0000-0000-0000-00000000000" #n "'"

static void setup(void)
{
    struct err e;

    fixture_setup(&f);
    fixture_runs(&f, 4);
    ck_assert_int_eq(settings_read(&f.server.config.settings, &e), ERR_OK);
    f.server.zones = zones_new(NULL);
    f.server.agenda = agenda_new(&f.server);
}

static void teardown(void)
{
    agenda_free(f.server.agenda);
    zones_free(f.server.zones);
    fixture_teardown(&f);
}

static void run_sql(const char *sql)
{
    OK(db_script(&f.work, sql));
}

static int64_t count(const char *sql)
{
    return fixture_count(&f, sql);
}

static struct pass pass_of(bool absent)
{
    f.work.now_us = clock_now_us();
    return (struct pass){&f.work, absent, INT64_MAX};
}

/* One look of a service; when it is to look again, relative to now. */
static int64_t look(enum err_code (*service)(struct pass *p))
{
    struct pass p = pass_of(false);

    OK(service(&p));
    return p.next_us == INT64_MAX ? INT64_MAX : p.next_us - p.w->now_us;
}

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

/* --- the scheduler -------------------------------------------------------------------------------
 */

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
            db_rollback_if_open(&f.work);
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
            db_rollback_if_open(&w);
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

/* --- misfires ------------------------------------------------------------------------------------
 */

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

/* --- runs that time moves ------------------------------------------------------------------------
 */

START_TEST(runs_are_late_after_their_time)
{
    run_sql(
        "UPDATE flow_run SET state_type = 'SCHEDULED', state_name = 'Scheduled', "
        "next_scheduled_start_time = now() - interval '16 seconds' WHERE id IN (" RUN(0) ", " RUN(
            1) ");"
               "UPDATE flow_run SET state_type = 'SCHEDULED', state_name = 'Scheduled', "
               "next_scheduled_start_time = now() - interval '5 seconds' WHERE id = " RUN(2));
    int64_t next_us = look(late_runs_run);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run WHERE state_name = 'Late' AND "
                           "state_type = 'SCHEDULED' AND next_scheduled_start_time = "
                           "(state_details->>'scheduled_time')::timestamptz"),
                     2);
    ck_assert(next_us > S(8) && next_us <= S(10));
    look(late_runs_run);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run_state WHERE name = 'Late'"), 2);
}
END_TEST

START_TEST(a_pause_ends)
{
    run_sql("UPDATE flow_run SET state_type = 'PAUSED', state_name = 'Paused', state_details = "
            "jsonb_build_object('pause_timeout', wire_time(now() - interval '1 second')) WHERE id "
            "= " RUN(0) ";"
                        "UPDATE flow_run SET state_type = 'PAUSED', state_name = 'Suspended', "
                        "state_details = "
                        "jsonb_build_object('pause_timeout', wire_time(now() + interval '1 hour')) "
                        "WHERE id = " RUN(1));
    int64_t next_us = look(pause_expirations_run);
    ck_assert_int_eq(
        count("SELECT count(*) FROM flow_run WHERE state_type = 'FAILED' AND state_message = 'The "
              "flow was paused and never resumed.'"),
        1);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run WHERE state_type = 'PAUSED'"), 1);
    ck_assert(next_us > S(3500) && next_us < S(3601));
}
END_TEST

START_TEST(children_of_a_cancelled_run_end)
{
    run_sql(
        "INSERT INTO task_run (id, name, flow_run_id, task_key, dynamic_key, state_type, "
        "state_name, state_timestamp) SELECT ('7a000000-0000-0000-0000-00000000000' || i)"
        "::uuid, 't', " RUN(
            0) ", 'k', i::text, CASE i WHEN 1 THEN 'COMPLETED' ELSE 'RUNNING' "
               "END, 'x', now() FROM generate_series(1, 3) i;"
               "UPDATE flow_run SET parent_task_run_id = '7a000000-0000-0000-0000-000000000002', "
               "state_type = 'RUNNING' WHERE id = " RUN(
                   1) ";"
                      "UPDATE flow_run SET parent_task_run_id = "
                      "'7a000000-0000-0000-0000-000000000003', "
                      "state_type = 'RUNNING', infrastructure_pid = 'p', deployment_id = "
                      "gen_random_uuid() "
                      "WHERE id = " RUN(2) ";"
                                           "UPDATE flow_run SET state_type = 'CANCELLED', "
                                           "state_name = 'Cancelled', end_time = "
                                           "now() WHERE id = " RUN(0));
    look(cancellation_run);
    look(cancellation_run);
    ck_assert_int_eq(count("SELECT count(*) FROM task_run WHERE state_type = 'CANCELLED' AND "
                           "state_message = 'The parent flow run was cancelled.'"),
                     2);
    ck_assert_int_eq(count("SELECT count(*) FROM task_run WHERE state_type = 'COMPLETED'"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run WHERE state_type = 'CANCELLED'"), 2);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run WHERE state_type = 'CANCELLING'"), 1);
}
END_TEST

START_TEST(a_cancellation_that_takes_too_long_ends)
{
    run_sql("UPDATE flow_run SET state_type = 'CANCELLING', state_name = 'Cancelling', "
            "state_timestamp = now() - interval '301 seconds' WHERE id = " RUN(
                0) ";"
                   "UPDATE flow_run SET state_type = 'CANCELLING', state_name = 'Cancelling', "
                   "state_timestamp = now() - interval '200 seconds' WHERE id = " RUN(1));
    int64_t next_us = look(cancellation_run);
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run WHERE state_type = 'CANCELLED' AND "
                           "state_message = 'Flow run cancellation timed out; marked this flow "
                           "run as Cancelled.'"),
                     1);
    ck_assert(next_us > S(90) && next_us < S(101));
}
END_TEST

/* --- who is there --------------------------------------------------------------------------------
 */

#define POOL "'90000000-0000-0000-0000-000000000000'"

START_TEST(what_is_not_heard_of_loses_its_status)
{
    run_sql("INSERT INTO work_pool (id, name, type, status) VALUES (" POOL ", 'p', 'process', "
            "'READY');"
            "INSERT INTO work_queue (id, name, work_pool_id, status, last_polled) VALUES "
            "(gen_random_uuid(), 'old', " POOL ", 'READY', now() - interval '61 seconds'), "
            "(gen_random_uuid(), 'new', " POOL ", 'READY', now() - interval '30 seconds');"
            "INSERT INTO worker (id, name, work_pool_id, last_heartbeat_time, "
            "heartbeat_interval_seconds, status) VALUES (gen_random_uuid(), 'w', " POOL
            ", now() - interval '31 seconds', 10, 'ONLINE');"
            "INSERT INTO deployment (id, name, flow_id, status, last_polled) VALUES (" DEPLOYED
            ", 'd', " FLOW ", 'READY', now() - interval '61 seconds')");
    int64_t next_us = look(liveness_run);
    ck_assert_int_eq(count("SELECT count(*) FROM worker WHERE status = 'OFFLINE'"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM work_pool WHERE status = 'NOT_READY'"), 1);
    ck_assert_int_eq(
        count("SELECT count(*) FROM work_queue WHERE status = 'NOT_READY' AND name = 'old'"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM work_queue WHERE status = 'READY'"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM deployment WHERE status = 'NOT_READY'"), 1);
    ck_assert_int_eq(count("SELECT count(DISTINCT event) FROM event WHERE event IN "
                           "('prefect.work-pool.not-ready', 'prefect.work-queue.not-ready', "
                           "'prefect.deployment.not-ready')"),
                     3);
    ck_assert(next_us > S(28) && next_us < S(31)); /* the other queue */
    look(liveness_run);
    ck_assert_int_eq(count("SELECT count(*) FROM event"), 3);
}
END_TEST

START_TEST(nobody_is_given_up_right_after_an_absence)
{
    struct pass p = pass_of(true);
    run_sql("INSERT INTO work_pool (id, name, type, status) VALUES (" POOL ", 'p', 'process', "
            "'READY')");
    OK(liveness_run(&p));
    ck_assert_int_eq(count("SELECT count(*) FROM work_pool WHERE status = 'READY'"), 1);
    ck_assert_int_gt(p.next_us, p.w->now_us);
}
END_TEST

#define LIMIT "'c0000000-0000-0000-0000-000000000000'"

START_TEST(expired_leases_go_and_the_others_stay)
{
    run_sql("INSERT INTO concurrency_limit (id, name, slot_limit) VALUES (" LIMIT ", 'l', 5);"
            "INSERT INTO concurrency_lease (id, limit_id, slots, expires) VALUES "
            "(gen_random_uuid(), " LIMIT
            ", 1, now() - interval '1 second'), (gen_random_uuid(), " LIMIT
            ", 1, now() + interval '40 seconds')");
    int64_t next_us = look(leases_run);
    ck_assert_int_eq(count("SELECT count(*) FROM concurrency_lease"), 1);
    ck_assert(next_us > S(30) && next_us < S(41));
}
END_TEST

/* --- retention -----------------------------------------------------------------------------------
 */

static struct doc overrides;

static struct retention retention(void)
{
    static const char text[] = "{\"short.lived\": \"PT1H\", \"seconds\": 60}";
    struct doc_error bad;
    ck_assert(doc_parse(&f.work.arena, text, sizeof(text) - 1, &overrides, &bad));
    return (struct retention){.batch = 2,
                              .events_us = S(7 * 86400),
                              .overrides = doc_root(&overrides),
                              .runs_us = S(3600)};
}

START_TEST(old_weeks_of_events_are_dropped)
{
    struct retention r = retention();
    struct retention_count done = {0};

    run_sql("CREATE TABLE event_20200106 PARTITION OF event FOR VALUES FROM "
            "(uuid_floor('2020-01-06')) TO (uuid_floor('2020-01-13'));"
            "INSERT INTO event (id, occurred, event, resource_id, resource) SELECT "
            "uuid_floor('2020-01-07'), '2020-01-07', 'old', 'r', '{}';"
            "INSERT INTO event (id, occurred, event, resource_id, resource) SELECT "
            "gen_random_uuid(), t, n, 'r', '{}' FROM (VALUES (now() - interval '8 days', 'a'), "
            "(now() - interval '8 days', 'b'), (now() - interval '9 days', 'c'), (now() - interval "
            "'2 hours', 'short.lived'), (now() - interval '2 minutes', 'seconds'), (now() - "
            "interval '2 hours', 'kept')) AS v (t, n)");
    OK(retention_events(&f.work, &r, &done));
    ck_assert_int_eq(done.partitions, 1);
    ck_assert_int_eq(done.rows, 5);
    ck_assert_int_eq(count("SELECT count(*) FROM event"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM event WHERE event = 'kept'"), 1);
}
END_TEST

/* Three old runs, one of them a subflow, and one that has not ended; logs of two weeks. */
#define OLD_RUNS                                                                                   \
    "CREATE TABLE log_20200106 PARTITION OF log FOR VALUES FROM (uuid_floor('2020-01-06')) TO "    \
    "(uuid_floor('2020-01-13'));"                                                                  \
    "CREATE TABLE log_20200113 PARTITION OF log FOR VALUES FROM (uuid_floor('2020-01-13')) TO "    \
    "(uuid_floor('2020-01-20'));"                                                                  \
    "UPDATE flow_run SET state_type = 'COMPLETED', expected_start_time = '2020-01-07', end_time "  \
    "= '2020-01-07' WHERE id <> " RUN(                                                             \
        0) ";"                                                                                     \
           "INSERT INTO task_run (id, name, flow_run_id, task_key, dynamic_key) VALUES "           \
           "('7a000000-0000-0000-0000-000000000001', 't', " RUN(                                   \
               1) ", 'k', '0');"                                                                   \
                  "UPDATE flow_run SET parent_task_run_id = "                                      \
                  "'7a000000-0000-0000-0000-000000000001' WHERE id = " RUN(                        \
                      2) ";"                                                                       \
                         "INSERT INTO log (id, name, level, flow_run_id, message, \"timestamp\") " \
                         "SELECT "                                                                 \
                         "(left(uuid_floor(t)::text, 32) || right(fr.id::text, 4))::uuid, 'l', "   \
                         "20, fr.id, 'm', t "                                                      \
                         "FROM flow_run fr, (VALUES (1, timestamptz '2020-01-07'), (2, "           \
                         "'2020-01-14')) AS v (n, t) "                                             \
                         "WHERE n = 1 OR fr.id = " RUN(                                            \
                             3) ";"                                                                \
                                "INSERT INTO artifact (id, key, flow_run_id) VALUES "              \
                                "(gen_random_uuid(), 'k', " RUN(                                   \
                                    1) ");"                                                        \
                                       "INSERT INTO artifact_collection (id, key, latest_id) "     \
                                       "SELECT gen_random_uuid(), 'k', id FROM "                   \
                                       "artifact;"                                                 \
                                       "INSERT INTO artifact (id, key, flow_run_id, created) "     \
                                       "VALUES "                                                   \
                                       "('a0000000-0000-0000-0000-000000000000', 'k', " RUN(       \
                                           0) ", now() - interval '1 day');"

START_TEST(old_runs_go_with_what_belongs_to_them)
{
    struct retention r = retention();
    struct retention_count done = {0};

    run_sql(OLD_RUNS);
    OK(retention_runs(&f.work, &r, &done));
    ck_assert_int_eq(count("SELECT count(*) FROM flow_run"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM task_run"), 0);
    ck_assert_int_eq(done.partitions, 1); /* nobody's any more */
    ck_assert_int_eq(count("SELECT count(*) FROM log"), 4);
    OK(retention_orphans(&f.work, &r, &done));
    ck_assert_int_eq(count("SELECT count(*) FROM log"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM artifact"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM artifact_collection WHERE latest_id = "
                           "'a0000000-0000-0000-0000-000000000000'"),
                     1);
}
END_TEST

START_TEST(only_one_server_cleans_up)
{
    static const struct {
        int64_t later_us;
        bool ours;
    } turns[] = {{0, true}, {0, false}, {S(3599), false}, {S(3600), true}, {S(3600), false}};
    int64_t began_us = f.work.now_us, next_us;
    bool ours;

    for (size_t i = 0; i < COUNT(turns); i++) {
        f.work.now_us = began_us + turns[i].later_us;
        OK(retention_turn(&f.work, "events", S(3600), &ours, &next_us));
        ck_assert_int_eq(ours, turns[i].ours);
        ck_assert_int_gt(next_us, f.work.now_us);
    }
}
END_TEST

START_TEST(coming_weeks_have_partitions)
{
    run_sql("INSERT INTO log (id, name, level, message, \"timestamp\") VALUES "
            "(uuid_floor(date_trunc('week', now()) + interval '45 days'), 'l', 20, 'ahead', "
            "now())");
    ck_assert_int_eq(count("SELECT count(*) FROM log_other"), 1);
    OK(partitions_make(&f.work, 8));
    OK(partitions_make(&f.work, 8));
    ck_assert_int_eq(count("SELECT count(*) FROM log_other"), 0);
    ck_assert_int_eq(count("SELECT count(*) FROM log WHERE message = 'ahead'"), 1);
    ck_assert_int_eq(count("SELECT count(*) FROM pg_inherits WHERE inhparent = 'log'::regclass"),
                     8 + 3);
}
END_TEST

/* --- actions of automations --- */

/* A plan made while the table was empty expects one row, and may join in any order. */
START_TEST(an_action_is_claimed_by_itself)
{
    static struct claimed_action claimed[4];
    size_t taken;

    run_sql("VACUUM ANALYZE automation_action");
    for (int i = 0; i < 10; i++) { /* the plan is kept from the sixth time on */
        OK(actions_claim(&f.work, 1, claimed, &taken));
        ck_assert_uint_eq(taken, 0);
    }
    run_sql("INSERT INTO automation_action (id, automation_id, triggered, due, context) "
            "SELECT ('a0000000-0000-0000-0000-00000000000' || n)::uuid, " DEPLOYED
            ", now(), now() - (5 - n) * interval '1 second', "
            "'{\"action\": {\"type\": \"do-nothing\"}}' FROM generate_series(1, 4) n");
    for (int i = 0; i < 4; i++) {
        OK(actions_claim(&f.work, 1, claimed, &taken));
        ck_assert_uint_eq(taken, 1);
        ck_assert_uint_eq(claimed[0].id.bytes[15], (unsigned)i + 1);
    }
    OK(actions_claim(&f.work, 1, claimed, &taken));
    ck_assert_uint_eq(taken, 0);
    ck_assert_int_eq(count("SELECT count(*) FROM automation_action WHERE attempts = 1"), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db services");
    TCase *t = tcase_create("services");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_schedule_makes_runs_that_look_like_prefects);
    tcase_add_test(t, a_paused_or_broken_schedule_makes_nothing);
    tcase_add_test(t, a_failure_in_the_middle_makes_no_run_twice);
    tcase_add_test(t, two_servers_make_one_run_per_fire_time);
    tcase_add_test(t, the_schema_refuses_a_second_run);
    tcase_add_loop_test(t, a_schedule_catches_up_as_its_policy_says, 0, COUNT(outages));
    tcase_add_loop_test(t, overdue_runs_are_skipped_as_the_policy_says, 0, COUNT(overdue));
    tcase_add_test(t, runs_are_late_after_their_time);
    tcase_add_test(t, a_pause_ends);
    tcase_add_test(t, children_of_a_cancelled_run_end);
    tcase_add_test(t, a_cancellation_that_takes_too_long_ends);
    tcase_add_test(t, what_is_not_heard_of_loses_its_status);
    tcase_add_test(t, nobody_is_given_up_right_after_an_absence);
    tcase_add_test(t, expired_leases_go_and_the_others_stay);
    tcase_add_test(t, old_weeks_of_events_are_dropped);
    tcase_add_test(t, old_runs_go_with_what_belongs_to_them);
    tcase_add_test(t, only_one_server_cleans_up);
    tcase_add_test(t, coming_weeks_have_partitions);
    tcase_add_test(t, an_action_is_claimed_by_itself);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
