/* The command line of `switchyard`: words to a command, options, help, names, parameters. */
#include "cli/actions.h"
#include "cli/params.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct cli cli;

static void setup(void)
{
    memset(&cli, 0, sizeof(cli));
}

static void teardown(void)
{
    arena_reset(&cli.arena);
}

static enum err_code parse(char *words[], int n)
{
    char *argv[32] = {"switchyard"};

    memcpy(argv + 1, words, (size_t)n * sizeof(*words));
    return cli_parse(&cli, n + 1, argv);
}

static const struct {
    char *words[8];
    const char *said; /* NULL: fine */
    const char *command;
    int word_count;
} lines[] = {
    {{"version"}, NULL, "version", 0},
    {{"-s", "http://x:1", "flow-run", "ls", "--limit", "5"}, NULL, "ls", 0},
    {{"flow-run", "-o", "json", "inspect", "abc"}, NULL, "inspect", 1},
    {{"run", "a/b", "-p", "x=1", "--watch"}, NULL, "run", 1},
    {{"run", "-p", "x=1", "a/b"}, NULL, "run", 1},
    {{"worker", "start", "--pool", "p", "--", "--slots", "2"}, NULL, "start", 2},
    {{"run", "--help"}, NULL, "run", 0},
    {{"flow-rum", "ls"}, "did you mean `flow-run`?", NULL, 0},
    {{"work-pool", "lst"}, "did you mean `ls`?", NULL, 0},
    {{"xyzzy"}, "there is no command `switchyard xyzzy`; see `switchyard --help`", NULL, 0},
    {{"run"}, "`switchyard run` needs DEPLOYMENT; see `switchyard run --help`", NULL, 0},
    {{"run", "a/b", "c"}, "takes no argument `c`", NULL, 0},
    {{"run", "a/b", "--wach"}, "there is no option --wach: did you mean --watch?", NULL, 0},
    {{"run", "a/b", "-x"}, "there is no option -x", NULL, 0},
    {{"run", "a/b", "--watch=yes"}, "the option --watch takes no value", NULL, 0},
    {{"run", "a/b", "--param"}, "the option --param needs a value", NULL, 0},
    {{"-o", "yaml", "version"}, "--output is `yaml`: expected table or json", NULL, 0},
};

START_TEST(test_lines)
{
    int n = 0;

    while (n < 8 && lines[_i].words[n])
        n++;
    enum err_code code = parse((char **)lines[_i].words, n);
    if (lines[_i].said) {
        ck_assert_int_eq(code, ERR_INVALID);
        ck_assert_msg(strstr(cli.err.detail, lines[_i].said) != NULL, "%s", cli.err.detail);
    } else {
        ck_assert_msg(code == ERR_OK, "%s", cli.err.detail);
        ck_assert_str_eq(cli.path[cli.path_len - 1]->name, lines[_i].command);
        ck_assert_int_eq(cli.word_count, lines[_i].word_count);
    }
}
END_TEST

START_TEST(test_options)
{
    char *words[] = {"flow-run", "ls", "--limit", "5", "-o", "json", "-n", "7"};
    int64_t limit = 0;

    ck_assert_int_eq(parse(words, 8), ERR_OK);
    ck_assert(cli.json);
    ck_assert_int_eq(cli_option_count(&cli, "limit", 100, &limit), ERR_OK);
    ck_assert_int_eq(limit, 7); /* the last one counts */
    ck_assert_int_eq(cli_option_count(&cli, "limit", 6, &limit), ERR_INVALID);
    ck_assert_str_eq(cli.err.detail, "--limit is `7`: expected a number from 0 to 6");
}
END_TEST

/* Every command's help: 80 columns, no control characters. */
static void check_help(const struct command **path, int depth)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    help_print(f, &cli.arena, path, depth);
    fclose(f);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        ck_assert_msg(text_columns(line) <= 80, "%s: %s", path[depth - 1]->name, line);
    free(text);
    for (const struct command *c = path[depth - 1]->subs; c && c->name; c++) {
        ck_assert_msg(c->run || c->subs, "%s does nothing", c->name);
        path[depth] = c;
        if (c->about)
            check_help(path, depth + 1);
    }
}

START_TEST(test_help_fits)
{
    const struct command *path[4] = {&program};

    check_help(path, 1);
}
END_TEST

static const struct {
    const char *url, *api;
} urls[] = {
    {"http://h:1", "http://h:1/api"},
    {"http://h:1/", "http://h:1/api"},
    {"http://h:1/api/", "http://h:1/api"},
    {"https://h/lab/api", "https://h/lab/api"},
    {"h:1", "http://h:1/api"},
    {"h:1/api", "http://h:1/api"},
};

START_TEST(test_urls)
{
    ck_assert_str_eq(api_url(&cli.arena, urls[_i].url), urls[_i].api);
}
END_TEST

static const struct {
    const char *text, *json;
} params[] = {
    {"a=1", "{\"a\":1}"},
    {"a=x", "{\"a\":\"x\"}"},
    {"a=", "{\"a\":\"\"}"},
    {"a=true", "{\"a\":true}"},
    {"a=[1,2]", "{\"a\":[1,2]}"},
    {"a=b=c", "{\"a\":\"b=c\"}"},
    {"a=01", "{\"a\":\"01\"}"},
    {"a=\"1\"", "{\"a\":\"1\"}"},
    {"a=1.5e3", "{\"a\":1500.0}"},
    {"a=null", "{\"a\":null}"},
    {"a=4711x", "{\"a\":\"4711x\"}"},
    {"=1", NULL},
    {"a", NULL},
};

START_TEST(test_params)
{
    json_t *into = json_object();

    enum err_code code = param_set(&cli.err, params[_i].text, into);
    ck_assert_int_eq(code, params[_i].json ? ERR_OK : ERR_INVALID);
    if (params[_i].json) {
        char *text = json_dumps(into, JSON_COMPACT);
        ck_assert_str_eq(text, params[_i].json);
        free(text);
    }
    json_decref(into);
}
END_TEST

START_TEST(test_matrix)
{
    json_t *fixed = json_pack("{s:i}", "n", 3), *axes = json_object(), *all = NULL;

    ck_assert_int_eq(axis_add(&cli.err, "model=a.tflite,b.tflite", axes), ERR_OK);
    ck_assert_int_eq(axis_add(&cli.err, "shape=[1,2],\"x,y\",7", axes), ERR_OK);
    ck_assert_int_eq(axis_add(&cli.err, "model=c", axes), ERR_INVALID);
    ck_assert_int_eq(axis_add(&cli.err, "k=a,,b", axes), ERR_INVALID);
    ck_assert_int_eq(axis_add(&cli.err, "twice=a,b,a", axes), ERR_INVALID);
    ck_assert_str_eq(cli.err.detail, "--matrix twice has the value a twice");
    json_object_del(axes, "twice");
    json_object_del(axes, "k");
    ck_assert_int_eq(matrix_expand(&cli.err, fixed, axes, 5, &all), ERR_INVALID);
    ck_assert_int_eq(matrix_expand(&cli.err, fixed, axes, 6, &all), ERR_OK);
    ck_assert_uint_eq(json_array_size(all), 6);
    char *second = json_dumps(json_array_get(all, 1), JSON_COMPACT);
    ck_assert_str_eq(second, "{\"n\":3,\"model\":\"a.tflite\",\"shape\":\"x,y\"}");
    ck_assert_str_eq(combination_name(&cli.arena, axes, json_array_get(all, 5)), "b-7");
    free(second);
    json_decref(all);
    json_decref(axes);
    json_decref(fixed);
}
END_TEST

START_TEST(test_run_key_ignores_order)
{
    json_t *x = json_pack("{s:i,s:s}", "a", 1, "b", "z"),
           *y = json_pack("{s:s,s:i}", "b", "z", "a", 1);
    json_t *z = json_pack("{s:s,s:i}", "b", "z", "a", 2);
    const char *key = run_key(&cli.arena, "c", "d", x);

    ck_assert_str_eq(key, run_key(&cli.arena, "c", "d", y));
    ck_assert_str_ne(key, run_key(&cli.arena, "c", "d", z));
    ck_assert_str_ne(key, run_key(&cli.arena, "e", "d", x));
    json_decref(x);
    json_decref(y);
    json_decref(z);
}
END_TEST

START_TEST(test_exit_statuses)
{
    ck_assert_int_eq(exit_status(ERR_OK), 0);
    ck_assert_int_eq(exit_status(ERR_INTERNAL), 1);
    ck_assert_int_eq(exit_status(ERR_INVALID), 2);
    ck_assert_int_eq(exit_status(ERR_NOT_FOUND), 3);
    ck_assert_int_eq(exit_status(ERR_NETWORK), 4);
    ck_assert_int_eq(exit_status(ERR_AUTH), 6);
    ck_assert_int_eq(exit_status(ERR_CONFLICT), 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cli");
    TCase *t = tcase_create("cli");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_lines, 0, (int)COUNT(lines));
    tcase_add_test(t, test_options);
    tcase_add_test(t, test_help_fits);
    tcase_add_loop_test(t, test_urls, 0, (int)COUNT(urls));
    tcase_add_loop_test(t, test_params, 0, (int)COUNT(params));
    tcase_add_test(t, test_matrix);
    tcase_add_test(t, test_run_key_ignores_order);
    tcase_add_test(t, test_exit_statuses);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
