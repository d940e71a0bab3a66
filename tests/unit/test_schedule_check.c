#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/deployment.h"
#include "server/model/schedule.h"

static struct arena arena;

static void setup(void)
{
    arena = (struct arena){0};
}

static void teardown(void)
{
    arena_reset(&arena);
}

static struct val parse(const char *text)
{
    struct doc *d = arena_new(&arena, struct doc);
    struct doc_error error;

    ck_assert_msg(doc_parse(&arena, text, strlen(text), d, &error), "%s: %s", text, error.reason);
    return doc_root(d);
}

static bool decode(const char *schedule, struct deployment_schedule *out, struct invalid *bad)
{
    const char *body = arena_printf(&arena, "{\"schedule\":%s}", schedule);

    *bad = (struct invalid){.arena = &arena};
    return json_decode(&deployment_schedule_create_resource, parse(body), &loc_body, out, bad) ==
           ERR_OK;
}

/* --- what is refused -----------------------------------------------------------------------------
 * Rows are what Prefect 3.9.1's DeploymentScheduleCreate says.  `I`, `C` and `R` are the three
 * kinds of schedule; `I.cron extra_forbidden` is an error of the member cron. */

static const struct {
    const char *schedule, *errors;
} refused[] = {
    {"{}", "I.interval missing, C.cron missing, R.rrule missing"},
    {"{\"interval\":0}", "I.interval value_error, C.cron missing, C.interval extra_forbidden, "
                         "R.rrule missing, R.interval extra_forbidden"},
    {"{\"interval\":-5}", "I.interval value_error, C.cron missing, C.interval extra_forbidden, "
                          "R.rrule missing, R.interval extra_forbidden"},
    {"{\"interval\":\"x\"}",
     "I.interval time_delta_parsing, C.cron missing, C.interval extra_forbidden, "
     "R.rrule missing, R.interval extra_forbidden"},
    {"{\"cron\":null}", "I.interval missing, I.cron extra_forbidden, C.cron string_type, "
                        "R.rrule missing, R.cron extra_forbidden"},
    {"{\"cron\":5}", "I.interval missing, I.cron extra_forbidden, C.cron string_type, "
                     "R.rrule missing, R.cron extra_forbidden"},
    {"{\"cron\":\"61 * * * *\"}", "I.interval missing, I.cron extra_forbidden, C.cron value_error, "
                                  "R.rrule missing, R.cron extra_forbidden"},
    {"{\"cron\":\"* * * * *\",\"timezone\":\"Mars/Base\"}",
     "I.interval missing, I.cron extra_forbidden, C value_error, "
     "R.rrule missing, R.timezone string_pattern_mismatch, R.cron extra_forbidden"},
    {"{\"cron\":\"* * * * *\",\"day_or\":\"maybe\"}",
     "I.interval missing, I.cron extra_forbidden, I.day_or extra_forbidden, C.day_or bool_parsing, "
     "R.rrule missing, R.cron extra_forbidden, R.day_or extra_forbidden"},
    {"{\"rrule\":\"FREQ=DAILY\",\"timezone\":\"Mars/Base\"}",
     "I.interval missing, I.rrule extra_forbidden, C.cron missing, C.rrule extra_forbidden, "
     "R.timezone string_pattern_mismatch"},
    {"{\"interval\":3600,\"cron\":\"* * * * *\"}",
     "I.cron extra_forbidden, C.interval extra_forbidden, "
     "R.rrule missing, R.interval extra_forbidden, R.cron extra_forbidden"},
    {"{\"interval\":3600,\"timezone\":\"Mars/Base\"}",
     "I value_error, C.cron missing, C.interval extra_forbidden, "
     "R.rrule missing, R.timezone string_pattern_mismatch, R.interval extra_forbidden"},
    {"{\"interval\":3600,\"anchor_date\":\"yesterday\"}",
     "I.anchor_date value_error, C.cron missing, C.interval extra_forbidden, "
     "C.anchor_date extra_forbidden, "
     "R.rrule missing, R.interval extra_forbidden, R.anchor_date extra_forbidden"},
    {"{\"interval\":3600,\"anchor_date\":null}",
     "I.anchor_date value_error, C.cron missing, C.interval extra_forbidden, "
     "C.anchor_date extra_forbidden, "
     "R.rrule missing, R.interval extra_forbidden, R.anchor_date extra_forbidden"},
    {"{\"interval\":3600,\"anchor_date\":true}",
     "I.anchor_date value_error, C.cron missing, C.interval extra_forbidden, "
     "C.anchor_date extra_forbidden, "
     "R.rrule missing, R.interval extra_forbidden, R.anchor_date extra_forbidden"},
    {"{\"cron\":\"* * * * *\",\"more\":1}",
     "I.interval missing, I.cron extra_forbidden, I.more extra_forbidden, C.more extra_forbidden, "
     "R.rrule missing, R.cron extra_forbidden, R.more extra_forbidden"},
    /* FastAPI reads bodies from attributes, too */
    {"\"x\"", "I model_attributes_type, C model_attributes_type, R model_attributes_type"},
    {"[]", "I model_attributes_type, C model_attributes_type, R model_attributes_type"},
    {"null", "I model_attributes_type, C model_attributes_type, R model_attributes_type"},
};

/* The kind's letter is the first capital before Schedule. */
static char kind_of(const char *name)
{
    return *(strstr(name, "RRule") ? "R" : strstr(name, "Cron") ? "C" : "I");
}

/* `C.cron missing` of one error. */
static const char *brief(struct val error)
{
    const char *text;
    struct val_iter at = val_each(val_get(error, "loc"));

    for (int i = 0; i < 3; i++) /* body, schedule, the kind */
        ck_assert(val_next(&at));
    text = arena_printf(&arena, "%c", kind_of(val_string(&arena, at.value, NULL)));
    while (val_next(&at))
        text = arena_printf(&arena, "%s.%s", text, val_string(&arena, at.value, NULL));
    return arena_printf(&arena, "%s %s", text, val_string(&arena, val_get(error, "type"), NULL));
}

static const char *summary(const struct invalid *bad)
{
    const char *text = "";
    struct val list = parse(arena_printf(&arena, "[%.*s]", (int)bad->list->len, bad->list->bytes));

    for (struct val_iter it = val_each(list); val_next(&it);)
        text = arena_printf(&arena, "%s%s%s", text, *text ? ", " : "", brief(it.value));
    return text;
}

START_TEST(a_refusal_tells_about_each_kind)
{
    struct deployment_schedule s;
    struct invalid bad;

    ck_assert_msg(!decode(refused[_i].schedule, &s, &bad), "%s", refused[_i].schedule);
    ck_assert_str_eq(summary(&bad), refused[_i].errors);
}
END_TEST

/* ---- the words ---- */

static const struct {
    const char *schedule, *message;
} worded[] = {
    {"{\"interval\":0}", "Value error, interval must be positive"},
    {"{\"cron\":\"61 * * * *\"}", "Value error, Invalid cron string: \"61 * * * *\""},
    {"{\"cron\":\"\"}", "Value error, Invalid cron string: \"\""},
    {"{\"cron\":\"H * * * *\"}", "Value error, Invalid cron string: \"H * * * *\""},
    {"{\"cron\":\"R * * * *\"}",
     "Value error, Random and Hashed expressions are unsupported, received: \"R * * * *\""},
    {"{\"cron\":\"r * * * *\"}",
     "Value error, Random and Hashed expressions are unsupported, received: \"r * * * *\""},
    {"{\"cron\":\"* r * * *\"}",
     "Value error, Random and Hashed expressions are unsupported, received: \"* r * * *\""},
    {"{\"rrule\":\"\"}", "Value error, Invalid RRule string \"\": it has no RRULE and no RDATE"},
    {"{\"rrule\":\"FREQ=NEVER\"}",
     "Value error, Invalid RRule string \"FREQ=NEVER\": FREQ=NEVER; expected YEARLY, MONTHLY, "
     "WEEKLY, DAILY, HOURLY, MINUTELY or SECONDLY"},
    {"{\"interval\":3600,\"timezone\":\"Mars/Base\"}",
     "Value error, Invalid timezone: \"Mars/Base\" (specify in IANA tzdata format, for example, "
     "America/New_York)"},
    {"{\"interval\":3600,\"anchor_date\":\"yesterday\"}",
     "Value error, Unable to parse string [yesterday]"},
    {"{\"interval\":3600,\"anchor_date\":\"\"}", "Value error, Unable to parse string []"},
    {"{\"interval\":3600,\"anchor_date\":null}", "value is not a valid datetime"},
    {"{\"interval\":3600,\"anchor_date\":{}}", "value is not a valid datetime"},
};

START_TEST(a_refusal_says_why)
{
    struct deployment_schedule s;
    struct invalid bad;

    ck_assert(!decode(worded[_i].schedule, &s, &bad));
    struct val list = parse(arena_printf(&arena, "[%.*s]", (int)bad.list->len, bad.list->bytes));
    for (struct val_iter it = val_each(list); val_next(&it);) {
        const char *type = val_string(&arena, val_get(it.value, "type"), NULL);
        if (strcmp(type, "value_error") != 0)
            continue;
        ck_assert_str_eq(val_string(&arena, val_get(it.value, "msg"), NULL), worded[_i].message);
        return;
    }
    ck_abort_msg("%s: no value_error", worded[_i].schedule);
}
END_TEST

/* ---- what is accepted ---- */

static const char *const accepted[] = {
    "{\"interval\":3600}",
    "{\"interval\":\"PT1H\",\"anchor_date\":\"2024-02-03T04:05:06+02:00\",\"timezone\":\"Europe/"
    "Berlin\"}",
    "{\"interval\":3600,\"anchor_date\":5}",
    "{\"interval\":3600,\"timezone\":null}",
    "{\"interval\":3600,\"timezone\":\"\"}",
    "{\"cron\":\"* * * * *\"}",
    "{\"cron\":\"* * * * * *\"}",
    "{\"cron\":\"@daily\",\"day_or\":false}",
    "{\"cron\":\"* * * * *\",\"timezone\":\"\"}",
    "{\"rrule\":\"FREQ=DAILY\"}",
    "{\"rrule\":\"FREQ=DAILY\",\"timezone\":null}",
};

START_TEST(an_accepted_schedule_is_kept_and_has_dates)
{
    struct deployment_schedule s;
    struct schedule schedule;
    struct schedule_dates dates;
    struct zones *zones = zones_new(NULL);
    struct invalid bad;
    struct err e = {0};
    const int64_t now_us = INT64_C(1704067200000000), week_us = INT64_C(604800000000);

    ck_assert_msg(decode(accepted[_i], &s, &bad), "%s: %s", accepted[_i], bad.first);
    ck_assert_uint_eq(s.schedule.len, strlen(accepted[_i]));
    ck_assert(!memcmp(s.schedule.text, accepted[_i], s.schedule.len));
    ck_assert_msg(!schedule_read(&arena, zones, parse(accepted[_i]), now_us, &schedule, &e), "%s",
                  e.detail);
    schedule_dates(&arena, &schedule, now_us, now_us + week_us, 3, &dates);
    ck_assert_uint_eq(dates.count, 3);
    zones_free(zones);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schedule check");
    TCase *t = tcase_create("all");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, a_refusal_tells_about_each_kind, 0, COUNT(refused));
    tcase_add_loop_test(t, a_refusal_says_why, 0, COUNT(worded));
    tcase_add_loop_test(t, an_accepted_schedule_is_kept_and_has_dates, 0, COUNT(accepted));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
