#include "server/model/trigger.h"

#include <stdlib.h>
#include <string.h>

#include "server/model/variant.h"
#include "shared/base/clock.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

#define T                struct trigger
#define PROACTIVE_MIN_US INT64_C(10000000)

enum { CANONICAL_MAX_BYTES = 16 << 20 };

static const struct enum_name postures[] = {
    {"Reactive", POSTURE_REACTIVE}, {"Proactive", POSTURE_PROACTIVE}, {NULL, 0}};

/* ---- members ---- */

static bool read_posture(const struct reading *r, void *out)
{
    static const char expected[] = "Posture.Reactive or Posture.Proactive";

    for (const struct enum_name *n = postures; n->name; n++) {
        if (val_equals(r->v, n->name, strlen(n->name))) {
            *(int *)out = n->value;
            return true;
        }
    }
    return reading_fail(r, "literal_error",
                        arena_printf(r->bad->arena, "Input should be %s", expected),
                        ctx_text(r->bad->arena, "expected", expected));
}

static bool read_within(const struct reading *r, void *out)
{
    if (!read_duration(r, out))
        return false;
    if (*(int64_t *)out >= 0)
        return true;
    return reading_fail(r, "greater_than_equal",
                        "Input should be greater than or equal to 0 seconds",
                        "{\"ge\":\"0 seconds\"}");
}

static bool read_child_of(const struct reading *r, const struct loc *at, struct val v)
{
    size_t before = r->bad->count;

    if (val_type(v) == DOC_STRING)
        return true;
    struct loc text = {at, "str", 0}, list = {at, "list[str]", 0};
    if (val_type(v) == DOC_ARRAY) {
        bool fits = true;
        for (struct val_iter it = val_each(v); val_next(&it);)
            fits &= val_type(it.value) == DOC_STRING;
        if (fits)
            return true;
    }
    invalid_add(r->bad, &text, "string_type", "Input should be a valid string", val_raw(v), NULL);
    if (val_type(v) != DOC_ARRAY) {
        invalid_add(r->bad, &list, "list_type", "Input should be a valid list", val_raw(v), NULL);
        return false;
    }
    for (struct val_iter it = val_each(v); val_next(&it);) {
        struct loc item = {&list, NULL, it.index};
        if (val_type(it.value) != DOC_STRING && r->bad->count < INVALID_LISTED_MAX)
            invalid_add(r->bad, &item, "string_type", "Input should be a valid string",
                        val_raw(it.value), NULL);
    }
    return r->bad->count == before;
}

static bool read_labels_of(const struct reading *r, struct val object)
{
    size_t before = r->bad->count;

    for (struct val_iter it = val_each(object);
         val_next(&it) && r->bad->count < INVALID_LISTED_MAX;) {
        struct loc at = {r->at, val_string(r->bad->arena, it.key, NULL), 0};
        read_child_of(r, &at, it.value);
    }
    return r->bad->count == before;
}

static bool refuse_spec(const struct reading *r, const struct loc *outer, struct val v)
{
    static const char *const branches[] = {"ResourceSpecification",
                                           "dict[str,union[str,list[str]]]"};

    for (size_t i = 0; i < COUNT(branches); i++) {
        struct loc at = {outer, branches[i], 0};
        invalid_add(r->bad, &at, "dict_type", "Input should be a valid dictionary", val_raw(v),
                    NULL);
    }
    return false;
}

static bool read_spec(const struct reading *r, void *out)
{
    if (val_type(r->v) != DOC_OBJECT)
        return refuse_spec(r, r->at, r->v);
    return read_labels_of(r, r->v) && readers[FIELD_JSON](r, out);
}

static bool read_specs(const struct reading *r, void *out)
{
    static const char branch[] =
        "list[union[ResourceSpecification,dict[str,union[str,list[str]]]]]";
    struct loc list = {r->at, branch, 0};

    if (val_type(r->v) == DOC_OBJECT)
        return read_spec(r, out);
    if (val_type(r->v) != DOC_ARRAY) {
        refuse_spec(r, r->at, r->v);
        invalid_add(r->bad, &list, "list_type", "Input should be a valid list", val_raw(r->v),
                    NULL);
        return false;
    }
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        struct loc at = {&list, NULL, it.index};
        if (val_type(it.value) == DOC_OBJECT) {
            if (!read_labels_of(r, it.value))
                return false;
            continue;
        }
        refuse_spec(r, r->at, r->v);
        return refuse_spec(r, &at, it.value);
    }
    return readers[FIELD_JSON](r, out);
}

static bool read_require(const struct reading *r, void *out)
{
    struct loc number = {r->at, "int", 0}, word = {r->at, "literal['any','all']", 0};
    struct invalid bad = {.arena = r->bad->arena};
    struct raw *raw = out;
    int64_t n;

    if (val_equals(r->v, "any", 3) || val_equals(r->v, "all", 3))
        return readers[FIELD_JSON](r, out);
    if (read_int(&(struct reading){r->f, r->v, &number, &bad}, &n)) {
        raw->text = arena_printf(r->bad->arena, "%lld", (long long)n);
        raw->len = strlen(raw->text);
        return true;
    }
    invalid_join(r->bad, &bad);
    invalid_add(r->bad, &word, "literal_error", "Input should be 'any' or 'all'", val_raw(r->v),
                "{\"expected\":\"'any' or 'all'\"}");
    return false;
}

static bool read_compound_children(const struct reading *r, void *out);
static bool read_sequence_children(const struct reading *r, void *out);

static const char *check_event(struct arena *a, struct val object)
{
    struct invalid bad = {.arena = a};
    struct val within = val_get(object, "within");
    struct field f = {.kind = FIELD_DURATION};
    int64_t us;

    if (val_type(within) == DOC_NULL)
        return "`within` should be a valid timedelta";
    if (val_type(within) == DOC_NONE || !val_equals(val_get(object, "posture"), "Proactive", 9) ||
        !read_duration(&(struct reading){&f, within, &loc_body, &bad}, &us))
        return NULL;
    return us && us < PROACTIVE_MIN_US ? "`within` for Proactive triggers must be greater than or "
                                         "equal to 10 seconds"
                                       : NULL;
}

static size_t count_children(struct arena *a, struct raw triggers)
{
    struct doc doc;
    struct doc_error bad;

    return doc_parse(a, triggers.text, triggers.len, &doc, &bad) ? val_count(doc_root(&doc)) : 0;
}

static const char *check_compound(struct arena *a, const void *object)
{
    const T *t = object;

    if (!t->require.text || *t->require.text == '"')
        return NULL;
    long long required = strtoll(t->require.text, NULL, 10);
    if (required < 1)
        return "require must be at least 1";
    return (unsigned long long)required > count_children(a, t->triggers)
               ? "require must be less than or equal to the number of triggers"
               : NULL;
}

/* clang-format off */
#define TYPE(name) F_STR(T, type, .def = "\"" name "\"", .read = read_literal, .doc = "Which kind of trigger it is.")
#define ID         F_UUID(T, id, .doc = "Assigned by the server.")
#define NAMES(m, ...) F_STRS(T, m, .def = "[]", F_LEN(0, TRIGGER_NAMES_MAX), .read = read_set, __VA_ARGS__)
#define WITHIN     F_DURATION(T, within, F_REQUIRED, F_NULLABLE, .doc = "Children must fire within this time, in seconds; null: any time.")

static const struct field event_fields[] = {
    TYPE("event"),
    ID,
    F_JSON(T, match, .def = "{}", .read = read_spec, .doc = "Labels of the resource: a value or several, * is a wildcard, a leading ! turns it around."),
    F_JSON(T, match_related, .def = "{}", .read = read_specs, .doc = "The same for related resources; each object of a list must match one."),
    NAMES(after, .doc = "Events that start the watch."),
    NAMES(expect, .doc = "Events that count; none: all."),
    NAMES(for_each, .doc = "Labels for whose values events are counted apart."),
    F_ENUM(T, posture, postures, F_REQUIRED, .read = read_posture, .doc = "Reactive: to the presence of events; Proactive: to their absence."),
    F_INT(T, threshold, .def = "1", .doc = "So many events."),
    F_DURATION(T, within, .def = "0", .read = read_within, .doc = "Within this time, in seconds; at least 10 if Proactive."),
};
static const struct resource event_trigger_resource = RESOURCE_NAMED("EventTrigger", trigger, event_fields, .lax = true, .check_before = check_event);

static const struct field compound_fields[] = {
    TYPE("compound"),
    ID,
    F_JSON(T, triggers, F_REQUIRED, .read = read_compound_children, .doc = "The children."),
    WITHIN,
    F_JSON(T, require, F_REQUIRED, .read = read_require, .doc = "How many must fire: a number, any or all."),
};
static const struct resource compound_trigger_resource = RESOURCE_NAMED("CompoundTrigger", trigger, compound_fields, .lax = true, .check = check_compound);

static const struct field sequence_fields[] = {
    TYPE("sequence"),
    ID,
    F_JSON(T, triggers, F_REQUIRED, .read = read_sequence_children, .doc = "The children, in their order."),
    WITHIN,
};
static const struct resource sequence_trigger_resource = RESOURCE_NAMED("SequenceTrigger", trigger, sequence_fields, .lax = true);

#define COMPOUND "function-after[validate_require(), CompoundTrigger]"
static const struct variant triggers[] = {
    {"EventTrigger", &event_trigger_resource},
    {"function-after[validate_require(), " COMPOUND "]", &compound_trigger_resource},
    {"SequenceTrigger", &sequence_trigger_resource},
};
static const struct variant triggers_of_compound[] = {
    {"EventTrigger", &event_trigger_resource},
    {COMPOUND, &compound_trigger_resource},
    {"SequenceTrigger", &sequence_trigger_resource},
};
/* clang-format on */

/* ---- the canonical form ---- */

static bool write_one(const struct reading *r, const struct variant *variants, struct buf *out)
{
    const struct variant *v;
    void *value;

    if (!variant_read(r, variants, COUNT(triggers), &v, &value))
        return false;
    T *t = value;
    t->id = uuid_v4();
    if (v->of == &event_trigger_resource && t->posture == POSTURE_PROACTIVE && !t->within_us)
        t->within_us = PROACTIVE_MIN_US;
    write_separator(out);
    json_encode(out, v->of, t);
    return true;
}

static bool read_children(const struct reading *r, const struct variant *variants, struct raw *out)
{
    struct buf b = {.max_bytes = CANONICAL_MAX_BYTES};
    size_t before = r->bad->count;

    if (r->bad->trusted)
        return readers[FIELD_JSON](r, out);
    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "list_type", "Input should be a valid list", NULL);
    write_array(&b);
    for (struct val_iter it = val_each(r->v);
         val_next(&it) && r->bad->count < INVALID_LISTED_MAX;) {
        struct loc at = {r->at, NULL, it.index};
        (void)write_one(&(struct reading){r->f, it.value, &at, r->bad}, variants, &b);
    }
    write_end_array(&b);
    if (b.full)
        reading_refuse(r, "the triggers are too large");
    *out = write_take(r->bad->arena, &b);
    return r->bad->count == before;
}

static bool read_compound_children(const struct reading *r, void *out)
{
    return read_children(r, triggers_of_compound, out);
}

static bool read_sequence_children(const struct reading *r, void *out)
{
    return read_children(r, triggers, out);
}

/* Counts what looks like a trigger; each level is read for two kinds of composite. */
static bool within_bounds(struct val v, size_t depth, size_t *count)
{
    struct val list = val_get(v, "triggers");

    if (++*count > TRIGGERS_MAX || depth > TRIGGER_DEPTH_MAX)
        return false;
    if (val_type(list) == DOC_ARRAY)
        for (struct val_iter it = val_each(list); val_next(&it);)
            if (val_type(it.value) == DOC_OBJECT && !within_bounds(it.value, depth + 1, count))
                return false;
    return true;
}

bool trigger_read(const struct reading *r, void *out_raw)
{
    struct buf b = {.max_bytes = CANONICAL_MAX_BYTES};
    size_t count = 0;

    if (r->bad->trusted)
        return readers[FIELD_JSON](r, out_raw);
    if (val_type(r->v) == DOC_OBJECT && !within_bounds(r->v, 1, &count))
        return reading_refuse(r, "a trigger has at most 200 triggers in it, and they nest at most "
                                 "8 deep");
    bool fits = write_one(r, triggers, &b);
    if (fits && b.full)
        fits = reading_refuse(r, "the trigger is too large");
    struct raw raw = write_take(r->bad->arena, &b);
    if (fits)
        *(struct raw *)out_raw = raw;
    return fits;
}

/* ---- the tree ---- */

static struct val parse(struct arena *a, struct raw json)
{
    struct doc *d = arena_new(a, struct doc);
    struct doc_error bad;

    return json.text && doc_parse(a, json.text, json.len, d, &bad) ? doc_root(d) : (struct val){0};
}

static struct strings expected_values(struct arena *a, struct val v)
{
    size_t count = val_type(v) == DOC_ARRAY ? val_count(v) : 1;
    struct strings list = {arena_array(a, const char *, count + 1), count};

    if (val_type(v) != DOC_ARRAY)
        list.items[0] = val_string(a, v, NULL);
    else
        for (struct val_iter it = val_each(v); val_next(&it);)
            list.items[it.index] = val_string(a, it.value, NULL);
    return list;
}

static struct specification load_spec(struct arena *a, struct val object)
{
    struct specification s = {arena_array(a, struct expected_label, val_count(object) + 1), 0};

    for (struct val_iter it = val_each(object); val_next(&it);)
        s.labels[s.count++] =
            (struct expected_label){val_string(a, it.key, NULL), expected_values(a, it.value)};
    return s;
}

static void load_match(struct arena *a, T *t)
{
    struct val related = parse(a, t->match_related);
    bool list = val_type(related) == DOC_ARRAY;

    t->resource = load_spec(a, parse(a, t->match));
    t->related_count = list ? val_count(related) : 1;
    t->related = arena_array(a, struct specification, t->related_count + 1);
    if (!list)
        t->related[0] = load_spec(a, related);
    else
        for (struct val_iter it = val_each(related); val_next(&it);)
            t->related[it.index] = load_spec(a, it.value);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum err_code load(struct arena *a, struct val v, T *out, struct err *e)
{
    struct invalid bad = {.arena = a, .trusted = true};
    const struct variant *which = variant_find(triggers, COUNT(triggers), val_get(v, "type"));

    if (!which || json_decode(which->of, v, &loc_body, out, &bad))
        return err_set(e, INTERNAL, "a stored trigger is not one: %s", bad.first);
    out->kind = (enum trigger_kind)(which - triggers);
    out->json = val_raw(v);
    if (out->kind == TRIGGER_EVENT) {
        load_match(a, out);
        if (out->for_each.count)
            qsort(out->for_each.items, out->for_each.count, sizeof(char *), by_text);
        return ERR_OK;
    }
    struct val list = val_get(v, "triggers");
    out->child_count = val_count(list);
    out->children = arena_array(a, T, out->child_count + 1);
    enum err_code rc = ERR_OK;
    for (struct val_iter it = val_each(list); !rc && val_next(&it);) {
        rc = load(a, it.value, &out->children[it.index], e);
        out->children[it.index].parent = out;
    }
    out->required = out->child_count;
    if (out->require.text && *out->require.text != '"')
        out->required = (size_t)strtoull(out->require.text, NULL, 10);
    else if (out->require.text && !strcmp(out->require.text, "\"any\""))
        out->required = 1;
    return rc;
}

enum err_code trigger_load(struct arena *a, struct raw json, T *out, struct err *e)
{
    return load(a, parse(a, json), out, e);
}
