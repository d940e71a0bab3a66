#include <math.h>
#include <string.h>

#include "shared/json/schema_check.h"

/* What a block parameter may be instead of the block's own fields. */
static const char block_reference[] =
    "{\"type\":\"object\",\"properties\":{\"$ref\":{\"oneOf\":[{\"type\":\"string\"},"
    "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},\"minProperties\":1}]}},"
    "\"required\":[\"$ref\"]}";

struct val schema_member(struct checker *c, struct val object, struct val name)
{
    size_t len;
    const char *text = val_string(c->arena, name, &len);
    struct val found = {0};

    schema_step(c, 1 + val_count(object) / 8);
    if (!text || val_type(object) != DOC_OBJECT)
        return found;
    for (struct val_iter it = val_each(object); val_next(&it);)
        if (val_equals(it.key, text, len))
            found = it.value;
    return found;
}

static void check_required(struct checker *c, const struct application *at, struct val names,
                           struct wrongs *out)
{
    if (val_type(at->instance) != DOC_OBJECT)
        return;
    for (struct val_iter it = val_each(names); val_next(&it) && schema_step(c, 1);)
        if (!schema_member(c, at->instance, it.value).doc)
            schema_wrong(c, at, WRONG_REQUIRED, names, out)->extra = it.value;
}

static void check_dependent(struct checker *c, const struct application *at, struct val rules,
                            struct wrongs *out)
{
    for (struct val_iter rule = val_each(rules);
         val_type(at->instance) == DOC_OBJECT && val_next(&rule);) {
        if (!schema_member(c, at->instance, rule.key).doc)
            continue;
        for (struct val_iter it = val_each(rule.value); val_next(&it);) {
            if (schema_member(c, at->instance, it.value).doc)
                continue;
            struct wrong_value *w = schema_wrong(c, at, WRONG_DEPENDENT, rule.key, out);
            w->extra = it.value;
        }
    }
}

static void check_dependent_schemas(struct checker *c, const struct application *at,
                                    struct val rules, struct wrongs *out)
{
    for (struct val_iter it = val_each(rules);
         val_type(at->instance) == DOC_OBJECT && val_next(&it);)
        if (schema_member(c, at->instance, it.key).doc)
            schema_descend(c, at, it.value, at->instance, at->place, out);
}

static bool is_required(struct checker *c, struct val schema, struct val key)
{
    size_t len;
    const char *text = val_string(c->arena, key, &len);

    for (struct val_iter it = val_each(val_get(schema, "required"));
         val_next(&it) && schema_step(c, 1);)
        if (val_equals(it.value, text, len))
            return true;
    return false;
}

/* Prefect: null is fine for an optional property, so that None as a default in Python works. */
static bool accepts_null(struct checker *c, const struct application *at, struct val key,
                         struct val schema)
{
    struct val type = val_get(schema, "type");

    if (!at->processed || !type.doc || val_equals(type, "null", 4))
        return false;
    if (val_get(schema, "default").doc && !c->rules->null_for_defaults)
        return false;
    return !is_required(c, at->schema, key);
}

static void check_properties(struct checker *c, const struct application *at, struct val schemas,
                             struct wrongs *out)
{
    for (struct val_iter it = val_each(schemas);
         val_type(at->instance) == DOC_OBJECT && val_next(&it);) {
        struct val part = schema_member(c, at->instance, it.key);
        if (!part.doc || !schema_step(c, 1))
            continue;
        struct application inner = {
            .schema = it.value,
            .instance = part,
            .place = place_key(c, at, it.key),
            .scope = at->scope,
            .depth = at->depth + 1,
            .processed = at->processed,
            .accept_null = accepts_null(c, at, it.key, it.value),
        };
        schema_apply(c, &inner, out);
    }
}

static void check_pattern_properties(struct checker *c, const struct application *at,
                                     struct val schemas, struct wrongs *out)
{
    for (struct val_iter rule = val_each(schemas);
         val_type(at->instance) == DOC_OBJECT && val_next(&rule);)
        for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);)
            if (schema_matches(c, rule.key, it.key))
                schema_descend(c, at, rule.value, it.value, place_key(c, at, it.key), out);
}

bool schema_is_extra(struct checker *c, struct val schema, struct val key)
{
    if (schema_member(c, val_get(schema, "properties"), key).doc)
        return false;
    for (struct val_iter it = val_each(val_get(schema, "patternProperties")); val_next(&it);)
        if (schema_matches(c, it.key, key))
            return false;
    return true;
}

static void check_additional(struct checker *c, const struct application *at, struct val rule,
                             struct wrongs *out)
{
    bool by_pattern = val_count(val_get(at->schema, "patternProperties")) > 0;
    size_t extras = 0;

    if (val_type(at->instance) != DOC_OBJECT || val_type(rule) == DOC_TRUE)
        return;
    for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);) {
        if (!schema_is_extra(c, at->schema, it.key))
            continue;
        extras++;
        if (val_type(rule) == DOC_OBJECT)
            schema_descend(c, at, rule, it.value, place_key(c, at, it.key), out);
    }
    if (extras && val_type(rule) == DOC_FALSE)
        schema_wrong(c, at, by_pattern ? WRONG_NO_PATTERN : WRONG_EXTRA, rule, out)->count = extras;
}

static void check_names(struct checker *c, const struct application *at, struct val schema,
                        struct wrongs *out)
{
    for (struct val_iter it = val_each(at->instance);
         val_type(at->instance) == DOC_OBJECT && val_next(&it);)
        schema_descend(c, at, schema, it.key, at->place, out);
}

static void check_prefix(struct checker *c, const struct application *at, struct val schemas,
                         struct wrongs *out)
{
    struct val_iter item = val_each(at->instance), schema = val_each(schemas);

    if (val_type(at->instance) != DOC_ARRAY)
        return;
    while (val_next(&item) && val_next(&schema))
        schema_descend(c, at, schema.value, item.value, place_index(c, at, item.index), out);
}

static void check_items(struct checker *c, const struct application *at, struct val schema,
                        struct wrongs *out)
{
    size_t prefix = val_count(val_get(at->schema, "prefixItems"));

    if (val_type(at->instance) != DOC_ARRAY)
        return;
    if (val_type(schema) == DOC_ARRAY && c->rules->prefect) {
        check_prefix(c, at, schema, out);
        return;
    }
    if (val_type(schema) == DOC_FALSE && val_count(at->instance) > prefix) {
        schema_wrong(c, at, WRONG_ITEMS, schema, out)->count = prefix;
        return;
    }
    for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);)
        if (it.index >= prefix)
            schema_descend(c, at, schema, it.value, place_index(c, at, it.index), out);
}

static void check_contains(struct checker *c, const struct application *at, struct val schema,
                           struct wrongs *out)
{
    double least = schema_number(val_get(at->schema, "minContains"), 1);
    struct val most = val_get(at->schema, "maxContains");
    size_t matches = 0;

    if (val_type(at->instance) != DOC_ARRAY)
        return;
    for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);)
        matches += schema_fits(c, at, schema, it.value);
    if ((double)matches > schema_number(most, INFINITY))
        schema_wrong(c, at, WRONG_CONTAINS_MANY, most, out);
    else if ((double)matches < least)
        schema_wrong(c, at, matches ? WRONG_CONTAINS_FEW : WRONG_CONTAINS,
                     val_get(at->schema, "minContains"), out)
            ->count = matches;
}

static void check_unique(struct checker *c, const struct application *at, struct val rule,
                         struct wrongs *out)
{
    if (val_type(rule) != DOC_TRUE || val_type(at->instance) != DOC_ARRAY)
        return;
    for (struct val_iter i = val_each(at->instance); val_next(&i);) {
        for (struct val_iter j = i; val_next(&j) && schema_step(c, 1);) {
            if (!schema_same(c, i.value, j.value))
                continue;
            schema_wrong(c, at, WRONG_UNIQUE, rule, out);
            return;
        }
    }
}

static void check_all(struct checker *c, const struct application *at, struct val schemas,
                      struct wrongs *out)
{
    for (struct val_iter it = val_each(schemas); val_next(&it);)
        schema_descend(c, at, it.value, at->instance, at->place, out);
}

/* The branch that fits, or SIZE_MAX with the reasons of all of them. */
static size_t first_fit(struct checker *c, const struct application *at, struct val schemas,
                        struct wrongs *reasons)
{
    for (struct val_iter it = val_each(schemas); val_next(&it);) {
        struct wrongs found = {.end = &found.first};
        schema_descend(c, at, it.value, at->instance, at->place, &found);
        if (!found.first)
            return it.index;
        *reasons->end = found.first;
        reasons->end = found.end;
    }
    return SIZE_MAX;
}

static void check_any(struct checker *c, const struct application *at, struct val schemas,
                      struct wrongs *out)
{
    struct wrongs reasons = {.end = &reasons.first};

    if (first_fit(c, at, schemas, &reasons) == SIZE_MAX)
        schema_wrong(c, at, WRONG_ANY, schemas, out)->context = reasons.first;
}

static void check_one(struct checker *c, const struct application *at, struct val schemas,
                      struct wrongs *out)
{
    struct wrongs reasons = {.end = &reasons.first};
    size_t first = first_fit(c, at, schemas, &reasons), count = 0;
    struct val fit = {0};

    if (first == SIZE_MAX) {
        schema_wrong(c, at, WRONG_ANY, schemas, out)->context = reasons.first;
        return;
    }
    struct val *matches = arena_array(c->arena, struct val, val_count(schemas) + 1);
    for (struct val_iter it = val_each(schemas); val_next(&it);) {
        if (it.index == first)
            fit = it.value;
        else if (it.index > first && schema_fits(c, at, it.value, at->instance))
            matches[count++] = it.value;
    }
    if (!count)
        return;
    matches[count++] = fit;
    struct wrong_value *w = schema_wrong(c, at, WRONG_EACH, schemas, out);
    w->matches = matches;
    w->count = count;
}

static void check_not(struct checker *c, const struct application *at, struct val schema,
                      struct wrongs *out)
{
    if (schema_fits(c, at, schema, at->instance))
        schema_wrong(c, at, WRONG_NOT, schema, out);
}

static void check_if(struct checker *c, const struct application *at, struct val schema,
                     struct wrongs *out)
{
    const char *branch = schema_fits(c, at, schema, at->instance) ? "then" : "else";
    struct val then = val_get(at->schema, branch);

    if (then.doc)
        schema_descend(c, at, then, at->instance, at->place, out);
}

/* Prefect: a parameter of a block type is the block's fields or a reference to a saved document. */
static void check_block(struct checker *c, const struct application *definition, struct wrongs *out)
{
    struct wrongs reasons = {.end = &reasons.first};
    struct doc *d = arena_new(c->arena, struct doc);
    struct doc_error error;

    schema_apply(c, definition, &reasons);
    if (!reasons.first ||
        !doc_parse(c->arena, block_reference, sizeof(block_reference) - 1, d, &error))
        return;
    struct wrongs other = {.end = &other.first};
    schema_descend(c, definition, doc_root(d), definition->instance, definition->place, &other);
    if (!other.first)
        return;
    *reasons.end = other.first;
    schema_wrong(c, definition, WRONG_ANY, definition->schema, out)->context = reasons.first;
}

static void apply_target(struct checker *c, const struct application *at, struct val reference,
                         bool dynamic, struct wrongs *out)
{
    struct application inner;
    struct scope room;
    const char *text;

    if (!schema_target(c, at, reference, dynamic, &room, &inner))
        return;
    text = val_string(c->arena, reference, NULL);
    inner.processed =
        c->rules->prefect && strncmp(text, "#/definitions/", 14) == 0 && !strchr(text + 14, '/');
    if (inner.processed && val_get(inner.schema, "block_type_slug").doc)
        check_block(c, &inner, out);
    else
        schema_apply(c, &inner, out);
}

static void check_ref(struct checker *c, const struct application *at, struct val reference,
                      struct wrongs *out)
{
    apply_target(c, at, reference, false, out);
}

static void check_dynamic_ref(struct checker *c, const struct application *at, struct val reference,
                              struct wrongs *out)
{
    apply_target(c, at, reference, true, out);
}

keyword_fn *schema_keyword(struct val name, bool lax)
{
    static const struct {
        const char *name;
        keyword_fn *check;
        bool validates; /* of the validation vocabulary */
    } keywords[] = {
        {"type", schema_check_type, true},
        {"properties", check_properties},
        {"required", check_required, true},
        {"enum", schema_check_enum, true},
        {"items", check_items},
        {"additionalProperties", check_additional},
        {"$ref", check_ref},
        {"$dynamicRef", check_dynamic_ref},
        {"anyOf", check_any},
        {"allOf", check_all},
        {"oneOf", check_one},
        {"const", schema_check_const, true},
        {"minimum", schema_check_minimum, true},
        {"maximum", schema_check_maximum, true},
        {"exclusiveMinimum", schema_check_above, true},
        {"exclusiveMaximum", schema_check_below, true},
        {"multipleOf", schema_check_multiple, true},
        {"minLength", schema_check_min_length, true},
        {"maxLength", schema_check_max_length, true},
        {"pattern", schema_check_pattern, true},
        {"minItems", schema_check_min_items, true},
        {"maxItems", schema_check_max_items, true},
        {"uniqueItems", check_unique, true},
        {"prefixItems", check_prefix},
        {"contains", check_contains},
        {"patternProperties", check_pattern_properties},
        {"propertyNames", check_names},
        {"minProperties", schema_check_min_properties, true},
        {"maxProperties", schema_check_max_properties, true},
        {"dependentRequired", check_dependent, true},
        {"dependentSchemas", check_dependent_schemas},
        {"not", check_not},
        {"if", check_if},
        {"unevaluatedProperties", schema_check_left_properties},
        {"unevaluatedItems", schema_check_left_items},
    };

    for (size_t i = 0; i < COUNT(keywords); i++)
        if (val_equals(name, keywords[i].name, strlen(keywords[i].name)))
            return lax && keywords[i].validates ? NULL : keywords[i].check;
    return NULL;
}
