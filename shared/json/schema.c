#include "shared/json/schema.h"

#include <stdlib.h>
#include <string.h>

#include "shared/json/regex.h"
#include "shared/json/schema_check.h"

enum { CHECK_MAX_BYTES = 20 << 20 };

/* Draft 2020-12 about itself, without the split into vocabularies. */
#define META_SCHEMA(items)                                                                         \
    "{\"type\":[\"object\",\"boolean\"],\"properties\":{"                                          \
    "\"$ref\":{\"type\":\"string\"},\"$id\":{\"type\":\"string\"},\"$schema\":{\"type\":"          \
    "\"string\"},\"$comment\":{\"type\":\"string\"},"                                              \
    "\"$anchor\":{\"type\":\"string\"},\"title\":{\"type\":\"string\"},\"description\":{\"type\":" \
    "\"string\"},\"format\":{\"type\":\"string\"},"                                                \
    "\"pattern\":{\"type\":\"string\"},\"$defs\":{\"$ref\":\"#/$defs/"                             \
    "map\"},\"definitions\":{\"$ref\":\"#/$defs/map\"},"                                           \
    "\"properties\":{\"$ref\":\"#/$defs/map\"},\"patternProperties\":{\"$ref\":\"#/$defs/"         \
    "map\"},\"dependentSchemas\":{\"$ref\":\"#/$defs/map\"},"                                      \
    "\"additionalProperties\":{\"$ref\":\"#\"},\"propertyNames\":{\"$ref\":\"#\"},"                \
    "\"items\":" items ",\"contains\":{\"$ref\":\"#\"},"                                           \
    "\"unevaluatedItems\":{\"$ref\":\"#\"},\"unevaluatedProperties\":{\"$ref\":\"#\"},"            \
    "\"not\":{\"$ref\":\"#\"},\"if\":{\"$ref\":\"#\"},\"then\":{\"$ref\":\"#\"},\"else\":{\"$"     \
    "ref\":\"#\"},"                                                                                \
    "\"allOf\":{\"$ref\":\"#/$defs/list\"},\"anyOf\":{\"$ref\":\"#/$defs/"                         \
    "list\"},\"oneOf\":{\"$ref\":\"#/$defs/list\"},\"prefixItems\":{\"$ref\":\"#/$defs/list\"},"   \
    "\"type\":{\"anyOf\":[{\"$ref\":\"#/$defs/"                                                    \
    "types\"},{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/"                                  \
    "types\"},\"minItems\":1,\"uniqueItems\":true}]},"                                             \
    "\"enum\":{\"type\":\"array\"},\"multipleOf\":{\"type\":\"number\",\"exclusiveMinimum\":0},"   \
    "\"maximum\":{\"type\":\"number\"},\"exclusiveMaximum\":{\"type\":\"number\"},\"minimum\":{"   \
    "\"type\":\"number\"},\"exclusiveMinimum\":{\"type\":\"number\"},"                             \
    "\"maxLength\":{\"$ref\":\"#/$defs/count\"},\"minLength\":{\"$ref\":\"#/$defs/"                \
    "count\"},\"maxItems\":{\"$ref\":\"#/$defs/count\"},\"minItems\":{\"$ref\":\"#/$defs/"         \
    "count\"},"                                                                                    \
    "\"maxContains\":{\"$ref\":\"#/$defs/count\"},\"minContains\":{\"$ref\":\"#/$defs/"            \
    "count\"},\"maxProperties\":{\"$ref\":\"#/$defs/count\"},\"minProperties\":{\"$ref\":\"#/"     \
    "$defs/count\"},"                                                                              \
    "\"uniqueItems\":{\"type\":\"boolean\"},\"deprecated\":{\"type\":\"boolean\"},\"readOnly\":{"  \
    "\"type\":\"boolean\"},\"writeOnly\":{\"type\":\"boolean\"},\"examples\":{\"type\":\"array\"}" \
    ","                                                                                            \
    "\"required\":{\"$ref\":\"#/$defs/"                                                            \
    "names\"},\"dependentRequired\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#/"  \
    "$defs/names\"}}},"                                                                            \
    "\"$defs\":{\"map\":{\"type\":\"object\",\"additionalProperties\":{\"$ref\":\"#\"}},\"list\":" \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#\"}},"                              \
    "\"types\":{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\","       \
    "\"string\"]},\"count\":{\"type\":\"integer\",\"minimum\":0},"                                 \
    "\"names\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}}}"

static const char meta_schema[] = META_SCHEMA("{\"$ref\":\"#\"}");
/* Old pydantic writes the schemas of a tuple's items as a list. */
static const char meta_schema_prefect[] =
    META_SCHEMA("{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#/$defs/list\"}]}");

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

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The member of a $ref path, which is part of a URI: `%25` is a percent sign; then `~1` is a slash
 * and `~0` a tilde. */
static struct val follow(struct checker *c, struct val from, const char *part, size_t len)
{
    char *name = arena_strndup(c->arena, part, len), *to = name;

    for (const char *p = name; *p; p++) {
        bool escape = *p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0;
        *to++ = (char)(escape ? hex_digit(p[1]) << 4 | hex_digit(p[2]) : *p);
        p += escape ? 2 : 0;
    }
    *to = '\0';
    to = name;
    for (const char *p = name; *p; p++) {
        bool tilde = *p == '~' && (p[1] == '0' || p[1] == '1');
        *to++ = !tilde ? *p : p[1] == '1' ? '/' : '~';
        p += tilde;
    }
    *to = '\0';
    if (val_type(from) == DOC_OBJECT)
        return val_get(from, name);
    size_t index = (size_t)strtoul(name, NULL, 10);
    for (struct val_iter it = val_each(from); val_type(from) == DOC_ARRAY && val_next(&it);)
        if (it.index == index)
            return it.value;
    return (struct val){0};
}

struct val schema_resolve(struct checker *c, struct val pointer, bool *out_definition)
{
    const char *text = val_string(c->arena, pointer, NULL);
    struct val found = c->root;

    *out_definition = text && strncmp(text, "#/definitions/", 14) == 0 && !strchr(text + 14, '/');
    if (text && text[0] == '#' && (text[1] == '/' || !text[1])) {
        for (const char *part = text + 1; *part && found.doc;) {
            size_t len = strcspn(++part, "/");
            schema_step(c, 8 + val_count(found) / 4);
            found = follow(c, found, part, len);
            part += len;
        }
        if (found.doc)
            return found;
    }
    schema_stop(c, SCHEMA_REFERENCE,
                arena_printf(c->arena, "Unresolvable: %.200s", text ? text : ""));
    return (struct val){0};
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

void schema_apply(struct checker *c, const struct application *at, struct wrongs *out)
{
    if (at->depth > SCHEMA_DEPTH_MAX) {
        schema_stop(c, SCHEMA_CIRCULAR, "Unable to validate schema with circular references.");
        return;
    }
    if (val_type(at->schema) == DOC_FALSE) {
        schema_wrong(c, at, WRONG_FALSE, at->schema, out);
        return;
    }
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
        keyword_fn *check = schema_keyword(it.key);
        if (check)
            check(c, at, it.value, out);
    }
    if (null_pending)
        check_or_null(c, at, out);
}

void schema_descend(struct checker *c, const struct application *at, struct val schema,
                    struct val part, const struct place *place, struct wrongs *out)
{
    struct application inner = {schema, part, place, at->depth + 1, false, false};

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
    struct application at = {.schema = c->root, .instance = value, .processed = c->rules->prefect};

    *out = (struct wrongs){.end = &out->first};
    c->arena_max_bytes = c->arena->used_bytes + CHECK_MAX_BYTES;
    schema_apply(c, &at, out);
    if (c->problem)
        *out_error = (struct schema_error){c->problem, "", c->reason};
    return c->problem == SCHEMA_OK;
}

static bool run(struct checker *c, struct val value, struct schema_error *out_error)
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

    return run(&c, value, out_error);
}

/* Every pattern of the schema, wherever it stands. */
static bool patterns_compile(struct checker *c, struct val schema)
{
    for (struct val_iter it = val_each(schema); val_next(&it);) {
        bool pattern =
            it.object && val_equals(it.key, "pattern", 7) && val_type(it.value) == DOC_STRING;
        if (pattern)
            schema_matches(c, it.value, it.value);
        else if (it.object && val_equals(it.key, "patternProperties", 17))
            for (struct val_iter p = val_each(it.value); val_next(&p);)
                schema_matches(c, p.key, p.key);
        if (c->problem)
            return false;
        patterns_compile(c, it.value);
    }
    return c->problem == SCHEMA_OK;
}

bool schema_valid_as(struct arena *a, struct val schema, const struct schema_rules *rules,
                     struct schema_error *out_error)
{
    struct checker c = {.arena = a, .rules = &plain};
    struct doc *meta = arena_new(a, struct doc);
    struct doc_error error;

    const char *text = rules->prefect ? meta_schema_prefect : meta_schema;
    if (!doc_parse(a, text, strlen(text), meta, &error)) {
        *out_error = (struct schema_error){SCHEMA_PATTERN, "", error.reason};
        return false;
    }
    c.root = doc_root(meta);
    if (!run(&c, schema, out_error))
        return false;
    if (patterns_compile(&c, schema))
        return true;
    *out_error = (struct schema_error){c.problem, "", c.reason};
    return false;
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
