#include <stdlib.h>

#include "server/model/civil.h"
#include "server/model/schedule.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (DAY_S * SECOND_US)
#define FIRST_US  (INT64_C(-62135596800) * SECOND_US) /* 0001-01-01 */
#define LAST_US   (INT64_C(253402300799) * SECOND_US) /* 9999-12-31 */

struct search {
    const struct schedule *s;
    int64_t start_us, end_us;
    size_t count_max;
    struct schedule_dates *out;
    size_t tries;
};

/* Takes the date if it is in the range and new; false when the search is over. */
static bool take(struct search *q, int64_t date_us)
{
    if (date_us > q->end_us || q->out->count >= q->count_max)
        return false;
    bool fits = date_us >= q->start_us;
    for (size_t i = q->out->count; i > 0 && fits; i--) {
        /* dates come nearly in order: only a change of the clocks swaps some */
        if (q->out->items[i - 1] == date_us)
            fits = false;
        else if (q->out->items[i - 1] < date_us - 2 * DAY_US)
            break;
    }
    if (fits)
        q->out->items[q->out->count++] = date_us;
    return q->out->count < q->count_max && ++q->tries < SCHEDULE_TRIES_MAX;
}

/* ---- interval ---- */

/* The same clock time some days (and a rest) later. */
static int64_t add_days(const struct schedule *s, int64_t from_us, int64_t by_us)
{
    int64_t second = floor_div(from_us, SECOND_US), fraction = from_us - second * SECOND_US;
    int64_t wall = zone_wall_s(s->zone, second) * SECOND_US + fraction + by_us;
    int64_t wall_s = floor_div(wall, SECOND_US);
    return zone_instant_s(s->zone, wall_s, ZONE_FORWARD_LAST) * SECOND_US +
           (wall - wall_s * SECOND_US);
}

static bool whole_days(const struct schedule *s)
{
    return s->interval_us % DAY_US == 0;
}

static int64_t step(const struct schedule *s, int64_t from_us)
{
    return s->interval_us >= DAY_US ? add_days(s, from_us, s->interval_us)
                                    : from_us + s->interval_us;
}

static int64_t jump(const struct schedule *s, int64_t intervals)
{
    if (intervals && whole_days(s))
        return add_days(s, s->anchor_us, intervals * s->interval_us);
    return s->anchor_us + intervals * s->interval_us;
}

static int64_t local_day(const struct schedule *s, int64_t at_us)
{
    return floor_div(zone_wall_s(s->zone, floor_div(at_us, SECOND_US)), DAY_S);
}

/* From the anchor to the start in calendar days, one step after the other only where the clocks
 * change: a gap moves all later dates. */
static int64_t seek(const struct schedule *s, int64_t start_us)
{
    int64_t at = s->anchor_us, days = s->interval_us / DAY_US;
    while (at < start_us) {
        int64_t boundary = start_us, change_s;
        if (zone_change_after(s->zone, floor_div(at, SECOND_US), &change_s) &&
            change_s < boundary / SECOND_US)
            boundary = change_s * SECOND_US;
        int64_t count = (local_day(s, boundary) - local_day(s, at)) / days - 1;
        at = add_days(s, at, (count > 1 ? count : 1) * s->interval_us);
    }
    return at;
}

/* Before the anchor dates keep its clock time: a step from a moved one would not come back to it.
 */
static int64_t next_interval(const struct schedule *s, bool before, int64_t *io_k, int64_t from_us)
{
    return before && *io_k < 0 ? jump(s, ++*io_k) : step(s, from_us);
}

static void interval_dates(struct search *q)
{
    const struct schedule *s = q->s;
    int64_t k = 0, at;
    bool before = q->start_us < s->anchor_us && whole_days(s);

    if (q->start_us >= s->anchor_us && whole_days(s) && !zone_is_utc(s->zone)) {
        at = seek(s, q->start_us);
    } else {
        k = (q->start_us - s->anchor_us) / s->interval_us;
        at = jump(s, k);
        while (at > q->start_us)
            at = jump(s, --k);
    }
    while (at < q->start_us)
        at = next_interval(s, before, &k, at);
    while (take(q, at))
        at = next_interval(s, before, &k, at);
}

/* ---- cron ---- */

/* Wall times from one point on, as instants. */
struct cron_source {
    const struct schedule *s;
    int64_t wall_s, until_s, instant_s;
    bool more;
};

static void cron_advance(struct cron_source *c)
{
    c->more = cron_next(&c->s->cron, c->wall_s, &c->wall_s) && c->wall_s < c->until_s;
    if (c->more)
        c->instant_s = zone_instant_s(c->s->zone, c->wall_s, ZONE_FORWARD_FIRST);
}

static void cron_dates(struct search *q)
{
    const struct zone *z = q->s->zone;
    int64_t start = floor_div(q->start_us, SECOND_US), at,
            end = zone_wall_s(z, LAST_US / SECOND_US);
    struct cron_source main = {.s = q->s, .until_s = end}, moved = main;
    int change;

    main.wall_s = zone_wall_s(z, start) - (start * SECOND_US == q->start_us);
    if (zone_change_before(z, start, &at, &change)) {
        int64_t wall = zone_wall_s(z, at);
        if (start - at < -change) /* in the second pass of a fold: go on after it */
            main.wall_s = wall - change - 1;
        if (start - at < change) { /* shortly after a gap: what was moved may still come */
            moved.wall_s = main.wall_s - change;
            moved.until_s = wall;
            cron_advance(&moved);
        }
    }
    cron_advance(&main);
    while (main.more || moved.more) {
        bool from_moved = moved.more && (!main.more || moved.instant_s <= main.instant_s);
        struct cron_source *next = from_moved ? &moved : &main;
        if (!take(q, next->instant_s * SECOND_US))
            return;
        cron_advance(next);
    }
}

/* ---- RRULE ---- */

static void rrule_dates(struct arena *a, struct search *q)
{
    const struct zone *z = q->s->zone;
    int64_t start = floor_div(q->start_us, SECOND_US), end = floor_div(q->end_us, SECOND_US);
    struct rrule_walk *w =
        rrule_walk_new(a, q->s->rrule, zone_wall_s(z, start), zone_wall_s(z, end) + DAY_S);
    int64_t wall;
    while (rrule_walk_next(w, &wall)) {
        int64_t date_us = zone_instant_s(z, wall, ZONE_BACK_FIRST) * SECOND_US;
        if (date_us >= q->start_us && !take(q, date_us))
            return;
    }
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t clamp(int64_t at_us)
{
    return at_us < FIRST_US ? FIRST_US : at_us > LAST_US ? LAST_US : at_us;
}

void schedule_dates(struct arena *a, const struct schedule *s, int64_t start_us, int64_t end_us,
                    size_t count_max, struct schedule_dates *out)
{
    size_t most = count_max < SCHEDULE_DATES_MAX ? count_max : SCHEDULE_DATES_MAX;
    *out = (struct schedule_dates){.items = arena_array(a, int64_t, most + 1)};
    struct search q = {s, clamp(start_us), clamp(end_us), most, out, 0};
    if (!most || q.end_us < q.start_us)
        return;
    if (s->kind == SCHEDULE_INTERVAL)
        interval_dates(&q);
    else if (s->kind == SCHEDULE_CRON)
        cron_dates(&q);
    else
        rrule_dates(a, &q);
    qsort(out->items, out->count, sizeof *out->items, compare);
}
