#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

/* What a running Prefect 3.9.1 makes of them; NULL: it refuses. */
static const struct {
    const char *text, *time;
} times[] = {
    {"2024-02-29", "2024-02-29T00:00:00Z"},
    {"2023-02-29", NULL},
    {"2024/02/29", "2024-02-29T00:00:00Z"},
    {"2024-02/29", NULL},
    {"2024-01", "2024-01-01T00:00:00Z"},
    {"2024-1-1", NULL},
    {"2024-366", "2024-12-31T00:00:00Z"},
    {"2023-366", NULL},
    {"2024-000", NULL},
    {"2024-W01-1", "2024-01-01T00:00:00Z"},
    {"2024W011", "2024-01-01T00:00:00Z"},
    {"2024-W01", "2024-01-01T00:00:00Z"},
    {"2020-W53-7", "2021-01-03T00:00:00Z"},
    {"2024-W53-1", NULL},
    {"2024-W00-1", "2023-12-25T00:00:00Z"},
    {"2024-W01-0", "2023-12-31T00:00:00Z"},
    {"2024-W01-8", NULL},
    {"2024-01-01T10", "2024-01-01T10:00:00Z"},
    {"2024-01-01T10:30", "2024-01-01T10:30:00Z"},
    {"2024-01-01T1030", NULL},
    {"20240101T103015.5Z", "2024-01-01T10:30:15.500000Z"},
    {"2024W011T10", "2024-01-01T10:00:00Z"},
    {"2024-001T10:00-03:30", "2024-01-01T13:30:00Z"},
    {"2024-01-01 10:00:00,123+02", "2024-01-01T08:00:00.123000Z"},
    {"2024-01-01T10:00:00.1234567Z", "2024-01-01T10:00:00.123456Z"},
    {"2024-01-01T10:00:00.", NULL},
    {"2024-01-01T24:00:00", NULL},
    {"2024-01-01T10:00:60", NULL},
    {"2024-01-01T10:00:00 Z", NULL},
    {"2024-01-01T", NULL},
    {"20240101T", NULL},
    {"2024", NULL},
    {"", NULL},
};

START_TEST(times_are_read_as_prefect_reads_them)
{
    const char *text = times[_i].text;
    char told[TIME_TEXT_BYTES];
    int64_t us = 0;

    ck_assert_msg(time_parse(text, strlen(text), &us) == (times[_i].time != NULL), "%s", text);
    if (!times[_i].time)
        return;
    time_format(us, told);
    ck_assert_str_eq(told, times[_i].time);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("clock");
    TCase *t = tcase_create("clock");

    tcase_add_loop_test(t, times_are_read_as_prefect_reads_them, 0,
                        sizeof(times) / sizeof(times[0]));
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
