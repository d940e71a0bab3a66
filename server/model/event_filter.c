#include "server/model/event_filter.h"

#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

#define DAY_US     INT64_C(86400000000)
#define DEFAULT_US (180 * DAY_US)

/* ---- as clients write it ---- */

struct occurred_in {
    struct given given;
    int64_t since_us, until_us;
};
struct names_in {
    struct given given;
    struct strings prefix, exclude_prefix, name, exclude_name;
};
struct resource_in {
    struct given given;
    struct strings id, id_prefix, role;
    struct raw resources_in_roles, labels;
    bool distinct;
};
struct ids_in {
    struct given given;
    struct uuids id;
};
struct text_in {
    struct given given;
    const char *query;
};
struct filter_in {
    struct given given;
    struct occurred_in *occurred;
    struct names_in *event;
    struct resource_in *resource;
    struct raw related, any_resource;
    struct ids_in *id;
    struct text_in *text;
    int order;
};

enum { ORDER_ASC, ORDER_DESC };
static const struct enum_name orders[] = {{"ASC", ORDER_ASC}, {"DESC", ORDER_DESC}, {NULL, 0}};

/* clang-format off */
static const struct field occurred_fields[] = {
    F_TIME(struct occurred_in, since, .doc = "From this time on."),
    F_TIME(struct occurred_in, until, .doc = "Up to this time."),
};
static const struct field names_fields[] = {
    F_STRS(struct names_in, prefix, F_NULLABLE, .doc = "Names that begin so."),
    F_STRS(struct names_in, exclude_prefix, F_NULLABLE, .doc = "Not names that begin so."),
    F_STRS(struct names_in, name, F_NULLABLE, .doc = "These names."),
    F_STRS(struct names_in, exclude_name, F_NULLABLE, .doc = "Not these names."),
};
static const struct field resource_fields[] = {
    F_STRS(struct resource_in, id, F_NULLABLE, .doc = "These resources."),
    F_STRS(struct resource_in, id_prefix, F_NULLABLE, .doc = "Resources whose ids begin so."),
    F_DICT(struct resource_in, labels, F_NULLABLE, .doc = "What its labels must be."),
    F_BOOL(struct resource_in, distinct, .def = "false", .doc = "One event per resource."),
};
static const struct field related_fields[] = {
    F_STRS(struct resource_in, id, F_NULLABLE, .doc = "These resources."),
    F_STRS(struct resource_in, role, F_NULLABLE, .doc = "In these roles."),
    F_JSON(struct resource_in, resources_in_roles, F_NULLABLE, .doc = "Pairs of a resource and its role."),
    F_DICT(struct resource_in, labels, F_NULLABLE, .doc = "What its labels must be."),
};
static const struct field any_fields[] = {
    F_STRS(struct resource_in, id, F_NULLABLE, .doc = "These resources."),
    F_STRS(struct resource_in, id_prefix, F_NULLABLE, .doc = "Resources whose ids begin so."),
    F_DICT(struct resource_in, labels, F_NULLABLE, .doc = "What its labels must be."),
};
static const struct field ids_fields[] = {
    F_UUIDS(struct ids_in, id, F_NULLABLE, .doc = "These events."),
};
static const struct field text_fields[] = {
    F_STR(struct text_in, query, F_REQUIRED, F_LEN(0, TEXT_QUERY_MAX_CHARS), .doc = "word -without +required \"a phrase\""),
};
static const struct resource occurred_in_resource = RESOURCE_NAMED("EventOccurredFilter", occurred_in, occurred_fields);
static const struct resource names_in_resource = RESOURCE_NAMED("EventNameFilter", names_in, names_fields);
static const struct resource resource_in_resource = RESOURCE_NAMED("EventResourceFilter", resource_in, resource_fields);
static const struct resource related_resource = RESOURCE_NAMED("EventRelatedFilter", resource_in, related_fields);
static const struct resource any_resource = RESOURCE_NAMED("EventAnyResourceFilter", resource_in, any_fields);
static const struct resource ids_in_resource = RESOURCE_NAMED("EventIDFilter", ids_in, ids_fields);
static const struct resource text_in_resource = RESOURCE_NAMED("EventTextFilter", text_in, text_fields);
static const struct field filter_fields[] = {
    F_OBJECT(struct filter_in, occurred, occurred_in, .doc = "When."),
    F_OBJECT(struct filter_in, event, names_in, F_NULLABLE, .doc = "Its name."),
    F_OBJECT(struct filter_in, resource, resource_in, F_NULLABLE, .doc = "What it is about."),
    F_JSON(struct filter_in, related, F_NULLABLE, .doc = "What else has to do with it; one filter or several."),
    F_JSON(struct filter_in, any_resource, F_NULLABLE, .doc = "Anything that has to do with it; one filter or several."),
    F_OBJECT(struct filter_in, id, ids_in, .doc = "Its id."),
    F_OBJECT(struct filter_in, text, text_in, F_NULLABLE, .doc = "Words in it."),
    F_ENUM(struct filter_in, order, orders, .def = "\"DESC\"", .doc = "By time."),
};
/* clang-format on */
const struct resource event_filter_resource =
    RESOURCE_NAMED("EventFilter", filter_in, filter_fields);

/* ---- labels ---- */

static struct val parse(struct arena *a, struct raw text)
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    if (!text.text || !doc_parse(a, text.text, text.len, doc, &bad))
        return (struct val){0};
    return doc_root(doc);
}

static struct strings read_patterns(struct arena *a, struct val v, const struct loc *at,
                                    struct invalid *bad)
{
    struct strings out = {arena_array(a, const char *, val_count(v) + 1), 0};
    struct loc text = {at, "str", 0}, list = {at, "list[str]", 0};

    if (val_type(v) == DOC_STRING) {
        out.items[out.count++] = val_string(a, v, NULL);
        return out;
    }
    bool wrong = val_type(v) != DOC_ARRAY;
    for (struct val_iter it = val_each(v); !wrong && val_next(&it);) {
        wrong = val_type(it.value) != DOC_STRING;
        if (!wrong)
            out.items[out.count++] = val_string(a, it.value, NULL);
    }
    if (!wrong)
        return out;
    invalid_add(bad, &text, "string_type", "Input should be a valid string", val_raw(v), NULL);
    if (val_type(v) != DOC_ARRAY)
        invalid_add(bad, &list, "list_type", "Input should be a valid list", val_raw(v), NULL);
    for (struct val_iter it = val_each(v); val_type(v) == DOC_ARRAY && val_next(&it);) {
        struct loc item = {&list, NULL, it.index};
        if (val_type(it.value) != DOC_STRING)
            invalid_add(bad, &item, "string_type", "Input should be a valid string",
                        val_raw(it.value), NULL);
    }
    return out;
}

static void read_labels(struct raw text, const struct loc *at, struct resource_spec *out,
                        struct invalid *bad)
{
    struct arena *a = bad->arena;
    struct val v = parse(a, text);
    struct loc member = {at, "labels", 0};

    out->labels = arena_array(a, struct label_spec, val_count(v) + 1);
    for (struct val_iter it = val_each(v); val_type(v) == DOC_OBJECT && val_next(&it);) {
        struct label_spec *spec = &out->labels[out->label_count++];
        spec->label = val_string(a, it.key, NULL);
        struct loc label = {&member, spec->label, 0};
        spec->patterns = read_patterns(a, it.value, &label, bad);
    }
}

/* ---- resources ---- */

static void read_pair(struct val pair, const struct loc *at, struct strings *out,
                      struct invalid *bad)
{
    struct val items[2] = {{0}, {0}};

    if (val_type(pair) != DOC_ARRAY) {
        invalid_add(bad, at, "tuple_type", "Input should be a valid tuple", val_raw(pair), NULL);
        return;
    }
    for (struct val_iter it = val_each(pair); val_next(&it);) {
        if (it.index < 2)
            items[it.index] = it.value;
    }
    for (size_t i = 0; i < 2; i++) {
        struct loc item = {at, NULL, i};
        if (val_type(items[i]) == DOC_NONE)
            invalid_add(bad, &item, "missing", "Field required", val_raw(pair), NULL);
        else if (val_type(items[i]) != DOC_STRING)
            invalid_add(bad, &item, "string_type", "Input should be a valid string",
                        val_raw(items[i]), NULL);
        else
            out->items[out->count++] = val_string(bad->arena, items[i], NULL);
    }
    if (val_count(pair) > 2)
        invalid_add(bad, at, "too_long",
                    "Tuple should have at most 2 items after validation, not more", val_raw(pair),
                    NULL);
}

static void read_pairs(struct raw text, const struct loc *at, struct resource_spec *out,
                       struct invalid *bad)
{
    struct val v = parse(bad->arena, text);
    struct loc member = {at, "resources_in_roles", 0};

    if (val_type(v) == DOC_NONE || val_type(v) == DOC_NULL)
        return;
    if (val_type(v) != DOC_ARRAY) {
        invalid_add(bad, &member, "list_type", "Input should be a valid list", val_raw(v), NULL);
        return;
    }
    out->in_roles.items = arena_array(bad->arena, const char *, 2 * val_count(v) + 1);
    for (struct val_iter it = val_each(v); val_next(&it);) {
        struct loc item = {&member, NULL, it.index};
        read_pair(it.value, &item, &out->in_roles, bad);
    }
}

static void take_resource(const struct resource_in *in, const struct loc *at,
                          struct resource_spec *out, struct invalid *bad)
{
    *out = (struct resource_spec){.id = in->id, .id_prefix = in->id_prefix, .role = in->role};
    read_labels(in->labels, at, out, bad);
    read_pairs(in->resources_in_roles, at, out, bad);
}

static void read_resource(const struct resource *r, struct val v, const struct loc *at,
                          struct resource_spec *out, struct invalid *bad)
{
    struct resource_in in = {0};

    if (val_type(v) != DOC_OBJECT)
        invalid_add(bad, at, "model_attributes_type",
                    "Input should be a valid dictionary or object to extract fields from",
                    val_raw(v), NULL);
    else if (json_decode(r, v, at, &in, bad) == ERR_OK)
        take_resource(&in, at, out, bad);
}

static void read_each(const struct resource *r, struct val list, const struct loc *at,
                      struct resource_spec *out, struct invalid *bad)
{
    for (struct val_iter it = val_each(list); val_next(&it);) {
        struct loc item = {at, NULL, it.index};
        read_resource(r, it.value, &item, &out[it.index], bad);
    }
}

/* One or a list; what is wrong is told for both, as pydantic does. */
static struct resource_specs read_union(const struct resource *r, struct raw text,
                                        const struct loc *at, struct invalid *bad)
{
    struct arena *a = bad->arena;
    struct val v = parse(a, text);
    bool list = val_type(v) == DOC_ARRAY;
    struct invalid trial = {.arena = a};
    struct loc one = {at, r->name, 0}, many = {at, arena_printf(a, "list[%s]", r->name), 0};
    struct resource_specs out = {0};

    if (val_type(v) == DOC_NONE || val_type(v) == DOC_NULL)
        return out;
    out.count = list ? val_count(v) : 1;
    out.items = arena_array(a, struct resource_spec, out.count + 1);
    if (list)
        read_each(r, v, &many, out.items, &trial);
    else
        read_resource(r, v, &one, out.items, &trial);
    if (!trial.count)
        return out;
    read_resource(r, v, &one, out.items, bad);
    if (list)
        read_each(r, v, &many, out.items, bad);
    else
        invalid_add(bad, &many, "list_type", "Input should be a valid list", val_raw(v), NULL);
    return out;
}

/* ---- the whole filter ---- */

static void take_times(const struct occurred_in *in, int64_t now_us, struct event_filter *out)
{
    out->since_us = in && in->since_us != TIME_NONE && given(in, since_us)
                        ? in->since_us
                        : now_us - now_us % DAY_US - DEFAULT_US;
    out->until_us = in && in->until_us != TIME_NONE && given(in, until_us) ? in->until_us : now_us;
}

static void take_names(const struct names_in *in, struct event_filter *out)
{
    if (!in)
        return;
    out->prefix = in->prefix;
    out->exclude_prefix = in->exclude_prefix;
    out->name = in->name;
    out->exclude_name = in->exclude_name;
}

enum err_code event_filter_decode(struct val v, const struct loc *at, int64_t now_us,
                                  struct event_filter *out, struct invalid *bad)
{
    struct filter_in in = {.order = ORDER_DESC};
    const struct loc resource = {at, "resource", 0}, related = {at, "related", 0},
                     any = {at, "any_resource", 0};

    *out = (struct event_filter){0};
    if (val_type(v) != DOC_NONE && val_type(v) != DOC_NULL &&
        json_decode(&event_filter_resource, v, at, &in, bad) != ERR_OK)
        return ERR_INVALID;
    take_times(in.occurred, now_us, out);
    take_names(in.event, out);
    if (in.resource) {
        take_resource(in.resource, &resource, &out->resource, bad);
        out->distinct = in.resource->distinct;
    }
    out->related = read_union(&related_resource, in.related, &related, bad);
    out->any_resource = read_union(&any_resource, in.any_resource, &any, bad);
    if (in.id)
        out->id = in.id->id;
    if (in.text) {
        out->query = in.text->query;
        text_query_parse(bad->arena, out->query, &out->text);
    }
    out->ascending = in.order == ORDER_ASC;
    return bad->count ? ERR_INVALID : ERR_OK;
}
