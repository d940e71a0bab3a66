/* What people see: times, cut cells, safe text, tables and details. */
#include "cli/table.h"

#include "shared/base/clock.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct arena a;
static char *shown;
static size_t shown_len;
static struct term term;

static void setup(void)
{
    int64_t now_us;

    ck_assert(time_parse("2026-01-02T00:00:00Z", 20, &now_us));
    term = (struct term){.out = open_memstream(&shown, &shown_len), .now_us = now_us};
}

static void teardown(void)
{
    fclose(term.out);
    free(shown);
    arena_reset(&a);
}

static const struct {
    int64_t away_s;
    const char *text;
} agos[] = {
    {0, "now"},        {-5, "5s ago"},          {-59, "59s ago"},       {-60, "1m ago"},
    {-3600, "1h ago"}, {-47 * 3600, "47h ago"}, {-48 * 3600, "2d ago"}, {125, "in 2m"},
};

START_TEST(test_ago)
{
    ck_assert_str_eq(time_ago(&a, 0, agos[_i].away_s * 1000000), agos[_i].text);
}
END_TEST

static const struct {
    double s;
    const char *text;
} durations[] = {
    {0.42, "0.4s"},   {59.9, "59.9s"},  {59.97, "1m 00s"}, {184, "3m 04s"},
    {7800, "2h 10m"}, {90000, "1d 1h"}, {-1, "-"},
};

START_TEST(test_duration)
{
    ck_assert_str_eq(duration_text(&a, durations[_i].s), durations[_i].text);
}
END_TEST

START_TEST(test_safe)
{
    ck_assert_str_eq(safe_text(&a, "a\033[2Jb\nc\tü\xc2\x9b"
                                   "d\x7f"),
                     "a [2Jb c ü d ");
}
END_TEST

START_TEST(test_cut)
{
    ck_assert_str_eq(text_cut(&a, "grün", 4), "grün");
    ck_assert_str_eq(text_cut(&a, "grünes", 4), "grü…");
}
END_TEST

static const struct column columns[] = {
    {"ID", "id", CELL_ID, true},
    {"NAME", "name", CELL_TEXT, false},
    {"STATE", "state_name", CELL_STATE, true},
    {"WHEN", "when", CELL_AGO, true},
    {"TAGS", "tags", CELL_LIST, false},
    {"PAUSED", "p", CELL_SWITCH, true},
    {NULL},
};

static json_t *rows(void)
{
    return json_pack("[{s:s,s:s,s:s,s:s,s:s,s:[ss],s:b},{s:s,s:s,s:n,s:s,s:[],s:b}]", "id",
                     "0123456789ab", "name", "a rather long name", "state_name", "Completed",
                     "state_type", "COMPLETED", "when", "2026-01-01T23:59:00Z", "tags", "x", "y",
                     "p", 1, "id", "0123456789cd", "name", "b", "state_name", "when",
                     "2026-01-02T00:00:09Z", "tags", "p", 0);
}

START_TEST(test_table_in_a_pipe)
{
    json_t *all = rows();

    table_print(&term, &a, columns, all);
    fflush(term.out);
    ck_assert_str_eq(shown, "ID           NAME                STATE      WHEN    TAGS  PAUSED\n"
                            "0123456789a  a rather long name  Completed  1m ago  x, y  paused\n"
                            "0123456789c  b                   -          in 9s   -     \n");
    json_decref(all);
}
END_TEST

START_TEST(test_table_on_a_terminal)
{
    json_t *all = rows();

    term.width = 56;
    term.color = true;
    table_print(&term, &a, columns, all);
    fflush(term.out);
    ck_assert_msg(strstr(shown, "a rather …  \033[32mCompleted\033[0m") != NULL, "%s", shown);
    json_decref(all);
}
END_TEST

START_TEST(test_details)
{
    static const struct column some[] = {
        {"Name", "a.name"}, {"Took", "t", CELL_DURATION}, {"More", "more"}, {NULL}};
    json_t *one = json_pack("{s:{s:s},s:f,s:{s:i}}", "a", "name", "x", "t", 1.5, "more", "k", 1);

    details_print(&term, &a, some, one);
    fflush(term.out);
    ck_assert_str_eq(shown, "Name  x\nTook  1.5s\nMore  \n  {\n    \"k\": 1\n  }\n");
    json_decref(one);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("table");
    TCase *t = tcase_create("table");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, test_ago, 0, (int)COUNT(agos));
    tcase_add_loop_test(t, test_duration, 0, (int)COUNT(durations));
    tcase_add_test(t, test_safe);
    tcase_add_test(t, test_cut);
    tcase_add_test(t, test_table_in_a_pipe);
    tcase_add_test(t, test_table_on_a_terminal);
    tcase_add_test(t, test_details);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
