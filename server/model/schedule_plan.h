/* Which runs of a schedule are to be made now, and when to look again.
 *
 * Dates are taken from the start on until there are min_runs of them and one is min_time away, but
 * no more than max_runs and none after the end; those up to made_until were dealt with before.
 *
 * Units: microseconds.   Thread: any.   Source: prefect-api.md 5.1, and a running Prefect. */
#pragma once
#include "server/model/misfire.h"
#include "server/model/schedule.h"

struct schedule_window {
    int64_t start_us, end_us, min_time_us;
    int64_t min_runs, max_runs;
};

struct schedule_plan {
    struct schedule_dates make; /* ascending: fire times whose runs are to be made */
    int64_t made_until_us;      /* from now on */
    int64_t due_us;             /* when to look again; TIME_NONE: never */
};

/* made_until_us TIME_NONE: the schedule is new.  What was missed since then counts by `misfire`. */
void schedule_plan(struct arena *a, const struct schedule *s, const struct schedule_window *window,
                   int64_t made_until_us, const struct misfire *misfire, struct schedule_plan *out);
