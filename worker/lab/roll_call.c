#include "worker/lab/roll_call.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"
#include "worker/lab/identify.h"

struct seat {
    struct roll_call *call;
    const struct bench *bench;
    enum { WANTED, OPEN, KNOWN } state;
    bool keeps; /* WANTED: the server is told that it is not free */
    struct identify *identify;
};

struct roll_call {
    uv_loop_t *loop;
    struct lab *lab;
    bool (*used)(void *ctx, const struct bench *bench);
    void *ctx;
    size_t count;
    struct seat seats[];
};

struct roll_call *roll_call_new(uv_loop_t *loop, struct lab *lab,
                                bool (*used)(void *ctx, const struct bench *bench), void *ctx)
{
    size_t count = lab_count(lab);
    struct roll_call *r = calloc(1, sizeof(*r) + count * sizeof(r->seats[0]));

    if (!r)
        return NULL;
    *r = (struct roll_call){.loop = loop, .lab = lab, .used = used, .ctx = ctx, .count = count};
    for (size_t i = 0; i < count; i++)
        r->seats[i] = (struct seat){.call = r, .bench = lab_at(lab, i), .keeps = true};
    return r;
}

void roll_call_free(struct roll_call *r)
{
    for (size_t i = 0; r && i < r->count; i++)
        identify_stop(r->seats[i].identify);
    free(r);
}

void roll_call_look(struct roll_call *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct seat *s = &r->seats[i];
        if (s->state != KNOWN || s->bench->status == BENCH_READY)
            continue;
        s->state = WANTED;
        s->keeps = true;
    }
}

static void on_identity(void *ctx, const struct identity *found)
{
    struct seat *s = ctx;

    s->identify = NULL;
    s->state = KNOWN;
    if (found->meter_version[0])
        lab_note_meter(s->call->lab, s->bench, found->meter_serial, found->meter_version);
    if (found->probe_version[0])
        lab_note_probe(s->call->lab, s->bench, found->probe_version);
    log_info("bench.identity", KV_S("bench", s->bench->name), KV_S("meter", found->meter_version),
             KV_S("probe", found->probe_version));
}

static const json_t *device_named(const json_t *devices, const char *name)
{
    const json_t *device;
    size_t i;

    json_array_foreach(devices, i, device)
    {
        const char *own = json_string_value(json_object_get(device, "name"));
        if (own && strcmp(own, name) == 0)
            return device;
    }
    return NULL;
}

/* The bench, or a part of it. */
static bool is_held(const struct roll_call *r, const json_t *held, const struct bench *bench)
{
    const json_t *name;
    size_t i;

    json_array_foreach(held, i, name) if (json_is_string(name) &&
                                          lab_find_device(r->lab, json_string_value(name)) ==
                                              bench) return true;
    return false;
}

static void answered(struct roll_call *r, struct seat *s, const json_t *told, const json_t *held)
{
    const json_t *device = device_named(told, s->bench->name);

    if (r->used(r->ctx, s->bench) || is_held(r, held, s->bench)) {
        s->keeps = false; /* later */
    } else if (!s->keeps) {
        s->keeps = true; /* the next heartbeat says so */
    } else if (device && json_is_false(json_object_get(device, "free"))) {
        s->identify = identify_start(r->loop, s->bench, on_identity, s);
        s->state = s->identify ? OPEN : KNOWN;
    }
}

void roll_call_answered(struct roll_call *r, const json_t *told, const json_t *held)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->seats[i].state == WANTED && r->seats[i].bench->status == BENCH_READY)
            answered(r, &r->seats[i], told, held);
}

bool roll_call_keeps(const struct roll_call *r, const struct bench *bench)
{
    for (size_t i = 0; r && i < r->count; i++)
        if (r->seats[i].bench == bench)
            return r->seats[i].state == OPEN || (r->seats[i].state == WANTED && r->seats[i].keeps);
    return false;
}
