/* Who is there: what is not heard of loses its status, its leases expire. */
#include "server/services/liveness.h"
#include "tests/db/services_fixture.h"

#define DEPLOYED "'d0000000-0000-0000-0000-000000000000'"

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

int main(void)
{
    Suite *s = suite_create("db liveness");
    TCase *t = tcase_create("liveness");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_not_heard_of_loses_its_status);
    tcase_add_test(t, nobody_is_given_up_right_after_an_absence);
    tcase_add_test(t, expired_leases_go_and_the_others_stay);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
