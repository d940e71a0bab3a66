#include "server/model/event.h"

#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/write.h"

const struct event_limits event_limits_default = {1024, 500, 100, 1500000};

/* clang-format off */
static const struct field event_fields[] = {
    F_TIME(struct event, occurred, F_REQUIRED, .doc = "When it happened at the sender."),
    F_STR(struct event, event, F_REQUIRED, .doc = "Name, such as prefect.flow-run.Completed."),
    F_TEXTS(struct event, resource, F_REQUIRED, .doc = "Labels of what it is about."),
    F_JSON(struct event, related, .def = "[]", .doc = "Labels of other resources, each with its role."),
    F_DICT(struct event, payload, .def = "{}", .doc = "Anything."),
    F_UUID(struct event, id, F_REQUIRED, .doc = "Made by the sender; an id seen before is not stored again."),
    F_UUID(struct event, follows, F_NULLABLE, .doc = "The event that must be handled before."),
};
const struct resource event_resource = RESOURCE_NAMED("Event", event, event_fields, .lax = true);

struct received_event {
    struct given given;
    struct uuid id, follows;
    int64_t occurred_us, received_us;
    const char *event;
    struct raw resource, related, payload;
};
static const struct field received_fields[] = {
    F_TIME(struct received_event, occurred, F_REQUIRED, .doc = "When it happened at the sender."),
    F_STR(struct received_event, event, F_REQUIRED, .doc = "Name, such as prefect.flow-run.Completed."),
    F_TEXTS(struct received_event, resource, F_REQUIRED, .doc = "Labels of what it is about."),
    F_JSON(struct received_event, related, .def = "[]", .doc = "Labels of other resources, each with its role."),
    F_DICT(struct received_event, payload, .def = "{}", .doc = "Anything."),
    F_UUID(struct received_event, id, F_REQUIRED, .doc = "Made by the sender."),
    F_UUID(struct received_event, follows, F_NULLABLE, .doc = "The event that must be handled before."),
    F_TIME(struct received_event, received, .doc = "When it came."),
};
/* clang-format on */
const struct resource received_event_resource =
    RESOURCE_NAMED("ReceivedEvent", received_event, received_fields);

/* ---- checks ---- */

/* An event, and where its errors go. */
struct checking {
    const struct event_limits *limits;
    struct invalid *bad;
};

static void refuse(const struct checking *c, const struct loc *at, const char *message,
                   struct raw input)
{
    invalid_add(c->bad, at, "value_error", arena_printf(c->bad->arena, "Value error, %s", message),
                input, "{\"error\":{}}");
}

static struct val parse(struct arena *a, struct raw text)
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    if (!text.text || !doc_parse(a, text.text, text.len, doc, &bad))
        return (struct val){0};
    return doc_root(doc);
}

static bool texts_only(const struct checking *c, const struct loc *at, struct val labels)
{
    bool fine = true;

    for (struct val_iter it = val_each(labels); val_next(&it);) {
        struct loc label = {at, val_string(c->bad->arena, it.key, NULL), 0};
        if (val_type(it.value) == DOC_STRING)
            continue;
        fine = false;
        invalid_add(c->bad, &label, "string_type", "Input should be a valid string",
                    val_raw(it.value), NULL);
    }
    return fine;
}

static void check_labels(const struct checking *c, const struct loc *at, struct val labels,
                         bool related)
{
    struct arena *a = c->bad->arena;

    if (!texts_only(c, at, labels))
        return;
    const char *id = val_string(a, val_get(labels, "prefect.resource.id"), NULL);
    const char *role = val_string(a, val_get(labels, "prefect.resource.role"), NULL);
    if (!id)
        refuse(c, at, "Resources must include the prefect.resource.id label", val_raw(labels));
    else if (!*id)
        refuse(c, at, "The prefect.resource.id label must be non-empty", val_raw(labels));
    else if ((int64_t)val_count(labels) > c->limits->labels)
        refuse(c, at,
               arena_printf(a, "The maximum number of labels per resource is %lld",
                            (long long)c->limits->labels),
               val_raw(labels));
    else if (related && !role)
        refuse(c, at, "Related Resources must include the prefect.resource.role label",
               val_raw(labels));
    else if (related && !*role)
        refuse(c, at, "The prefect.resource.role label must be non-empty", val_raw(labels));
}

static void check_related(const struct checking *c, const struct loc *at, struct raw text)
{
    struct val v = parse(c->bad->arena, text);
    struct loc related = {at, "related", 0};

    if (val_type(v) != DOC_ARRAY) {
        invalid_add(c->bad, &related, "list_type", "Input should be a valid list", text, NULL);
        return;
    }
    for (struct val_iter it = val_each(v); val_next(&it);) {
        struct loc item = {&related, NULL, it.index};
        if (val_type(it.value) == DOC_OBJECT)
            check_labels(c, &item, it.value, true);
        else
            invalid_add(c->bad, &item, "dict_type", "Input should be a valid dictionary",
                        val_raw(it.value), NULL);
    }
    if ((int64_t)val_count(v) > c->limits->related)
        refuse(c, &related,
               arena_printf(c->bad->arena, "The maximum number of related resources is %lld",
                            (long long)c->limits->related),
               text);
}

static int64_t count_chars(const char *text)
{
    int64_t n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

enum err_code event_check(const struct event_limits *limits, const struct event *e,
                          const struct loc *at, struct invalid *bad)
{
    struct checking c = {limits, bad};
    struct loc name = {at, "event", 0}, resource = {at, "resource", 0};
    size_t before = bad->count;

    if (count_chars(e->event) > limits->name_chars) {
        struct buf text = {.max_bytes = 1 << 20};
        write_string(&text, e->event);
        refuse(&c, &name,
               arena_printf(bad->arena, "Event name must be at most %lld characters",
                            (long long)limits->name_chars),
               (struct raw){text.bytes, text.len});
        buf_free(&text);
    }
    check_labels(&c, &resource, parse(bad->arena, e->resource), false);
    check_related(&c, at, e->related);
    return bad->count > before ? ERR_INVALID : ERR_OK;
}

bool event_fits(const struct event_limits *limits, const struct event *e)
{
    return (int64_t)(e->resource.len + e->related.len + e->payload.len + strlen(e->event)) <=
           limits->bytes;
}

/* ---- as readers get it ---- */

void event_write(struct buf *b, const struct event *e, int64_t received_us)
{
    write_object(b);
    write_key(b, "occurred");
    write_time(b, e->occurred_us);
    write_key(b, "event");
    write_string(b, e->event);
    write_key(b, "resource");
    write_raw(b, e->resource);
    write_key(b, "related");
    write_raw(b, e->related);
    write_key(b, "payload");
    write_raw(b, e->payload);
    write_key(b, "id");
    write_uuid(b, e->id);
    write_key(b, "follows");
    if (uuid_is_nil(e->follows))
        write_null(b);
    else
        write_uuid(b, e->follows);
    write_key(b, "received");
    write_time(b, received_us);
    write_end_object(b);
}
