#include "shared/json/schema.h"

#include <stdlib.h>
#include <string.h>

#include "shared/json/regex.h"
#include "shared/json/schema_check.h"

enum { CHECK_MAX_BYTES = 20 << 20 };

void schema_stop(struct checker *c, enum schema_problem problem, const char *reason)
{
    if (c->problem)
        return;
    c->problem = problem;
    c->reason = reason;
}

bool schema_step(struct checker *c, size_t steps)
{
    c->steps += steps;
    if (c->steps > SCHEMA_STEPS_MAX || c->arena->used_bytes > c->arena_max_bytes)
        schema_stop(c, SCHEMA_COSTLY, "the schema takes too many steps to check");
    return c->problem == SCHEMA_OK;
}

struct wrong_value *schema_wrong(struct checker *c, const struct application *at, enum wrong what,
                                 struct val keyword, struct wrongs *out)
{
    struct wrong_value *w = arena_new(c->arena, struct wrong_value);

    schema_step(c, 4);
    *w = (struct wrong_value){.what = what,
                              .place = at->place,
                              .schema = at->schema,
                              .keyword = keyword,
                              .instance = at->instance};
    *out->end = w;
    out->end = &w->next;
    return w;
}

static const struct place *place_add(struct checker *c, const struct application *at,
                                     struct place p)
{
    struct place *place = arena_new(c->arena, struct place);

    *place = p;
    place->outer = at->place;
    place->depth = at->place ? at->place->depth + 1 : 1;
    return place;
}

const struct place *place_key(struct checker *c, const struct application *at, struct val key)
{
    return place_add(c, at, (struct place){.key = key});
}

const struct place *place_index(struct checker *c, const struct application *at, size_t index)
{
    return place_add(c, at, (struct place){.index = index});
}

bool schema_matches(struct checker *c, struct val pattern, struct val text)
{
    const char *at = val_raw(pattern).text, *why = "";
    struct compiled *known = c->patterns;
    size_t len;

    while (known && known->text != at)
        known = known->next;
    if (!known) {
        const char *regex = val_string(c->arena, pattern, &len);
        void *code = regex ? regex_compile(c->arena, regex, len, &why) : NULL;
        if (!code) {
            schema_stop(c, SCHEMA_PATTERN,
                        arena_printf(c->arena, "'%.100s' is not a regular expression: %s",
                                     regex ? regex : "", why));
            return false;
        }
        known = arena_new(c->arena, struct compiled);
        *known = (struct compiled){c->patterns, at, code};
        c->patterns = known;
    }
    const char *subject = val_string(c->arena, text, &len);
    schema_step(c, 1 + len / 16);
    enum regex_result result = regex_search_code(known->code, subject, len);
    if (result == REGEX_TOO_COSTLY)
        schema_stop(c, SCHEMA_PATTERN, "a pattern takes too long to match");
    return result == REGEX_MATCH;
}

/* Prefect's anyOf [{type}, {type: null}] in place of the type. */
static void check_or_null(struct checker *c, const struct application *at, struct wrongs *out)
{
    struct val types = val_get(at->schema, "type");

    if (val_type(at->instance) != DOC_NULL && !schema_has_type(at->instance, types))
        schema_wrong(c, at, WRONG_ANY, types, out);
}

void schema_apply(struct checker *c, const struct application *outside, struct wrongs *out)
{
    struct application inside = *outside, *at = &inside;
    struct scope room;

    if (at->depth > SCHEMA_DEPTH_MAX) {
        schema_stop(c, SCHEMA_CIRCULAR, "Unable to validate schema with circular references.");
        return;
    }
    if (val_type(at->schema) == DOC_FALSE) {
        schema_wrong(c, at, WRONG_FALSE, at->schema, out);
        return;
    }
    inside.scope = schema_scope(c, outside, &room);
    bool null_pending = at->accept_null;
    for (struct val_iter it = val_each(at->schema);
         val_type(at->schema) == DOC_OBJECT && val_next(&it);) {
        if (!schema_step(c, 1))
            return;
        if (at->accept_null && val_equals(it.key, "type", 4))
            continue;
        if (at->accept_null && val_equals(it.key, "anyOf", 5)) {
            check_or_null(c, at, out);
            null_pending = false;
            continue;
        }
        if (c->rules->ignore_required && val_equals(it.key, "required", 8))
            continue;
        keyword_fn *check = schema_keyword(it.key, at->scope->resource->lax);
        if (check)
            check(c, at, it.value, out);
    }
    if (null_pending)
        check_or_null(c, at, out);
}

void schema_descend(struct checker *c, const struct application *at, struct val schema,
                    struct val part, const struct place *place, struct wrongs *out)
{
    struct application inner = {schema, part, place, at->scope, at->depth + 1, false, false};

    schema_apply(c, &inner, out);
}

bool schema_fits(struct checker *c, const struct application *at, struct val schema,
                 struct val part)
{
    struct wrongs found = {.end = &found.first};

    schema_descend(c, at, schema, part, at->place, &found);
    return !found.first;
}

static int compare_places(const struct place *a, const struct place *b, struct arena *arena)
{
    if (!a || !b)
        return 0;
    int outer = compare_places(a->outer, b->outer, arena);
    if (outer)
        return outer;
    if (a->key.doc && b->key.doc)
        return strcmp(val_string(arena, a->key, NULL), val_string(arena, b->key, NULL));
    return (a->index > b->index) - (a->index < b->index);
}

/* The order of jsonschema's relevance(): negative when a comes before b. */
static int compare_wrongs(const struct wrong_value *a, const struct wrong_value *b,
                          struct arena *arena)
{
    uint32_t a_depth = a->place ? a->place->depth : 0, b_depth = b->place ? b->place->depth : 0;

    if (a_depth != b_depth)
        return a_depth > b_depth ? -1 : 1;
    int places = compare_places(a->place, b->place, arena);
    if (places)
        return places;
    bool a_strong = a->what != WRONG_ANY && a->what != WRONG_EACH;
    bool b_strong = b->what != WRONG_ANY && b->what != WRONG_EACH;
    if (a_strong != b_strong)
        return a_strong - b_strong;
    bool a_other = !schema_has_type(a->instance, val_get(a->schema, "type"));
    bool b_other = !schema_has_type(b->instance, val_get(b->schema, "type"));
    return a_other - b_other;
}

/* The error that says most: near the root at first, then into the branches of anyOf and oneOf as
 * long as one of them stands out. */
static const struct wrong_value *best_match(const struct wrong_value *all, struct arena *arena)
{
    const struct wrong_value *best = all;

    for (const struct wrong_value *w = all->next; w; w = w->next)
        if (compare_wrongs(w, best, arena) > 0)
            best = w;
    while (best->context) {
        const struct wrong_value *least = best->context;
        bool tied = false;
        for (const struct wrong_value *w = least->next; w; w = w->next) {
            int order = compare_wrongs(w, least, arena);
            if (order < 0)
                least = w;
            tied = order == 0 || (order > 0 && tied);
        }
        if (tied)
            return best;
        best = least;
    }
    return best;
}

bool schema_collect(struct checker *c, struct val value, struct wrongs *out,
                    struct schema_error *out_error)
{
    struct scope scope = {.resource = &c->first};
    struct application at = {
        .schema = c->root, .instance = value, .scope = &scope, .processed = c->rules->prefect};

    schema_name_root(c);
    *out = (struct wrongs){.end = &out->first};
    c->arena_max_bytes = c->arena->used_bytes + CHECK_MAX_BYTES;
    schema_apply(c, &at, out);
    if (c->problem)
        *out_error = (struct schema_error){c->problem, "", c->reason};
    return c->problem == SCHEMA_OK;
}

bool schema_run(struct checker *c, struct val value, struct schema_error *out_error)
{
    struct wrongs found;

    if (!schema_collect(c, value, &found, out_error))
        return false;
    if (!found.first)
        return true;
    const struct wrong_value *best = best_match(found.first, c->arena);
    *out_error =
        (struct schema_error){SCHEMA_VALUE, schema_path_text(c, best->place), schema_text(c, best)};
    return false;
}

static const struct schema_rules plain;

bool schema_check_as(struct arena *a, struct val schema, const struct schema_rules *rules,
                     struct val value, struct schema_error *out_error)
{
    struct checker c = {.arena = a, .rules = rules, .root = schema};

    return schema_run(&c, value, out_error);
}

bool schema_check(struct arena *a, struct val schema, struct val value,
                  struct schema_error *out_error)
{
    return schema_check_as(a, schema, &plain, value, out_error);
}

bool schema_valid(struct arena *a, struct val schema, struct schema_error *out_error)
{
    return schema_valid_as(a, schema, &plain, out_error);
}

const char *schema_error_text(struct arena *a, const struct schema_error *error)
{
    const char *quote = strchr(error->path, '\'') ? "\"" : "'";

    if (!error->path[0])
        return arena_printf(a, "Validation failed. Failure reason: %s", error->message);
    return arena_printf(a, "Validation failed for field %s%s%s. Failure reason: %s", quote,
                        error->path, quote, error->message);
}
