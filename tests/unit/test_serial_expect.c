/* serial.expect against the simulator's board; QEMU is a script that talks. */
#include "tests/unit/sim_harness.h"
#include "tests/unit/step_harness.h"
#include "worker/lab/bench.h"
#include "worker/lab/console.h"
#include <pty.h>

#define QEMU(body) "#!/bin/sh\n" body "\nexec cat >/dev/null\n"
/* Says what it boots, then answers each line. */
#define TALKS                                                                                      \
    "printf 'boot v%s\\n' 12; printf 'temp 31 C\\n'; while read -r x; do printf 'heard %s\\n' "    \
    "\"$x\"; printf 'prompt> '; done"

static const struct {
    const char *qemu, *with; /* JSON with ' for " */
    enum err_code code;
    const char *value, *says; /* says: in the log, or in the error */
} rows[] = {
    /* clang-format off */
    {QEMU(TALKS), "{'pattern': 'temp ([0-9]+)', 'power': 'cycle', 'timeout': 5}", ERR_OK, "31", "] boot v12"},
    {QEMU(TALKS), "{'pattern': '^boot v[0-9]+$', 'power': 'cycle', 'timeout': 5}", ERR_OK, "boot v12", "[    0."},
    {QEMU(TALKS), "{'pattern': 'x(y)?|temp', 'power': 'cycle', 'timeout': 5}", ERR_OK, "temp", "temp 31 C"},
    {QEMU(TALKS), "{'pattern': 'nothing like it', 'power': 'cycle', 'timeout': 0.5}", ERR_TIMEOUT, NULL,
     "no line matched `nothing like it` within 0.5 s; last heard: temp 31 C"},
    {QEMU("echo 'HARD FAULT at 0'"), "{'pattern': 'ready', 'fail_on': 'HARD FAULT', 'power': 'cycle', 'timeout': 5}", ERR_INVALID, NULL,
     "the board said: HARD FAULT at 0"},
    {QEMU("sleep 9"), "{'pattern': 'x', 'timeout': 0.3}", ERR_TIMEOUT, NULL, "last heard: nothing"},
    {QEMU("sleep 9"), "{'pattern': '(', 'timeout': 0.3}", ERR_INVALID, NULL, "`pattern` is no pattern: missing closing parenthesis"},
    /* clang-format on */
};

static json_t *json_of(const char *text)
{
    char copy[500];
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *c = copy; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    json_t *value = json_loads(copy, 0, NULL);
    ck_assert_msg(value != NULL, "%s", copy);
    return value;
}

static struct lab *open_lab(uv_loop_t *loop, const struct sim *sim)
{
    char text[500];
    struct lab *lab;
    struct err e = {0};
    snprintf(text, sizeof(text),
             "[{'name': 'b1', 'target': 't', 'board': {'backend': 'qemu', 'uart': '%s'}, 'meter': "
             "{'port': '%s'}}]",
             sim->uart, sim->meter);
    json_t *config = json_of(text);
    uv_loop_init(loop);
    ck_assert_msg(!lab_open(&lab, loop, config, sim->dir, NULL, &e), "%s", e.detail);
    json_decref(config);
    return lab;
}

START_TEST(lines_are_waited_for)
{
    struct harness h = {0};
    struct sim sim;
    uv_loop_t loop;
    char path[5000];
    sim_make_dir(&sim);
    snprintf(path, sizeof(path), "%s:%s", sim.dir, getenv("PATH"));
    setenv("PATH", path, 1);
    sim_file(&sim, "qemu-system-arm", rows[_i].qemu, 0755);
    sim_file(&sim, "flash.elf", "\177ELF", 0644);
    sim_run(&sim, "");
    struct lab *lab = open_lab(&loop, &sim);
    h.run.lab = lab;
    h.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(&h, step_find("serial.expect"), json_of(rows[_i].with));
    json_decref((json_t *)(uintptr_t)h.run.devices);
    ck_assert_msg(h.code == rows[_i].code, "%d %s\n%s", h.code, h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.code ? h.call.err.detail : h.log, rows[_i].says), "%s\n%s",
                  h.call.err.detail, h.log);
    if (!h.code)
        ck_assert_str_eq(json_string_value(json_object_get(h.call.outputs, "value")),
                         rows[_i].value);
    harness_free(&h);
    lab_close(lab, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    sim_stop(&sim);
}
END_TEST

static char heard[200];

static void on_line(void *ctx, double at_s, const char *text)
{
    ck_assert(at_s >= 0 && at_s < 60);
    strcat(heard, text);
    strcat(heard, "|");
    if (strstr(text, "login"))
        console_close(*(struct console **)ctx);
}

static void on_gone(void *ctx, const char *why)
{
    (void)ctx;
    ck_abort_msg("%s", why);
}

START_TEST(a_prompt_has_no_line_end)
{
    static const char said[] = "one\r\n\r\n\0two\x80\nlogin: ";
    uv_loop_t loop;
    struct console *console;
    struct err e = {0};
    char name[64];
    int master, slave;
    ck_assert_int_eq(openpty(&master, &slave, name, NULL, NULL), 0);
    uv_loop_init(&loop);
    ck_assert_int_eq(console_open(&loop, name, 0,
                                  (struct console_listener){&console, on_line, on_gone}, &console,
                                  &e),
                     ERR_OK);
    ck_assert_int_eq(write(master, said, sizeof(said) - 1), sizeof(said) - 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_str_eq(heard, "one|two?|login: |");
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(master);
    close(slave);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serial_expect");
    TCase *t = tcase_create("expect");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, lines_are_waited_for, 0, COUNT(rows));
    tcase_add_test(t, a_prompt_has_no_line_end);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
