/* What is known of a bench's health, and its quarantine. */
#include <stdio.h>

#include "shared/base/log.h"
#include "worker/lab/recovery.h"

json_t *bench_health_json(const struct bench_health *h)
{
    json_t *out = json_pack("{s:I,s:I,s:b}", "flashes", (json_int_t)h->flashes, "failures",
                            (json_int_t)h->failures, "quarantined", h->quarantined);
    if (h->quarantined)
        json_object_set_new(out, "reason", json_string(h->reason));
    for (size_t i = 0; i < RUNG_QUARANTINE; i++)
        json_object_set_new(out, recovery_rungs[i].name, json_integer(h->rungs[i]));
    return out;
}

void lab_note_flash(struct lab *lab, const struct bench *bench, bool good)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (!h)
        return;
    h->flashes++;
    h->failures += !good;
}

void lab_note_rung(struct lab *lab, const struct bench *bench, enum rung rung, const char *reason)
{
    struct bench_health *h = lab ? lab_health(lab, bench) : NULL;
    if (!h)
        return;
    h->rungs[rung]++;
    if (rung != RUNG_QUARANTINE)
        return;
    h->quarantined = true;
    snprintf(h->reason, sizeof(h->reason), "%s", reason);
    log_warn("bench is quarantined", KV_S("bench", bench->name), KV_S("reason", reason));
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
    log_info("bench is back from quarantine", KV_S("bench", bench->name));
    lab_changed(lab);
}
