#include "server/services/retention.h"

#include <string.h>

#include "server/store/retention.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

#define SECOND_US INT64_C(1000000)
#define DAY_US    (INT64_C(86400) * SECOND_US)
enum { WEEKS_AHEAD = 4 };

typedef enum err_code clean_fn(struct work *w, const struct retention *r,
                               struct retention_count *done);

/* clang-format off */
static const struct {
    const char *what, *words[3]; /* of db_vacuum.enabled: any of them switches it on */
    enum setting_id every;
    clean_fn *clean;
} rows[] = {
    {"events",    {"events", "true", "false"},     SETTING_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS,                retention_events},
    {"flow_runs", {"flow_runs", "true", "true"},   SETTING_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS,                retention_runs},
    {"orphans",   {"orphans", "flow_runs", "true"}, SETTING_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS, retention_orphans},
};
/* clang-format on */

static struct retention rules_of(struct work *w)
{
    const struct settings *s = &w->server->config.settings;
    const char *overrides =
        settings_text(s, SETTING_SERVER_SERVICES_DB_VACUUM_EVENT_RETENTION_OVERRIDES);
    struct retention r = {
        .batch = settings_int(s, SETTING_SERVER_SERVICES_DB_VACUUM_BATCH_SIZE),
        .events_us = settings_us(s, SETTING_SERVER_EVENTS_RETENTION_PERIOD),
        .runs_us = settings_us(s, SETTING_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD),
    };
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;

    if (overrides && doc_parse(&w->arena, overrides, strlen(overrides), doc, &bad))
        r.overrides = doc_root(doc);
    return r;
}

static bool is_on(const struct settings *s, size_t i)
{
    bool on = false;

    for (size_t k = 0; k < COUNT(rows[i].words); k++)
        on |= settings_has(s, SETTING_SERVER_SERVICES_DB_VACUUM_ENABLED, rows[i].words[k]);
    return on;
}

enum err_code retention_run(struct pass *p)
{
    const struct settings *s = &p->w->server->config.settings;
    const struct retention r = rules_of(p->w);
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < COUNT(rows) && !rc; i++) {
        struct retention_count done = {0};
        int64_t next_us = INT64_MAX;
        bool ours = false;
        if (!is_on(s, i))
            continue;
        rc = retention_turn(p->w, rows[i].what, settings_us(s, rows[i].every), &ours, &next_us);
        if (!rc && ours)
            rc = rows[i].clean(p->w, &r, &done);
        if (done.rows || done.partitions)
            log_info("cleaned", KV_S("what", rows[i].what), KV_I("rows", done.rows),
                     KV_I("partitions", done.partitions));
        if (next_us < p->next_us)
            p->next_us = next_us;
    }
    return rc;
}

enum err_code partitions_run(struct pass *p)
{
    p->next_us = p->w->now_us + DAY_US;
    return partitions_make(p->w, WEEKS_AHEAD);
}
