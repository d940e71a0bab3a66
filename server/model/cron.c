#include "server/model/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "server/model/civil.h"

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct field_row {
    const char *name, *expected;
    int min, max;
    const char *const *names;
    int names_count;
} rows[] = {
    /* clang-format off */
    [CRON_MINUTE]  = {"minute",       "0-59",                            0, 59, NULL, 0},
    [CRON_HOUR]    = {"hour",         "0-23",                            0, 23, NULL, 0},
    [CRON_DAY]     = {"day of month", "1-31, L or ?",                    1, 31, NULL, 0},
    [CRON_MONTH]   = {"month",        "1-12 or jan-dec",                 1, 12, month_names, 12},
    [CRON_WEEKDAY] = {"day of week",  "0-7, sun-sat, fri#2, L5 or ?",    0, 6, weekday_names, 7},
    [CRON_SECOND]  = {"second",       "0-59",                            0, 59, NULL, 0},
    [CRON_YEAR]    = {"year",         "1970-2099",     CRON_YEAR_MIN, CRON_YEAR_MAX, NULL, 0},
    /* clang-format on */
};

static const struct {
    const char *name, *text;
} macros[] = {
    {"@midnight", "0 0 * * *"}, {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* ---- reading ---- */

struct reader {
    struct cron *cron;
    int columns; /* 5, 6 or 7 */
    enum cron_field field;
    const struct field_row *row;
    const char *item; /* for the error */
    struct err *e;
    bool literal[7]; /* weekdays given without # or L */
};

static enum err_code refuse(struct reader *r)
{
    return err_set(r->e, INVALID,
                   "Invalid cron string: the %s field has \"%.60s\"; expected %s, "
                   "with lists (a,b), ranges (a-b) and steps (*/n)",
                   r->row->name, r->item, r->row->expected);
}

static void set_bit(struct cron_set *s, int bit)
{
    s->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
}

static bool has_bit(const struct cron_set *s, int bit)
{
    return s->any || (s->bits[bit / 64] >> (bit % 64) & 1);
}

static bool full(const struct cron_set *s, const struct field_row *row)
{
    for (int i = 0; i <= row->max - row->min; i++)
        if (!(s->bits[i / 64] >> (i % 64) & 1))
            return false;
    return true;
}

static bool read_digits(const char *s, size_t len, int *out)
{
    int n = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]) || n > 9999)
            return false;
        n = n * 10 + (s[i] - '0');
    }
    *out = n;
    return len > 0;
}

/* A number or a name; 7 is Sunday and day 0 the first where croniter takes them so. */
static bool read_value(const struct reader *r, const char *s, size_t len, int *out)
{
    if (read_digits(s, len, out)) {
        if (r->field == CRON_WEEKDAY && *out == 7 && r->columns == 5)
            *out = 0;
        if (r->field == CRON_DAY && *out == 0 && r->columns == 6)
            *out = 1;
        return *out <= r->row->max;
    }
    for (int i = 0; i < r->row->names_count; i++)
        if (len == 3 && strncmp(s, r->row->names[i], 3) == 0) {
            *out = i + r->row->min;
            return true;
        }
    return false;
}

static enum err_code add_value(struct reader *r, int value, int nth)
{
    if (value < r->row->min || value > r->row->max)
        return refuse(r);
    set_bit(&r->cron->sets[r->field], value - r->row->min);
    if (r->field != CRON_WEEKDAY)
        return ERR_OK;
    if (nth < 0) {
        r->literal[value] = true;
    } else {
        r->cron->nth[value] |= (uint8_t)(1U << nth);
        r->cron->has_nth = true;
    }
    return ERR_OK;
}

/* low-high/step.  A range that wraps goes on after the field's end as croniter counts it. */
static enum err_code add_range(struct reader *r, int low, int high, int step, int nth)
{
    int min = r->row->min, max = r->row->max, last = -1, skip = 0;
    enum err_code rc = ERR_OK;
    bool wraps = low > high;
    for (int v = low; v <= (wraps ? max : high) && !rc; v += step) {
        rc = add_value(r, v, nth);
        last = v;
    }
    if (!wraps || rc)
        return rc;
    if (last - min + step > max - min + 1 && max - last < step)
        skip = step - (max - last);
    for (int v = min + skip; v <= high && !rc; v += step)
        rc = add_value(r, v, nth);
    return rc;
}

static enum err_code read_range(struct reader *r, const char *s, size_t len, int nth)
{
    const char *slash = memchr(s, '/', len), *dash = memchr(s, '-', len);
    size_t base = slash ? (size_t)(slash - s) : len;
    int low, high = r->row->max, step = 1;

    if (slash && !read_digits(slash + 1, len - base - 1, &step))
        return refuse(r);
    if (dash > slash && slash)
        return refuse(r);
    if (base == 1 && s[0] == '*') {
        low = r->row->min;
    } else if (!dash) {
        if (!read_value(r, s, base, &low))
            return refuse(r);
    } else {
        size_t high_len = base - (size_t)(dash + 1 - s);
        bool last = r->field == CRON_DAY && high_len == 1 && dash[1] == 'l';
        if (!read_value(r, s, (size_t)(dash - s), &low) ||
            (!last && !read_value(r, dash + 1, high_len, &high)))
            return refuse(r);
    }
    if (step < 1)
        return refuse(r);
    if (low == high)
        low = r->row->min, high = r->row->max;
    return add_range(r, low, high, step, nth);
}

/* `fri#2`, `L5`: sets *nth and what is left of the item. */
static enum err_code read_nth(struct reader *r, const char **s, size_t *len, int *nth)
{
    const char *hash = memchr(*s, '#', *len);
    if (hash) {
        if (!read_digits(hash + 1, *len - (size_t)(hash + 1 - *s), nth) || *nth < 1 || *nth > 5)
            return refuse(r);
        *len = (size_t)(hash - *s);
    } else if (**s == 'l' && *len > 1 && isdigit((unsigned char)(*s)[1])) {
        *nth = 0;
        (*s)++;
        (*len)--;
    }
    return ERR_OK;
}

static enum err_code read_item(struct reader *r, const char *s, size_t len)
{
    int nth = -1, value;
    enum err_code rc = r->field == CRON_WEEKDAY && len ? read_nth(r, &s, &len, &nth) : ERR_OK;
    if (rc)
        return rc;
    if (nth < 0 && len == 1 && s[0] == '*') {
        r->cron->sets[r->field].any = true;
        return ERR_OK;
    }
    if (r->field == CRON_DAY && len == 1 && s[0] == 'l') {
        r->cron->last_day = true;
        return ERR_OK;
    }
    if (len && (memchr(s, '-', len) || memchr(s, '/', len)))
        return nth >= 0 && (memchr(s, '/', len) || isdigit((unsigned char)s[0]))
                   ? refuse(r)
                   : read_range(r, s, len, nth);
    return read_value(r, s, len, &value) ? add_value(r, value, nth) : refuse(r);
}

static enum err_code read_field(struct reader *r, char *word)
{
    r->item = word;
    if (word[0] == 'h' || word[0] == 'r')
        return err_set(r->e, INVALID,
                       "Random and Hashed expressions are unsupported, received: "
                       "\"%.60s\" in the %s field",
                       word, r->row->name);
    if (strcmp(word, "?") == 0 && (r->field == CRON_DAY || r->field == CRON_WEEKDAY))
        word = "*";
    for (const char *s = word;; s++) {
        size_t len = strcspn(s, ",");
        enum err_code rc = read_item(r, s, len);
        if (rc)
            return rc;
        s += len;
        if (!*s)
            return ERR_OK;
    }
}

/* All values are as good as `*`; of day and weekday only if the other one has a `*` too. */
static void simplify(struct cron *c, char *const *words)
{
    for (int f = 0; f < CRON_FIELDS; f++) {
        const char *other = f == CRON_DAY ? words[CRON_WEEKDAY] : words[CRON_DAY];
        bool paired = f == CRON_DAY || f == CRON_WEEKDAY;
        if (full(&c->sets[f], &rows[f]) && (!paired || strchr(other, '*')) &&
            !(f == CRON_DAY && c->last_day))
            c->sets[f].any = true;
    }
}

static enum err_code check_nth(struct reader *r)
{
    const struct cron *c = r->cron;
    if (!c->has_nth || full(&c->sets[CRON_WEEKDAY], &rows[CRON_WEEKDAY]))
        return ERR_OK;
    for (int i = 0; i < 7; i++)
        if (r->literal[i] && !c->nth[i])
            return err_set(r->e, INVALID,
                           "Invalid cron string: the day of week field mixes plain "
                           "days with # or L; expected one kind only");
    return ERR_OK;
}

static int split(char *text, char *words[CRON_FIELDS])
{
    int count = 0;
    char *rest = NULL;
    for (char *w = strtok_r(text, " \t\r\n\v\f", &rest); w;
         w = strtok_r(NULL, " \t\r\n\v\f", &rest)) {
        if (count < CRON_FIELDS)
            words[count] = w;
        count++;
    }
    return count;
}

static enum err_code read_fields(struct reader *r, char *const *words)
{
    for (int f = 0; f < r->columns; f++) {
        r->field = (enum cron_field)f;
        r->row = &rows[f];
        enum err_code rc = read_field(r, words[f]);
        if (rc)
            return rc;
    }
    if (r->columns < 6)
        set_bit(&r->cron->sets[CRON_SECOND], 0);
    if (r->columns < 7)
        r->cron->sets[CRON_YEAR].any = true;
    return check_nth(r);
}

enum err_code cron_parse(const char *text, struct cron *out, struct err *e)
{
    char copy[CRON_MAX_BYTES + 1], *words[CRON_FIELDS] = {0};
    struct cron c = {.either = true};
    struct reader r = {.cron = &c, .e = e};

    for (size_t i = 0; i < COUNT(macros); i++)
        if (strcasecmp(text, macros[i].name) == 0)
            text = macros[i].text;
    size_t len = strlen(text);
    if (len > CRON_MAX_BYTES)
        return err_set(e, INVALID, "Invalid cron string: longer than %d bytes", CRON_MAX_BYTES);
    for (size_t i = 0; i <= len; i++)
        copy[i] = (char)tolower((unsigned char)text[i]);
    r.columns = split(copy, words);
    if (r.columns < 5 || r.columns > CRON_FIELDS)
        return err_set(e, INVALID,
                       "Invalid cron string: \"%.100s\" has %d fields; expected 5 "
                       "(minute hour day month weekday) and at most second and year after them",
                       text, r.columns);
    enum err_code rc = read_fields(&r, words);
    if (rc)
        return rc;
    simplify(&c, words);
    *out = c;
    return ERR_OK;
}

/* ---- matching ---- */

static bool day_matches(const struct cron *c, struct civil d, int weekday)
{
    const struct cron_set *days = &c->sets[CRON_DAY], *weekdays = &c->sets[CRON_WEEKDAY];
    int length = civil_month_days(d.year, d.month);
    bool day = has_bit(days, d.day - 1) || (c->last_day && d.day == length);
    bool week = has_bit(weekdays, weekday);
    if (c->has_nth) {
        week = (c->nth[weekday] >> ((d.day - 1) / 7 + 1) & 1) ||
               ((c->nth[weekday] & 1) && d.day + 7 > length);
    }
    if (c->either && !days->any && !weekdays->any)
        return week || (day && !c->has_nth);
    return day && week;
}

/* The first match of the day at or after the second of the day, or -1. */
static int64_t time_of_day(const struct cron *c, int64_t from)
{
    for (int64_t hour = from / HOUR_S; hour < 24; hour++) {
        if (!has_bit(&c->sets[CRON_HOUR], (int)hour))
            continue;
        int64_t minute = from > hour * HOUR_S ? from % HOUR_S / MINUTE_S : 0;
        for (; minute < 60; minute++) {
            int64_t at = hour * HOUR_S + minute * MINUTE_S;
            if (!has_bit(&c->sets[CRON_MINUTE], (int)minute))
                continue;
            for (int64_t second = from > at ? from - at : 0; second < 60; second++)
                if (has_bit(&c->sets[CRON_SECOND], (int)second))
                    return at + second;
        }
    }
    return -1;
}

static bool year_matches(const struct cron *c, int year)
{
    if (c->sets[CRON_YEAR].any)
        return true;
    return year >= CRON_YEAR_MIN && year <= CRON_YEAR_MAX &&
           has_bit(&c->sets[CRON_YEAR], year - CRON_YEAR_MIN);
}

bool cron_next(const struct cron *c, int64_t after_s, int64_t *out_s)
{
    int64_t start = after_s + 1, day = floor_div(start, DAY_S), from = start - day * DAY_S;
    struct civil d = civil_date(day);
    int last_year = d.year + CRON_YEARS_AHEAD;
    while (d.year <= last_year) {
        if (!year_matches(c, d.year) || !has_bit(&c->sets[CRON_MONTH], d.month - 1)) {
            day += civil_month_days(d.year, d.month) - d.day + 1;
        } else {
            int64_t at = day_matches(c, d, civil_weekday(day)) ? time_of_day(c, from) : -1;
            if (at >= 0) {
                *out_s = day * DAY_S + at;
                return true;
            }
            day++;
        }
        from = 0;
        d = civil_date(day);
    }
    return false;
}
