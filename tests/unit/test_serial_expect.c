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
    {QEMU(TALKS), "{'pattern': '> $', 'power': 'cycle', 'send': 'id', 'timeout': 5}", ERR_OK, "> ", "] prompt> "},
    {QEMU(TALKS), "{'pattern': 'nothing like it', 'power': 'cycle', 'timeout': 0.5}", ERR_TIMEOUT, NULL,
     "no line matched `nothing like it` within 0.5 s; last heard: temp 31 C"},
    {QEMU("echo 'HARD FAULT at 0'"), "{'pattern': 'ready', 'fail_on': 'HARD FAULT', 'power': 'cycle', 'timeout': 5}", ERR_INVALID, NULL,
     "the board said: HARD FAULT at 0"},
    {QEMU("echo 'SY-BOOT build=1'; sleep 0.1; echo 'SY-BOOT build=1'; echo ready"), "{'pattern': 'ready', 'power': 'cycle', 'timeout': 5}",
     ERR_IO, NULL, "booted twice since power-on (brown-out?)"},
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

/* ---- a port that is a script ---- */

static const struct {
    const char *scenario, *with;
    enum err_code code;
    const char *value, *says;
    size_t lines; /* in the log, at least */
} talks[] = {
    /* clang-format off */
    {"pieces",   "{'pattern': '^temp ([0-9]+) C$'}", ERR_OK, "31", "] temp 31 C", 1},
    {"prompt",   "{'pattern': 'login:'}", ERR_OK, "login:", "] login: ", 1},
    {"garbage",  "{'pattern': '^ready$'}", ERR_OK, "ready", "?", 20},
    {"utf8",     "{'pattern': '31 \u00b0C$'}", ERR_OK, "31 \u00b0C", "temp 31 \u00b0C", 1},
    {"cut-utf8", "{'pattern': '^ready'}", ERR_OK, "ready", "] temp ?\n", 2},
    {"burst",    "{'pattern': '^end of burst$', 'timeout': 30}", ERR_OK, "end of burst", "000000000000000000000000000000000000000000000000000000000000007\n", 16385},
    {"endless",  "{'pattern': 'ready$'}", ERR_OK, "ready", "xxxx", 5},
    {"back",     "{'pattern': 'two', 'timeout': 8}", ERR_OK, "two", "serial port is back", 4},
    {"gone",     "{'pattern': 'two', 'timeout': 1.5}", ERR_TIMEOUT, NULL, "last heard: one; the serial port did not come back", 2},
    {"costly",   "{'pattern': '(a+)+$'}", ERR_INVALID, NULL, "`pattern` takes too long on a line: (a+)+$", 1},
    {"costly",   "{'pattern': 'nothing', 'fail_on': '(a+)+$'}", ERR_INVALID, NULL, "`fail_on` takes too long", 1},
    /* clang-format on */
};

START_TEST(any_port_is_listened_to)
{
    struct harness h = {0};
    struct sim sim;
    uv_loop_t loop;
    sim_make_dir(&sim);
    pid_t board = fork();
    if (!board) {
        execl("tests/unit/fake_uart.py", "fake_uart.py", sim.uart, talks[_i].scenario,
              (char *)NULL);
        _exit(127);
    }
    struct lab *lab = open_lab(&loop, &sim);
    h.run.lab = lab;
    h.run.devices = json_pack("{s:{s:s}}", "bench", "name", "b1");
    harness_run(&h, step_find("serial.expect"), json_of(talks[_i].with));
    json_decref((json_t *)(uintptr_t)h.run.devices);
    ck_assert_msg(h.code == talks[_i].code, "%d %s\n%.2000s", h.code, h.call.err.detail, h.log);
    ck_assert_msg(strstr(h.code ? h.call.err.detail : h.log, talks[_i].says), "%s\n%.2000s",
                  h.call.err.detail, h.log);
    ck_assert_uint_ge(h.lines, talks[_i].lines);
    if (!h.code)
        ck_assert_str_eq(json_string_value(json_object_get(h.call.outputs, "value")),
                         talks[_i].value);
    harness_free(&h);
    lab_close(lab, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    sim.pid = board;
    sim_stop(&sim);
}
END_TEST

static char heard[200];

static void on_line(void *ctx, double at_s, const char *text, bool whole)
{
    ck_assert(at_s >= 0 && at_s < 60);
    strcat(heard, text);
    strcat(heard, whole ? "|" : "~");
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
    ck_assert_str_eq(heard, "one|two?|login: ~");
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(master);
    close(slave);
}
END_TEST

/* ---- between two steps ---- */

static void on_any_line(void *ctx, double at_s, const char *text, bool whole)
{
    (void)ctx;
    (void)at_s;
    snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s%s", text, whole ? "|" : "~");
}

static void on_told(void *ctx, double at_s, const char *text)
{
    on_any_line(ctx, at_s, text, true);
    heard[strlen(heard) - 1] = '!';
}

static void turn(uv_loop_t *loop, int ms)
{
    for (int i = 0; i < ms / 10; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
        usleep(10000);
    }
}

static void tell(int fd, const char *text)
{
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The line that a step waited for and what comes behind it may be one piece; the next step hears
 * the rest, what was said while nobody listened, and what comes then. */
START_TEST(nothing_is_lost_between_two_steps)
{
    uv_loop_t loop;
    struct console *console;
    struct console_shelf shelf = {0};
    struct console_listener listener = {&console, on_any_line, on_gone};
    struct err e = {0};
    char name[64];
    int master, slave;
    ck_assert_int_eq(openpty(&master, &slave, name, NULL, NULL), 0);
    uv_loop_init(&loop);
    ck_assert_int_eq(console_open(&loop, name, 0, listener, &console, &e), ERR_OK);
    tell(master, "one\n");
    turn(&loop, 50);
    console_keep(console, &shelf);
    tell(master, "three\nfour\nfi");
    turn(&loop, 300);
    ck_assert_ptr_null(console_resume(&shelf, "/another/port", 0, listener));
    ck_assert_ptr_eq(console_resume(&shelf, name, 0, listener), console);
    ck_assert_ptr_null(shelf.first);
    console_replay(console);
    tell(master, "ve\n");
    turn(&loop, 50);
    ck_assert_str_eq(heard, "one|three|four|five|");
    console_keep(console, &shelf);
    console_drop(&shelf, "/another/port", on_told, NULL);
    ck_assert_ptr_nonnull(shelf.first);
    ck_assert_int_eq(console_open(&loop, name, 0, listener, &console, &e), ERR_LOCKED);
    tell(master, "six\nse");
    turn(&loop, 50);
    console_drop(&shelf, name, on_told, NULL);
    ck_assert_str_eq(heard, "one|three|four|five|six!");
    ck_assert_int_eq(console_open(&loop, name, 0, listener, &console, &e), ERR_OK);
    console_close(console);
    turn(&loop, 20);
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
    tcase_add_loop_test(t, any_port_is_listened_to, 0, COUNT(talks));
    tcase_add_test(t, nothing_is_lost_between_two_steps);
    tcase_add_test(t, a_prompt_has_no_line_end);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
