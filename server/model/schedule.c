#include "server/model/schedule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/civil.h"
#include "shared/base/clock.h"
#include "shared/json/codec.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (DAY_S * SECOND_US)
/* Longer intervals have no second date before the year 10000. */
#define INTERVAL_MAX_US (INT64_C(3652425) * DAY_US)
#define RRULE_ANCHOR_S  (INT64_C(18262) * DAY_S) /* 2020-01-01 */

struct source {
    struct arena *arena;
    struct zones *zones;
    struct val from;
    int64_t now_us;
    struct err *e;
};

static const char *const members[][5] = {
    [SCHEDULE_INTERVAL] = {"interval", "anchor_date", "timezone"},
    [SCHEDULE_CRON] = {"cron", "timezone", "day_or"},
    [SCHEDULE_RRULE] = {"rrule", "timezone"},
};

static bool null(struct val v)
{
    return val_type(v) == DOC_NONE || val_type(v) == DOC_NULL;
}

static const char *text_of(const struct source *r, struct val v)
{
    size_t len;
    const char *text = val_string(r->arena, v, &len);
    return text && strlen(text) == len ? text : NULL;
}

static enum err_code check_members(const struct source *r, enum schedule_kind kind)
{
    for (struct val_iter it = val_each(r->from); val_next(&it);) {
        const char *key = text_of(r, it.key);
        bool known = false;
        for (size_t i = 0; i < COUNT(members[kind]) && members[kind][i] && key; i++)
            known |= !strcmp(key, members[kind][i]);
        if (!known)
            return err_set(r->e, INVALID,
                           "schedule: unknown member \"%.60s\"; with %s it has %s, "
                           "%s%s%s only",
                           key ? key : "?", members[kind][0], members[kind][0], members[kind][1],
                           members[kind][2] ? ", " : "", members[kind][2] ? members[kind][2] : "");
    }
    return ERR_OK;
}

static enum err_code read_zone(const struct source *r, struct schedule *s)
{
    struct val v = val_get(r->from, "timezone");
    if (!null(v)) {
        s->timezone = text_of(r, v);
        if (!s->timezone)
            return err_set(r->e, INVALID,
                           "schedule: timezone must be a text such as "
                           "America/New_York");
    } else if (s->kind == SCHEDULE_INTERVAL ||
               (s->kind == SCHEDULE_RRULE && val_type(v) == DOC_NONE)) {
        s->timezone = "UTC";
    }
    const char *name = s->timezone && *s->timezone ? s->timezone : "UTC";
    enum err_code rc = zones_get(r->zones, name, &s->zone, r->e);
    if (rc == ERR_NOT_FOUND) {
        r->e->code = ERR_INVALID;
        rc = ERR_INVALID;
    }
    return rc;
}

/* As pydantic reads it: `true` is a second, "no" is false.  What is wrong, or NULL. */
static const char *read_as(const struct source *r, enum field_kind kind, const char *key, void *out)
{
    const struct field f = {.kind = kind};
    const struct loc at = {.key = key};
    struct invalid *bad = arena_new(r->arena, struct invalid);

    bad->arena = r->arena;
    return readers[kind](&(struct reading){&f, val_get(r->from, key), &at, bad}, out) ? NULL
                                                                                      : bad->first;
}

/* Seconds east of UTC at the end of a date that time_parse() takes. */
static int offset_of(const char *text, size_t len)
{
    enum { DATE_LEN = 10 };
    int hours = 0, minutes = 0;
    size_t at = len < DATE_LEN ? len : DATE_LEN + strcspn(text + DATE_LEN, "+-");

    if (at >= len || sscanf(text + at + 1, "%2d%*[:]%2d", &hours, &minutes) < 1)
        return 0;
    if (!minutes)
        sscanf(text + at + 1, "%2d%2d", &hours, &minutes);
    int seconds = hours * HOUR_S + minutes * MINUTE_S;
    return text[at] == '-' ? -seconds : seconds;
}

static void write_anchor(struct buf *b, const struct schedule *s)
{
    int minutes = abs(s->anchor_offset_s) / MINUTE_S;
    char text[TIME_TEXT_BYTES + 8];

    if (!s->anchor_offset_s) {
        write_time(b, s->anchor_us);
        return;
    }
    size_t len = time_format(s->anchor_us + s->anchor_offset_s * SECOND_US, text);
    snprintf(text + len - 1, sizeof text - len, "%c%02d:%02d", s->anchor_offset_s < 0 ? '-' : '+',
             minutes / 60, minutes % 60);
    write_string(b, text);
}

static enum err_code read_interval(const struct source *r, struct schedule *s)
{
    struct val anchor = val_get(r->from, "anchor_date");
    double number;
    size_t len;
    const char *wrong = read_as(r, FIELD_DURATION, "interval", &s->interval_us);
    if (wrong || s->interval_us <= 0)
        return err_set(r->e, INVALID, "schedule: interval must be a duration above 0 s%s%s",
                       wrong ? ": " : "", wrong ? wrong : "");
    if (s->interval_us > INTERVAL_MAX_US)
        s->interval_us = INTERVAL_MAX_US;
    s->anchor_us = r->now_us;
    if (val_type(anchor) == DOC_STRING) {
        const char *text = val_string(r->arena, anchor, &len);
        if (!time_parse(text, len, &s->anchor_us))
            return err_set(r->e, INVALID,
                           "schedule: anchor_date \"%.60s\" is not a date and time "
                           "such as 2020-01-01T00:00:00Z",
                           text);
        s->anchor_offset_s = offset_of(text, len);
    } else if (val_double(anchor, &number) && fabs(number) < 2.5e11) {
        s->anchor_us = (int64_t)llround(number * 1e6);
    } else if (val_type(anchor) != DOC_NONE) {
        return err_set(r->e, INVALID,
                       "schedule: anchor_date must be a date and time such as "
                       "2020-01-01T00:00:00Z");
    }
    return ERR_OK;
}

static enum err_code read_cron(const struct source *r, struct schedule *s)
{
    struct val either = val_get(r->from, "day_or");
    s->text = text_of(r, val_get(r->from, "cron"));
    if (!s->text)
        return err_set(r->e, INVALID, "schedule: cron must be a text such as 0 0 * * *");
    enum err_code rc = cron_parse(s->text, &s->cron, r->e);
    if (rc)
        return rc;
    s->cron.either = true;
    if (val_type(either) != DOC_NONE && read_as(r, FIELD_BOOL, "day_or", &s->cron.either))
        return err_set(r->e, INVALID, "schedule: day_or must be true or false");
    return ERR_OK;
}

/* A rule without DTSTART gets one: 2020-01-01, or a recent date of the same phase where it repeats
 * every minute or faster. */
static void add_start(const struct source *r, struct schedule *s)
{
    const struct rrule *rule = s->rrule->rules_count ? s->rrule->rules[0] : NULL;
    int64_t at = RRULE_ANCHOR_S;
    if (s->rrule->has_start)
        return;
    if (s->rrule->plain && rule && rule->freq >= FREQ_MINUTELY && rule->count < 0) {
        int64_t period = rule->interval * (rule->freq == FREQ_MINUTELY ? MINUTE_S : 1);
        int64_t now = zone_wall_s(s->zone, floor_div(r->now_us, SECOND_US));
        if (now > at)
            at += (now - at) / period * period;
    }
    struct civil d = civil_date(at / DAY_S);
    int second = (int)(at % DAY_S);
    s->text = arena_printf(r->arena, "DTSTART:%04d%02d%02dT%02d%02d%02d\n%s", d.year, d.month,
                           d.day, second / HOUR_S, second / MINUTE_S % 60, second % 60, s->text);
}

static enum err_code read_rrule(const struct source *r, struct schedule *s)
{
    s->text = text_of(r, val_get(r->from, "rrule"));
    if (!s->text)
        return err_set(r->e, INVALID, "schedule: rrule must be a text such as FREQ=DAILY");
    enum err_code rc = rrule_parse(r->arena, s->text, &s->rrule, r->e);
    if (rc || s->rrule->has_start)
        return rc;
    add_start(r, s);
    /* The rule may have become longer than a rule may be; it was not when it came. */
    struct rrule_set *again = NULL;
    if (strlen(s->text) <= RRULE_MAX_BYTES) {
        rc = rrule_parse(r->arena, s->text, &again, r->e);
        s->rrule = rc ? s->rrule : again;
    }
    return rc;
}

enum err_code schedule_read(struct arena *a, struct zones *zones, struct val schedule,
                            int64_t now_us, struct schedule *out, struct err *e)
{
    static enum err_code (*const kinds[])(const struct source *, struct schedule *) = {
        read_interval, read_cron, read_rrule};
    struct source r = {a, zones, schedule, now_us, e};
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct schedule s = {.kind = (enum schedule_kind)k};
        if (val_type(val_get(schedule, members[k][0])) == DOC_NONE)
            continue;
        enum err_code rc = check_members(&r, s.kind);
        if (!rc)
            rc = read_zone(&r, &s);
        if (!rc)
            rc = kinds[k](&r, &s);
        if (!rc)
            *out = s;
        return rc;
    }
    return err_set(e, INVALID, "schedule: expected an object with interval, cron or rrule");
}

void schedule_write(struct buf *b, const struct schedule *s)
{
    char number[40];
    buf_lit(b, "{");
    write_string(b, members[s->kind][0]);
    buf_lit(b, ":");
    if (s->kind == SCHEDULE_INTERVAL) {
        write_duration(b, s->interval_us);
        buf_lit(b, ",\"anchor_date\":");
        write_anchor(b, s);
    } else {
        write_string(b, s->text);
    }
    buf_lit(b, ",\"timezone\":");
    if (s->timezone)
        write_string(b, s->timezone);
    else
        buf_lit(b, "null");
    if (s->kind == SCHEDULE_CRON) {
        int n =
            snprintf(number, sizeof number, ",\"day_or\":%s", s->cron.either ? "true" : "false");
        buf_add(b, number, (size_t)n);
    }
    buf_lit(b, "}");
}

const char *schedule_class(const struct schedule *s)
{
    static const char *const names[] = {"IntervalSchedule", "CronSchedule", "RRuleSchedule"};
    return names[s->kind];
}

const char *schedule_date_text(struct arena *a, const struct schedule *s, int64_t date_us)
{
    int64_t instant = floor_div(date_us, SECOND_US);
    int offset = zone_offset_s(s->zone, instant), minutes = (offset < 0 ? -offset : offset) / 60;
    int64_t day = floor_div(instant + offset, DAY_S);
    int second = (int)(instant + offset - day * DAY_S), us = (int)(date_us - instant * SECOND_US);
    struct civil d = civil_date(day);
    char fraction[24] = "";
    if (us)
        snprintf(fraction, sizeof fraction, ".%06d", us);
    return arena_printf(a, "%04d-%02d-%02d %02d:%02d:%02d%s%c%02d:%02d", d.year, d.month, d.day,
                        second / HOUR_S, second / MINUTE_S % 60, second % 60, fraction,
                        offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}
