#include "worker/lab/inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/lab/bench_config.h"
#include "worker/lab/roll_call.h"

enum { CAPACITY_MAX = 1000, LOOK_US = 3000000, NAME_BYTES = 2 * USB_TEXT_BYTES };

/* ---- the configuration ---- */

enum kind { TEXT, NUMBER, TEXTS, MAP };
static const char *const kind_names[] = {"a text", "a number from 1 to 1000", "a list of texts",
                                         "a map of texts"};

/* A member of a declared device. */
static const struct {
    const char *name;
    enum kind kind;
    bool required;
} members[] = {
    {"name", TEXT, true},           {"type", TEXT, true},   {"target", TEXT, false},
    {"capabilities", TEXTS, false}, {"labels", MAP, false}, {"location", TEXT, false},
    {"firmware", MAP, false},       {"bench", TEXT, false}, {"capacity", NUMBER, false},
    {"usb", TEXT, false},
};

static bool all_texts(const json_t *value)
{
    const json_t *item;
    const char *key;
    size_t i;

    json_array_foreach(value, i, item) if (!json_is_string(item)) return false;
    json_object_foreach((json_t *)(uintptr_t)value, key,
                        item) if (!json_is_string(item)) return false;
    return true;
}

static bool is_kind(const json_t *value, enum kind kind)
{
    switch (kind) {
    case TEXT:
        return json_string_length(value) > 0;
    case NUMBER:
        return json_is_integer(value) && json_integer_value(value) >= 1 &&
               json_integer_value(value) <= CAPACITY_MAX;
    case TEXTS:
        return json_is_array(value) && all_texts(value);
    case MAP:
        return json_is_object(value) && all_texts(value);
    }
    return false;
}

static bool is_member(const char *name)
{
    for (size_t i = 0; i < COUNT(members); i++)
        if (strcmp(members[i].name, name) == 0)
            return true;
    return false;
}

static enum err_code check_device(const json_t *device, struct err *e)
{
    const char *name = json_string_value(json_object_get(device, "name")), *key;
    const json_t *value;

    for (size_t i = 0; i < COUNT(members); i++) {
        value = json_object_get(device, members[i].name);
        if (!value && members[i].required)
            return err_set(e, INVALID, "devices: %s: `%s` is missing", name ? name : "a device",
                           members[i].name);
        if (value && !is_kind(value, members[i].kind))
            return err_set(e, INVALID, "devices: %s: `%s` is not %s", name ? name : "a device",
                           members[i].name, kind_names[members[i].kind]);
    }
    json_object_foreach(
        (json_t *)(uintptr_t)device, key,
        value) if (!is_member(key)) return err_set(e, INVALID,
                                                   "devices: %s: there is no member `%s`", name,
                                                   key);
    return ERR_OK;
}

/* Whether it is the name of a bench, or of a part of one. */
static bool is_of_bench(const json_t *benches, const char *name)
{
    static const char *const ends[] = {"", ".board", ".meter"};

    for (size_t i = 0; i < json_array_size(benches); i++) {
        const char *own = json_string_value(json_object_get(json_array_get(benches, i), "name"));
        size_t len = own ? strlen(own) : 0;
        for (size_t k = 0; own && !strncmp(own, name, len) && k < COUNT(ends); k++)
            if (!strcmp(name + len, ends[k]))
                return true;
    }
    return false;
}

static enum err_code check_name(const json_t *benches, const json_t *declared, size_t at,
                                struct err *e)
{
    const char *name = json_string_value(json_object_get(json_array_get(declared, at), "name"));
    bool taken = is_of_bench(benches, name);

    for (size_t i = 0; i < at; i++)
        taken |=
            !strcmp(json_string_value(json_object_get(json_array_get(declared, i), "name")), name);
    return taken ? err_set(e, INVALID, "devices: two have the name %s", name) : ERR_OK;
}

enum err_code inventory_check(const json_t *benches, const json_t *declared, struct err *e)
{
    if (declared && !json_is_array(declared))
        return err_set(e, INVALID, "devices: expected a list of devices");
    for (size_t i = 0; i < json_array_size(declared); i++) {
        enum err_code code = check_device(json_array_get(declared, i), e);
        if (!code)
            code = check_name(benches, declared, i, e);
        if (code)
            return code;
    }
    return ERR_OK;
}

/* ---- what is plugged in ---- */

static void look(struct inventory *i)
{
    int64_t now_us = clock_monotonic_us();

    if (i->plugged && now_us - i->looked_us < LOOK_US)
        return;
    if (!i->plugged)
        i->plugged = calloc(USB_DEVICES_MAX, sizeof(*i->plugged));
    i->plugged_count = i->plugged ? usb_list(i->sysfs, i->plugged) : 0;
    i->looked_us = now_us;
}

static const struct usb_device *plugged(const struct inventory *i, const char *serial)
{
    for (size_t k = 0; k < i->plugged_count; k++)
        if (strcmp(i->plugged[k].serial, serial) == 0)
            return &i->plugged[k];
    return NULL;
}

/* The meter of a bench, when its port is told by a serial number. */
static const struct usb_device *plugged_at(const struct inventory *i, const struct bench *b)
{
    for (size_t k = 0; k < i->plugged_count; k++)
        if (i->plugged[k].kind != USB_PROBE && strstr(b->meter_port, i->plugged[k].serial))
            return &i->plugged[k];
    return NULL;
}

/* ---- benches and their parts ---- */

static void put_text(json_t *object, const char *member, const char *text)
{
    if (text && *text)
        json_object_set_new(object, member, json_string(text));
}

static json_t *labels_of(const json_t *given)
{
    return given ? json_copy((json_t *)(uintptr_t)given) : json_object();
}

/* What all devices have; takes the references. */
static json_t *tell(const char *name, const char *type, json_t *labels, json_t *health, bool works)
{
    return json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", name, "type", type, "labels", labels,
                     "health", health, "free", works);
}

static json_t *tell_bench(const struct bench *b, const struct bench_health *h, bool works)
{
    json_t *labels = labels_of(b->labels);

    json_object_set_new(labels, "emulated", json_string(b->emulated ? "true" : "false"));
    put_text(labels, "backend", b->backend);
    put_text(labels, "meter", b->meter_driver);
    json_t *device = tell(b->name, "bench", labels, bench_health_json(h), works);
    put_text(device, "target", b->target);
    put_text(device, "location", b->location);
    if (b->capabilities)
        json_object_set(device, "capabilities", (json_t *)(uintptr_t)b->capabilities);
    return device;
}

/* `release`: what USB calls the version of the device, which is not that of its firmware. */
static json_t *tell_part(const struct bench *b, const char *type, json_t *health, bool works,
                         const char *version, const char *release)
{
    char name[NAME_BYTES];
    json_t *labels = json_object(), *firmware = json_object();

    bench_part_name(b, type, name, sizeof(name));
    json_object_set_new(labels, "emulated", json_string(b->emulated ? "true" : "false"));
    json_t *device = tell(name, type, labels, health, works);
    put_text(device, "bench", b->name);
    put_text(device, "location", b->location);
    put_text(firmware, strcmp(type, "board") == 0 ? "probe" : type, version);
    put_text(firmware, "usb", release);
    json_object_set_new(device, "firmware", firmware);
    return device;
}

static void add_bench(const struct inventory *i, json_t *list, const struct bench *b,
                      const struct bench_health *h)
{
    bool works = b->status == BENCH_READY && !h->quarantined && !roll_call_keeps(i->roll_call, b);
    const struct usb_device *probe = plugged(i, b->board_serial), *monitor = plugged_at(i, b);
    json_t *board = tell_part(b, "board",
                              json_pack("{s:I,s:I}", "flashes", (json_int_t)h->flashes, "failures",
                                        (json_int_t)h->failures),
                              works, h->probe_version, probe ? probe->version : NULL);
    json_t *meter = tell_part(b, "meter", json_object(), works, h->meter_version,
                              monitor ? monitor->version : NULL);

    put_text(board, "target", b->target);
    put_text(json_object_get(board, "labels"), "serial", b->board_serial);
    put_text(json_object_get(board, "labels"), "backend", b->backend);
    put_text(json_object_get(meter, "labels"), "driver", b->meter_driver);
    put_text(json_object_get(meter, "labels"), "serial", h->meter_serial);
    json_array_append_new(list, tell_bench(b, h, works));
    json_array_append_new(list, board);
    json_array_append_new(list, meter);
}

/* ---- devices of their own ---- */

static json_t *tell_declared(const struct inventory *i, const json_t *given)
{
    static const char *const as_given[] = {"target",   "capabilities", "location",
                                           "firmware", "bench",        "capacity"};
    const char *usb = json_string_value(json_object_get(given, "usb"));
    json_t *labels = labels_of(json_object_get(given, "labels"));

    put_text(labels, "serial", usb);
    json_t *device = tell(json_string_value(json_object_get(given, "name")),
                          json_string_value(json_object_get(given, "type")), labels, json_object(),
                          !usb || plugged(i, usb));
    for (size_t k = 0; k < COUNT(as_given); k++)
        if (json_object_get(given, as_given[k]))
            json_object_set(device, as_given[k], json_object_get(given, as_given[k]));
    return device;
}

static bool is_known(const struct inventory *i, const struct usb_device *d)
{
    for (size_t k = 0; i->lab && k < lab_count(i->lab); k++) {
        const struct bench *b = lab_at(i->lab, k);
        const struct bench_health *h = lab_health(i->lab, b);
        if (strcmp(b->board_serial, d->serial) == 0 || strcmp(h->meter_serial, d->serial) == 0 ||
            /* usb:SERIAL, /dev/serial/by-id/..._SERIAL-if02 */
            strstr(b->meter_port, d->serial) || strstr(b->uart, d->serial))
            return true;
    }
    for (size_t k = 0; k < json_array_size(i->declared); k++) {
        const json_t *usb = json_object_get(json_array_get(i->declared, k), "usb");
        if (json_is_string(usb) && strcmp(json_string_value(usb), d->serial) == 0)
            return true;
    }
    return false;
}

static json_t *tell_found(const struct usb_device *d)
{
    char name[NAME_BYTES], id[16];
    bool probe = d->kind == USB_PROBE;
    json_t *labels = json_pack("{s:s, s:s}", "discovered", "true", "serial", d->serial);

    snprintf(id, sizeof(id), "%04x:%04x", d->vendor, d->product);
    snprintf(name, sizeof(name), "%s-%s", probe ? "board" : "meter", d->serial);
    put_text(labels, "usb", id);
    put_text(labels, "product", d->name);
    json_t *device = tell(name, probe ? "board" : "meter", labels, json_object(), true);
    if (d->version[0])
        json_object_set_new(device, "firmware", json_pack("{s:s}", "usb", d->version));
    return device;
}

json_t *inventory_devices(struct inventory *i)
{
    json_t *list = json_array();

    look(i);
    for (size_t k = 0; i->lab && k < lab_count(i->lab); k++)
        add_bench(i, list, lab_at(i->lab, k), lab_health(i->lab, lab_at(i->lab, k)));
    for (size_t k = 0; k < json_array_size(i->declared); k++)
        json_array_append_new(list, tell_declared(i, json_array_get(i->declared, k)));
    for (size_t k = 0; i->discover && k < i->plugged_count; k++)
        if (!is_known(i, &i->plugged[k]))
            json_array_append_new(list, tell_found(&i->plugged[k]));
    return list;
}

void inventory_close(struct inventory *i)
{
    free(i->plugged);
    i->plugged = NULL;
}
