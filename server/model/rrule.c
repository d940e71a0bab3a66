#include "server/model/rrule.h"

#include <string.h>

#include "server/model/civil.h"

/* A period is a year, month, week, day, hour, minute or second.  Its dates are all its days that
 * pass the rule's filters, each with all of hours x minutes x seconds: the n-th one is computed,
 * not stored.  BYSETPOS picks some of them. */
enum { PERIOD_DAYS_MAX = 366 };
#define LAST_S (INT64_C(253402300799)) /* 9999-12-31T23:59:59 */

struct period {
    size_t days_count;
    int64_t days[PERIOD_DAYS_MAX];
    const struct ints *hours, *minutes, *seconds;
    struct ints one[3]; /* the hour, minute and second of a short period */
    int64_t times;      /* per day */
    int64_t dates;      /* all of them, or as many as BYSETPOS picks */
    int64_t picked[RRULE_LIST_MAX];
};

struct walk {
    const struct rrule *rule;
    int64_t from_s, to_s;
    int64_t unit; /* number of the period: years, months ... since 1970, a multiple of interval */
    int64_t last_unit;
    int64_t left;         /* of COUNT, or -1 */
    int64_t budget, next; /* next: index of the date in the period */
    struct period period;
};

/* ---- filters ---- */

static bool has(const struct ints *l, int n)
{
    size_t low = 0, high = l->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (l->items[mid] < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->count && l->items[low] == n;
}

static bool nth_in(const struct rrule *r, int weekday, int position, int length)
{
    int from_begin = position / 7 + 1, from_end = -((length - 1 - position) / 7 + 1);
    return has(&r->nth_weekdays, from_begin * 8 + weekday) ||
           has(&r->nth_weekdays, from_end * 8 + weekday);
}

static bool weekday_fits(const struct rrule *r, int64_t day, struct civil d)
{
    if (!r->weekdays.count && !r->nth_weekdays.count)
        return true;
    int weekday = civil_weekday(day);
    if (has(&r->weekdays, weekday))
        return true;
    if (!r->nth_weekdays.count)
        return false;
    if (r->freq == FREQ_YEARLY && !r->months.count)
        return nth_in(r, weekday, (int)(day - civil_days(d.year, 1, 1)), 365 + civil_leap(d.year));
    return nth_in(r, weekday, d.day - 1, civil_month_days(d.year, d.month));
}

/* The first day of week 1: the week with at least four days in the year. */
static int64_t first_week(const struct rrule *r, int year)
{
    int64_t first = civil_days(year, 1, 1);
    int into = (civil_weekday(first) - r->week_start + 7) % 7;
    return into <= 3 ? first - into : first + 7 - into;
}

static bool week_fits(const struct rrule *r, int64_t day, struct civil d)
{
    if (!r->weeks.count)
        return true;
    int year = d.year;
    if (day < first_week(r, year))
        year--;
    else if (day >= first_week(r, year + 1))
        year++;
    int64_t begin = first_week(r, year), end = first_week(r, year + 1);
    int week = (int)((day - begin) / 7) + 1, weeks = (int)((end - begin) / 7);
    return has(&r->weeks, week) || has(&r->weeks, week - weeks - 1);
}

static bool day_fits(const struct rrule *r, int64_t day)
{
    struct civil d = civil_date(day);
    if (r->months.count && !has(&r->months, d.month))
        return false;
    if (r->month_days.count && !has(&r->month_days, d.day) &&
        !has(&r->month_days, d.day - civil_month_days(d.year, d.month) - 1))
        return false;
    if (r->year_days.count) {
        int n = (int)(day - civil_days(d.year, 1, 1)) + 1;
        if (!has(&r->year_days, n) && !has(&r->year_days, n - 366 - civil_leap(d.year)))
            return false;
    }
    return weekday_fits(r, day, d) && week_fits(r, day, d);
}

/* ---- periods ---- */

static const int64_t unit_s[] = {
    [FREQ_WEEKLY] = INT64_C(7) * DAY_S, [FREQ_DAILY] = DAY_S, [FREQ_HOURLY] = HOUR_S,
    [FREQ_MINUTELY] = MINUTE_S,         [FREQ_SECONDLY] = 1,
};

/* Weeks are counted from a day that begins one. */
static int64_t week_shift_s(const struct rrule *r)
{
    return (r->week_start - civil_weekday(0)) * (int64_t)DAY_S;
}

static int64_t unit_of(const struct rrule *r, int64_t at_s)
{
    struct civil d = civil_date(floor_div(at_s, DAY_S));
    if (r->freq == FREQ_YEARLY)
        return d.year;
    if (r->freq == FREQ_MONTHLY)
        return (int64_t)d.year * 12 + d.month - 1;
    if (r->freq == FREQ_WEEKLY)
        at_s -= week_shift_s(r);
    return floor_div(at_s, unit_s[r->freq]);
}

static int64_t unit_begin_s(const struct rrule *r, int64_t unit)
{
    if (r->freq == FREQ_YEARLY)
        return civil_days((int)unit, 1, 1) * DAY_S;
    if (r->freq == FREQ_MONTHLY)
        return civil_days((int)(unit / 12), (int)(unit % 12) + 1, 1) * DAY_S;
    return unit * unit_s[r->freq] + (r->freq == FREQ_WEEKLY ? week_shift_s(r) : 0);
}

/* The first unit of the rule that is `unit` or later. */
static int64_t align(const struct rrule *r, int64_t unit)
{
    int64_t first = unit_of(r, r->start_s);
    if (unit <= first)
        return first;
    return first + (unit - first + r->interval - 1) / r->interval * r->interval;
}

static const struct ints *narrow(const struct ints *given, int value, struct ints *one)
{
    one->count = !given->count || has(given, value);
    one->items[0] = value;
    return one;
}

static int64_t index_of_pick(int64_t position, int64_t count)
{
    return position > 0 ? position - 1 : count + position;
}

static void pick(const struct rrule *r, struct period *p)
{
    int64_t all = p->dates;
    p->dates = 0;
    for (size_t i = 0; i < r->set_positions.count; i++) {
        int64_t n = index_of_pick(r->set_positions.items[i], all);
        int64_t at = 0;
        if (n < 0 || n >= all)
            continue;
        while (at < p->dates && p->picked[at] < n)
            at++;
        if (at < p->dates && p->picked[at] == n)
            continue;
        memmove(&p->picked[at + 1], &p->picked[at], (size_t)(p->dates - at) * sizeof n);
        p->picked[at] = n;
        p->dates++;
    }
}

static int64_t period_date(const struct rrule *r, const struct period *p, int64_t n)
{
    if (r->set_positions.count)
        n = p->picked[n];
    int64_t minutes = (int64_t)p->minutes->count, seconds = (int64_t)p->seconds->count;
    int64_t time = n % p->times;
    return p->days[n / p->times] * DAY_S +
           p->hours->items[time / (minutes * seconds)] * (int64_t)HOUR_S +
           p->minutes->items[time / seconds % minutes] * (int64_t)MINUTE_S +
           p->seconds->items[time % seconds];
}

static void fill_times(const struct rrule *r, struct period *p, int64_t second)
{
    p->hours = &r->hours;
    p->minutes = &r->minutes;
    p->seconds = &r->seconds;
    if (r->freq >= FREQ_HOURLY)
        p->hours = narrow(&r->hours, (int)(second / HOUR_S), &p->one[0]);
    if (r->freq >= FREQ_MINUTELY)
        p->minutes = narrow(&r->minutes, (int)(second / MINUTE_S % 60), &p->one[1]);
    if (r->freq >= FREQ_SECONDLY)
        p->seconds = narrow(&r->seconds, (int)(second % 60), &p->one[2]);
}

/* Where to go on: the period's end, or that of a day, an hour or a minute without dates. */
static int64_t skip_s(const struct rrule *r, const struct period *p, int64_t begin_s, int64_t end_s)
{
    if (r->freq >= FREQ_HOURLY && !p->days_count)
        return (floor_div(begin_s, DAY_S) + 1) * DAY_S;
    if (r->freq >= FREQ_MINUTELY && !p->hours->count)
        return (floor_div(begin_s, HOUR_S) + 1) * HOUR_S;
    if (r->freq >= FREQ_SECONDLY && !p->minutes->count)
        return (floor_div(begin_s, MINUTE_S) + 1) * MINUTE_S;
    return end_s;
}

/* Fills the period of w->unit; *out_skip_s is where the next one lies. */
static void fill(struct walk *w, int64_t *out_skip_s)
{
    const struct rrule *r = w->rule;
    struct period *p = &w->period;
    int64_t begin_s = unit_begin_s(r, w->unit), end_s = unit_begin_s(r, w->unit + 1);
    int64_t first = floor_div(begin_s, DAY_S), last = floor_div(end_s - 1, DAY_S);
    int64_t second = begin_s - first * DAY_S;

    p->days_count = 0;
    for (int64_t day = first; day <= last; day++)
        if (day_fits(r, day))
            p->days[p->days_count++] = day;
    w->budget -= last - first + 1;
    fill_times(r, p, second);
    *out_skip_s = skip_s(r, p, begin_s, end_s);
    p->times = (int64_t)(p->hours->count * p->minutes->count * p->seconds->count);
    p->dates = p->times * (int64_t)p->days_count;
    if (r->set_positions.count)
        pick(r, p);
}

/* The first date of the period at or after the time, as an index. */
static int64_t index_at(const struct walk *w, int64_t at_s)
{
    int64_t low = 0, high = w->period.dates;
    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (period_date(w->rule, &w->period, mid) < at_s)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- one rule ---- */

/* Goes to the next period that has dates; counts those before from_s. */
static bool next_period(struct walk *w)
{
    const struct rrule *r = w->rule;
    while (w->unit <= w->last_unit && w->budget > 0 && w->left != 0) {
        int64_t skip_s;
        w->budget--;
        fill(w, &skip_s);
        w->unit = align(r, unit_of(r, skip_s));
        int64_t first = index_at(w, r->start_s);
        w->next = index_at(w, w->from_s > r->start_s ? w->from_s : r->start_s);
        if (w->left >= 0) {
            int64_t gone = w->next - first;
            w->left -= gone < w->left ? gone : w->left;
        }
        if (w->next < w->period.dates)
            return w->left != 0;
    }
    return false;
}

static bool walk_next(struct walk *w, int64_t *out_s)
{
    if (w->left == 0 || (w->next >= w->period.dates && !next_period(w)))
        return false;
    int64_t at = period_date(w->rule, &w->period, w->next);
    if (at > w->to_s || at > w->rule->until_s)
        return false;
    w->next++;
    w->left -= w->left > 0;
    *out_s = at;
    return true;
}

static void walk_begin(struct walk *w, const struct rrule *r, int64_t from_s, int64_t to_s,
                       int64_t budget)
{
    int64_t to = to_s < LAST_S ? to_s : LAST_S;
    int64_t from = r->count >= 0 || from_s < r->start_s ? r->start_s : from_s;
    w->rule = r;
    w->from_s = from_s;
    w->to_s = to;
    w->left = r->count;
    w->budget = budget;
    w->unit = align(r, unit_of(r, from));
    w->last_unit = unit_of(r, to);
}

/* ---- the set ---- */

/* A source of ascending dates: a rule or a list. */
struct source {
    struct walk *walk;
    const int64_t *dates;
    size_t count, at;
    int64_t head;
    bool more;
};

struct rrule_walk {
    int64_t from_s, to_s, last_s;
    int64_t budget; /* of each rule */
    struct source includes[RRULE_RULES_MAX + 1], excludes[RRULE_RULES_MAX + 1];
    size_t includes_count, excludes_count;
};

static void advance(struct source *s, int64_t to_s)
{
    if (s->walk) {
        s->more = walk_next(s->walk, &s->head);
    } else {
        s->more = s->at < s->count && s->dates[s->at] <= to_s;
        if (s->more)
            s->head = s->dates[s->at++];
    }
}

static size_t add_sources(struct arena *a, const struct rrule_walk *w, struct rrule *const *rules,
                          size_t count, struct source *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i].walk = arena_new(a, struct walk);
        walk_begin(out[i].walk, rules[i], w->from_s, w->to_s, w->budget);
        advance(&out[i], w->to_s);
    }
    return count;
}

static void add_dates(const struct rrule_walk *w, const int64_t *dates, size_t count,
                      struct source *out)
{
    *out = (struct source){.dates = dates, .count = count};
    while (out->at < count && dates[out->at] < w->from_s)
        out->at++;
    advance(out, w->to_s);
}

struct rrule_walk *rrule_walk_new(struct arena *a, const struct rrule_set *set, int64_t from_s,
                                  int64_t to_s)
{
    struct rrule_walk *w = arena_new(a, struct rrule_walk);
    w->from_s = from_s;
    w->to_s = to_s;
    w->last_s = INT64_MIN;
    w->budget = RRULE_BUDGET / (int64_t)(set->rules_count + set->exceptions_count + 1);
    w->includes_count = add_sources(a, w, set->rules, set->rules_count, w->includes);
    w->excludes_count = add_sources(a, w, set->exceptions, set->exceptions_count, w->excludes);
    add_dates(w, set->dates, set->dates_count, &w->includes[w->includes_count++]);
    add_dates(w, set->except_dates, set->except_dates_count, &w->excludes[w->excludes_count++]);
    return w;
}

static bool excluded(struct rrule_walk *w, int64_t at_s)
{
    bool found = false;
    for (size_t i = 0; i < w->excludes_count; i++) {
        struct source *s = &w->excludes[i];
        while (s->more && s->head < at_s)
            advance(s, w->to_s);
        found |= s->more && s->head == at_s;
    }
    return found;
}

bool rrule_walk_next(struct rrule_walk *w, int64_t *out_s)
{
    for (int64_t tries = 0; tries < RRULE_BUDGET; tries++) {
        struct source *first = NULL;
        for (size_t i = 0; i < w->includes_count; i++) {
            struct source *s = &w->includes[i];
            if (s->more && (!first || s->head < first->head))
                first = s;
        }
        if (!first)
            return false;
        int64_t at = first->head;
        advance(first, w->to_s);
        if (at != w->last_s && !excluded(w, at)) {
            w->last_s = at;
            *out_s = at;
            return true;
        }
    }
    return false;
}
