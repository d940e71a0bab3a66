#include "shared/base/fault.h"
#include "tests/unit/step_harness.h"

static const char *text_of(struct harness *h, const char *name)
{
    const char *text = json_string_value(json_object_get(h->call.outputs, name));
    return text ? text : "(none)";
}

static const struct {
    const char *run;
    enum err_code code;
    const char *stdout_text, *detail; /* NULL: not looked at */
} rows[] = {
    {"echo one; echo two", ERR_OK, "one\ntwo", NULL},
    {"printf 'no end'", ERR_OK, "no end", NULL},
    {"printf '10%%\\r20%%\\r30%%\\n'", ERR_OK, "30%", NULL},
    {"printf 'a\\377b\\n'", ERR_OK, "a?b", NULL},
    {"echo why >&2; exit 7", ERR_IO, "", "the command ended with status 7: why"},
    {"kill -9 $$", ERR_IO, NULL, "the command was killed by signal 9 (Killed)"},
    {"cat", ERR_OK, "", NULL},
    {"echo out; (trap '' HUP; sleep 60) & exit 0", ERR_OK, "out", NULL},
};

START_TEST(shell_ends_as_its_command_did)
{
    struct harness h = {0};
    harness_run(&h, &shell_step, json_pack("{s:s}", "run", rows[_i].run));
    ck_assert_msg(h.code == rows[_i].code, "row %d: %d %s", _i, h.code, h.call.err.detail);
    if (rows[_i].stdout_text)
        ck_assert_str_eq(text_of(&h, "stdout"), rows[_i].stdout_text);
    if (rows[_i].detail)
        ck_assert_str_eq(h.call.err.detail, rows[_i].detail);
    harness_free(&h);
}
END_TEST

START_TEST(shell_takes_input_env_dir_and_outputs)
{
    struct harness h = {0};
    harness_run(&h, &shell_step,
                json_pack("{s:s,s:s,s:{s:s,s:i},s:s}", "run",
                          "cat; echo $A $B; pwd; echo '::output binary=a=b.bin'", "input", "in\n",
                          "env", "A", "x", "B", 7, "dir", "/usr"));
    ck_assert_int_eq(h.code, ERR_OK);
    ck_assert_str_eq(text_of(&h, "stdout"), "in\nx 7\n/usr");
    ck_assert_str_eq(text_of(&h, "binary"), "a=b.bin");
    harness_free(&h);
}
END_TEST

static const struct {
    const char *shell, *dir, *detail;
} refusals[] = {
    {"/no/such", NULL, "cannot start /no/such: there is no such program on this machine"},
    {"/bin/sh", "/no/dir", "cannot start /bin/sh: there is no folder /no/dir"},
};

START_TEST(what_cannot_start_says_why)
{
    struct harness h = {0};
    json_t *with = json_pack("{s:s,s:[s,s],s:s?}", "run", "true", "shell", refusals[_i].shell,
                             "-ec", "dir", refusals[_i].dir);
    harness_run(&h, &shell_step, with);
    ck_assert_int_eq(h.code, ERR_NOT_FOUND);
    ck_assert_str_eq(h.call.err.detail, refusals[_i].detail);
    harness_free(&h);
}
END_TEST

static bool when_ready(struct harness *h, const char *line)
{
    (void)h;
    return !strcmp(line, "ready");
}

START_TEST(cancel_ends_the_whole_group)
{
    struct harness h = {.cancel_on = when_ready};
    harness_run(&h, &shell_step, json_pack("{s:s}", "run", "sleep 600 & echo ready; wait"));
    ck_assert_int_eq(h.code, ERR_CANCELLED);
    ck_assert_str_eq(h.call.err.detail, "the command was cancelled");
    harness_free(&h);
}
END_TEST

START_TEST(a_held_process_waits_with_its_output)
{
    struct harness h = {.hold_ms = 300};
    /* More than a pipe holds, or it would be over before it is let go. */
    harness_run(&h, &shell_step,
                json_pack("{s:s}", "run",
                          "head -c 200000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo end"));
    ck_assert_int_eq(h.code, ERR_OK);
    ck_assert_uint_eq(h.held_lines, 0);
    ck_assert_uint_eq(h.lines, 200000 / 99 + 2);
    harness_free(&h);
}
END_TEST

START_TEST(a_held_process_can_be_cancelled)
{
    struct harness h = {.cancel_on = when_ready, .hold_ms = 100};
    harness_run(&h, &shell_step, json_pack("{s:s}", "run", "echo ready; sleep 600"));
    ck_assert_int_eq(h.code, ERR_CANCELLED);
    harness_free(&h);
}
END_TEST

#if defined(FAULTS)
START_TEST(a_failed_spawn_leaves_nothing)
{
    struct harness h = {0};
    fault_arm("exec.spawn", 1);
    harness_run(&h, &shell_step, json_pack("{s:s}", "run", "true"));
    ck_assert_int_eq(h.code, ERR_IO);
    ck_assert_ptr_nonnull(strstr(h.call.err.detail, "cannot start /bin/sh"));
    harness_free(&h);
}
END_TEST
#endif

/* A step of ours whose function is on a thread. */

enum { WORK_LINES = 500 };

static enum err_code count_lines(struct step_work *work)
{
    for (int i = 1; i <= WORK_LINES; i++) {
        step_work_log(work, LOG_INFO, "%d", i);
        step_work_progress(work, i, WORK_LINES);
    }
    return ERR_OK;
}

static enum err_code wait_for_cancel(struct step_work *work)
{
    step_work_log(work, LOG_INFO, "ready");
    while (!atomic_load(&work->cancelled))
        uv_sleep(1);
    return err_set(&work->err, CANCELLED, "stopped while waiting");
}

static void start_counting(struct step_call *call)
{
    step_work(call, count_lines, NULL, NULL);
}

static void start_waiting(struct step_call *call)
{
    step_work(call, wait_for_cancel, NULL, NULL);
}

START_TEST(work_on_a_thread_logs_in_order)
{
    static const struct step step = {.schema = {.name = "test.count"}, .start = start_counting};
    struct harness h = {0};
    harness_run(&h, &step, json_object());
    ck_assert_int_eq(h.code, ERR_OK);
    const char *line = h.log;
    for (int i = 1; i <= WORK_LINES; i++, line = strchr(line, '\n') + 1)
        ck_assert_int_eq(atoi(line), i);
    ck_assert_str_eq(line, "");
    ck_assert(h.done >= WORK_LINES && h.total >= WORK_LINES);
    harness_free(&h);
}
END_TEST

START_TEST(held_work_on_a_thread_waits)
{
    static const struct step step = {.schema = {.name = "test.count"}, .start = start_counting};
    struct harness h = {.hold_ms = 100};
    harness_run(&h, &step, json_object());
    ck_assert_int_eq(h.code, ERR_OK);
    ck_assert_uint_eq(h.held_lines, 0);
    ck_assert_uint_eq(h.lines, WORK_LINES);
    harness_free(&h);
}
END_TEST

START_TEST(work_on_a_thread_can_be_cancelled)
{
    static const struct step step = {.schema = {.name = "test.wait"}, .start = start_waiting};
    struct harness h = {.cancel_on = when_ready};
    harness_run(&h, &step, json_object());
    ck_assert_int_eq(h.code, ERR_CANCELLED);
    ck_assert_str_eq(h.call.err.detail, "stopped while waiting");
    harness_free(&h);
}
END_TEST

START_TEST(every_step_has_a_row_that_holds)
{
    for (size_t i = 0; i < step_count(); i++) {
        const struct step_schema *s = &step_at(i)->schema;
        ck_assert_msg(step_find(s->name) == step_at(i), "two steps are called %s", s->name);
        ck_assert_str_eq(flow_step_name(i), s->name);
        ck_assert(step_at(i)->start != NULL);
        ck_assert_msg(s->doc && s->doc[0], "%s: no doc", s->name);
        for (size_t k = 0; k < s->param_count; k++) {
            const struct step_param *p = &s->params[k];
            json_t *fallback = p->fallback ? json_loads(p->fallback, JSON_DECODE_ANY, NULL) : NULL;
            ck_assert_msg(!p->fallback || fallback, "%s.%s: fallback is not JSON", s->name,
                          p->name);
            ck_assert_msg(!p->fallback || !p->required, "%s.%s: required", s->name, p->name);
            ck_assert_msg(p->doc && p->doc[0], "%s.%s: no doc", s->name, p->name);
            json_decref(fallback);
        }
    }
    ck_assert_ptr_null(flow_step_name(step_count()));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("step_call");
    TCase *t = tcase_create("call");
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, shell_ends_as_its_command_did, 0, COUNT(rows));
    tcase_add_test(t, shell_takes_input_env_dir_and_outputs);
    tcase_add_loop_test(t, what_cannot_start_says_why, 0, COUNT(refusals));
    tcase_add_test(t, cancel_ends_the_whole_group);
    tcase_add_test(t, a_held_process_waits_with_its_output);
    tcase_add_test(t, a_held_process_can_be_cancelled);
#if defined(FAULTS)
    tcase_add_test(t, a_failed_spawn_leaves_nothing);
#endif
    tcase_add_test(t, work_on_a_thread_logs_in_order);
    tcase_add_test(t, held_work_on_a_thread_waits);
    tcase_add_test(t, work_on_a_thread_can_be_cancelled);
    tcase_add_test(t, every_step_has_a_row_that_holds);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
