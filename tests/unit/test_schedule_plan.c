#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/schedule_plan.h"
#include "shared/base/clock.h"

#define S(n)   ((int64_t)(n)*1000000)
#define NOW    S(1700000000) /* 2023-11-14T22:13:20Z */
#define HOUR   S(3600)
#define DAY    S(86400)
#define ANCHOR "2023-11-14T00:00:00Z"

static struct arena arena;
static struct zones *zones;
static const struct schedule_window usual = {NOW, NOW + 100 * DAY, HOUR, 3, 100};

static void setup(void)
{
    zones = zones_new(NULL);
}

static void teardown(void)
{
    zones_free(zones);
    arena_reset(&arena);
}

static struct doc *parse(const char *text)
{
    struct doc *doc = arena_new(&arena, struct doc);
    struct doc_error bad;
    ck_assert_msg(doc_parse(&arena, text, strlen(text), doc, &bad), "%s", text);
    return doc;
}

static struct schedule every(int64_t seconds)
{
    struct schedule s;
    struct err e;
    const char *text = arena_printf(&arena, "{\"interval\":%lld,\"anchor_date\":\"" ANCHOR "\"}",
                                    (long long)seconds);
    ck_assert_int_eq(schedule_read(&arena, zones, doc_root(parse(text)), NOW, &s, &e), ERR_OK);
    return s;
}

static struct misfire policy(const char *text)
{
    struct misfire m;
    const char *wrong = misfire_read(&arena, (struct raw){text, text ? strlen(text) : 0}, &m);
    ck_assert_msg(!wrong, "%s", wrong);
    return m;
}

static struct schedule_plan plan(int64_t seconds, const struct schedule_window *window,
                                 int64_t made_until_us, const char *misfire)
{
    struct schedule s = every(seconds);
    struct misfire m = policy(misfire);
    struct schedule_plan p;
    schedule_plan(&arena, &s, window, made_until_us, &m, &p);
    return p;
}

/* Counts of a running Prefect 3.9.1: as many as fill the hour, at least 3, at most 100. */
static const struct {
    int64_t every_s;
    size_t count;
} counts[] = {{1800, 3}, {60, 61}, {1, 100}, {86400, 3}, {86400 * 40, 2}, {86400 * 200, 0}};

START_TEST(as_many_runs_as_prefect_makes)
{
    struct schedule_plan p = plan(counts[_i].every_s, &usual, TIME_NONE, NULL);

    ck_assert_uint_eq(p.make.count, counts[_i].count);
    for (size_t i = 0; i < p.make.count; i++)
        ck_assert_int_ge(p.make.items[i], NOW);
}
END_TEST

/* Looking when it is due, and only then, gives every date once. */
START_TEST(due_is_when_runs_get_few)
{
    int64_t made_until_us = TIME_NONE;
    struct schedule_window w = usual;
    size_t made = 0;

    for (int at = 0; at < 50; at++) {
        struct schedule_plan p = plan(counts[_i].every_s, &w, made_until_us, NULL);
        for (size_t i = 0; i < p.make.count; i++, made++) {
            ck_assert_int_gt(p.make.items[i], made_until_us);
            made_until_us = p.make.items[i];
        }
        ck_assert_int_ge(p.made_until_us, made_until_us);
        made_until_us = p.made_until_us;
        ck_assert_int_ne(p.due_us, TIME_NONE);
        ck_assert_int_gt(p.due_us, w.start_us);
        w.end_us += p.due_us - w.start_us;
        w.start_us = p.due_us;
        arena_reset(&arena);
    }
    ck_assert_uint_gt(made, 3);
}
END_TEST

START_TEST(a_rule_that_ends_is_not_looked_at_again)
{
    struct schedule s;
    struct schedule_plan p;
    struct err e;
    struct doc *rule = parse("{\"rrule\":\"DTSTART:20231115T000000\\nRRULE:FREQ=DAILY;COUNT=2\"}");

    ck_assert_int_eq(schedule_read(&arena, zones, doc_root(rule), NOW, &s, &e), ERR_OK);
    schedule_plan(&arena, &s, &usual, TIME_NONE, &(struct misfire){0}, &p);
    ck_assert_uint_eq(p.make.count, 2);
    ck_assert_int_eq(p.due_us, TIME_NONE);
}
END_TEST

/* The server was away for ten hours; runs were made up to its start. */
static const struct {
    const char *misfire;
    size_t missed;
} outages[] = {
    {NULL, 0},
    {"{\"policy\":\"run_all\"}", 10},
    {"{\"policy\":\"latest_only\"}", 1},
    {"{\"policy\":\"skip_if_later_than\",\"seconds\":7200}", 2},
    {"{\"policy\":\"skip_if_later_than\",\"seconds\":10}", 0},
    {"{\"policy\":\"cancel\"}", 0},
};

START_TEST(what_was_missed_follows_the_policy)
{
    struct schedule_plan p = plan(3600, &usual, NOW - 10 * HOUR, outages[_i].misfire);
    size_t past = 0;

    for (size_t i = 0; i < p.make.count; i++)
        past += p.make.items[i] < NOW;
    ck_assert_uint_eq(past, outages[_i].missed);
    ck_assert_uint_eq(p.make.count - past, 3);
    if (past == 1)
        ck_assert_int_gt(p.make.items[0], NOW - HOUR);
}
END_TEST

START_TEST(a_late_scheduler_loses_nothing)
{
    struct schedule_plan p = plan(10, &usual, NOW - S(30), NULL);
    ck_assert_int_le(p.make.items[0], NOW - S(20));
}
END_TEST

START_TEST(a_long_absence_is_caught_up_in_parts)
{
    int64_t made_until_us = NOW - S(3000);
    size_t made = 0, parts = 0;
    struct schedule_plan p;

    do {
        p = plan(1, &usual, made_until_us, "{\"policy\":\"run_all\"}");
        ck_assert_int_gt(p.make.items[0], made_until_us);
        made += p.make.count;
        made_until_us = p.made_until_us;
        parts++;
    } while (p.due_us == NOW);
    ck_assert_uint_eq(made, 3000 + 99); /* the 100 from now on begin with now */
    ck_assert_uint_ge(parts, 3);
}
END_TEST

static const char *const wrong_policies[] = {
    "5",
    "{}",
    "{\"policy\":\"never\"}",
    "{\"policy\":\"cancel\",\"seconds\":5}",
    "{\"policy\":\"skip_if_later_than\"}",
    "{\"policy\":\"skip_if_later_than\",\"seconds\":-1}",
    "{\"policy\":\"skip_if_later_than\",\"seconds\":\"5\"}",
    "{\"policy\":\"run_all\",\"more\":1}",
};

START_TEST(a_wrong_policy_is_refused)
{
    struct misfire m;
    const char *text = wrong_policies[_i];
    ck_assert_ptr_nonnull(misfire_read(&arena, (struct raw){text, strlen(text)}, &m));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schedule plan");
    TCase *t = tcase_create("plan");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, as_many_runs_as_prefect_makes, 0, COUNT(counts));
    tcase_add_loop_test(t, due_is_when_runs_get_few, 0, COUNT(counts));
    tcase_add_test(t, a_rule_that_ends_is_not_looked_at_again);
    tcase_add_loop_test(t, what_was_missed_follows_the_policy, 0, COUNT(outages));
    tcase_add_test(t, a_late_scheduler_loses_nothing);
    tcase_add_test(t, a_long_absence_is_caught_up_in_parts);
    tcase_add_loop_test(t, a_wrong_policy_is_refused, 0, COUNT(wrong_policies));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
