/* What is known of a bench's health, and its quarantine. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"
#include "worker/lab/recovery.h"

json_t *bench_health_json(const struct bench_health *h)
{
    json_t *out = json_pack("{s:I,s:I,s:b}", "flashes", (json_int_t)h->flashes, "failures",
                            (json_int_t)h->failures, "quarantined", h->quarantined);
    if (h->quarantined)
        json_object_set_new(out, "reason", json_string(h->reason));
    for (size_t i = 0; i < RUNG_COUNT; i++)
        json_object_set_new(out, recovery_rungs[i].name, json_integer(h->rungs[i]));
    return out;
}

/* ---- the file ---- */

static unsigned count_at(const json_t *from, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(from, name));
    return n > 0 && n <= INT_MAX ? (unsigned)n : 0;
}

static void take_over(struct bench_health *h, const json_t *from)
{
    const char *reason = json_string_value(json_object_get(from, "reason"));

    h->flashes = count_at(from, "flashes");
    h->failures = count_at(from, "failures");
    h->quarantined = json_is_true(json_object_get(from, "quarantined"));
    snprintf(h->reason, sizeof(h->reason), "%s", reason ? reason : "");
    for (size_t i = 0; i < RUNG_COUNT; i++)
        h->rungs[i] = count_at(from, recovery_rungs[i].name);
}

void lab_keep_health(struct lab *lab, const char *path)
{
    json_error_t bad;
    json_t *all = json_load_file(path, 0, &bad);

    if (!all && access(path, F_OK) == 0)
        log_warn("bench.health", KV_S("file", path), KV_S("reason", bad.text));
    for (size_t i = 0; i < lab_count(lab); i++) {
        const struct bench *bench = lab_at(lab, i);
        const json_t *from = json_object_get(all, bench->name);
        if (from)
            take_over(lab_health(lab, bench), from);
    }
    json_decref(all);
    lab_set_health_path(lab, path);
}

/* Benches that are not configured any more are forgotten. */
static void save(const struct lab *lab)
{
    const char *path = lab_health_path(lab);
    char fresh[PATH_MAX];
    json_t *all = json_object();

    for (size_t i = 0; path && i < lab_count(lab); i++) {
        const struct bench *bench = lab_at(lab, i);
        json_object_set_new(all, bench->name, bench_health_json(lab_health(lab, bench)));
    }
    if (path) {
        snprintf(fresh, sizeof(fresh), "%s.new", path);
        if (json_dump_file(all, fresh, JSON_COMPACT) || rename(fresh, path))
            log_warn("bench.health", KV_S("file", path), KV_S("reason", strerror(errno)));
    }
    json_decref(all);
}

/* ---- news ---- */

void lab_note_flash(struct lab *lab, const struct bench *bench, bool good)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (!h)
        return;
    h->flashes++;
    h->failures += !good;
    save(lab);
}

void lab_note_rung(struct lab *lab, const struct bench *bench, enum rung rung, const char *reason)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (!h)
        return;
    h->rungs[rung]++;
    if (rung == RUNG_QUARANTINE) {
        h->quarantined = true;
        snprintf(h->reason, sizeof(h->reason), "%s", reason);
        log_warn("bench is quarantined", KV_S("bench", bench->name), KV_S("reason", reason));
    }
    save(lab);
}

void lab_note_meter(struct lab *lab, const struct bench *bench, const char *serial,
                    const char *version)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (!h)
        return;
    snprintf(h->meter_serial, sizeof(h->meter_serial), "%s", serial);
    snprintf(h->meter_version, sizeof(h->meter_version), "%s", version);
}

void lab_note_supply(struct lab *lab, const struct bench *bench, bool on)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (h)
        h->supplied = on;
}

void lab_note_probe(struct lab *lab, const struct bench *bench, const char *version)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (h)
        snprintf(h->probe_version, sizeof(h->probe_version), "%s", version);
}

void lab_return(struct lab *lab, const struct bench *bench)
{
    struct bench_health *h = lab_health(lab, bench);
    if (!h || !h->quarantined)
        return;
    h->quarantined = false;
    save(lab);
    log_info("bench is back from quarantine", KV_S("bench", bench->name));
    lab_changed(lab);
}
