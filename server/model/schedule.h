/* Schedules of deployments: interval, cron and RRULE, and the dates they give.
 *
 * Clock changes: a cron time in a gap moves forward, in a fold only the first one counts.  Whole
 * days of an interval are calendar days: a step into a gap moves forward and stays there, one into
 * a fold takes the second.  An RRULE time in a gap moves back, in a fold the first one counts.
 *
 * Borrows: the zones; the rest lives in the arena it was read with.
 * Units:   microseconds since 1970-01-01T00:00:00Z.
 * Errors:  INVALID, naming the member and what was expected.   Thread: any, once read.
 * Source:  prefect-api.md 5.1 and 11.6; Prefect 3.9.1 on Python 3.11 where interval steps meet a
 *          fold. */
#pragma once
#include "server/model/cron.h"
#include "server/model/rrule.h"
#include "server/model/zone.h"
#include "shared/json/doc.h"

/* How many dates are looked at, from start on. */
enum { SCHEDULE_TRIES_MAX = 1002, SCHEDULE_DATES_MAX = 1000 };

enum schedule_kind { SCHEDULE_INTERVAL, SCHEDULE_CRON, SCHEDULE_RRULE };

struct schedule {
    enum schedule_kind kind;
    const char *timezone; /* as it is stored; NULL is null */
    const struct zone *zone;
    int64_t interval_us, anchor_us;
    int anchor_offset_s; /* of the text it came in */
    const char *text;    /* of the cron expression or the rule */
    struct cron cron;
    struct rrule_set *rrule;
};

struct schedule_dates {
    int64_t *items; /* ascending, each once */
    size_t count;
};

/* now_us: the anchor of an interval without one, and of rules that repeat every minute or faster.
 */
MUST_CHECK enum err_code schedule_read(struct arena *a, struct zones *zones, struct val schedule,
                                       int64_t now_us, struct schedule *out, struct err *e);
/* As it is stored: with defaults, and a rule with its DTSTART. */
void schedule_write(struct buf *b, const struct schedule *s);
/* `IntervalSchedule`, ... */
const char *schedule_class(const struct schedule *s);

/* Dates from start to end, both included, at most count_max. */
void schedule_dates(struct arena *a, const struct schedule *s, int64_t start_us, int64_t end_us,
                    size_t count_max, struct schedule_dates *out);
/* `2026-11-21 23:00:00-05:00`: the date in the schedule's zone, for idempotency keys. */
const char *schedule_date_text(struct arena *a, const struct schedule *s, int64_t date_us);
