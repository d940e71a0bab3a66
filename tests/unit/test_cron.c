#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/civil.h"
#include "server/model/cron.h"

/* What comes first after 2024-01-10 10:10:10, a Wednesday, or why the text is refused.
 * Dates that croniter gives stand in schedule_vectors.h too. */
static const struct {
    const char *text;
    int year, month, day, hour, minute, second;
} firsts[] = {
    {"* * * * *", 2024, 1, 10, 10, 11, 0},       {"*/15 * * * *", 2024, 1, 10, 10, 15, 0},
    {"10/15 * * * *", 2024, 1, 10, 10, 25, 0},   {"0 9-17 * * mon-fri", 2024, 1, 10, 11, 0, 0},
    {"0 9 * * 7", 2024, 1, 14, 9, 0, 0},         {"0 9 * * fri-mon", 2024, 1, 12, 9, 0, 0},
    {"0 0 L * *", 2024, 1, 31, 0, 0, 0},         {"0 0 * * L5", 2024, 1, 26, 0, 0, 0},
    {"0 0 * * fri#2", 2024, 1, 12, 0, 0, 0},     {"0 0 * * mon#5", 2024, 1, 29, 0, 0, 0},
    {"0 0 13 * fri", 2024, 1, 12, 0, 0, 0},      {"0 0 29 2 *", 2024, 2, 29, 0, 0, 0},
    {"0 0 ? * ?", 2024, 1, 11, 0, 0, 0},         {"* * * * * */20", 2024, 1, 10, 10, 10, 20},
    {"0 0 1 jan * 0 2030", 2030, 1, 1, 0, 0, 0}, {"@hourly", 2024, 1, 10, 11, 0, 0},
    {"@Weekly", 2024, 1, 14, 0, 0, 0},           {"@yearly", 2025, 1, 1, 0, 0, 0},
    {"0 0 0 * * 0", 2024, 2, 1, 0, 0, 0},
};

START_TEST(the_first_date_is_found)
{
    struct cron c;
    struct err e = {0};
    int64_t at, after = civil_days(2024, 1, 10) * DAY_S + 10 * HOUR_S + 10 * MINUTE_S + 10;

    ck_assert_msg(cron_parse(firsts[_i].text, &c, &e) == ERR_OK, "%s", e.detail);
    ck_assert(cron_next(&c, after, &at));
    ck_assert_int_eq(at, civil_days(firsts[_i].year, firsts[_i].month, firsts[_i].day) * DAY_S +
                             firsts[_i].hour * HOUR_S + firsts[_i].minute * MINUTE_S +
                             firsts[_i].second);
}
END_TEST

static const struct {
    const char *text, *reason;
} refused[] = {
    {"", "has 0 fields; expected 5"},
    {"* * * *", "has 4 fields; expected 5"},
    {"* * * * * * * *", "has 8 fields"},
    {"@reboot", "has 1 fields"},
    {"60 * * * *", "minute field has \"60\"; expected 0-59"},
    {"* 24 * * *", "hour field has \"24\"; expected 0-23"},
    {"* * 0 * *", "day of month field"},
    {"* * 32 * *", "day of month field"},
    {"* * * 0 *", "month field"},
    {"* * * january *", "month field has \"january\"; expected 1-12 or jan-dec"},
    {"* * * * 8", "day of week field"},
    {"* * * * 7 0", "day of week field"},
    {"* * * * fri#6", "day of week field"},
    {"* * * * 1,2#3", "mixes plain days"},
    {"* * * * L", "day of week field"},
    {"* * * * 1-5#2", "day of week field"},
    {"*/0 * * * *", "minute field"},
    {"*/x * * * *", "minute field"},
    {"-5 * * * *", "minute field"},
    {"5- * * * *", "minute field"},
    {"1,,2 * * * *", "minute field"},
    {"? * * * *", "minute field has \"?\""},
    {"* * 5? * *", "day of month field"},
    {"* * L-5 * *", "day of month field"},
    {"R * * * *", "Random and Hashed expressions are unsupported"},
    {"H(0-5) * * * *", "Random and Hashed"},
    {"* * * * * 60", "second field"},
    {"* * * * * 0 1969", "year field"},
    {"99999999999999999999 * * * *", "minute field"},
};

START_TEST(a_refusal_names_the_field)
{
    struct cron c;
    struct err e = {0};
    ck_assert_int_eq(cron_parse(refused[_i].text, &c, &e), ERR_INVALID);
    ck_assert_msg(strstr(e.detail, refused[_i].reason) != NULL, "%s: %s", refused[_i].text,
                  e.detail);
}
END_TEST

START_TEST(a_date_that_never_comes_ends)
{
    struct cron c;
    struct err e = {0};
    int64_t at;
    ck_assert_int_eq(cron_parse("0 0 30 2 *", &c, &e), ERR_OK);
    ck_assert(!cron_next(&c, 0, &at));
    ck_assert_int_eq(cron_parse("0 0 1 1 * 0 2001", &c, &e), ERR_OK);
    ck_assert(!cron_next(&c, civil_days(2024, 1, 1) * DAY_S, &at));
}
END_TEST

/* croniter's own search jumps from 2 February to 2 March here. */
START_TEST(the_first_of_march_is_not_lost)
{
    struct cron c;
    struct err e = {0};
    int64_t at;
    ck_assert_int_eq(cron_parse("0 0 1,30 * *", &c, &e), ERR_OK);
    ck_assert(cron_next(&c, civil_days(2023, 2, 1) * DAY_S, &at));
    ck_assert_int_eq(at, civil_days(2023, 3, 1) * DAY_S);
}
END_TEST

START_TEST(day_and_weekday_may_be_joined_by_and)
{
    struct cron c;
    struct err e = {0};
    int64_t at;
    ck_assert_int_eq(cron_parse("0 0 13 * fri", &c, &e), ERR_OK);
    c.either = false;
    ck_assert(cron_next(&c, civil_days(2024, 1, 1) * DAY_S, &at));
    ck_assert_int_eq(at, civil_days(2024, 9, 13) * DAY_S);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cron");
    TCase *t = tcase_create("cron");
    tcase_add_loop_test(t, the_first_date_is_found, 0, COUNT(firsts));
    tcase_add_loop_test(t, a_refusal_names_the_field, 0, COUNT(refused));
    tcase_add_test(t, a_date_that_never_comes_ends);
    tcase_add_test(t, the_first_of_march_is_not_lost);
    tcase_add_test(t, day_and_weekday_may_be_joined_by_and);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
