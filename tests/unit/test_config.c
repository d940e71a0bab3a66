/* The agent's settings: command line over file over environment, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/config.h"

static char file[] = "/tmp/test-config-XXXXXX";

static enum err_code read_config(struct arena *a, const char *line, const char *yaml,
                                 struct agent_config *out, struct err *e)
{
    char *argv[20] = {"switchyard-worker"}, *words = arena_strndup(a, line, strlen(line));
    int argc = 1;

    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "FILE") ? word : file;
    FILE *f = fopen(file, "w");
    fputs(yaml, f);
    fclose(f);
    return agent_config_read(a, argc, argv, out, e);
}

static const struct {
    const char *line, *yaml;
    const char *api_url, *pool, *name;
    int slots, drain_s, benches;
} good[] = {
    {"--server http://h:4200 --pool p --name n", "", "http://h:4200/api", "p", "n", 4, 600, 0},
    {"--server http://h:4200/api --pool p --name n", "", "http://h:4200/api", "p", "n", 4, 600, 0},
    {"--server https://h/sub/api/ --pool p --name n", "", "https://h/sub/api", "p", "n", 4, 600, 0},
    {"--config FILE", "server: http://s\npool: q\nname: m\nslots: 7\ndrain_timeout: 5\n",
     "http://s/api", "q", "m", 7, 5, 0},
    {"--slots 9 --config FILE --pool other", "server: http://s\npool: q\nname: m\nslots: 7\n",
     "http://s/api", "other", "m", 9, 600, 0},
    {"--server http://s --pool p --name n --config FILE",
     "benches:\n  - {name: b, target: t, emulated: true}\n", "http://s/api", "p", "n", 4, 600, 1},
    {"--server http://s --pool p --name n --config FILE", "", "http://s/api", "p", "n", 4, 600, 0},
};

START_TEST(settings_come_from_where_they_should)
{
    struct arena a = {0};
    struct agent_config c;
    struct err e = {0};

    ck_assert_msg(read_config(&a, good[_i].line, good[_i].yaml, &c, &e) == ERR_OK, "%s", e.detail);
    ck_assert_str_eq(c.api_url, good[_i].api_url);
    ck_assert_str_eq(c.pool, good[_i].pool);
    ck_assert_str_eq(c.name, good[_i].name);
    ck_assert_int_eq(c.slots, good[_i].slots);
    ck_assert_int_eq(c.drain_timeout_s, good[_i].drain_s);
    ck_assert_uint_eq(json_array_size(c.benches), (size_t)good[_i].benches);
    arena_reset(&a);
}
END_TEST

static const struct {
    const char *line, *yaml, *says;
} bad[] = {
    {"--pool p", "", "--server is missing"},
    {"--server http://s", "", "--pool is missing"},
    {"--server ftp://s --pool p", "", "must begin with http:// or https://"},
    {"--server http://s --pool p --slots 0", "",
     "--slots: `0` must be a whole number from 1 to 1000"},
    {"--server http://s --pool p --slots 2x", "", "`2x`"},
    {"--server http://s --pool", "", "--pool: a value is missing"},
    {"--server http://s --pool p --nope", "", "--nope: there is no such option"},
    {"--server http://s --pool p extra", "", "extra: was not expected"},
    {"--config /no/such/file", "", "/no/such/file: No such file"},
    {"--config FILE", "server: http://s\npool: p\nslotz: 3\n",
     ":3:1: slotz: there is no such setting"},
    {"--config FILE", "server: http://s\npool: [a]\n",
     ":2:1: pool: must be a text or a whole number"},
    {"--config FILE", "server: http://s\nslots: many\n",
     ":2:1: slots: `many` must be a whole number"},
    {"--config FILE", "- a\n", "must be a map"},
    {"--config FILE", "a: [\n", ":2:1:"},
};

START_TEST(what_is_wrong_is_named)
{
    struct arena a = {0};
    struct agent_config c;
    struct err e = {0};

    ck_assert(read_config(&a, bad[_i].line, bad[_i].yaml, &c, &e) != ERR_OK);
    ck_assert_msg(strstr(e.detail, bad[_i].says) != NULL, "%s: %s", bad[_i].line, e.detail);
    arena_reset(&a);
}
END_TEST

START_TEST(the_environment_gives_server_and_authorization)
{
    struct arena a = {0};
    struct agent_config c;
    struct err e = {0};

    setenv("PREFECT_API_URL", "http://env:1/api", 1);
    setenv("PREFECT_API_AUTH_STRING", "user:secret", 1);
    ck_assert_int_eq(read_config(&a, "--pool p", "", &c, &e), ERR_OK);
    ck_assert_str_eq(c.api_url, "http://env:1/api");
    ck_assert_str_eq(c.authorization, "Basic dXNlcjpzZWNyZXQ=");
    arena_reset(&a);
}
END_TEST

int main(void)
{
    unsetenv("PREFECT_API_URL");
    unsetenv("PREFECT_API_AUTH_STRING");
    close(mkstemp(file));
    Suite *s = suite_create("config");
    TCase *t = tcase_create("config");
    tcase_add_loop_test(t, settings_come_from_where_they_should, 0, COUNT(good));
    tcase_add_loop_test(t, what_is_wrong_is_named, 0, COUNT(bad));
    tcase_add_test(t, the_environment_gives_server_and_authorization);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    unlink(file);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
