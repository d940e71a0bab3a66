#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/flow/flow.h"

static const struct unit {
    const char *name;
    double seconds;
} units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};

/* ISO 8601: the same units in capitals, in order, time units after T. */
static const struct unit iso_days[] = {{"W", 604800}, {"D", 86400}};
static const struct unit iso_time[] = {{"H", 3600}, {"M", 60}, {"S", 1}};

enum { DURATION_MAX_S = 366 * 86400 };

/* "12.5" at *at; hexadecimal, signs and exponents are not durations. */
static bool take_number(const char **at, double *out)
{
    size_t whole = strspn(*at, "0123456789"), len = whole;
    if ((*at)[len] == '.')
        len += 1 + strspn(*at + len + 1, "0123456789");
    if (!whole || len > 20)
        return false;
    *out = strtod(*at, NULL);
    *at += len;
    return true;
}

static bool take_unit(const char **at, const struct unit *table, size_t count, double number,
                      double *sum)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(table[i].name);
        if (strncmp(*at, table[i].name, len) != 0)
            continue;
        *at += len;
        *sum += number * table[i].seconds;
        return true;
    }
    return false;
}

static bool parse_iso(const char *text, double *sum)
{
    const struct unit *table = iso_days;
    size_t count = COUNT(iso_days);
    if (!*text)
        return false;
    while (*text) {
        double number;
        if (*text == 'T' && table == iso_days) {
            table = iso_time;
            count = COUNT(iso_time);
            text++;
        }
        if (!take_number(&text, &number) || !take_unit(&text, table, count, number, sum))
            return false;
    }
    return true;
}

static bool parse_units(const char *text, double *sum)
{
    double number;
    const char *at = text;
    if (take_number(&at, &number) && !*at) {
        *sum = number;
        return true;
    }
    if (!*text)
        return false;
    while (*text)
        if (!take_number(&text, &number) || !take_unit(&text, units, COUNT(units), number, sum))
            return false;
    return true;
}

bool flow_duration(const char *text, double *out_s)
{
    double sum = 0;
    bool ok = text[0] == 'P' ? parse_iso(text + 1, &sum) : parse_units(text, &sum);
    if (!ok || !isfinite(sum) || sum > DURATION_MAX_S)
        return false;
    *out_s = sum;
    return true;
}
