#include <check.h>
#include <stdlib.h>

#include "server/model/work_pool_status.h"

#define S(n) ((int64_t)(n)*1000000)
#define NOW  S(1700000000)

static const struct {
    int64_t last_us, interval_s;
    bool online;
} workers[] = {
    {NOW, 30, true},        {NOW - S(90), 30, true}, {NOW - S(90) - 1, 30, false},
    {NOW - S(89), 0, true}, {NOW - S(91), 0, false}, {NOW - S(7), 2, false},
    {TIME_NONE, 30, false}, {NOW + S(5), 30, true},
};

START_TEST(a_worker_is_online_for_three_heartbeats)
{
    ck_assert_int_eq(worker_is_online(workers[_i].last_us, workers[_i].interval_s, NOW),
                     workers[_i].online);
}
END_TEST

START_TEST(a_pool_is_ready_with_a_worker)
{
    ck_assert_str_eq(work_status_name(work_pool_status(false, 0)), "NOT_READY");
    ck_assert_str_eq(work_status_name(work_pool_status(false, 2)), "READY");
    ck_assert_str_eq(work_status_name(work_pool_status(true, 2)), "PAUSED");
}
END_TEST

START_TEST(a_queue_is_ready_while_polled)
{
    ck_assert_int_eq(work_queue_status(false, NOW - S(60), NOW), WORK_READY);
    ck_assert_int_eq(work_queue_status(false, NOW - S(61), NOW), WORK_NOT_READY);
    ck_assert_int_eq(work_queue_status(false, TIME_NONE, NOW), WORK_NOT_READY);
    ck_assert_int_eq(work_queue_status(true, NOW, NOW), WORK_PAUSED);
    ck_assert_int_eq(deployment_status(NOW - S(59), NOW), WORK_READY);
    ck_assert_int_eq(deployment_status(TIME_NONE, NOW), WORK_NOT_READY);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("work_pool_status");
    TCase *t = tcase_create("status");
    tcase_add_loop_test(t, a_worker_is_online_for_three_heartbeats, 0, COUNT(workers));
    tcase_add_test(t, a_pool_is_ready_with_a_worker);
    tcase_add_test(t, a_queue_is_ready_while_polled);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
