#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/block_schema.h"
#include "server/model/block_system.h"
#include "tests/unit/doc_fixture.h"

/* What `Block._calculate_schema_checksum` of Prefect 3.9.1 says. */
static const struct {
    const char *fields, *checksum;
} checksums[] = {
    {"{\"title\":\"MyBlock\",\"type\":\"object\",\"properties\":{\"pw\":{\"title\":\"Pw\",\"type\":"
     "\"string\",\"writeOnly\":true,"
     "\"format\":\"password\"},\"n\":{\"type\":\"integer\"},\"nest\":{\"type\":\"object\"}},"
     "\"required\":[\"pw\"],"
     "\"secret_fields\":[\"pw\",\"nest.k.*\"],\"block_type_slug\":\"my-block\",\"block_schema_"
     "references\":{}}",
     "sha256:771d9f44bb1fe3ae46bb79f7bf73e11d0cf628b88c9e5b9660e594a03ca7362b"},
    /* a definition that nothing refers to does not count */
    {"{\"title\":\"Inner\",\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\"},\"c\":{"
     "\"$ref\":\"#/definitions/Color\"}},"
     "\"secret_fields\":[\"k\"],\"block_type_slug\":\"inner\",\"block_schema_references\":{},"
     "\"definitions\":{\"Color\":"
     "{\"title\":\"Color\",\"enum\":[\"r\",\"g\"]},\"Unused\":{\"title\":\"Unused\"}}}",
     "sha256:1071a8b367b1dc7fadeca2d61e8cfaca5a1035a58312ab05de17c56af21fcde9"},
    /* lists keep `secret_fields`; text outside of ASCII, floats and large numbers print as in
       Python */
    {"{\"x\":[{\"secret_fields\":1}],\"y\":{\"secret_fields\":2,\"z\":1.0},\"\xc3\xa9\":"
     "\"\xc3\xbc\x7f\xf0\x9f\x98\x80\\n\\\"\","
     "\"n\":12345678901234567890,\"f\":1e22,\"definitions\":{\"A\":{\"a\":1}},\"q\":{\"$ref\":\"#/"
     "definitions/A\"},\"e\":{}}",
     "sha256:4ca0a5aab4c0f568836b2cca56bbe1d7424dd073818b12f596bd1b9a99644526"},
};

START_TEST(checksums_are_those_of_the_sdk)
{
    ck_assert_str_eq(block_schema_checksum(&arena, parse(checksums[_i].fields)),
                     checksums[_i].checksum);
}
END_TEST

/* Prefect 3.9.1 registers 14 of its own and 40 of its collections. */
enum { SYSTEM_COUNT = 54 };

START_TEST(the_sdk_finds_the_blocks_of_the_system)
{
    struct block_systems all;
    struct err e = {0};

    ck_assert_msg(block_systems_read(&arena, &all, &e) == ERR_OK, "%s", e.detail);
    ck_assert_uint_eq(all.count, SYSTEM_COUNT);
    const struct block_system *b = &all.items[_i];
    struct val fields = parse(arena_strndup(&arena, b->schema.fields.text, b->schema.fields.len));
    ck_assert_str_eq(block_schema_checksum(&arena, fields), b->schema.checksum);
    ck_assert(val_equals(val_get(fields, "block_type_slug"), b->type.slug, strlen(b->type.slug)));
    ck_assert_int_eq(strncmp(b->type.logo_url, "/logos/", 7),
                     0); /* no page fetches pictures from elsewhere */
    ck_assert_int_eq(b->is_protected, strcmp(b->type.slug, "secret") == 0 ||
                                          strcmp(b->type.slug, "webhook") == 0 ||
                                          strcmp(b->type.slug, "local-file-system") == 0);
}
END_TEST

static const char outer[] = "{\"title\":\"Outer\",\"properties\":{\"in\":{\"$ref\":\"#/definitions/"
                            "Inner\"},\"u\":{\"anyOf\":[{\"$ref\":\"#/definitions/Inner\"},"
                            "{\"$ref\":\"#/definitions/Mine\"}]},\"m\":{\"$ref\":\"#/definitions/"
                            "Mode\"}},\"block_schema_references\":{\"in\":"
                            "{\"block_type_slug\":\"inner\",\"block_schema_checksum\":\"c1\"},"
                            "\"u\":[{\"block_type_slug\":\"inner\",\"block_schema_checksum\":"
                            "\"c1\"},{\"block_type_slug\":\"mine\",\"block_schema_checksum\":"
                            "\"c2\"}]},\"definitions\":{\"Inner\":{\"title\":\"Inner\","
                            "\"block_type_slug\":\"inner\"},\"Mine\":{\"title\":\"Mine\",\"block_"
                            "type_slug\":\"mine\"},\"Mode\":{\"title\":\"Mode\"}}}";

START_TEST(nested_schemas_are_stored_on_their_own)
{
    struct val fields = parse(outer);
    struct raw stored = block_schema_stored(&arena, fields);
    ck_assert_str_eq(
        stored.text,
        "{\"title\":\"Outer\",\"properties\":{\"in\":{\"$ref\":\"#/definitions/"
        "Inner\"},\"u\":{\"anyOf\":"
        "[{\"$ref\":\"#/definitions/Inner\"},{\"$ref\":\"#/definitions/Mine\"}]},\"m\":{\"$ref\":"
        "\"#/definitions/Mode\"}},\"definitions\":{\"Mode\":{\"title\":\"Mode\"}}}");
    struct block_schema_reference refs[BLOCK_REFERENCES_MAX];
    ck_assert_uint_eq(block_schema_references(&arena, fields, refs), 3);
    ck_assert_str_eq(refs[2].name, "u");
    ck_assert_str_eq(refs[2].slug, "mine");
    ck_assert_str_eq(refs[2].checksum, "c2");
    struct val mine = block_schema_definition(&arena, fields, &refs[2]);
    ck_assert(val_equals(val_get(mine, "title"), "Mine", 4));
    struct val alone = parse(block_schema_with(&arena, mine, val_get(fields, "definitions")).text);
    ck_assert_uint_eq(val_count(val_get(alone, "definitions")), 3);
}
END_TEST

START_TEST(references_of_another_form_are_refused)
{
    struct block_schema_reference refs[BLOCK_REFERENCES_MAX];
    ck_assert_uint_eq(
        block_schema_references(&arena, parse("{\"block_schema_references\":{\"a\":5}}"), refs),
        SIZE_MAX);
    ck_assert_uint_eq(
        block_schema_references(
            &arena, parse("{\"block_schema_references\":{\"a\":{\"block_type_slug\":\"x\"}}}"),
            refs),
        SIZE_MAX);
    ck_assert_uint_eq(block_schema_references(&arena, parse("{}"), refs), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("block_schema");
    TCase *t = tcase_create("block_schema");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, checksums_are_those_of_the_sdk, 0, COUNT(checksums));
    tcase_add_loop_test(t, the_sdk_finds_the_blocks_of_the_system, 0, SYSTEM_COUNT);
    tcase_add_test(t, nested_schemas_are_stored_on_their_own);
    tcase_add_test(t, references_of_another_form_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
