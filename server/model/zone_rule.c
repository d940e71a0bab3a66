#include "server/model/zone_rule.h"

#include <ctype.h>
#include <string.h>

#include "server/model/civil.h"

static bool read_number(const char **at, int max, int *out)
{
    const char *s = *at;
    int n = 0;
    for (; isdigit((unsigned char)*s) && n <= max; s++)
        n = n * 10 + (*s - '0');
    if (s == *at || n > max)
        return false;
    *at = s;
    *out = n;
    return true;
}

static bool read_name(const char **at)
{
    const char *s = *at;
    if (*s == '<') {
        s = strchr(s, '>');
        *at = s ? s + 1 : *at;
        return s != NULL;
    }
    while (isalpha((unsigned char)*s))
        s++;
    bool ok = s - *at >= 3;
    *at = s;
    return ok;
}

/* [+-]hh[:mm[:ss]] */
static bool read_time(const char **at, int *out_s)
{
    int sign = 1, parts[3] = {0};
    if (**at == '+' || **at == '-')
        sign = *(*at)++ == '-' ? -1 : 1;
    for (size_t i = 0; i < COUNT(parts); i++) {
        if (!read_number(at, i ? 59 : 167, &parts[i]))
            return false;
        if (**at != ':')
            break;
        (*at)++;
    }
    *out_s = sign * (parts[0] * HOUR_S + parts[1] * MINUTE_S + parts[2]);
    return true;
}

static bool read_month_day(const char **at, struct zone_day *d)
{
    if (!read_number(at, 12, &d->month) || d->month < 1 || *(*at)++ != '.')
        return false;
    if (!read_number(at, 5, &d->week) || d->week < 1 || *(*at)++ != '.')
        return false;
    return read_number(at, 6, &d->day);
}

static bool read_day(const char **at, struct zone_day *d)
{
    *d = (struct zone_day){.kind = 'N', .at_s = 2 * HOUR_S};
    if (*(*at)++ != ',')
        return false;
    if (**at == 'J' || **at == 'M')
        d->kind = *(*at)++;
    if (d->kind == 'M' ? !read_month_day(at, d) : !read_number(at, 365, &d->day))
        return false;
    if (**at != '/')
        return true;
    (*at)++;
    return read_time(at, &d->at_s);
}

bool zone_rule_parse(const char *text, struct zone_rule *out)
{
    const char *at = text;
    struct zone_rule r = {0};
    if (!read_name(&at) || !read_time(&at, &r.standard_s))
        return false;
    r.standard_s = -r.standard_s; /* POSIX counts west of Greenwich */
    r.summer_s = r.standard_s + HOUR_S;
    if (*at) {
        r.changes = true;
        if (!read_name(&at))
            return false;
        if (*at != ',') {
            if (!read_time(&at, &r.summer_s))
                return false;
            r.summer_s = -r.summer_s;
        }
        if (!read_day(&at, &r.begin) || !read_day(&at, &r.end) || *at)
            return false;
    }
    *out = r;
    return true;
}

int64_t zone_day_wall_s(const struct zone_day *d, int year)
{
    int64_t days = civil_days(year, 1, 1) + d->day;
    if (d->kind == 'J') {
        days += (civil_leap(year) && d->day >= 60) - 1;
    } else if (d->kind == 'M') {
        int64_t first = civil_days(year, d->month, 1);
        days = first + (d->day - civil_weekday(first) + 7) % 7 + INT64_C(7) * (d->week - 1);
        if (days >= first + civil_month_days(year, d->month))
            days -= 7;
    }
    return days * DAY_S + d->at_s;
}
