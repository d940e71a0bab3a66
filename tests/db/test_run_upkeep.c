/* Runs that time moves: late ones, pauses, cancellations. */
#include "server/services/run_upkeep.h"
#include "tests/db/services_fixture.h"

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

int main(void)
{
    Suite *s = suite_create("db run upkeep");
    TCase *t = tcase_create("run_upkeep");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, runs_are_late_after_their_time);
    tcase_add_test(t, a_pause_ends);
    tcase_add_test(t, children_of_a_cancelled_run_end);
    tcase_add_test(t, a_cancellation_that_takes_too_long_ends);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
