#include "server/model/schedule_plan.h"

#include "shared/base/clock.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* How many of the dates there should be now. */
static size_t wanted(const struct schedule_window *w, const struct schedule_dates *dates)
{
    size_t n = 0;

    while (n < dates->count && (int64_t)n < w->max_runs &&
           ((int64_t)n < w->min_runs || !n || dates->items[n - 1] < w->start_us + w->min_time_us))
        n++;
    return n;
}

/* When less than what there should be is left of the first n dates. */
static int64_t next_look(struct arena *a, const struct schedule *s, const struct schedule_window *w,
                         const struct schedule_dates *dates, size_t n)
{
    size_t min = w->min_runs > 1 ? (size_t)w->min_runs : 1;
    int64_t horizon_us = w->end_us - w->start_us;
    struct schedule_dates next;

    if (n && (int64_t)n >= w->max_runs) /* as many as there may be: when half is left */
        return dates->items[(n - 1) / 2];
    if (n >= min) {
        int64_t few_us = dates->items[n - min], near_us = dates->items[n - 1] - w->min_time_us;
        return few_us < near_us ? few_us : near_us;
    }
    /* The next one lies behind the horizon, or there is none. */
    schedule_dates(a, s, w->end_us + 1, INT64_MAX, 1, &next);
    return next.count ? next.items[0] - horizon_us : TIME_NONE;
}

/* Fire times that nobody dealt with while the server was away.  True: there are more of them than
 * fit, *out ends at made_until_us. */
static bool missed_dates(struct arena *a, const struct schedule *s, int64_t from_us, int64_t to_us,
                         const struct misfire *misfire, struct schedule_plan *out)
{
    struct schedule_dates missed;

    schedule_dates(a, s, misfire_since(misfire, from_us, to_us), to_us - 1, SCHEDULE_DATES_MAX,
                   &missed);
    bool more = missed.count == SCHEDULE_DATES_MAX;
    size_t first = misfire_first(misfire, missed.count, more);
    out->make.items = arena_array(a, int64_t, missed.count + SCHEDULE_DATES_MAX + 1);
    for (; first < missed.count; first++)
        out->make.items[out->make.count++] = missed.items[first];
    if (more)
        out->made_until_us = missed.items[missed.count - 1];
    return more;
}

void schedule_plan(struct arena *a, const struct schedule *s, const struct schedule_window *window,
                   int64_t made_until_us, const struct misfire *misfire, struct schedule_plan *out)
{
    size_t most = window->max_runs > 0 ? (size_t)window->max_runs : 0;
    struct schedule_dates dates;

    *out = (struct schedule_plan){.due_us = window->start_us};
    if (made_until_us == TIME_NONE)
        made_until_us = window->start_us - 1;
    if (missed_dates(a, s, made_until_us + 1, window->start_us, misfire, out))
        return;
    schedule_dates(a, s, window->start_us, window->end_us, most, &dates);
    size_t n = wanted(window, &dates);
    for (size_t i = 0; i < n; i++)
        if (dates.items[i] > made_until_us)
            out->make.items[out->make.count++] = dates.items[i];
    out->made_until_us = later(made_until_us, n ? dates.items[n - 1] : window->start_us - 1);
    out->due_us = next_look(a, s, window, &dates, n);
    if (out->due_us != TIME_NONE) /* not again at once */
        out->due_us = later(out->due_us, window->start_us + 1);
}
