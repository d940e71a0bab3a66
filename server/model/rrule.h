/* Recurrence rules (RFC 5545) on the wall clock, with the meaning that python-dateutil gives them.
 *
 * Text: DTSTART, RRULE, EXRULE, RDATE, EXDATE, one per line or separated by blanks; a line without
 * a name is an RRULE.  All dates are wall-clock digits: a trailing Z or a TZID is read and ignored,
 * the schedule's own time zone counts.  Without DTSTART the rule begins on 2020-01-01.
 * BYDAY=MO,1TU means both (dateutil: neither); BYEASTER is refused.
 *
 * A walk never spins: it examines RRULE_BUDGET days or periods at most and then ends.
 *
 * Units:  wall-clock seconds since 1970-01-01T00:00:00.
 * Errors: INVALID, naming the part and what it takes.
 * Memory: the arena's.   Thread: one per walk; a set is read-only. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/err.h"

enum { RRULE_MAX_BYTES = 6500, RRULE_RULES_MAX = 16, RRULE_BUDGET = 4000000 };
enum { RRULE_LIST_MAX = 400 };

enum rrule_freq {
    FREQ_YEARLY,
    FREQ_MONTHLY,
    FREQ_WEEKLY,
    FREQ_DAILY,
    FREQ_HOURLY,
    FREQ_MINUTELY,
    FREQ_SECONDLY
};

struct ints {
    size_t count;
    int items[RRULE_LIST_MAX]; /* ascending, each once */
};

struct rrule {
    enum rrule_freq freq;
    int64_t interval, count; /* count -1: without end */
    int64_t start_s, until_s;
    int week_start; /* 0 is Sunday */
    struct ints set_positions, months, month_days, year_days, weeks, hours, minutes, seconds;
    struct ints weekdays;     /* 0..6 */
    struct ints nth_weekdays; /* n * 8 + weekday, n from -53 to 53 */
};

struct rrule_set {
    struct rrule *rules[RRULE_RULES_MAX], *exceptions[RRULE_RULES_MAX];
    size_t rules_count, exceptions_count;
    int64_t *dates, *except_dates; /* ascending */
    size_t dates_count, except_dates_count;
    bool has_start, plain; /* plain: one RRULE and nothing else but DTSTART */
};

MUST_CHECK enum err_code rrule_parse(struct arena *a, const char *text, struct rrule_set **out,
                                     struct err *e);

struct rrule_walk;
/* Dates from `from_s` to `to_s`, both included, ascending, each once. */
struct rrule_walk *rrule_walk_new(struct arena *a, const struct rrule_set *set, int64_t from_s,
                                  int64_t to_s);
MUST_CHECK bool rrule_walk_next(struct rrule_walk *w, int64_t *out_s);
