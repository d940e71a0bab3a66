#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/model/civil.h"
#include "server/model/rrule.h"

#define DEFAULT_START_S (INT64_C(18262) * DAY_S) /* 2020-01-01 */
enum { NUMBER_MAX = 1000000000 };

static const char *const freq_names[] = {"YEARLY", "MONTHLY",  "WEEKLY",  "DAILY",
                                         "HOURLY", "MINUTELY", "SECONDLY"};
static const char *const weekday_names[] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

static enum err_code refuse(struct err *e, const char *name, const char *value,
                            const char *expected)
{
    return err_set(e, INVALID, "Invalid RRule string: %s=%.60s; expected %s", name, value,
                   expected);
}

/* ---- values ---- */

static bool read_int(const char *s, int min, int max, int *out)
{
    char *end;
    errno = 0;
    long n = strtol(s, &end, 10);
    if (end == s || *end || errno || n < min || n > max || isspace((unsigned char)*s))
        return false;
    *out = (int)n;
    return true;
}

static void insert(struct ints *l, int n)
{
    size_t at = 0;
    while (at < l->count && l->items[at] < n)
        at++;
    if ((at < l->count && l->items[at] == n) || l->count == RRULE_LIST_MAX)
        return;
    memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof(int));
    l->items[at] = n;
    l->count++;
}

/* Digits only, as many as asked for. */
static bool digits(const char **s, int count, int *out)
{
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (!isdigit((unsigned char)(*s)[i]))
            return false;
        n = n * 10 + ((*s)[i] - '0');
    }
    *s += count;
    *out = n;
    return true;
}

/* YYYYMMDD, YYYYMMDDTHHMM, YYYYMMDDTHHMMSS; a Z at the end does not count. */
static bool read_date(const char *s, int64_t *out)
{
    int y, m, d, hour = 0, minute = 0, second = 0;
    if (!digits(&s, 4, &y) || !digits(&s, 2, &m) || !digits(&s, 2, &d))
        return false;
    if (y < 1 || m < 1 || m > 12 || d < 1 || d > civil_month_days(y, m))
        return false;
    if (*s == 'T') {
        s++;
        if (!digits(&s, 2, &hour) || !digits(&s, 2, &minute))
            return false;
        if (isdigit((unsigned char)*s) && !digits(&s, 2, &second))
            return false;
        if (*s == 'Z')
            s++;
    }
    if (*s || hour > 23 || minute > 59 || second > 59)
        return false;
    *out =
        civil_days(y, m, d) * DAY_S + (int64_t)hour * HOUR_S + (int64_t)minute * MINUTE_S + second;
    return true;
}

static bool read_weekday(const char *s, size_t len, int *out)
{
    for (int i = 0; i < 7; i++)
        if (len == 2 && !strncmp(s, weekday_names[i], 2)) {
            *out = i;
            return true;
        }
    return false;
}

/* MO, 2MO, -1FR, MO(+2) */
static bool read_nth_weekday(struct rrule *r, char *s)
{
    int day, n = 0;
    size_t sign = strcspn(s, "MTWFS");
    char *paren = strchr(s, '(');
    if (paren) {
        size_t len = strlen(paren);
        if (sign || paren[len - 1] != ')')
            return false;
        paren[len - 1] = '\0';
        if (!read_weekday(s, (size_t)(paren - s), &day) || !read_int(paren + 1, -53, 53, &n))
            return false;
    } else {
        if (!read_weekday(s + sign, strlen(s + sign), &day))
            return false;
        s[sign] = '\0';
        if (sign && (!read_int(s, -53, 53, &n) || !n))
            return false;
    }
    /* In a week or a shorter period the number means nothing. */
    bool nth = n && r->freq <= FREQ_MONTHLY;
    insert(nth ? &r->nth_weekdays : &r->weekdays, nth ? n * 8 + day : day);
    return true;
}

/* ---- the parts of a rule ---- */

static const struct list_row {
    const char *name;
    size_t offset;
    int min, max;
    bool negative; /* -max .. -1 too */
    const char *expected;
} lists[] = {
    /* clang-format off */
    {"BYSETPOS",   offsetof(struct rrule, set_positions), 1, 366, true,  "1 to 366 or -366 to -1"},
    {"BYMONTH",    offsetof(struct rrule, months),        1, 12,  false, "1 to 12"},
    {"BYMONTHDAY", offsetof(struct rrule, month_days),    1, 31,  true,  "1 to 31 or -31 to -1"},
    {"BYYEARDAY",  offsetof(struct rrule, year_days),     1, 366, true,  "1 to 366 or -366 to -1"},
    {"BYWEEKNO",   offsetof(struct rrule, weeks),         1, 53,  true,  "1 to 53 or -53 to -1"},
    {"BYHOUR",     offsetof(struct rrule, hours),         0, 23,  false, "0 to 23"},
    {"BYMINUTE",   offsetof(struct rrule, minutes),       0, 59,  false, "0 to 59"},
    {"BYSECOND",   offsetof(struct rrule, seconds),       0, 59,  false, "0 to 59"},
    /* clang-format on */
};

static enum err_code read_list(struct rrule *r, const struct list_row *row, char *value,
                               struct err *e)
{
    struct ints *l = (struct ints *)((char *)r + row->offset);
    char *rest = value;
    for (char *item; (item = strsep(&rest, ","));) {
        int n;
        if (!read_int(item, row->negative ? -row->max : row->min, row->max, &n) || (!n && row->min))
            return refuse(e, row->name, item, row->expected);
        insert(l, n);
    }
    return ERR_OK;
}

static enum err_code read_days(struct rrule *r, char *value, struct err *e)
{
    char *rest = value;
    for (char *item; (item = strsep(&rest, ","));)
        if (!read_nth_weekday(r, item))
            return refuse(e, "BYDAY", item,
                          "MO, TU, WE, TH, FR, SA, SU, with 1 to 53 or -53 to "
                          "-1 in front");
    return ERR_OK;
}

static enum err_code read_freq(struct rrule *r, const char *value, struct err *e)
{
    for (size_t i = 0; i < COUNT(freq_names); i++)
        if (!strcmp(value, freq_names[i])) {
            r->freq = (enum rrule_freq)i;
            return ERR_OK;
        }
    return refuse(e, "FREQ", value, "YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY or SECONDLY");
}

static enum err_code read_part(struct rrule *r, const char *name, char *value, struct err *e)
{
    int n;
    if (!strcmp(name, "INTERVAL")) {
        if (!read_int(value, 1, NUMBER_MAX, &n))
            return refuse(e, name, value, "a whole number above 0");
        r->interval = n;
        return ERR_OK;
    }
    if (!strcmp(name, "COUNT")) {
        if (!read_int(value, 0, NUMBER_MAX, &n))
            return refuse(e, name, value, "a whole number");
        r->count = n;
        return ERR_OK;
    }
    if (!strcmp(name, "UNTIL"))
        return read_date(value, &r->until_s) ? ERR_OK
                                             : refuse(e, name, value, "YYYYMMDD[THHMMSS[Z]]");
    if (!strcmp(name, "WKST"))
        return read_weekday(value, strlen(value), &r->week_start)
                   ? ERR_OK
                   : refuse(e, name, value, "MO, TU, WE, TH, FR, SA or SU");
    if (!strcmp(name, "BYDAY") || !strcmp(name, "BYWEEKDAY"))
        return read_days(r, value, e);
    for (size_t i = 0; i < COUNT(lists); i++)
        if (!strcmp(name, lists[i].name))
            return read_list(r, &lists[i], value, e);
    return err_set(e, INVALID,
                   "Invalid RRule string: unknown part \"%.40s\"; expected FREQ, "
                   "INTERVAL, COUNT, UNTIL, WKST, BYDAY, BYSETPOS, BYMONTH, BYMONTHDAY, BYYEARDAY, "
                   "BYWEEKNO, BYHOUR, BYMINUTE or BYSECOND",
                   name);
}

/* What DTSTART says where the rule is silent. */
static void complete(struct rrule *r)
{
    int64_t day = floor_div(r->start_s, DAY_S), second = r->start_s - day * DAY_S;
    struct civil d = civil_date(day);
    if (!r->weeks.count && !r->year_days.count && !r->month_days.count && !r->weekdays.count &&
        !r->nth_weekdays.count) {
        if (r->freq == FREQ_YEARLY && !r->months.count)
            insert(&r->months, d.month);
        if (r->freq <= FREQ_MONTHLY)
            insert(&r->month_days, d.day);
        if (r->freq == FREQ_WEEKLY)
            insert(&r->weekdays, civil_weekday(day));
    }
    if (r->freq < FREQ_HOURLY && !r->hours.count)
        insert(&r->hours, (int)(second / HOUR_S));
    if (r->freq < FREQ_MINUTELY && !r->minutes.count)
        insert(&r->minutes, (int)(second / MINUTE_S % 60));
    if (r->freq < FREQ_SECONDLY && !r->seconds.count)
        insert(&r->seconds, (int)(second % 60));
}

static enum err_code read_rule(struct arena *a, const char *text, int64_t start_s,
                               struct rrule **out, struct err *e)
{
    struct rrule *r = arena_new(a, struct rrule);
    char *copy = arena_strndup(a, text, strlen(text)), *rest = copy;
    bool has_freq = false;
    *r = (struct rrule){
        .interval = 1, .count = -1, .start_s = start_s, .until_s = INT64_MAX, .week_start = 1};
    /* FREQ first: it says what the numbers of BYDAY mean. */
    for (const char *f = copy; f && !has_freq; f = strchr(f, ';')) {
        f += *f == ';';
        if (strncmp(f, "FREQ=", 5) != 0)
            continue;
        has_freq = true;
        enum err_code rc = read_freq(r, arena_strndup(a, f + 5, strcspn(f + 5, ";")), e);
        if (rc)
            return rc;
    }
    if (!has_freq)
        return err_set(e, INVALID, "Invalid RRule string: \"%.60s\" has no FREQ=", text);
    for (char *part; (part = strsep(&rest, ";"));) {
        char *equals = strchr(part, '=');
        if (!equals)
            return err_set(e, INVALID, "Invalid RRule string: \"%.60s\"; expected NAME=value",
                           part);
        *equals = '\0';
        enum err_code rc = strcmp(part, "FREQ") ? read_part(r, part, equals + 1, e) : ERR_OK;
        if (rc)
            return rc;
    }
    complete(r);
    *out = r;
    return ERR_OK;
}

/* ---- the lines ---- */

struct line {
    const char *name; /* without parameters */
    char *value;
};

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static enum err_code read_dates(struct arena *a, const struct line *l, int64_t **io_dates,
                                size_t *io_count, struct err *e)
{
    char *copy = arena_strndup(a, l->value, strlen(l->value)), *rest = copy;
    int64_t *all = arena_array(a, int64_t, *io_count + strlen(copy) / 8 + 1);
    size_t n = *io_count;
    if (n)
        memcpy(all, *io_dates, n * sizeof *all);
    for (char *item; (item = strsep(&rest, ","));)
        if (!read_date(item, &all[n++]))
            return refuse(e, l->name, item, "YYYYMMDD[THHMMSS[Z]]");
    qsort(all, n, sizeof *all, compare);
    *io_dates = all;
    *io_count = n;
    return ERR_OK;
}

/* Only DTSTART and EXDATE may have TZID; only dates have VALUE. */
static bool parameters_fit(const char *name, char *parameters)
{
    bool dated = !strcmp(name, "DTSTART") || !strcmp(name, "EXDATE");
    for (char *p; (p = strsep(&parameters, ";"));)
        if (!(dated && (!strncmp(p, "TZID=", 5) || !strcmp(p, "VALUE=DATE"))) &&
            !((dated || !strcmp(name, "RDATE")) && !strcmp(p, "VALUE=DATE-TIME")))
            return false;
    return true;
}

static enum err_code read_line(char *text, struct line *out, struct err *e)
{
    static const char *const names[] = {"DTSTART", "RRULE", "EXRULE", "RDATE", "EXDATE"};
    char *colon = strchr(text, ':');
    *out = (struct line){"RRULE", text};
    if (!colon)
        return ERR_OK;
    *colon = '\0';
    char *semicolon = strchr(text, ';');
    if (semicolon)
        *semicolon = '\0';
    for (size_t i = 0; i < COUNT(names); i++)
        if (!strcmp(text, names[i]) && (!semicolon || parameters_fit(text, semicolon + 1))) {
            *out = (struct line){names[i], colon + 1};
            return ERR_OK;
        }
    return err_set(e, INVALID,
                   "Invalid RRule string: unsupported property or parameter in "
                   "\"%.60s\"; expected DTSTART, RRULE, EXRULE, RDATE or EXDATE",
                   text);
}

static enum err_code add_rule(struct arena *a, struct rrule_set *s, const struct line *l,
                              int64_t start_s, struct err *e)
{
    bool except = !strcmp(l->name, "EXRULE");
    size_t *count = except ? &s->exceptions_count : &s->rules_count;
    if (*count == RRULE_RULES_MAX)
        return err_set(e, INVALID, "Invalid RRule string: more than %d rules", RRULE_RULES_MAX);
    return read_rule(a, l->value, start_s, &(except ? s->exceptions : s->rules)[(*count)++], e);
}

static enum err_code read_set(struct arena *a, const struct line *lines, size_t count,
                              struct rrule_set *s, struct err *e)
{
    int64_t start_s = DEFAULT_START_S;
    enum err_code rc = ERR_OK;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(lines[i].name, "DTSTART")) {
            s->has_start = true;
            if (!read_date(lines[i].value, &start_s))
                return refuse(e, "DTSTART", lines[i].value, "one date, YYYYMMDD[THHMMSS[Z]]");
        }
    for (size_t i = 0; i < count && !rc; i++) {
        const struct line *l = &lines[i];
        if (!strcmp(l->name, "RDATE"))
            rc = read_dates(a, l, &s->dates, &s->dates_count, e);
        else if (!strcmp(l->name, "EXDATE"))
            rc = read_dates(a, l, &s->except_dates, &s->except_dates_count, e);
        else if (strcmp(l->name, "DTSTART") != 0)
            rc = add_rule(a, s, l, start_s, e);
    }
    return rc;
}

enum err_code rrule_parse(struct arena *a, const char *text, struct rrule_set **out, struct err *e)
{
    size_t len = strlen(text), count = 0;
    if (len > RRULE_MAX_BYTES)
        return err_set(e, INVALID, "Invalid RRule string \"%.40s...\"\nMax length is %d, got %zu",
                       text, RRULE_MAX_BYTES, len);
    char *copy = arena_strndup(a, text, len), *rest = NULL;
    struct line *lines = arena_array(a, struct line, len / 2 + 1);
    struct rrule_set *s = arena_new(a, struct rrule_set);
    for (char *c = copy; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    for (char *w = strtok_r(copy, " \t\r\n\v\f", &rest); w;
         w = strtok_r(NULL, " \t\r\n\v\f", &rest)) {
        enum err_code rc = read_line(w, &lines[count++], e);
        if (rc)
            return rc;
    }
    enum err_code rc = read_set(a, lines, count, s, e);
    if (rc)
        return rc;
    if (!s->rules_count && !s->dates_count)
        return err_set(e, INVALID, "Invalid RRule string: it has no RRULE and no RDATE");
    s->plain =
        s->rules_count == 1 && !s->exceptions_count && !s->dates_count && !s->except_dates_count;
    *out = s;
    return ERR_OK;
}
