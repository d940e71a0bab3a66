/* Runs of the engine that are cancelled, meet faults, or are large. */
#include "tests/unit/native_harness.h"

/* ---- cancel ---- */

#define BUSY                                                                                       \
    FLOW("  a: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 10}\n"                          \
         "  h: {uses: hang, timeout: 1h, retries: 1}\n"                                            \
         "  m: {uses: ok, needs: a, matrix: {x: [1, 2, 3]}, max_parallel: 1}\n"                    \
         "  s: {flow: {tasks: {i: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 20}, z: "    \
         "{uses: ok, always: true}}}}\n"                                                           \
         "  l: {uses: ok, needs: [m, s]}\n"                                                        \
         "  z: {uses: ok, always: true, with: {s: cleaned}}\n"                                     \
         "  y: {uses: ok, always: true, needs: l}\n")

START_TEST(cancel_at_every_moment_ends_cleanly)
{
    int cancelled = 0;
    for (int at = 1; at < 1000; at++) {
        struct world w = {.cancel_at = at};
        setup(&w, BUSY, NULL);
        run_until_over(&w);
        bool fired = w.said >= at;
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        if (fired && !strcmp(text_at(last, "type"), "CANCELLED")) {
            cancelled++;
            ck_assert_str_eq(text_at(last, "message"), "because");
        }
        ck_assert(w.cancel_at > 2 ? has_log(&w, "cleaned") : true);
        teardown(&w);
        if (!fired)
            break;
    }
    ck_assert_int_ge(cancelled, 30);
}
END_TEST

START_TEST(the_second_cancel_stops_the_clean_up)
{
    struct world w = {.cancel_at = 3, .cancel_again_at = 6};
    setup(&w,
          FLOW("  a: {uses: hang}\n  z: {uses: hang, always: true}\n  y: {uses: ok, always: true, "
               "needs: z}\n"),
          NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled z=Cancelled y=Cancelled | CANCELLED: because");
    teardown(&w);
}
END_TEST

START_TEST(cancel_kills_real_processes)
{
    struct world w = {.cancel_on = "ready"};
    setup(&w,
          FLOW("  a: {uses: shell, with: {run: 'echo ready; sleep 600 & wait'}}\n  z: {uses: ok, "
               "always: true}\n"),
          NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled z=Completed | CANCELLED: because");
    teardown(&w);
}
END_TEST

START_TEST(a_step_that_does_not_stop_is_named)
{
    struct world w = {.cancel_at = 3};
    setup(&w, FLOW("  a: {uses: stubborn}\n"), NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled | CANCELLED: because");
    ck_assert_int_eq(w.warnings, 2);
    ck_assert_int_eq(w.now_us, 1700000000000000 + 60000000);
    teardown(&w);
}
END_TEST

/* ---- faults ---- */

#if defined(FAULTS)
START_TEST(a_retry_survives_any_single_fault)
{
    static const char *const points[] = {"exec.spawn", "cache.write"};
    for (size_t p = 0; p < COUNT(points); p++)
        for (int nth = 1; nth < 6; nth++) {
            struct world w = {0};
            setup(&w,
                  FLOW("  a: {uses: shell, retries: 1, with: {run: 'true'}, cache: {key: a}}\n"
                       "  b: {uses: shell, needs: a, retries: 1, with: {run: 'true'}, cache: {key: "
                       "b}}\n"),
                  NULL);
            fault_arm(points[p], nth);
            run_until_over(&w);
            ck_assert_str_eq(summary(&w), "a=Completed b=Completed " DONE);
            fault_arm(points[p], 0);
            teardown(&w);
        }
}
END_TEST
#endif

/* ---- size ---- */

static double seconds_since(clock_t start)
{
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

START_TEST(a_thousand_tasks_are_quick)
{
    struct buf yaml = {.max_bytes = 1 << 20};
    char line[100];
    buf_lit(&yaml, "name: big\ntasks:\n");
    for (int i = 0; i < 1000; i++) {
        int n =
            snprintf(line, sizeof(line),
                     i % 2 ? "  t%d: {uses: ok, needs: t%d}\n" : "  t%d: {uses: ok}\n", i, i - 1);
        buf_add(&yaml, line, (size_t)n);
    }
    buf_add(&yaml, "", 1);
    struct world w = {0};
    clock_t start = clock();
    setup(&w, yaml.bytes, NULL);
    run_until_over(&w);
    ck_assert_uint_eq(json_object_size(w.tasks), 1000);
    ck_assert_uint_eq(w.live_max, 16); /* max_parallel */
    ck_assert_msg(seconds_since(start) < 5, "%g s", seconds_since(start));
    teardown(&w);
    buf_free(&yaml);
}
END_TEST

START_TEST(a_wide_matrix_is_quick_and_bounded)
{
    char list[2000] = "[0", parameters[2100];
    for (int i = 1; i < 200; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%d", i);
    snprintf(parameters, sizeof(parameters), "{\"l\":%s]}", list);
    struct world w = {0};
    clock_t start = clock();
    setup(&w,
          FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.l }}'}, max_parallel: 5, with: {v: '{{ "
               "matrix.x }}'}}\n"
               "  b: {uses: ok, needs: a, matrix: {x: '{{ parameters.l }}'}}\n"),
          parameters);
    run_until_over(&w);
    ck_assert_uint_eq(json_object_size(w.tasks), 400);
    ck_assert_uint_eq(w.live_max, 16);
    ck_assert_msg(seconds_since(start) < 5, "%g s", seconds_since(start));
    teardown(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("native_cancel");
    TCase *t = tcase_create("native");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, cancel_at_every_moment_ends_cleanly);
    tcase_add_test(t, the_second_cancel_stops_the_clean_up);
    tcase_add_test(t, cancel_kills_real_processes);
    tcase_add_test(t, a_step_that_does_not_stop_is_named);
#if defined(FAULTS)
    tcase_add_test(t, a_retry_survives_any_single_fault);
#endif
    tcase_add_test(t, a_thousand_tasks_are_quick);
    tcase_add_test(t, a_wide_matrix_is_quick_and_bounded);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
