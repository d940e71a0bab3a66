/* The footer of a TZif file: a POSIX TZ rule such as EST5EDT,M3.2.0,M11.1.0.  Thread: any. */
#pragma once
#include "shared/base/base.h"

struct zone_day {
    char kind; /* J: day 1..365, 29 February never counted; N: day 0..365; M: month.week.weekday */
    int month, week, day;
    int at_s; /* wall clock, may be negative or beyond a day */
};

struct zone_rule {
    int standard_s, summer_s; /* east is positive */
    bool changes;
    struct zone_day begin, end; /* of summer time */
};

MUST_CHECK bool zone_rule_parse(const char *text, struct zone_rule *out);
/* The wall-clock time, in the year, of the day's change. */
int64_t zone_day_wall_s(const struct zone_day *d, int year);
