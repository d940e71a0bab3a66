#include "server/model/zone.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/civil.h"
#include "server/model/zone_rule.h"

/* The rule of the footer is written out up to RULE_LAST_YEAR; later times are moved back by whole
 * cycles of 400 years, in which the calendar repeats. */
enum { RULE_FIRST_YEAR = 1970, RULE_LAST_YEAR = 2500 };
enum { FILE_MAX_BYTES = 256 << 10, CHANGES_MAX = 8192, HEADER_BYTES = 44, TYPE_BYTES = 6 };
enum { OFFSET_MAX_S = 26 * HOUR_S };

struct change {
    int64_t at_s;
    int offset_s; /* from then on */
};

struct zone {
    char name[ZONE_NAME_MAX + 1];
    int first_offset_s;
    size_t count;
    int64_t rule_from_s;    /* the last change that the file lists, of whatever kind */
    struct change *changes; /* ascending; neighbours differ in their offset */
};

struct zones {
    char dir[256];
    pthread_mutex_t lock; /* guards the two below */
    size_t count;
    struct zone *items[ZONES_MAX];
};

/* ---- one file ---- */

struct file {
    const unsigned char *bytes;
    size_t len;
};

struct header {
    size_t utc_marks, standard_marks, leaps, changes, types, name_bytes;
};

static int64_t big_endian(const unsigned char *p, int bytes)
{
    uint64_t n = p[0] & 0x80 ? UINT64_MAX : 0;
    for (int i = 0; i < bytes; i++)
        n = n << 8 | p[i];
    return (int64_t)n;
}

static bool read_header(const struct file *f, size_t at, struct header *out)
{
    if (at > f->len || f->len - at < HEADER_BYTES || memcmp(f->bytes + at, "TZif", 4) != 0)
        return false;
    size_t n[6];
    for (size_t i = 0; i < COUNT(n); i++) {
        int64_t v = big_endian(f->bytes + at + 20 + 4 * i, 4);
        if (v < 0 || v > FILE_MAX_BYTES)
            return false;
        n[i] = (size_t)v;
    }
    *out = (struct header){n[0], n[1], n[2], n[3], n[4], n[5]};
    return true;
}

static size_t block_bytes(const struct header *h, size_t time_bytes)
{
    return h->changes * (time_bytes + 1) + h->types * TYPE_BYTES + h->name_bytes +
           h->leaps * (time_bytes + 4) + h->standard_marks + h->utc_marks;
}

static int offset_now(const struct zone *z)
{
    return z->count ? z->changes[z->count - 1].offset_s : z->first_offset_s;
}

static void add_change(struct zone *z, int64_t at_s, int offset_s)
{
    bool later = !z->count || at_s > z->changes[z->count - 1].at_s;
    if (later && z->count < CHANGES_MAX && offset_s != offset_now(z))
        z->changes[z->count++] = (struct change){at_s, offset_s};
}

static const char *read_changes(struct zone *z, const struct file *f, size_t at,
                                const struct header *h)
{
    const unsigned char *times = f->bytes + at, *kinds = times + 8 * h->changes;
    const unsigned char *types = kinds + h->changes;
    if (h->types < 1 || h->changes > CHANGES_MAX / 2)
        return "its header makes no sense";
    for (size_t i = 0; i < h->types; i++)
        if (llabs(big_endian(types + (size_t)TYPE_BYTES * i, 4)) > OFFSET_MAX_S)
            return "an offset is larger than 26 hours";
    z->first_offset_s = (int)big_endian(types, 4);
    z->rule_from_s = INT64_MIN;
    for (size_t i = 0; i < h->changes; i++) {
        if (kinds[i] >= h->types)
            return "a change has an unknown type";
        add_change(z, big_endian(times + 8 * i, 8),
                   (int)big_endian(types + (size_t)TYPE_BYTES * kinds[i], 4));
        z->rule_from_s = big_endian(times + 8 * i, 8);
    }
    return NULL;
}

static void add_year(struct zone *z, const struct zone_rule *r, int year)
{
    struct change begin = {zone_day_wall_s(&r->begin, year) - r->standard_s, r->summer_s};
    struct change end = {zone_day_wall_s(&r->end, year) - r->summer_s, r->standard_s};
    const struct change *first = begin.at_s < end.at_s ? &begin : &end;
    const struct change *second = first == &begin ? &end : &begin;
    if (first->at_s > z->rule_from_s)
        add_change(z, first->at_s, first->offset_s);
    if (second->at_s > z->rule_from_s)
        add_change(z, second->at_s, second->offset_s);
}

static const char *read_footer(struct zone *z, const struct file *f, size_t at)
{
    char text[128];
    struct zone_rule rule;
    if (at + 1 >= f->len || f->bytes[at] != '\n')
        return "it has no rule for the future";
    const unsigned char *end = memchr(f->bytes + at + 1, '\n', f->len - at - 1);
    size_t len = end ? (size_t)(end - (f->bytes + at + 1)) : sizeof text;
    if (len >= sizeof text)
        return "its rule for the future does not end";
    memcpy(text, f->bytes + at + 1, len);
    text[len] = '\0';
    if (!len)
        return NULL;
    if (!zone_rule_parse(text, &rule))
        return "its rule for the future cannot be read";
    for (int year = RULE_FIRST_YEAR; rule.changes && year <= RULE_LAST_YEAR; year++)
        add_year(z, &rule, year);
    return NULL;
}

/* What is wrong with the file, or NULL. */
static const char *read_zone(struct zone *z, const struct file *f)
{
    struct header h1, h2;
    if (!read_header(f, 0, &h1))
        return "it is not a TZif file";
    size_t second = HEADER_BYTES + block_bytes(&h1, 4);
    if (f->bytes[4] < '2' || !read_header(f, second, &h2))
        return "it has no 64-bit data (TZif version 2)";
    size_t data = second + HEADER_BYTES, bytes = block_bytes(&h2, 8);
    if (bytes > f->len - data)
        return "it is cut off";
    const char *wrong = read_changes(z, f, data, &h2);
    return wrong ? wrong : read_footer(z, f, data + bytes);
}

static enum err_code load(const char *path, struct zone *z, struct err *e)
{
    unsigned char *bytes = malloc(FILE_MAX_BYTES);
    FILE *file = bytes ? fopen(path, "rbe") : NULL;
    if (!file) {
        int why = errno;
        free(bytes);
        if (why == ENOENT || why == ENOTDIR)
            return err_set(e, NOT_FOUND,
                           "Invalid timezone: \"%s\" (specify in IANA tzdata format, "
                           "for example, America/New_York)",
                           z->name);
        return err_set(e, INTERNAL, "time zone %s: %s: %s", z->name, path, strerror(why));
    }
    struct file f = {bytes, fread(bytes, 1, FILE_MAX_BYTES, file)};
    fclose(file);
    const char *wrong = read_zone(z, &f);
    free(bytes);
    return wrong ? err_set(e, INTERNAL, "time zone %s: %s: %s", z->name, path, wrong) : ERR_OK;
}

/* ---- the cache ---- */

struct zones *zones_new(const char *dir)
{
    struct zones *z = calloc(1, sizeof *z);
    if (!z)
        abort();
    const char *given = dir ? dir : getenv("TZDIR");
    snprintf(z->dir, sizeof z->dir, "%s", given && *given ? given : "/usr/share/zoneinfo");
    pthread_mutex_init(&z->lock, NULL);
    return z;
}

static void zone_free(struct zone *z)
{
    if (z)
        free(z->changes);
    free(z);
}

void zones_free(struct zones *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->count; i++)
        zone_free(z->items[i]);
    pthread_mutex_destroy(&z->lock);
    free(z);
}

bool zone_name_valid(const char *name)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    size_t len = strlen(name);
    if (!len || len > ZONE_NAME_MAX || name[strspn(name, allowed)])
        return false;
    if (name[0] == '/' || name[len - 1] == '/' || strstr(name, "//"))
        return false;
    return strncmp(name, "posix/", 6) != 0 && strncmp(name, "right/", 6) != 0 &&
           strcmp(name, "posixrules") != 0 && strcmp(name, "localtime") != 0;
}

static enum err_code read_new(struct zones *z, const char *name, struct zone **out, struct err *e)
{
    char path[sizeof z->dir + ZONE_NAME_MAX + 2];
    struct zone *zone = calloc(1, sizeof *zone);
    struct change *room = calloc(CHANGES_MAX, sizeof *room);
    if (!zone || !room)
        abort();
    zone->changes = room;
    snprintf(zone->name, sizeof zone->name, "%s", name);
    snprintf(path, sizeof path, "%s/%s", z->dir, name);
    enum err_code rc = load(path, zone, e);
    if (rc) {
        zone_free(zone);
        return rc;
    }
    room = realloc(zone->changes, (zone->count + 1) * sizeof *room);
    zone->changes = room ? room : zone->changes;
    *out = zone;
    return ERR_OK;
}

static enum err_code find_or_read(struct zones *z, const char *name, const struct zone **out,
                                  struct err *e)
{
    struct zone *zone = NULL;
    for (size_t i = 0; i < z->count && !zone; i++)
        if (!strcmp(z->items[i]->name, name))
            zone = z->items[i];
    if (!zone) {
        if (z->count == ZONES_MAX)
            return err_set(e, INTERNAL, "more than %d time zones are in use", ZONES_MAX);
        enum err_code rc = read_new(z, name, &zone, e);
        if (rc)
            return rc;
        z->items[z->count++] = zone;
    }
    *out = zone;
    return ERR_OK;
}

enum err_code zones_get(struct zones *z, const char *name, const struct zone **out, struct err *e)
{
    if (!zone_name_valid(name))
        return err_set(e, NOT_FOUND,
                       "Invalid timezone: \"%.64s\" (specify in IANA tzdata format, "
                       "for example, America/New_York)",
                       name);
    pthread_mutex_lock(&z->lock);
    enum err_code rc = find_or_read(z, name, out, e);
    pthread_mutex_unlock(&z->lock);
    return rc;
}

/* ---- looking up ---- */

const char *zone_name(const struct zone *z)
{
    return z->name;
}

bool zone_is_utc(const struct zone *z)
{
    return !z->count && !z->first_offset_s;
}

/* Whole cycles that bring the instant into the part that is written out. */
static int64_t cycles_s(const struct zone *z, int64_t instant_s)
{
    int64_t limit = civil_days(RULE_LAST_YEAR - 1, 1, 1) * DAY_S;
    if (!z->count || z->changes[z->count - 1].at_s < limit || instant_s < limit)
        return 0;
    return ((instant_s - limit) / CIVIL_CYCLE_S + 1) * CIVIL_CYCLE_S;
}

/* How many changes lie at or before the instant. */
static size_t changes_until(const struct zone *z, int64_t instant_s)
{
    size_t low = 0, high = z->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->changes[mid].at_s <= instant_s)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int offset_after(const struct zone *z, size_t changes)
{
    return changes ? z->changes[changes - 1].offset_s : z->first_offset_s;
}

int zone_offset_s(const struct zone *z, int64_t instant_s)
{
    return offset_after(z, changes_until(z, instant_s - cycles_s(z, instant_s)));
}

int64_t zone_wall_s(const struct zone *z, int64_t instant_s)
{
    return instant_s + zone_offset_s(z, instant_s);
}

int64_t zone_instant_s(const struct zone *z, int64_t wall_s, enum zone_reading reading)
{
    /* In which reading the offset after the change counts: in folds, in gaps. */
    static const enum zone_reading late[] = {ZONE_FORWARD_LAST, ZONE_BACK_FIRST};
    int64_t moved_s = cycles_s(z, wall_s);
    int64_t wall = wall_s - moved_s;
    /* No offset is more than OFFSET_MAX_S: the changes around the wall time, oldest first. */
    for (size_t i = changes_until(z, wall - OFFSET_MAX_S); i < z->count; i++) {
        int before = offset_after(z, i), after = z->changes[i].offset_s;
        int64_t gone = z->changes[i].at_s + before, come = z->changes[i].at_s + after;
        int64_t low = gone < come ? gone : come, high = gone < come ? come : gone;
        if (wall < low)
            return wall_s - before;
        if (wall < high)
            return wall_s - ((reading == late[after > before]) ? after : before);
    }
    return wall_s - offset_after(z, z->count);
}

bool zone_change_before(const struct zone *z, int64_t instant_s, int64_t *out_at_s,
                        int *out_change_s)
{
    int64_t moved_s = cycles_s(z, instant_s);
    size_t n = changes_until(z, instant_s - moved_s);
    if (!n)
        return false;
    *out_at_s = z->changes[n - 1].at_s + moved_s;
    *out_change_s = z->changes[n - 1].offset_s - offset_after(z, n - 1);
    return true;
}

bool zone_change_after(const struct zone *z, int64_t instant_s, int64_t *out_at_s)
{
    int64_t moved_s = cycles_s(z, instant_s);
    size_t n = changes_until(z, instant_s - moved_s);
    if (n == z->count)
        return false;
    *out_at_s = z->changes[n].at_s + moved_s;
    return true;
}
