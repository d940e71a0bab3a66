#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/civil.h"
#include "server/model/zone.h"
#include "server/model/zone_rule.h"

static struct zones *zones;

static void setup(void)
{
    zones = zones_new(NULL);
}

static void teardown(void)
{
    zones_free(zones);
}

static const struct zone *zone(const char *name)
{
    const struct zone *z = NULL;
    struct err e = {0};
    ck_assert_msg(zones_get(zones, name, &z, &e) == ERR_OK, "%s", e.detail);
    return z;
}

static int64_t wall(int year, int month, int day, int hour, int minute)
{
    return civil_days(year, month, day) * DAY_S + hour * HOUR_S + minute * MINUTE_S;
}

/* Offsets that the zones are known for, far before and far after the listed changes too. */
static const struct {
    const char *zone;
    int year, month, day; /* noon UTC */
    int offset_minutes;
} offsets[] = {
    {"UTC", 2024, 7, 1, 0},
    {"Europe/Berlin", 2024, 7, 1, 120},
    {"Europe/Berlin", 2024, 1, 1, 60},
    {"Europe/Berlin", 2399, 7, 1, 120},
    {"Europe/Berlin", 2899, 7, 1, 120},
    {"Europe/Berlin", 9999, 1, 1, 60},
    {"America/New_York", 2024, 7, 1, -240},
    {"America/New_York", 2060, 12, 1, -300},
    {"America/St_Johns", 2024, 1, 1, -210},
    {"Asia/Kolkata", 2024, 1, 1, 330},
    {"Asia/Kathmandu", 2024, 1, 1, 345},
    {"Australia/Lord_Howe", 2024, 1, 1, 660},
    {"Australia/Lord_Howe", 2050, 7, 1, 630},
    {"Europe/Dublin", 2050, 7, 1, 60},
    {"Europe/Dublin", 2050, 1, 1, 0},
    {"Asia/Almaty", 2024, 7, 1, 300},
    {"Asia/Tokyo", 2500, 7, 1, 540},
};

START_TEST(offsets_are_those_of_the_zone)
{
    int64_t noon = wall(offsets[_i].year, offsets[_i].month, offsets[_i].day, 12, 0);
    ck_assert_int_eq(zone_offset_s(zone(offsets[_i].zone), noon), offsets[_i].offset_minutes * 60);
}
END_TEST

/* A gap and a fold, and the minutes around them, in each reading. */
static const struct {
    const char *zone;
    int year, month, day, hour, minute;
    int offset_minutes[3]; /* that each reading uses */
} readings[] = {
    {"America/New_York", 2024, 3, 10, 1, 59, {-300, -300, -300}},
    {"America/New_York", 2024, 3, 10, 2, 0, {-300, -300, -240}},
    {"America/New_York", 2024, 3, 10, 2, 59, {-300, -300, -240}},
    {"America/New_York", 2024, 3, 10, 3, 0, {-240, -240, -240}},
    {"America/New_York", 2024, 11, 3, 0, 59, {-240, -240, -240}},
    {"America/New_York", 2024, 11, 3, 1, 0, {-240, -300, -240}},
    {"America/New_York", 2024, 11, 3, 1, 59, {-240, -300, -240}},
    {"America/New_York", 2024, 11, 3, 2, 0, {-300, -300, -300}},
    {"Australia/Lord_Howe", 2024, 4, 7, 1, 45, {660, 630, 660}},
    {"Australia/Lord_Howe", 2024, 10, 6, 2, 15, {630, 630, 660}},
    {"America/New_York", 2900, 3, 14, 2, 30, {-300, -300, -240}},
};

START_TEST(gaps_and_folds_are_read_as_asked)
{
    int64_t at = wall(readings[_i].year, readings[_i].month, readings[_i].day, readings[_i].hour,
                      readings[_i].minute);
    for (int r = ZONE_FORWARD_FIRST; r <= ZONE_BACK_FIRST; r++)
        ck_assert_int_eq(at - zone_instant_s(zone(readings[_i].zone), at, (enum zone_reading)r),
                         readings[_i].offset_minutes[r] * 60);
}
END_TEST

START_TEST(changes_are_found_on_both_sides)
{
    const struct zone *z = zone("America/New_York");
    int64_t at, spring = wall(2024, 3, 10, 7, 0), autumn = wall(2024, 11, 3, 6, 0);
    int by;
    ck_assert(zone_change_before(z, spring, &at, &by));
    ck_assert_int_eq(at, spring);
    ck_assert_int_eq(by, 3600);
    ck_assert(zone_change_after(z, spring, &at));
    ck_assert_int_eq(at, autumn);
    ck_assert(zone_change_before(z, autumn + 5, &at, &by));
    ck_assert_int_eq(by, -3600);
    ck_assert(!zone_change_before(zone("UTC"), spring, &at, &by));
    ck_assert(zone_is_utc(zone("Etc/UTC")) && !zone_is_utc(zone("Europe/London")));
}
END_TEST

static const char *const bad_names[] = {
    "",         "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe/../UTC",
    "Europe",   "posix/UTC",    "right/UTC",        "posixrules",     "europe/berlin",
    "Europe//", "tzdata.zi",    "Europe/Berlin ",   "zone.tab",       "Europe/Berlin/x",
};

START_TEST(what_is_no_zone_is_refused)
{
    const struct zone *z = NULL;
    struct err e = {0};
    ck_assert_int_ne(zones_get(zones, bad_names[_i], &z, &e), ERR_OK);
    ck_assert_ptr_null(z);
    ck_assert_ptr_nonnull(strstr(e.detail, bad_names[_i]));
}
END_TEST

START_TEST(a_zone_is_read_once)
{
    ck_assert_ptr_eq(zone("Asia/Tokyo"), zone("Asia/Tokyo"));
    ck_assert_str_eq(zone_name(zone("Asia/Tokyo")), "Asia/Tokyo");
}
END_TEST

/* Damaged files: every length of a good one, and text that is none. */
START_TEST(a_damaged_file_is_refused)
{
    char dir[] = "/tmp/switchyard-zone-XXXXXX", path[64], good[8192];
    FILE *f = fopen("/usr/share/zoneinfo/America/New_York", "rbe");
    ck_assert_ptr_nonnull(f);
    size_t len = fread(good, 1, sizeof good, f);
    fclose(f);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/Cut", dir);
    for (size_t n = 0; n < len; n += 97) {
        struct zones *own = zones_new(dir);
        const struct zone *z = NULL;
        struct err e = {0};
        f = fopen(path, "wbe");
        ck_assert_uint_eq(fwrite(good, 1, n, f), n);
        fclose(f);
        ck_assert_int_eq(zones_get(own, "Cut", &z, &e), ERR_INTERNAL);
        ck_assert_ptr_nonnull(strstr(e.detail, "time zone Cut: "));
        zones_free(own);
    }
    remove(path);
    remove(dir);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
} rules[] = {
    {"EST5EDT,M3.2.0,M11.1.0", true},
    {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", true},
    {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true},
    {"IST-1GMT0,M10.5.0,M3.5.0/1", true},
    {"XXX0YYY,J60/2:30,364", true},
    {"UTC0", true},
    {"UTC", false},
    {"EST5EDT", false},
    {"EST5EDT,M13.1.0,M11.1.0", false},
    {"EST5EDT,M3.2.0", false},
    {"EST5EDT,M3.2.0,M11.1.0,", false},
    {"<EST5", false},
    {"", false},
};

START_TEST(rules_of_the_footer_are_read)
{
    struct zone_rule r;
    ck_assert_int_eq(zone_rule_parse(rules[_i].text, &r), rules[_i].ok);
}
END_TEST

START_TEST(dates_and_days_agree)
{
    for (int64_t day = civil_days(1899, 12, 28); day < civil_days(2101, 3, 5); day++) {
        struct civil d = civil_date(day);
        ck_assert_int_eq(civil_days(d.year, d.month, d.day), day);
    }
    ck_assert_int_eq(civil_weekday(civil_days(2024, 2, 29)), 4);
    ck_assert_int_eq(civil_weekday(civil_days(1969, 12, 28)), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("zone");
    TCase *t = tcase_create("zone");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, offsets_are_those_of_the_zone, 0, COUNT(offsets));
    tcase_add_loop_test(t, gaps_and_folds_are_read_as_asked, 0, COUNT(readings));
    tcase_add_test(t, changes_are_found_on_both_sides);
    tcase_add_loop_test(t, what_is_no_zone_is_refused, 0, COUNT(bad_names));
    tcase_add_test(t, a_zone_is_read_once);
    tcase_add_test(t, a_damaged_file_is_refused);
    tcase_add_loop_test(t, rules_of_the_footer_are_read, 0, COUNT(rules));
    tcase_add_test(t, dates_and_days_agree);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
