#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/civil.h"
#include "server/model/schedule.h"

#define SECOND_US INT64_C(1000000)

static struct arena arena;
static struct zones *zones;

static void setup(void)
{
    zones = zones_new(NULL);
}

static void teardown(void)
{
    zones_free(zones);
    arena_reset(&arena);
}

static enum err_code read_text(const char *text, struct schedule *out, struct err *e)
{
    struct doc *doc = arena_new(&arena, struct doc);
    struct doc_error error;
    ck_assert_msg(doc_parse(&arena, text, strlen(text), doc, &error), "%s", text);
    return schedule_read(&arena, zones, doc_root(doc), 1704067200 * SECOND_US, out, e);
}

/* ---- what Prefect gives ---- */

static const struct vector {
    char kind;
    const char *zone, *rule;
    int64_t start_s;
    size_t count;
    double after_s[6];
} vectors[] = {
#include "tests/unit/schedule_vectors.h"
};

static const char *json(const struct vector *v)
{
    char seconds[40], anchor[40];
    if (v->kind == 'C')
        return arena_printf(&arena, "{\"cron\":\"%s\",\"timezone\":\"%s\"}", v->rule, v->zone);
    if (v->kind == 'R')
        return arena_printf(&arena, "{\"rrule\":\"%s\",\"timezone\":\"%s\"}", v->rule, v->zone);
    ck_assert_int_eq(sscanf(v->rule, "%39s %39s", seconds, anchor), 2);
    return arena_printf(&arena, "{\"interval\":%s,\"anchor_date\":\"%s\",\"timezone\":\"%s\"}",
                        seconds, anchor, v->zone);
}

static bool same(const struct vector *v, const struct schedule_dates *dates)
{
    if (dates->count != v->count)
        return false;
    for (size_t i = 0; i < v->count; i++)
        if (dates->items[i] != v->start_s * SECOND_US + llround(v->after_s[i] * 1e6))
            return false;
    return true;
}

static void show(const struct vector *v, const struct schedule_dates *dates)
{
    fprintf(stderr, "%c %s %s from %" PRId64 "\n  expected", v->kind, v->zone, v->rule, v->start_s);
    for (size_t i = 0; i < v->count; i++)
        fprintf(stderr, " %.1f", v->after_s[i]);
    fprintf(stderr, "\n  got     ");
    for (size_t i = 0; i < dates->count; i++)
        fprintf(stderr, " %.1f", (double)(dates->items[i] - v->start_s * SECOND_US) * 1e-6);
    fprintf(stderr, "\n");
}

START_TEST(dates_are_those_of_prefect)
{
    size_t wrong = 0;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct schedule s;
        struct schedule_dates dates;
        struct err e = {0};
        if (v->kind != (char)_i)
            continue;
        ck_assert_msg(read_text(json(v), &s, &e) == ERR_OK, "%s: %s", v->rule, e.detail);
        schedule_dates(&arena, &s, v->start_s * SECOND_US,
                       (v->start_s + 1500 * (int64_t)DAY_S) * SECOND_US, 6, &dates);
        if (!same(v, &dates) && wrong++ < 10)
            show(v, &dates);
        if (i % 100 == 0)
            arena_reset(&arena);
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(there_are_enough_vectors)
{
    ck_assert_uint_gt(COUNT(vectors), 2000);
}
END_TEST

/* ---- reading ---- */

static const struct {
    const char *text, *stored;
} stored[] = {
    {"{\"interval\":3600}",
     "{\"interval\":3600.0,\"anchor_date\":\"2024-01-01T00:00:00Z\",\"timezone\":\"UTC\"}"},
    {"{\"interval\":\"P1DT1H\",\"anchor_date\":\"2024-02-03T04:05:06+02:00\",\"timezone\":"
     "\"Europe/Berlin\"}",
     "{\"interval\":90000.0,\"anchor_date\":\"2024-02-03T04:05:06+02:00\",\"timezone\":\"Europe/"
     "Berlin\"}"},
    {"{\"cron\":\"@daily\"}", "{\"cron\":\"@daily\",\"timezone\":null,\"day_or\":true}"},
    {"{\"cron\":\"0 0 1 * 1\",\"day_or\":false,\"timezone\":\"UTC\"}",
     "{\"cron\":\"0 0 1 * 1\",\"timezone\":\"UTC\",\"day_or\":false}"},
    {"{\"rrule\":\"FREQ=DAILY\"}",
     "{\"rrule\":\"DTSTART:20200101T000000\\nFREQ=DAILY\",\"timezone\":\"UTC\"}"},
    {"{\"rrule\":\"FREQ=MINUTELY;INTERVAL=7\",\"timezone\":\"America/New_York\"}",
     "{\"rrule\":\"DTSTART:20231231T185500\\nFREQ=MINUTELY;INTERVAL=7\",\"timezone\":\"America/"
     "New_York\"}"},
    {"{\"rrule\":\"FREQ=MINUTELY;COUNT=7\"}",
     "{\"rrule\":\"DTSTART:20200101T000000\\nFREQ=MINUTELY;COUNT=7\",\"timezone\":\"UTC\"}"},
    {"{\"rrule\":\"DTSTART:20240101\\nRRULE:FREQ=DAILY\",\"timezone\":\"Asia/Tokyo\"}",
     "{\"rrule\":\"DTSTART:20240101\\nRRULE:FREQ=DAILY\",\"timezone\":\"Asia/Tokyo\"}"},
};

START_TEST(a_schedule_is_stored_complete)
{
    struct schedule s;
    struct err e = {0};
    struct buf b = {.max_bytes = 10000};
    ck_assert_msg(read_text(stored[_i].text, &s, &e) == ERR_OK, "%s", e.detail);
    schedule_write(&b, &s);
    buf_lit(&b, "\0");
    ck_assert_str_eq(b.bytes, stored[_i].stored);
    buf_free(&b);
}
END_TEST

static const struct {
    const char *text, *reason;
} refused[] = {
    {"{}", "interval, cron or rrule"},
    {"[]", "interval, cron or rrule"},
    {"{\"interval\":0}", "above 0 s"},
    {"{\"interval\":-5}", "above 0 s"},
    {"{\"interval\":\"soon\"}", "interval must be a duration"},
    {"{\"interval\":null}", "interval must be a duration"},
    {"{\"interval\":60,\"anchor_date\":\"yesterday\"}", "anchor_date \"yesterday\""},
    {"{\"interval\":60,\"cron\":\"* * * * *\"}", "unknown member \"cron\""},
    {"{\"interval\":60,\"timezone\":\"Mars/Olympus\"}", "Invalid timezone: \"Mars/Olympus\""},
    {"{\"interval\":60,\"timezone\":7}", "timezone must be"},
    {"{\"cron\":7}", "cron must be"},
    {"{\"cron\":\"* * *\"}", "has 3 fields"},
    {"{\"cron\":\"* * * * *\",\"day_or\":7}", "day_or must be"},
    {"{\"rrule\":\"\"}", "no RRULE"},
    {"{\"rrule\":\"FREQ=FORTNIGHTLY\"}", "FREQ=FORTNIGHTLY; expected YEARLY"},
    {"{\"rrule\":\"INTERVAL=2\"}", "has no FREQ="},
    {"{\"rrule\":\"FREQ=DAILY;INTERVAL=0\"}", "INTERVAL=0; expected a whole number above 0"},
    {"{\"rrule\":\"FREQ=DAILY;BYMONTH=13\"}", "BYMONTH=13; expected 1 to 12"},
    {"{\"rrule\":\"FREQ=DAILY;BYDAY=XX\"}", "BYDAY=XX; expected MO"},
    {"{\"rrule\":\"FREQ=DAILY;BYEASTER=0\"}", "unknown part \"BYEASTER\""},
    {"{\"rrule\":\"FREQ=DAILY;UNTIL=never\"}", "UNTIL=NEVER; expected YYYYMMDD"},
    {"{\"rrule\":\"VEVENT:1\\nFREQ=DAILY\"}", "unsupported property"},
    {"{\"rrule\":\"DTSTART:20240230\\nFREQ=DAILY\"}", "DTSTART=20240230"},
    {"{\"rrule\":\"DTSTART:20240101\"}", "no RRULE"},
};

START_TEST(a_refusal_says_what_was_expected)
{
    struct schedule s;
    struct err e = {0};
    ck_assert_int_eq(read_text(refused[_i].text, &s, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.detail, refused[_i].reason) != NULL, "%s: %s", refused[_i].text,
                  e.detail);
}
END_TEST

/* ---- bounds ---- */

/* Rules without dates, or with more work than anyone should do, end. */
static const struct {
    const char *text;
    size_t count;
} bounded[] = {
    {"{\"rrule\":\"FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30\"}", 0},
    {"{\"rrule\":\"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\"}", 0},
    {"{\"rrule\":\"FREQ=MINUTELY;INTERVAL=60;BYMINUTE=30\"}", 0},
    {"{\"rrule\":\"FREQ=SECONDLY;INTERVAL=60;BYSECOND=30\"}", 0},
    {"{\"rrule\":\"FREQ=DAILY;COUNT=0\"}", 0},
    {"{\"rrule\":\"FREQ=DAILY;BYSETPOS=2\"}", 0},
    {"{\"rrule\":\"DTSTART:00010101\\nFREQ=SECONDLY\"}", 1000},
    {"{\"rrule\":\"DTSTART:20200101\\nFREQ=SECONDLY;COUNT=1000000000\"}", 0},
    {"{\"rrule\":\"FREQ=SECONDLY\\nEXRULE:FREQ=SECONDLY\"}", 0},
    {"{\"cron\":\"0 0 30 2 *\"}", 0},
    {"{\"cron\":\"* * * * * *\"}", 1000},
    {"{\"interval\":1e-6}", 1000},
    {"{\"interval\":9199999999999,\"anchor_date\":\"2025-01-01T00:00:00Z\"}", 1},
    {"{\"interval\":86400,\"anchor_date\":\"0001-01-01T02:30:00Z\",\"timezone\":\"America/"
     "New_York\"}",
     1000},
};

START_TEST(every_search_ends)
{
    struct schedule s;
    struct schedule_dates dates;
    struct err e = {0};
    ck_assert_msg(read_text(bounded[_i].text, &s, &e) == ERR_OK, "%s", e.detail);
    schedule_dates(&arena, &s, 1710000000 * SECOND_US, INT64_MAX, SIZE_MAX, &dates);
    ck_assert_uint_eq(dates.count, bounded[_i].count);
    for (size_t i = 1; i < dates.count; i++)
        ck_assert_int_gt(dates.items[i], dates.items[i - 1]);
}
END_TEST

START_TEST(the_end_is_included)
{
    struct schedule s;
    struct schedule_dates dates;
    struct err e = {0};
    ck_assert_int_eq(read_text("{\"cron\":\"0 * * * *\"}", &s, &e), ERR_OK);
    schedule_dates(&arena, &s, 1709996400 * SECOND_US, 1710003600 * SECOND_US, 10, &dates);
    ck_assert_uint_eq(dates.count, 3);
    ck_assert_int_eq(dates.items[0], 1709996400 * SECOND_US);
    ck_assert_int_eq(dates.items[2], 1710003600 * SECOND_US);
    schedule_dates(&arena, &s, 1709996400 * SECOND_US + 1, 1710003600 * SECOND_US - 1, 10, &dates);
    ck_assert_uint_eq(dates.count, 1);
}
END_TEST

START_TEST(a_date_is_shown_in_the_zone)
{
    struct schedule s;
    struct err e = {0};
    ck_assert_int_eq(
        read_text("{\"cron\":\"0 * * * *\",\"timezone\":\"America/New_York\"}", &s, &e), ERR_OK);
    ck_assert_str_eq(schedule_date_text(&arena, &s, 1710000000 * SECOND_US),
                     "2024-03-09 11:00:00-05:00");
    ck_assert_str_eq(schedule_date_text(&arena, &s, 1720000000 * SECOND_US + 5),
                     "2024-07-03 05:46:40.000005-04:00");
    ck_assert_str_eq(schedule_class(&s), "CronSchedule");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schedule");
    TCase *t = tcase_create("schedule");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, dates_are_those_of_prefect, 'C', 'C' + 1);
    tcase_add_loop_test(t, dates_are_those_of_prefect, 'I', 'I' + 1);
    tcase_add_loop_test(t, dates_are_those_of_prefect, 'R', 'R' + 1);
    tcase_add_test(t, there_are_enough_vectors);
    tcase_add_loop_test(t, a_schedule_is_stored_complete, 0, COUNT(stored));
    tcase_add_loop_test(t, a_refusal_says_what_was_expected, 0, COUNT(refused));
    tcase_add_loop_test(t, every_search_ends, 0, COUNT(bounded));
    tcase_add_test(t, the_end_is_included);
    tcase_add_test(t, a_date_is_shown_in_the_zone);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
