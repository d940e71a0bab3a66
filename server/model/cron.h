/* Cron expressions as croniter reads them: `minute hour day month weekday [second [year]]`.
 *
 * A field is `*`, `?` (day and weekday), or a list of values, ranges and steps: `1,5-9,10/15`.
 * Months and weekdays have names.  A range may wrap (`fri-mon`), one from a value to itself is
 * everything.  `L` is the last day of the month, `L5` the last Friday, `fri#2` the second one.
 * `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually` are short forms.
 *
 * Day and weekday, if both are limited, mean either (day_or) or both.
 *
 * Errors: INVALID, naming the field and what it takes.   Thread: any.
 * Source: croniter as Prefect 3.9.1 has it; prefect-api.md, 5.1.  Unlike croniter a day of the
 *         month that short months lack (`1,30`) does not lose the first of the next month. */
#pragma once
#include "shared/base/err.h"

enum { CRON_MAX_BYTES = 2000, CRON_YEARS_AHEAD = 50, CRON_YEAR_MIN = 1970, CRON_YEAR_MAX = 2099 };

enum cron_field {
    CRON_MINUTE,
    CRON_HOUR,
    CRON_DAY,
    CRON_MONTH,
    CRON_WEEKDAY,
    CRON_SECOND,
    CRON_YEAR,
    CRON_FIELDS,
};

struct cron_set {
    uint64_t bits[3]; /* of value - least value of the field */
    bool any;
};

struct cron {
    struct cron_set sets[CRON_FIELDS];
    uint8_t nth[7]; /* per weekday: bits 1..5, bit 0 for the last one */
    bool has_nth, last_day;
    bool either; /* day or weekday: set after cron_parse() as the schedule says */
};

MUST_CHECK enum err_code cron_parse(const char *text, struct cron *out, struct err *e);
/* The first match after the wall-clock time; false if none comes within 50 years. */
MUST_CHECK bool cron_next(const struct cron *c, int64_t after_s, int64_t *out_s);
