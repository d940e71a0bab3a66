/* `switchyard-worker flow` as a user sees it: what it prints and its exit status. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/base.h"
#include "worker/run/flow_main.h"

static char dir[64], text[64 << 10];

static void setup(void)
{
    strcpy(dir, "/tmp/flow-main-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("XDG_CACHE_HOME", dir, 1);
    setenv("TMPDIR", dir, 1);
}

static void teardown(void)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* Runs it with stdout and stderr in `text`. */
static int flow(const char *yaml, const char *command, const char *option, const char *value)
{
    char file[100], log[100];
    snprintf(file, sizeof(file), "%s/f.yaml", dir);
    snprintf(log, sizeof(log), "%s/log", dir);
    FILE *f = fopen(file, "w");
    fputs(yaml, f);
    fclose(f);
    int out = dup(1), err = dup(2), fd = open(log, O_RDWR | O_CREAT | O_TRUNC, 0600);
    fflush(stdout);
    dup2(fd, 1);
    dup2(fd, 2);
    char *argv[] = {"flow",
                    (char *)(uintptr_t)command,
                    file,
                    (char *)(uintptr_t)option,
                    (char *)(uintptr_t)value,
                    NULL};
    int status = flow_main(option ? value ? 5 : 4 : 3, argv);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = 0;
    close(fd);
    return status;
}

#define ECHO                                                                                       \
    "name: f\nparameters: {n: 1}\ntasks:\n  a: {uses: shell, with: {run: 'echo n={{ parameters.n " \
    "}}; pwd'}}\n"
/* clang-format off */
static const struct {
    const char *yaml, *command, *option, *value;
    int status;
    const char *said;
} rows[] = {
    {ECHO, "check", NULL, NULL, 0, "f.yaml: flow `f`, 1 task, no problem found\n"},
    {"name: f\ntasks: {a: {use: shell}}\n", "check", NULL, NULL, 2, "f.yaml:2:13: unknown key `use` in a task, did you mean `uses`?\n"},
    {"name: f\ntasks: {a: {use: shell}}\n", "run", NULL, NULL, 2, "f.yaml:2:13: unknown key"},
    {ECHO, "run", NULL, NULL, 0, " INFO  a | n=1\n"},
    {ECHO, "run", "--param", "n=7", 0, " INFO  a | n=7\n"},
    {ECHO, "run", "--param", "n=x", 2, "parameters: `n` is \"x\", expected type integer\n"},
    {ECHO, "run", "--param", "m=1", 2, "parameters: `m` is not a parameter of this flow"},
    {ECHO, "run", "--param", "n", 2, "expected --param NAME=VALUE\n"},
    {ECHO, "run", "--emulate", NULL, 0, "COMPLETED"}, /* it needs no bench */
    {"devices: {left: {type: bench}}\n" ECHO, "run", "--emulate", NULL, 1, "--emulate: the device `left` of the flow needs a `target`"},
    {ECHO, "walk", NULL, NULL, 2, "usage: switchyard-worker flow check FILE\n"},
    {"name: f\ntasks: {a: {uses: shell, with: {run: exit 3}}}\n", "run", NULL, NULL, 1, "FAILED: Task `a` failed: the command ended with status 3\n"},
    {"name: f\ntasks: {a: {uses: shell, with: {run: 'kill -INT $PPID; sleep 60'}}, z: {uses: shell, always: true, with: {run: echo cleaned}}}\n", "run", NULL, NULL, 130, "CANCELLED: Interrupted at the terminal.\n"},
    {"name: f\ntasks: {a: {uses: board.off}}\n", "run", "--dry-run", NULL, 0, "DryRun"},
};
/* clang-format on */

START_TEST(it_says_what_it_did)
{
    int status = flow(rows[_i].yaml, rows[_i].command, rows[_i].option, rows[_i].value);
    ck_assert_msg(status == rows[_i].status, "exit status %d, it said:\n%s", status, text);
    ck_assert_msg(strstr(text, rows[_i].said), "it said:\n%s", text);
    if (status == 130)
        ck_assert_ptr_nonnull(strstr(text, "cleaned"));
}
END_TEST

START_TEST(the_folder_of_the_run_is_kept_on_demand_only)
{
    char work[100];
    snprintf(work, sizeof(work), "%s/w", dir);
    ck_assert_int_eq(flow(ECHO, "run", "--work", work), 0);
    ck_assert_int_eq(access(work, X_OK), 0);
    ck_assert_ptr_nonnull(strstr(text, work));
    ck_assert_int_eq(flow(ECHO, "run", NULL, NULL), 0);
    char *made = strstr(text, "switchyard-run-"), path[200];
    ck_assert_ptr_nonnull(made);
    snprintf(path, sizeof(path), "%s/%.*s", dir, (int)strcspn(made, "\n"), made);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow_main");
    TCase *t = tcase_create("flow_main");
    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, it_says_what_it_did, 0, COUNT(rows));
    tcase_add_test(t, the_folder_of_the_run_is_kept_on_demand_only);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
