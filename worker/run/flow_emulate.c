#include "worker/run/flow_emulate.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 220, COUNT_MAX = 16 };

struct emulation {
    json_t *benches, *devices;
    struct err *err;
};

static const char *text_of(const json_t *want, const char *member, const char *fallback)
{
    const char *text = json_string_value(json_object_get(want, member));
    return text ? text : fallback;
}

static enum err_code add_bench(struct emulation *m, const char *name, const char *device,
                               const json_t *want)
{
    const char *target = text_of(want, "target", NULL);
    if (!target)
        return err_set(m->err, INVALID,
                       "--emulate: the device `%s` of the flow needs a `target`: netduinoplus2 or "
                       "netduino2",
                       device);
    json_array_append_new(
        m->benches, json_pack("{s:s,s:s,s:b}", "name", name, "target", target, "emulated", 1));
    return ERR_OK;
}

static enum err_code add_benches(struct emulation *m, const char *device, const json_t *want)
{
    json_int_t count = json_integer_value(json_object_get(want, "count"));
    char name[NAME_BYTES];
    enum err_code code = ERR_OK;
    if (!json_object_get(want, "count")) {
        json_object_set_new(m->devices, device, json_pack("{s:s}", "name", device));
        return add_bench(m, device, device, want);
    }
    if (count < 1 || count > COUNT_MAX)
        return err_set(m->err, INVALID, "--emulate: the device `%s` has a `count` of 1 to %d",
                       device, COUNT_MAX);
    json_t *all = json_array();
    json_object_set_new(m->devices, device, all);
    for (json_int_t i = 1; !code && i <= count; i++) {
        snprintf(name, sizeof(name), "%.200s-%d", device, (int)i);
        json_array_append_new(all, json_pack("{s:s}", "name", name));
        code = add_bench(m, name, device, want);
    }
    return code;
}

static enum err_code add_board(struct emulation *m, const char *device, const json_t *want)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof(name), "%.200s.board", device);
    json_object_set_new(m->devices, device, json_pack("{s:s}", "name", name));
    return add_bench(m, device, device, want);
}

/* Of the first bench whose board alone is given out. */
static enum err_code add_meter(struct emulation *m, const char *device, const json_t *wanted)
{
    const char *key;
    json_t *want;
    char name[NAME_BYTES];
    json_object_foreach((json_t *)(uintptr_t)wanted, key, want)
    {
        bool taken = false;
        const char *other;
        json_t *have;
        snprintf(name, sizeof(name), "%.200s.meter", key);
        json_object_foreach(m->devices, other, have) taken |=
            !strcmp(text_of(have, "name", ""), name);
        if (strcmp(text_of(want, "type", "bench"), "board") != 0 || taken)
            continue;
        json_object_set_new(m->devices, device, json_pack("{s:s}", "name", name));
        return ERR_OK;
    }
    return err_set(m->err, INVALID,
                   "--emulate: the meter `%s` has no board in the flow's `devices`", device);
}

enum err_code emulate_devices(const json_t *wanted, json_t **out_benches, json_t **out_devices,
                              struct err *e)
{
    struct emulation m = {json_array(), json_object(), e};
    enum err_code code = ERR_OK;
    const char *key;
    json_t *want;
    json_object_foreach((json_t *)(uintptr_t)wanted, key, want)
    {
        const char *type = text_of(want, "type", "bench");
        if (code)
            break;
        if (!strcmp(type, "bench"))
            code = add_benches(&m, key, want);
        else if (!strcmp(type, "board"))
            code = add_board(&m, key, want);
        else if (!strcmp(type, "meter"))
            code = add_meter(&m, key, wanted);
        else
            json_object_set_new(m.devices, key, json_pack("{s:s}", "name", key));
    }
    if (code) {
        json_decref(m.benches);
        json_decref(m.devices);
        return code;
    }
    *out_benches = m.benches;
    *out_devices = m.devices;
    return ERR_OK;
}
