#include "shared/base/clock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { US_PER_S = 1000000 };

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_now_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar, counted in eras of 400 years
 * that begin on 1 March. */
static int64_t days_from_date(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

size_t time_format(int64_t time_us, char out_text[static TIME_TEXT_BYTES])
{
    int64_t s = time_us / US_PER_S, fraction = time_us % US_PER_S;
    struct tm tm;

    if (fraction < 0) {
        fraction += US_PER_S;
        s--;
    }
    gmtime_r(&(time_t){s}, &tm);
    int n = snprintf(out_text, TIME_TEXT_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (fraction)
        n += snprintf(out_text + n, TIME_TEXT_BYTES - (size_t)n, ".%06d", (int)fraction);
    n += snprintf(out_text + n, TIME_TEXT_BYTES - (size_t)n, "Z");
    return (size_t)n;
}

struct cursor {
    const char *at, *end;
};

static bool take_char(struct cursor *c, const char *any_of)
{
    if (c->at == c->end || !strchr(any_of, *c->at) || !*c->at)
        return false;
    c->at++;
    return true;
}

static bool take_digits(struct cursor *c, int count, int min, int max, int *out)
{
    int value = 0;

    for (int i = 0; i < count; i++, c->at++) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return false;
        value = value * 10 + (*c->at - '0');
    }
    *out = value;
    return value >= min && value <= max;
}

static int take_fraction(struct cursor *c)
{
    int us = 0, scale = US_PER_S / 10;

    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, scale /= 10)
        us += (*c->at - '0') * scale;
    return us;
}

static bool take_offset(struct cursor *c, int *out_s)
{
    int hours, minutes = 0;

    *out_s = 0;
    if (c->at == c->end || take_char(c, "Zz"))
        return true;
    int sign = *c->at == '-' ? -1 : 1;
    if (!take_char(c, "+-") || !take_digits(c, 2, 0, 23, &hours))
        return false;
    bool colon = take_char(c, ":");
    if ((colon || c->at < c->end) && !take_digits(c, 2, 0, 59, &minutes))
        return false;
    *out_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static int weekday(int64_t days) /* 0: Monday */
{
    return (int)((days % 7 + 10) % 7);
}

/* `W01-1`, `W011`, `W01`, counted from the week that has the fourth of January. */
static bool take_week(struct cursor *c, int year, int64_t *out_days)
{
    int64_t fourth = days_from_date(year, 1, 4), next = days_from_date(year + 1, 1, 4);
    int64_t first = fourth - weekday(fourth);
    int week, day = 1;

    if (!take_digits(c, 2, 0, (int)(next - weekday(next) - first) / 7, &week))
        return false;
    bool dash = take_char(c, "-");
    if ((dash || (c->at < c->end && *c->at != 'T')) && !take_digits(c, 1, 0, 7, &day))
        return false;
    *out_days = first + (week - 1) * 7 + day - 1;
    return true;
}

/* ISO 8601: `2024-02-03`, `20240203`, `2024-02`, `2024-034`, `2024-W05-6`; a slash may stand for
 * the dash. */
static bool take_date(struct cursor *c, bool *out_compact, int64_t *out_days)
{
    int year, month, day = 1;
    ptrdiff_t digits = 0;

    if (!take_digits(c, 4, 1, 9999, &year))
        return false;
    const char *dash = c->at;
    *out_compact = !take_char(c, "-/");
    if (take_char(c, "W"))
        return take_week(c, year, out_days);
    while (c->at + digits < c->end && c->at[digits] >= '0' && c->at[digits] <= '9')
        digits++;
    *out_days = days_from_date(year, 1, 1) - 1;
    if (digits == 3) {
        int most = (int)(days_from_date(year + 1, 1, 1) - 1 - *out_days);
        bool good = take_digits(c, 3, 1, most, &day);
        *out_days += day;
        return good;
    }
    if (digits != (*out_compact ? 4 : 2) || !take_digits(c, 2, 1, 12, &month))
        return false;
    if ((*out_compact || take_char(c, (char[]){*dash, '\0'})) &&
        !take_digits(c, 2, 1, days_in_month(year, month), &day))
        return false;
    *out_days = days_from_date(year, month, day);
    return true;
}

/* `10`, `10:30`, `10:30:15.5`; without colons behind a date without dashes. */
static bool take_time(struct cursor *c, bool compact, int64_t *out_us)
{
    int parts[3] = {0};
    int64_t us = 0;

    if (!take_digits(c, 2, 0, 23, &parts[0]))
        return false;
    for (int i = 1; i < 3; i++) {
        bool next =
            take_char(c, ":") || (compact && c->at < c->end && *c->at >= '0' && *c->at <= '9');
        if (!next)
            break;
        if (!take_digits(c, 2, 0, 59, &parts[i]))
            return false;
    }
    if (take_char(c, ".,")) {
        if (c->at == c->end || *c->at < '0' || *c->at > '9')
            return false;
        us = take_fraction(c);
    }
    *out_us = ((int64_t)parts[0] * 3600 + parts[1] * 60 + parts[2]) * US_PER_S + us;
    return true;
}

bool time_parse(const char *text, size_t len, int64_t *out_us)
{
    struct cursor c = {text, text + len};
    int64_t days, us = 0;
    int offset_s = 0;
    bool compact;

    if (!take_date(&c, &compact, &days))
        return false;
    if (c.at < c.end &&
        (!take_char(&c, "Tt_ ") || !take_time(&c, compact, &us) || !take_offset(&c, &offset_s)))
        return false;
    if (c.at != c.end)
        return false;
    *out_us = (days * 86400 - offset_s) * US_PER_S + us;
    return true;
}
