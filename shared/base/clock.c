#include "shared/base/clock.h"

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

static bool take_date(struct cursor *c, int64_t *out_days)
{
    int year, month, day;

    if (!take_digits(c, 4, 1, 9999, &year) || !take_char(c, "-") ||
        !take_digits(c, 2, 1, 12, &month) || !take_char(c, "-") ||
        !take_digits(c, 2, 1, days_in_month(year, month), &day))
        return false;
    *out_days = days_from_date(year, month, day);
    return true;
}

bool time_parse(const char *text, size_t len, int64_t *out_us)
{
    struct cursor c = {text, text + len};
    int64_t days;
    int hours = 0, minutes = 0, seconds = 0, us = 0, offset_s = 0;

    if (!take_date(&c, &days))
        return false;
    if (c.at < c.end) {
        if (!take_char(&c, "Tt_ ") || !take_digits(&c, 2, 0, 23, &hours) || !take_char(&c, ":") ||
            !take_digits(&c, 2, 0, 59, &minutes))
            return false;
        if (take_char(&c, ":") && !take_digits(&c, 2, 0, 59, &seconds))
            return false;
        if (take_char(&c, ".,"))
            us = take_fraction(&c);
        if (!take_offset(&c, &offset_s))
            return false;
    }
    if (c.at != c.end)
        return false;
    int64_t s = days * 86400 + hours * 3600 + minutes * 60 + seconds - offset_s;
    *out_us = s * US_PER_S + us;
    return true;
}
