/* Benches: the configuration, simulators that are watched, and who is handed which bench. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/lab/bench_config.h"
#include "worker/lab/inventory.h"

static const struct {
    const char *yaml_as_json, *detail; /* detail NULL: accepted */
} configs[] = {
    /* clang-format off */
    {"[{'name':'b1','target':'t','emulated':true}]", NULL},
    {"[{'name':'b1','target':'t','board':{'backend':'openocd','uart':'/dev/x'},'meter':{'port':'/dev/y'}}]", NULL},
    {"[]", NULL},
    {"{}", "benches: expected a list of benches"},
    {"[{'target':'t','emulated':true}]", "benches: `name` is not 1 to 64"},
    {"[{'name':'../x','target':'t','emulated':true}]", "benches: `name` is not 1 to 64"},
    {"[{'name':'b1','emulated':true}]", "benches: b1: `target` is missing"},
    {"[{'name':'b1','target':'a b','emulated':true}]", "benches: b1: `target` is not the name of a board: a b"},
    {"[{'name':'b1','target':'t'}]", "benches: b1: `board.backend` is missing"},
    {"[{'name':'b1','target':'t','board':{'backend':'x'}}]", "benches: b1: `board.uart` is missing"},
    {"[{'name':'b1','target':'t','board':{'backend':7}}]", "benches: b1: `board.backend` is not a text"},
    {"[{'name':'b1','target':'t','emulated':true,'labels':{'rack':'3'},'capabilities':['uart'],'location':'lab 2'}]", NULL},
    {"[{'name':'b1','target':'t','emulated':true,'labels':['x']}]", "benches: b1: `labels` is not a map of texts"},
    {"[{'name':'b1','target':'t','emulated':true,'capabilities':[7]}]", "benches: b1: `capabilities` is not a list of texts"},
    {"[{'name':'b','target':'t','emulated':true},{'name':'b','target':'t','emulated':true}]", "benches: two have the name b"},
    /* clang-format on */
};

/* JSON with ' for ". */
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

START_TEST(configuration_is_checked)
{
    struct arena a = {0};
    struct err e = {0};
    struct bench benches[BENCHES_MAX];
    size_t count;
    json_t *config = json_of(configs[_i].yaml_as_json);
    enum err_code code = bench_config_read(config, "/data", &a, benches, &count, &e);
    if (configs[_i].detail) {
        ck_assert_int_eq(code, ERR_INVALID);
        ck_assert_msg(strstr(e.detail, configs[_i].detail) != NULL, "%s", e.detail);
    } else {
        ck_assert_msg(code == ERR_OK, "%s", e.detail);
        ck_assert_uint_eq(count, json_array_size(config));
    }
    if (!code && count && benches[0].emulated) {
        ck_assert_str_eq(benches[0].uart, "/data/benches/b1/uart");
        ck_assert_str_eq(benches[0].meter_port, "/data/benches/b1/meter");
        ck_assert_str_eq(benches[0].backend, "qemu");
    }
    json_decref(config);
    arena_reset(&a);
}
END_TEST

/* ---- a lab with simulators that are scripts ---- */

static uv_loop_t loop;
static struct lab *lab;
static char folder[] = "/tmp/test_bench-XXXXXX";
static bool closed;

static void on_closed(void *ctx)
{
    (void)ctx;
    closed = true;
}

static void open_lab(const char *script, const char *config_text)
{
    char path[100];
    struct err e = {0};
    strcpy(folder, "/tmp/test_bench-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/sim", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    chmod(path, 0755);
    json_t *config = json_of(config_text);
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_msg(lab_open(&lab, &loop, config, folder, path, &e) == ERR_OK, "%s", e.detail);
    json_decref(config);
}

static void close_lab(void)
{
    char command[100];
    closed = false;
    lab_close(lab, on_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void run_until(enum bench_status status)
{
    while (lab_at(lab, 0)->status != status)
        uv_run(&loop, UV_RUN_ONCE);
}

static pid_t simulator_pid(void)
{
    char path[100];
    int pid = 0;
    snprintf(path, sizeof(path), "%s/benches/b1/pid", folder);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

#define GOOD_SIM "echo $$ >$2/pid; touch $2/uart $2/meter; exec cat"
#define ONE      "[{'name':'b1','target':'t1','emulated':true}]"
#define TWO                                                                                        \
    "[{'name':'b1','target':'t1','emulated':true},{'name':'b2','target':'t2','emulated':true}]"

START_TEST(a_simulator_that_dies_is_started_again)
{
    open_lab(GOOD_SIM, ONE);
    ck_assert_int_eq(lab_at(lab, 0)->status, BENCH_DOWN);
    run_until(BENCH_READY);
    pid_t first = simulator_pid();
    kill(first, SIGKILL);
    run_until(BENCH_DOWN);
    run_until(BENCH_READY);
    ck_assert_int_ne(simulator_pid(), first);
    pid_t second = simulator_pid();
    close_lab();
    ck_assert_int_ne(kill(second, 0), 0);
}
END_TEST

START_TEST(a_simulator_that_does_not_work_leaves_the_bench_down)
{
    open_lab(_i ? "exit 3" : "exec cat", ONE);
    for (int i = 0; i < 10; i++)
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_int_eq(lab_at(lab, 0)->status, BENCH_DOWN);
    struct inventory inventory = {.lab = lab, .sysfs = "/nowhere"};
    json_t *devices = inventory_devices(&inventory), *device;
    size_t i;
    ck_assert_uint_eq(json_array_size(devices), 3); /* with its board and its meter */
    json_array_foreach(devices, i, device)
        ck_assert(json_is_false(json_object_get(device, "free")));
    json_decref(devices);
    inventory_close(&inventory);
    close_lab();
}
END_TEST

static char order[20];

static void on_granted(struct bench_ticket *ticket)
{
    strcat(order, ticket->owner);
    strcat(order, ticket->bench->name + 1);
}

static void run_until_order(const char *expected)
{
    while (strlen(order) < strlen(expected))
        uv_run(&loop, UV_RUN_ONCE);
    ck_assert_str_eq(order, expected);
}

START_TEST(benches_are_handed_out_in_order)
{
    struct err e = {0};
    struct bench_ticket a = {.target = "t1", .granted = on_granted, .owner = "a"};
    struct bench_ticket b = {.target = "t1", .granted = on_granted, .owner = "b"};
    struct bench_ticket c = {.target = "t2", .granted = on_granted, .owner = "c"};
    struct bench_ticket d = {.name = "b1", .granted = on_granted, .owner = "d"};
    struct bench_ticket none = {.target = "t3", .granted = on_granted};
    order[0] = 0;
    open_lab(GOOD_SIM, TWO);
    ck_assert_int_eq(lab_wait(lab, &a, &e), ERR_OK);
    ck_assert_int_eq(lab_wait(lab, &b, &e), ERR_OK);
    ck_assert_int_eq(lab_wait(lab, &d, &e), ERR_OK);
    run_until_order("a1");
    ck_assert_int_eq(lab_wait(lab, &c, &e), ERR_OK);
    run_until_order("a1c2");
    lab_leave(lab, &a);
    run_until_order("a1c2b1");
    lab_leave(lab, &d); /* leaves the line */
    lab_leave(lab, &b);
    lab_leave(lab, &c);
    lab_leave(lab, &c);
    ck_assert_int_eq(lab_wait(lab, &none, &e), ERR_NOT_FOUND);
    ck_assert_str_eq(e.detail, "this agent has no bench for the target t3");
    close_lab();
    ck_assert_str_eq(order, "a1c2b1");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bench");
    TCase *tc = tcase_create("lab");
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, configuration_is_checked, 0, COUNT(configs));
    tcase_add_test(tc, a_simulator_that_dies_is_started_again);
    tcase_add_loop_test(tc, a_simulator_that_does_not_work_leaves_the_bench_down, 0, 2);
    tcase_add_test(tc, benches_are_handed_out_in_order);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
