/* Points in time and durations as pydantic reads them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/decode.h"

enum { US_PER_S = 1000000, DAY_S = 86400, NUMBER_TEXT_MAX = 64 };
#define UNIX_YEAR_10000_S 253402300800.0
#define UNIX_YEAR_0_S     (-62167219200.0)
#define MILLISECONDS_FROM 2e10 /* larger numbers are milliseconds */
#define DURATION_MAX_S    (999999999.0 * DAY_S)

struct span {
    const char *at, *end;
};

static bool is_digit(const struct span *s)
{
    return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static bool take(struct span *s, char c)
{
    bool there = s->at < s->end && *s->at == c;
    s->at += there;
    return there;
}

/* Digits with an optional fraction. */
static bool take_number(struct span *s, double *out)
{
    char text[NUMBER_TEXT_MAX];
    const char *from = s->at;

    if (!is_digit(s))
        return false;
    while (is_digit(s))
        s->at++;
    if (s->end - s->at > 1 && *s->at == '.')
        for (s->at++; is_digit(s);)
            s->at++;
    size_t len = (size_t)(s->at - from);
    if (len >= sizeof(text))
        return false;
    memcpy(text, from, len);
    text[len] = '\0';
    *out = strtod(text, NULL);
    return true;
}

static int two_digits(const char *s)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return -1;
    return (s[0] - '0') * 10 + s[1] - '0';
}

/* `HH:MM`, `HH:MM:SS`, `HH:MM:SS.ffffff`; hours up to 99, one digit only before seconds. */
static const char *take_clock(struct span *s, double *out_s)
{
    static const char *const invalid[] = {
        "invalid character in hour", "invalid character in minute", "invalid character in second"};
    static const char *const range[] = {"", "minute value is outside expected range of 0-59",
                                        "second value is outside expected range of 0-59"};
    static const int unit_s[] = {3600, 60, 1};
    double total = 0;

    for (int i = 0; i < 3; i++) {
        if (i == 2 && s->at == s->end)
            break;
        if (i > 0 && !take(s, ':'))
            return "invalid time separator, expected `:`";
        if (s->end - s->at < 2)
            return "input is too short";
        bool one_digit = i == 0 && is_digit(s) && s->at[1] == ':';
        int n = one_digit ? *s->at - '0' : two_digits(s->at);
        if (n < 0)
            return invalid[i];
        if (i > 0 && n > 59)
            return range[i];
        total += n * unit_s[i];
        s->at += one_digit ? 1 : 2;
    }
    if (s->end - s->at > 1 && *s->at == '.') {
        double scale = 0.1;
        for (s->at++; is_digit(s); s->at++, scale /= 10)
            total += (*s->at - '0') * scale;
    }
    *out_s = total;
    return s->at == s->end ? NULL : "unexpected extra characters at the end of the input";
}

/* `P1W2DT3H4M5.5S` after the P; a year has 365 days and a month 30. */
static const char *take_iso(struct span *s, double *out_s)
{
    static const struct {
        const char *letters;
        int unit_s[4];
        const char *wrong;
    } parts[] = {
        {"YMWD",
         {365 * DAY_S, 30 * DAY_S, 7 * DAY_S, DAY_S},
         "quantity invalid in date part of duration"},
        {"HMS", {3600, 60, 1}, "quantity invalid in time part of duration"},
    };
    bool in_time = false, any = false;
    double n;

    while (s->at < s->end) {
        if (!in_time && take(s, 'T')) {
            in_time = true;
            continue;
        }
        if (!take_number(s, &n))
            return "invalid digit in duration";
        const char *letter = s->at < s->end ? strchr(parts[in_time].letters, *s->at) : NULL;
        if (!letter || !*letter)
            return parts[in_time].wrong;
        *out_s += n * parts[in_time].unit_s[letter - parts[in_time].letters];
        s->at++;
        any = true;
    }
    return any ? NULL : "input is too short";
}

/* `3 days, 00:01:30` */
static const char *take_days(struct span *s, double *out_s)
{
    static const char wrong[] = "\"day\" identifier in duration not correctly formatted";
    double days, clock_s = 0;
    const char *reason = NULL;

    if (!is_digit(s) || !take_number(s, &days))
        return "invalid digit in duration";
    while (take(s, ' '))
        ;
    if (!take(s, 'd') && !take(s, 'D'))
        return wrong;
    if (s->end - s->at >= 2 && strncasecmp(s->at, "ay", 2) == 0) {
        s->at += 2;
        if (!take(s, 's'))
            take(s, 'S');
    }
    take(s, ',');
    while (take(s, ' '))
        ;
    if (s->at < s->end)
        reason = take_clock(s, &clock_s);
    *out_s = days * DAY_S + clock_s;
    return reason;
}

static const char *duration_from_s(double s, int64_t *out_us)
{
    if (!(fabs(s) <= DURATION_MAX_S))
        return "durations may not exceed 999,999,999 days";
    /* int64_t microseconds reach 292 000 years, which is less than Python's limit. */
    if (fabs(s) > 9.2e12)
        return "durations may not exceed 106,751,991 days";
    *out_us = (int64_t)rint(s * US_PER_S);
    return NULL;
}

const char *duration_parse(const char *text, size_t len, int64_t *out_us)
{
    struct span s = {text, text + len};
    double seconds = 0;
    const char *reason;

    bool minus = take(&s, '-');
    if (!minus)
        take(&s, '+');
    if (s.at == s.end)
        return "input is too short";
    if (take(&s, 'P'))
        reason = take_iso(&s, &seconds);
    else if ((s.end - s.at > 2 && s.at[2] == ':') ||
             (s.end - s.at > 4 && s.at[1] == ':' && s.at[4] == ':'))
        reason = take_clock(&s, &seconds);
    else
        reason = take_days(&s, &seconds);
    return reason ? reason : duration_from_s(minus ? -seconds : seconds, out_us);
}

/* Seconds, or milliseconds when large. */
static const char *time_from_number(double n, int64_t *out_us)
{
    double s = fabs(n) > MILLISECONDS_FROM ? n / 1000 : n;

    if (!(s < UNIX_YEAR_10000_S))
        return "dates after 9999 are not supported as unix timestamps";
    if (s < UNIX_YEAR_0_S)
        return "dates before 0000 are not supported as unix timestamps";
    double whole = floor(s);
    *out_us = (int64_t)whole * US_PER_S + (int64_t)rint((s - whole) * US_PER_S);
    return NULL;
}

/* In the words of pydantic-extra-types' DateTime, which is what Prefect's models have. */
static bool time_error(const struct reading *r, const char *text)
{
    if (!text)
        return reading_fail(r, "value_error", "value is not a valid datetime", NULL);
    return reading_fail(
        r, "value_error",
        arena_printf(r->bad->arena, "Value error, Unable to parse string [%s]", text),
        "{\"error\":{}}");
}

/* `1704067200`, `-5`, `1704067200.25` */
static bool number_text(const char *text, size_t len, double *out)
{
    struct span s = {text, text + len};

    bool minus = take(&s, '-');
    if (!minus)
        take(&s, '+');
    if (!take_number(&s, out) || s.at != s.end)
        return false;
    if (minus)
        *out = -*out;
    return true;
}

bool read_time(const struct reading *r, void *out)
{
    enum doc_type type = val_type(r->v);
    double n;

    if (type == DOC_INT || type == DOC_FLOAT)
        return (val_double(r->v, &n) && !time_from_number(n, out)) || time_error(r, NULL);
    if (type != DOC_STRING)
        return time_error(r, NULL);
    size_t len;
    const char *text = val_string(r->bad->arena, r->v, &len);
    if (len == 3 && memcmp(text, "now", 3) == 0) {
        *(int64_t *)out = clock_now_us();
        return true;
    }
    bool fine = number_text(text, len, &n) ? !time_from_number(n, out) : time_parse(text, len, out);
    return fine || time_error(r, val_storable(r->v) ? text : "");
}

/* Why a text is no date, in the words of pydantic's own parser. */
static const char *date_reason(const char *text, size_t len)
{
    enum { YEAR_LEN = 4, DATE_LEN = 10 };

    if (len < DATE_LEN)
        return "input is too short";
    for (size_t i = 0; i < YEAR_LEN; i++)
        if (text[i] < '0' || text[i] > '9')
            return "invalid character in year";
    return text[YEAR_LEN] == '-' ? "unexpected extra characters at the end of the input"
                                 : "invalid date separator, expected `-`";
}

bool read_plain_time(const struct reading *r, void *out)
{
    struct arena *a = r->bad->arena;
    struct invalid unused = {.arena = a};
    const struct reading quiet = {r->f, r->v, r->at, &unused};
    size_t len;

    if (read_time(&quiet, out))
        return true;
    if (val_type(r->v) != DOC_STRING)
        return reading_fail(r, "datetime_type", "Input should be a valid datetime", NULL);
    const char *text = val_string(a, r->v, &len), *reason = date_reason(text, len);
    return reading_fail(r, "datetime_from_date_parsing",
                        arena_printf(a, "Input should be a valid datetime or date, %s", reason),
                        ctx_text(a, "error", reason));
}

bool read_duration(const struct reading *r, void *out)
{
    enum doc_type type = val_type(r->v);
    struct arena *a = r->bad->arena;
    const char *reason;
    double n = type == DOC_TRUE;

    if (type == DOC_STRING) {
        size_t len;
        const char *text = val_string(a, r->v, &len);
        reason = duration_parse(text, len, out);
    } else if (val_double(r->v, &n) || type == DOC_TRUE || type == DOC_FALSE) {
        reason = duration_from_s(n, out);
    } else {
        return reading_fail(r, "time_delta_type", "Input should be a valid timedelta", NULL);
    }
    return !reason || reading_fail(r, "time_delta_parsing",
                                   arena_printf(a, "Input should be a valid timedelta, %s", reason),
                                   ctx_text(a, "error", reason));
}
