#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/run/process.h"
#include "worker/run/process_env.h"
#include "worker/run/process_orphan.h"

struct seen {
    struct process process;
    char text[2][70000];
    int lines[2], exits;
};

static void on_line(void *ctx, int fd, const char *text, size_t len)
{
    struct seen *seen = ctx;
    strncat(seen->text[fd - 1], text, len);
    strcat(seen->text[fd - 1], "|");
    seen->lines[fd - 1]++;
}

static void on_exited(void *ctx)
{
    ((struct seen *)ctx)->exits++;
}

/* grace_ms < 0: it is not stopped. */
static struct seen *run_shell(const char *script, int64_t grace_ms)
{
    static struct seen seen;
    char *argv[] = {"sh", "-c", (char *)script, NULL};
    struct process_start what = {.argv = argv, .env = environ};
    struct process_hooks hooks = {on_line, on_exited, &seen};
    struct err err = {0};
    uv_loop_t loop;

    memset(&seen, 0, sizeof(seen));
    uv_loop_init(&loop);
    ck_assert_msg(process_start(&seen.process, &loop, &what, hooks, &err) == ERR_OK, "%s",
                  err.detail);
    if (grace_ms >= 0) {
        while (!seen.lines[0]) /* it says when its trap is set */
            uv_run(&loop, UV_RUN_ONCE);
        process_stop(&seen.process, 50000); /* a longer grace than the test may last */
        process_stop(&seen.process, grace_ms);
        process_stop(&seen.process, 50000);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(seen.exits, 1);
    return &seen;
}

static const struct {
    const char *label, *script;
    int64_t grace_ms;
    int status, signal;
    const char *out, *err;
} rows[] = {
    {"lines of both", "echo a; echo b; echo c >&2", -1, 0, 0, "a|b|", "c|"},
    {"no end of line at the end", "printf x", -1, 0, 0, "x|", ""},
    {"an empty line is no line of the log", "echo; echo y", -1, 0, 0, "y|", ""},
    {"status", "exit 7", -1, 7, 0, "", ""},
    {"signal", "kill -9 $$", -1, 0, 9, "", ""},
    {"stopped by TERM", "echo up; exec sleep 30", 5000, 0, SIGTERM, "up|", ""},
    /* The shell itself may tell that TERM ended its sleep; that is not the point here. */
    {"last words after TERM",
     "exec 2>/dev/null; trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done", 5000,
     3, 0, "up|bye|", ""},
    {"deaf to TERM gets KILL",
     "exec 2>/dev/null; trap '' TERM; echo up; while :; do sleep 0.05; done", 100, 0, SIGKILL,
     "up|", ""},
    {"children go with it", "sleep 100 & echo up; exit 0", -1, 0, 0, "up|", ""},
};

START_TEST(end_and_output)
{
    struct seen *seen = run_shell(rows[_i].script, rows[_i].grace_ms);
    ck_assert_msg(seen->process.exit_status == rows[_i].status &&
                      seen->process.exit_signal == rows[_i].signal,
                  "%s: status %d signal %d", rows[_i].label, (int)seen->process.exit_status,
                  seen->process.exit_signal);
    ck_assert_str_eq(seen->text[0], rows[_i].out);
    ck_assert_str_eq(seen->text[1], rows[_i].err);
}
END_TEST

START_TEST(a_long_line_comes_in_pieces_without_loss)
{
    struct seen *seen = run_shell("head -c 40000 /dev/zero | tr '\\0' x; echo; echo end", -1);
    ck_assert_int_eq(seen->lines[0], 4);
    ck_assert_uint_eq(strlen(seen->text[0]), 40000 + 3 + 4);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_named)
{
    static const struct {
        const char *program, *cwd, *says;
    } missing[] = {{"no-such-program", NULL, "no-such-program"},
                   {"sh", "/no/such/folder", "/no/such/folder"}};
    struct process process;
    struct err err = {0};
    uv_loop_t loop;

    uv_loop_init(&loop);
    for (size_t i = 0; i < COUNT(missing); i++) {
        char *argv[] = {(char *)missing[i].program, NULL};
        struct process_start what = {.argv = argv, .env = environ, .cwd = missing[i].cwd};
        ck_assert_int_eq(process_start(&process, &loop, &what, (struct process_hooks){0}, &err),
                         ERR_NOT_FOUND);
        ck_assert_msg(strstr(err.detail, missing[i].says) != NULL, "%s", err.detail);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

static const struct {
    const char *text, *words; /* joined by | ; NULL: refused */
} commands[] = {
    {"python -m prefect.engine", "python|-m|prefect.engine|"},
    {"  a\tb  ", "a|b|"},
    {"sh -c \"echo 'x y'; exit 1\"", "sh|-c|echo 'x y'; exit 1|"},
    {"a 'b \"c\\'", "a|b \"c\\|"},
    {"a\\ b \"c\\\"d\\e\"", "a b|c\"d\\e|"},
    {"a ''", "a||"},
    {"a 'b", NULL},
    {"a \"b", NULL},
    {"", NULL},
    {"  ", NULL},
};

START_TEST(a_command_is_split_as_a_shell_does)
{
    struct arena arena = {0};
    struct err err = {0};
    char **argv, joined[200] = "";

    enum err_code rc = command_split(&arena, commands[_i].text, &argv, &err);
    ck_assert_msg((rc == ERR_OK) == (commands[_i].words != NULL), "%s: %s", commands[_i].text,
                  err.detail);
    for (char **word = rc ? (char *[]){NULL} : argv; *word; word++) {
        strcat(joined, *word);
        strcat(joined, "|");
    }
    if (!rc)
        ck_assert_str_eq(joined, commands[_i].words);
    arena_reset(&arena);
}
END_TEST

START_TEST(the_environment_is_the_agents_with_changes)
{
    struct arena arena = {0};
    struct env env;
    json_t *changes =
        json_pack("{s:s, s:i, s:n, s:b}", "NAME", "x", "NUMBER", 5, "GONE", "FLAG", 1);

    setenv("GONE", "1", 1);
    setenv("KEPT", "2", 1);
    env_init(&env, &arena);
    for (int i = 0; i < 50; i++)
        env_set(&env, arena_printf(&arena, "V%d", i), "v");
    env_set_json(&env, changes);
    ck_assert_str_eq(env_get(&env, "KEPT"), "2");
    ck_assert_str_eq(env_get(&env, "NAME"), "x");
    ck_assert_str_eq(env_get(&env, "NUMBER"), "5");
    ck_assert_str_eq(env_get(&env, "FLAG"), "true");
    ck_assert_str_eq(env_get(&env, "V49"), "v");
    ck_assert_ptr_null(env_get(&env, "GONE"));
    ck_assert_ptr_null(env.items[env.count]);
    json_decref(changes);
    arena_reset(&arena);
}
END_TEST

START_TEST(only_what_carries_the_mark_is_killed)
{
    pid_t marked = fork(), other = marked ? fork() : 1;
    int status;

    if (!marked)
        execle("/bin/sleep", "sleep", "30", NULL, (char *[]){ORPHAN_MARK "=test-agent-1", NULL});
    if (!other)
        execle("/bin/sleep", "sleep", "30", NULL, (char *[]){ORPHAN_MARK "=test-agent-10", NULL});
    while (!orphans_kill("test-agent-1", 2000)) /* until the fork has become sleep */
        continue;
    ck_assert_int_eq(waitpid(marked, &status, 0), marked);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    ck_assert_int_eq(waitpid(other, &status, WNOHANG), 0);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("process");
    TCase *t = tcase_create("process");
    tcase_set_timeout(t, 10);
    tcase_add_loop_test(t, end_and_output, 0, COUNT(rows));
    tcase_add_test(t, a_long_line_comes_in_pieces_without_loss);
    tcase_add_test(t, a_program_that_is_not_there_is_named);
    tcase_add_loop_test(t, a_command_is_split_as_a_shell_does, 0, COUNT(commands));
    tcase_add_test(t, the_environment_is_the_agents_with_changes);
    tcase_add_test(t, only_what_carries_the_mark_is_killed);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
