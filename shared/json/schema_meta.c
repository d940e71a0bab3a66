/* Whether a schema is one. */
#include <assert.h>
#include <string.h>

#include "shared/json/schema_check.h"

/* Draft 2020-12 about itself, without the split into vocabularies. */
#define META_SCHEMA(items)                                                                         \
    "{\"$id\":\"https://json-schema.org/draft/2020-12/schema\",\"$dynamicAnchor\":\"meta\","       \
    "\"type\":[\"object\",\"boolean\"],\"properties\":{"                                           \
    "\"$dynamicRef\":{\"type\":\"string\"},\"$vocabulary\":{\"type\":\"object\","                  \
    "\"additionalProperties\":{\"type\":\"boolean\"}},"                                            \
    "\"$dynamicAnchor\":{\"$ref\":\"#/$defs/anchor\"},\"contentMediaType\":{\"type\":\"string\"}," \
    "\"contentEncoding\":{\"type\":\"string\"},\"contentSchema\":{\"$dynamicRef\":\"#meta\"},"     \
    "\"$ref\":{\"type\":\"string\"},\"$id\":{\"type\":\"string\",\"pattern\":\"^[^#]*#?$\"},\"$"   \
    "schema\":{\"type\":"                                                                          \
    "\"string\"},\"$comment\":{\"type\":\"string\"},"                                              \
    "\"$anchor\":{\"$ref\":\"#/$defs/"                                                             \
    "anchor\"},\"title\":{\"type\":\"string\"},\"description\":{\"type\":"                         \
    "\"string\"},\"format\":{\"type\":\"string\"},"                                                \
    "\"pattern\":{\"type\":\"string\"},\"$defs\":{\"$ref\":\"#/$defs/"                             \
    "map\"},\"definitions\":{\"$ref\":\"#/$defs/map\"},"                                           \
    "\"properties\":{\"$ref\":\"#/$defs/map\"},\"patternProperties\":{\"$ref\":\"#/$defs/"         \
    "map\"},\"dependentSchemas\":{\"$ref\":\"#/$defs/map\"},"                                      \
    "\"additionalProperties\":{\"$dynamicRef\":\"#meta\"},\"propertyNames\":{\"$dynamicRef\":\"#"  \
    "meta\"},"                                                                                     \
    "\"items\":" items ",\"contains\":{\"$dynamicRef\":\"#meta\"},"                                \
    "\"unevaluatedItems\":{\"$dynamicRef\":\"#meta\"},\"unevaluatedProperties\":{\"$dynamicRef\":" \
    "\"#meta\"},"                                                                                  \
    "\"not\":{\"$dynamicRef\":\"#meta\"},\"if\":{\"$dynamicRef\":\"#meta\"},\"then\":{\"$"         \
    "dynamicRef\":\"#meta\"},\"else\":{\"$"                                                        \
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
    "\"$defs\":{\"anchor\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z_][-A-Za-z0-9._]*$\"},"      \
    "\"map\":{\"type\":\"object\",\"additionalProperties\":{\"$dynamicRef\":\"#meta\"}},\"list\":" \
    "{\"type\":\"array\",\"minItems\":1,\"items\":{\"$dynamicRef\":\"#meta\"}},"                   \
    "\"types\":{\"enum\":[\"array\",\"boolean\",\"integer\",\"null\",\"number\",\"object\","       \
    "\"string\"]},\"count\":{\"type\":\"integer\",\"minimum\":0},"                                 \
    "\"names\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}}}"

static const char meta_schema[] = META_SCHEMA("{\"$dynamicRef\":\"#meta\"}");
/* Old pydantic writes the schemas of a tuple's items as a list. */
static const char meta_schema_prefect[] =
    META_SCHEMA("{\"anyOf\":[{\"$dynamicRef\":\"#meta\"},{\"$ref\":\"#/$defs/list\"}]}");

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

struct val schema_meta(struct arena *a, bool item_lists)
{
    const char *text = item_lists ? meta_schema_prefect : meta_schema;
    struct doc *meta = arena_new(a, struct doc);
    struct doc_error error;

    bool parsed = doc_parse(a, text, strlen(text), meta, &error);
    assert(parsed);
    return parsed ? doc_root(meta) : (struct val){0};
}

bool schema_valid_as(struct arena *a, struct val schema, const struct schema_rules *rules,
                     struct schema_error *out_error)
{
    static const struct schema_rules plain;
    struct checker c = {
        .arena = a, .rules = &plain, .root = schema_meta(a, rules->prefect), .meta = true};

    if (!schema_run(&c, schema, out_error))
        return false;
    if (patterns_compile(&c, schema))
        return true;
    *out_error = (struct schema_error){c.problem, "", c.reason};
    return false;
}
