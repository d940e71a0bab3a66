/* What is old goes, and with it what belongs to it. */
#include "server/store/retention.h"
#include "tests/db/services_fixture.h"

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

int main(void)
{
    Suite *s = suite_create("db retention");
    TCase *t = tcase_create("retention");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, old_weeks_of_events_are_dropped);
    tcase_add_test(t, old_runs_go_with_what_belongs_to_them);
    tcase_add_test(t, only_one_server_cleans_up);
    tcase_add_test(t, coming_weeks_have_partitions);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
