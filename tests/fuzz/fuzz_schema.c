/* The input is [schema, value].  Properties: every refusal has a problem and a sentence; a value
 * equals itself; what a schema without names refuses, it refuses as a document that another schema
 * refers to. */
#include <stdlib.h>
#include <string.h>

#include "shared/json/schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static bool check(struct arena *a, struct val schema, const struct schema_rules *rules,
                  struct val value)
{
    struct schema_error error = {0};

    if (schema_check_as(a, schema, rules, value, &error))
        return true;
    require(error.problem != SCHEMA_OK && error.path && error.message && error.message[0]);
    require(strncmp(schema_error_text(a, &error), "Validation failed", 17) == 0);
    return false;
}

static void check_beside(struct arena *a, struct val schema, struct val value)
{
    static const char text[] = "{\"$ref\":\"http://fuzz/schema\",\"unevaluatedProperties\":{}}";
    const struct schema_document document = {"http://fuzz/schema", schema};
    const struct schema_rules rules = {.documents = &document, .document_count = 1};
    struct doc_error syntax;
    struct doc outer;

    require(doc_parse(a, text, sizeof(text) - 1, &outer, &syntax));
    require(!check(a, doc_root(&outer), &rules, value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct schema_rules plain, prefect = {true, true, false};
    struct arena arena = {0};
    struct schema_error error;
    struct doc_error syntax;
    struct doc doc;

    if (size > 4096 || !doc_parse(&arena, (const char *)data, size, &doc, &syntax)) {
        arena_reset(&arena);
        return 0;
    }
    struct val_iter it = val_each(doc_root(&doc));
    struct val schema = doc_root(&doc), value = doc_root(&doc);
    if (val_type(schema) == DOC_ARRAY && val_next(&it))
        schema = it.value;
    if (val_next(&it))
        value = it.value;
    require(schema_equal(&arena, value, value));
    if (!check(&arena, schema, &plain, value) && !memmem(data, size, "id", 2))
        check_beside(&arena, schema, value);
    check(&arena, schema, &prefect, value);
    if (!schema_valid(&arena, schema, &error))
        require(error.problem != SCHEMA_OK && error.message[0]);
    arena_reset(&arena);
    return 0;
}
