/* unevaluatedProperties and unevaluatedItems: what no other keyword of the schema, nor of those
 * that it applies to the same value, has looked at.
 *
 * Nothing is kept while a schema is applied; these keywords walk once more over the schemas that
 * fit.  That costs only those who use them. */
#include <string.h>

#include "shared/json/schema_check.h"

/* A flag per member or item of the value. */
struct seen {
    bool *at;
    size_t count;
};

typedef void mark_fn(struct checker *c, const struct application *at, struct val keyword,
                     struct seen *seen);

static void mark(struct checker *c, const struct application *outside, bool outermost,
                 struct seen *seen);

static void mark_all(struct checker *c, const struct application *at, struct val keyword,
                     struct seen *seen)
{
    (void)c;
    (void)at;
    (void)keyword;
    memset(seen->at, true, seen->count);
}

static void mark_properties(struct checker *c, const struct application *at, struct val schemas,
                            struct seen *seen)
{
    for (struct val_iter it = val_each(at->instance); it.object && val_next(&it);)
        seen->at[it.index] |= schema_member(c, schemas, it.key).doc != NULL;
}

static void mark_pattern_properties(struct checker *c, const struct application *at,
                                    struct val schemas, struct seen *seen)
{
    for (struct val_iter rule = val_each(schemas); val_next(&rule);)
        for (struct val_iter it = val_each(at->instance); it.object && val_next(&it);)
            seen->at[it.index] |= schema_matches(c, rule.key, it.key);
}

static void mark_additional(struct checker *c, const struct application *at, struct val schema,
                            struct seen *seen)
{
    (void)schema;
    for (struct val_iter it = val_each(at->instance); it.object && val_next(&it);)
        seen->at[it.index] |= schema_is_extra(c, at->schema, it.key);
}

/* Both evaluate all that others left: `additionalProperties`, `items` and the two themselves. */
static void mark_rest_of_object(struct checker *c, const struct application *at, struct val keyword,
                                struct seen *seen)
{
    if (val_type(at->instance) == DOC_OBJECT)
        mark_all(c, at, keyword, seen);
}

static void mark_rest_of_array(struct checker *c, const struct application *at, struct val keyword,
                               struct seen *seen)
{
    if (val_type(at->instance) == DOC_ARRAY)
        mark_all(c, at, keyword, seen);
}

static void mark_prefix(struct checker *c, const struct application *at, struct val schemas,
                        struct seen *seen)
{
    bool array = val_type(at->instance) == DOC_ARRAY;

    (void)c;
    for (size_t i = 0; array && i < seen->count && i < val_count(schemas); i++)
        seen->at[i] = true;
}

static void mark_items(struct checker *c, const struct application *at, struct val schema,
                       struct seen *seen)
{
    bool list = val_type(schema) == DOC_ARRAY && c->rules->prefect;

    (list ? mark_prefix : mark_rest_of_array)(c, at, schema, seen);
}

static void mark_contains(struct checker *c, const struct application *at, struct val schema,
                          struct seen *seen)
{
    if (val_type(at->instance) != DOC_ARRAY)
        return;
    for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);)
        seen->at[it.index] |= schema_fits(c, at, schema, it.value);
}

static void mark_branch(struct checker *c, const struct application *at, struct val schema,
                        struct seen *seen)
{
    struct application inner = *at;

    inner.schema = schema;
    inner.depth++;
    if (schema_fits(c, at, schema, at->instance))
        mark(c, &inner, false, seen);
}

static void mark_branches(struct checker *c, const struct application *at, struct val schemas,
                          struct seen *seen)
{
    for (struct val_iter it = val_each(schemas); val_next(&it) && schema_step(c, 1);)
        mark_branch(c, at, it.value, seen);
}

static void mark_dependent(struct checker *c, const struct application *at, struct val schemas,
                           struct seen *seen)
{
    for (struct val_iter it = val_each(schemas); val_next(&it);)
        if (schema_member(c, at->instance, it.key).doc)
            mark_branch(c, at, it.value, seen);
}

static void mark_if(struct checker *c, const struct application *at, struct val schema,
                    struct seen *seen)
{
    bool fits = schema_fits(c, at, schema, at->instance);
    struct val branch = val_get(at->schema, fits ? "then" : "else");

    if (fits)
        mark_branch(c, at, schema, seen);
    if (branch.doc)
        mark_branch(c, at, branch, seen);
}

/* Whether the target fits decides about the value anyway, so it need not be asked here. */
static void mark_target(struct checker *c, const struct application *at, struct val reference,
                        bool dynamic, struct seen *seen)
{
    struct application inner;
    struct scope room;

    if (schema_target(c, at, reference, dynamic, &room, &inner))
        mark(c, &inner, false, seen);
}

static void mark_ref(struct checker *c, const struct application *at, struct val reference,
                     struct seen *seen)
{
    mark_target(c, at, reference, false, seen);
}

static void mark_dynamic_ref(struct checker *c, const struct application *at, struct val reference,
                             struct seen *seen)
{
    mark_target(c, at, reference, true, seen);
}

static mark_fn *mark_of(struct val keyword, bool outermost)
{
    static const struct {
        const char *name;
        mark_fn *mark;
        bool own; /* the keyword that asks */
    } rows[] = {
        {"properties", mark_properties},
        {"patternProperties", mark_pattern_properties},
        {"additionalProperties", mark_additional},
        {"unevaluatedProperties", mark_rest_of_object, true},
        {"prefixItems", mark_prefix},
        {"items", mark_items},
        {"contains", mark_contains},
        {"unevaluatedItems", mark_rest_of_array, true},
        {"allOf", mark_branches},
        {"anyOf", mark_branches},
        {"oneOf", mark_branches},
        {"dependentSchemas", mark_dependent},
        {"if", mark_if},
        {"$ref", mark_ref},
        {"$dynamicRef", mark_dynamic_ref},
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        if (val_equals(keyword, rows[i].name, strlen(rows[i].name)))
            return outermost && rows[i].own ? NULL : rows[i].mark;
    return NULL;
}

static void mark(struct checker *c, const struct application *outside, bool outermost,
                 struct seen *seen)
{
    struct application inside = *outside;
    struct scope room;

    if (outside->depth > SCHEMA_DEPTH_MAX)
        return; /* applying it came to the same end, or will */
    inside.scope = schema_scope(c, outside, &room);
    for (struct val_iter it = val_each(inside.schema);
         it.object && val_next(&it) && schema_step(c, 1 + seen->count / 16);) {
        mark_fn *keyword = mark_of(it.key, outermost);
        if (keyword)
            keyword(c, &inside, it.value, seen);
    }
}

/* The members' names or the items that are left and do not fit the rule. */
static size_t collect_left(struct checker *c, const struct application *at, struct val rule,
                           struct val **out)
{
    size_t count = val_count(at->instance), left = 0;
    struct seen seen = {arena_array(c->arena, bool, count + 1), count};
    struct val *names = arena_array(c->arena, struct val, count + 1);

    mark(c, at, true, &seen);
    for (struct val_iter it = val_each(at->instance); val_next(&it) && schema_step(c, 1);)
        if (!seen.at[it.index] && !schema_fits(c, at, rule, it.value))
            names[left++] = it.object ? it.key : it.value;
    *out = names;
    return left;
}

static void check_left(struct checker *c, const struct application *at, struct val rule,
                       enum wrong what, struct wrongs *out)
{
    struct val *names;
    size_t left = collect_left(c, at, rule, &names);

    if (!left)
        return;
    struct wrong_value *w = schema_wrong(c, at, what, rule, out);
    w->matches = names;
    w->count = left;
}

void schema_check_left_properties(struct checker *c, const struct application *at, struct val rule,
                                  struct wrongs *out)
{
    bool none = val_type(rule) == DOC_FALSE;

    if (val_type(at->instance) == DOC_OBJECT && val_type(rule) != DOC_TRUE)
        check_left(c, at, rule, none ? WRONG_LEFT_PROPERTIES : WRONG_LEFT_UNFIT, out);
}

void schema_check_left_items(struct checker *c, const struct application *at, struct val rule,
                             struct wrongs *out)
{
    if (val_type(at->instance) == DOC_ARRAY && val_type(rule) != DOC_TRUE)
        check_left(c, at, rule, WRONG_LEFT_ITEMS, out);
}
