#include "server/model/schedule_check.h"

#include <ctype.h>
#include <string.h>

#include "server/model/cron.h"
#include "server/model/rrule.h"
#include "server/model/zone.h"
#include "shared/base/clock.h"

enum { SHOWN_CHARACTERS = 100 };

struct interval_in {
    struct given given;
    int64_t interval_us;
    struct raw anchor_date;
    const char *timezone;
};
struct cron_in {
    struct given given;
    const char *cron, *timezone;
    bool day_or;
};
struct rrule_in {
    struct given given;
    const char *rrule, *timezone;
};

static bool zone_is_known(const char *name)
{
    const struct zone *zone;
    struct zones *zones = zones_new(NULL);
    struct err e;
    bool known = zones_get(zones, name, &zone, &e) == ERR_OK;

    zones_free(zones);
    return known;
}

static const char *check_zone(struct arena *a, const char *name)
{
    if (!name || !*name || zone_is_known(name))
        return NULL;
    return arena_printf(a,
                        "Invalid timezone: \"%s\" (specify in IANA tzdata format, for example, "
                        "America/New_York)",
                        name);
}

static const char *check_interval_zone(struct arena *a, const void *in)
{
    return check_zone(a, ((const struct interval_in *)in)->timezone);
}

static const char *check_cron_zone(struct arena *a, const void *in)
{
    return check_zone(a, ((const struct cron_in *)in)->timezone);
}

/* Prefect lists all zones here. */
static bool read_zone(const struct reading *r, void *out)
{
    size_t len;
    const char *name = val_string(r->bad->arena, r->v, &len);

    if (val_type(r->v) == DOC_STRING && (strlen(name) != len || !*name || !zone_is_known(name)))
        return reading_fail(r, "string_pattern_mismatch",
                            "String should match the name of an IANA time zone", NULL);
    return readers[r->f->kind](r, out);
}

static const char *check_positive(struct arena *a, const void *value)
{
    (void)a;
    return *(const int64_t *)value > 0 ? NULL : "interval must be positive";
}

/* A date in any form; it is kept as it came. */
static bool read_anchor(const struct reading *r, void *out)
{
    int64_t us;

    return read_time(r, &us) && readers[r->f->kind](r, out);
}

/* A field that begins with R: croniter would choose by chance. */
static bool is_random(const char *cron)
{
    for (const char *p = cron; *p; p++)
        if (toupper((unsigned char)*p) == 'R' && (p == cron || isspace((unsigned char)p[-1])))
            return true;
    return false;
}

static const char *check_cron(struct arena *a, const void *value)
{
    const char *text = *(const char *const *)value;
    struct cron cron;
    struct err e;

    if (is_random(text))
        return arena_printf(a, "Random and Hashed expressions are unsupported, received: \"%s\"",
                            text);
    return cron_parse(text, &cron, &e) ? arena_printf(a, "Invalid cron string: \"%s\"", text)
                                       : NULL;
}

static const char *check_rrule(struct arena *a, const void *value)
{
    const char *text = *(const char *const *)value;
    static const char prefix[] = "Invalid RRule string: ";
    struct rrule_set *set;
    struct err e;

    if (!rrule_parse(a, text, &set, &e))
        return NULL;
    bool told = !strncmp(e.detail, prefix, strlen(prefix));
    return arena_printf(a, "Invalid RRule string \"%.*s\": %s", SHOWN_CHARACTERS, text,
                        e.detail + (told ? strlen(prefix) : 0));
}

/* clang-format off */
#define I struct interval_in
static const struct field interval_fields[] = {
    F_DURATION(I, interval, F_REQUIRED, .check = check_positive, .doc = "From one run to the next."),
    F_JSON(I, anchor_date, .read = read_anchor, .doc = "A date that belongs to it; now by default."),
    F_STR(I, timezone, F_NULLABLE, .doc = "Whole days are days of its calendar."),
};
#undef I
#define C struct cron_in
static const struct field cron_fields[] = {
    F_STR(C, cron, F_REQUIRED, .check = check_cron, .doc = "minute hour day month weekday."),
    F_STR(C, timezone, F_NULLABLE, .doc = "Whose clock counts."),
    F_BOOL(C, day_or, .def = "true", .doc = "Day or weekday, not both."),
};
#undef C
#define R struct rrule_in
static const struct field rrule_fields[] = {
    F_STR(R, rrule, F_REQUIRED, .check = check_rrule, .doc = "RFC 5545."),
    F_STR(R, timezone, F_NULLABLE, .read = read_zone, .doc = "Whose clock counts."),
};
#undef R
/* The names are Prefect's, and stand in the places of its errors. */
static const struct resource kinds[] = {
    RESOURCE_NAMED("function-after[validate_timezone(), IntervalSchedule]", interval_in, interval_fields, .check = check_interval_zone),
    RESOURCE_NAMED("function-after[validate_timezone(), CronSchedule]", cron_in, cron_fields, .check = check_cron_zone),
    RESOURCE_NAMED("RRuleSchedule", rrule_in, rrule_fields),
};
/* clang-format on */

union any_in {
    struct interval_in interval;
    struct cron_in cron;
    struct rrule_in rrule;
};

bool schedule_check(const struct reading *r, void *out)
{
    union any_in in;
    bool object = val_type(r->v) == DOC_OBJECT, fits = false;

    for (size_t i = 0; i < COUNT(kinds) && object && !fits; i++) {
        struct invalid trial = {.arena = r->bad->arena};
        fits = json_decode(&kinds[i], r->v, r->at, &in, &trial) == ERR_OK;
    }
    if (fits)
        return readers[r->f->kind](r, out);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct loc place = {r->at, kinds[i].name, 0};
        if (!object)
            reading_fail(&(struct reading){r->f, r->v, &place, r->bad}, "model_attributes_type",
                         "Input should be a valid dictionary or object to extract fields from",
                         NULL);
        else if (json_decode(&kinds[i], r->v, &place, &in, r->bad) == ERR_OK)
            break; /* cannot be: it was tried */
    }
    return false;
}
