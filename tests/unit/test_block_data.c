#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/artifact.h"
#include "server/model/block_data.h"
#include "server/model/variable.h"
#include "shared/json/codec.h"
#include "tests/unit/doc_fixture.h"

static const struct {
    const char *data, *secrets, *shown;
} obfuscated[] = {
    {"{\"a\":\"x\",\"b\":1}", "[\"a\"]", "{\"a\":\"********\",\"b\":1}"},
    {"{\"a\":5}", "[\"a\",\"a\"]", "{\"a\":\"********\"}"},
    {"{\"a\":[1,2]}", "[\"a\"]", "{\"a\":\"********\"}"},
    {"{\"a\":null}", "[\"a\"]", "{\"a\":null}"},
    {"{\"a\":{\"b\":\"x\",\"c\":\"y\"}}", "[\"a.b\"]", "{\"a\":{\"b\":\"********\",\"c\":\"y\"}}"},
    {"{\"n\":{\"k\":{\"a\":\"x\",\"b\":{\"c\":\"y\"}},\"o\":2}}", "[\"n.k.*\"]",
     "{\"n\":{\"k\":{\"a\":\"********\",\"b\":{\"c\":\"********\"}},\"o\":2}}"},
    {"{\"a\":{\"b\":\"x\"}}", "[\"a\"]",
     "{\"a\":{\"b\":\"********\"}}"}, /* an object is secret as a whole */
    {"{\"ab\":\"x\",\"a\":{}}", "[\"a\"]", "{\"ab\":\"x\",\"a\":\"********\"}"},
    {"{\"a\":\"x\"}", "[]", "{\"a\":\"x\"}"},
    {"{\"a\":\"x\"}", "[5]", "{\"a\":\"x\"}"},
    {"{\"a\":\"x\",\"b\":{\"c\":1}}", "[\"*\"]", "{\"a\":\"********\",\"b\":{\"c\":\"********\"}}"},
};

START_TEST(secrets_become_asterisks)
{
    struct raw shown =
        block_data_obfuscate(&arena, parse(obfuscated[_i].data), parse(obfuscated[_i].secrets));
    ck_assert_str_eq(shown.text, obfuscated[_i].shown);
}
END_TEST

static const struct {
    const char *now, *change, *secrets;
    bool merge;
    const char *after;
} changes[] = {
    {"{\"pw\":\"s\",\"n\":1}", "{\"n\":2}", "[\"pw\"]", true, "{\"pw\":\"s\",\"n\":2}"},
    {"{\"pw\":\"s\",\"n\":1}", "{\"n\":2}", "[\"pw\"]", false, "{\"n\":2}"},
    {"{\"pw\":\"s\",\"n\":1}", "{\"pw\":\"********\",\"n\":3}", "[\"pw\"]", true,
     "{\"pw\":\"s\",\"n\":3}"},
    {"{\"pw\":\"s\"}", "{\"pw\":\"new\"}", "[\"pw\"]", true, "{\"pw\":\"new\"}"},
    {"{\"pw\":\"s\"}", "{\"other\":\"********\"}", "[\"pw\"]", true,
     "{\"pw\":\"s\",\"other\":\"********\"}"},
    {"{}", "{\"pw\":\"********\"}", "[\"pw\"]", true, "{\"pw\":\"********\"}"},
    {"{\"n\":{\"k\":{\"a\":\"x\",\"b\":{\"c\":\"y\"}},\"o\":2}}",
     "{\"n\":{\"k\":{\"a\":\"********\",\"b\":{\"c\":\"z\"}}}}", "[\"n.k.*\"]", true,
     "{\"n\":{\"k\":{\"a\":\"x\",\"b\":{\"c\":\"z\"}}}}"},
};

START_TEST(a_change_keeps_secrets_that_were_not_shown)
{
    struct raw after = block_data_change(&arena, parse(changes[_i].now), parse(changes[_i].change),
                                         parse(changes[_i].secrets), changes[_i].merge);
    ck_assert_str_eq(after.text, changes[_i].after);
}
END_TEST

static const struct {
    const char *data, *kept, *reason;
    size_t references;
} splits[] = {
    {"{\"a\":1,\"in\":{\"$ref\":{\"block_document_id\":\"00000000-0000-0000-0000-000000000001\"}}}",
     "{\"a\":1}", NULL, 1},
    {"{\"a\":{\"b\":{\"$ref\":{\"block_document_id\":\"x\"}}}}",
     "{\"a\":{\"b\":{\"$ref\":{\"block_document_id\":\"x\"}}}}", NULL, 0},
    {"{\"a\":{\"$ref\":{\"x\":1}}}", NULL,
     "Received block reference without a block_document_id in key a", 0},
    {"{\"a\":{\"$ref\":\"text\"}}", NULL,
     "Received block reference without a block_document_id in key a", 0},
    {"{\"a\":{\"$ref\":{\"block_document_id\":\"x\"}}}", NULL,
     "The block_document_id in key a is not a UUID", 0},
};

START_TEST(references_are_taken_out_of_the_data)
{
    struct block_reference refs[4];
    const char *reason = "";
    size_t count;
    struct raw kept = block_data_split(&arena, parse(splits[_i].data), refs, &count, &reason);
    if (splits[_i].reason) {
        ck_assert_ptr_null(kept.text);
        ck_assert_str_eq(reason, splits[_i].reason);
        return;
    }
    ck_assert_str_eq(kept.text, splits[_i].kept);
    ck_assert_uint_eq(count, splits[_i].references);
}
END_TEST

static const struct {
    const struct resource *resource;
    const char *body, *first;
} bodies[] = {
    {&variable_create_resource, "{\"name\":\"a\",\"value\":null}", NULL},
    {&variable_create_resource, "{\"name\":\"\",\"value\":{\"a\":[1]}}", NULL},
    {&variable_create_resource, "{\"name\":\"A b\",\"value\":1}",
     "body.name: Value error, Variable name must only contain lowercase letters, numbers, and "
     "dashes or underscores."},
    {&variable_create_resource, "{\"name\":\"a\"}", "body.value: Field required"},
    {&artifact_create_resource, "{}", NULL},
    {&artifact_create_resource, "{\"key\":\"K\"}",
     "body.key: Value error, Artifact key must only contain lowercase letters, numbers, and "
     "dashes."},
    {&artifact_create_resource, "{\"metadata_\":{\"m\":1}}",
     "body.metadata_.m: Input should be a valid string"},
};

START_TEST(bodies_are_checked_as_prefect_does)
{
    struct err err = {0};
    void *out = arena_alloc(&arena, 1, bodies[_i].resource->size, _Alignof(max_align_t));
    const char *body = bodies[_i].body;
    enum err_code rc = json_decode_text(&arena, bodies[_i].resource, body, strlen(body), out, &err);
    ck_assert_int_eq(rc, bodies[_i].first ? ERR_INVALID : ERR_OK);
    ck_assert_str_eq(err.detail, bodies[_i].first ? bodies[_i].first : "");
}
END_TEST

START_TEST(a_variable_has_at_most_5000_characters)
{
    struct variable_create in;
    struct err err = {0};
    char body[6000];
    for (int length = 4998; length <= 4999; length++) {
        snprintf(body, sizeof(body), "{\"name\":\"a\",\"value\": \"%0*d\"}", length, 0);
        enum err_code rc =
            json_decode_text(&arena, &variable_create_resource, body, strlen(body), &in, &err);
        ck_assert_int_eq(rc, length == 4998 ? ERR_OK : ERR_INVALID);
    }
    ck_assert_str_eq(err.detail,
                     "body.value: Value error, Variable value must be less than 5000 characters");
}
END_TEST

START_TEST(long_metadata_is_cut_at_500_characters)
{
    char text[2100] = "{\"m\":\"";
    for (int i = 0; i < 600; i++)
        strcat(text, "\xc3\xb6");
    strcat(text, "\",\"n\":\"x\"}");
    struct raw cut = artifact_metadata(&arena, (struct raw){text, strlen(text)});
    struct val v = parse(cut.text);
    ck_assert_uint_eq(val_length(val_get(v, "m")), 503);
    ck_assert(val_equals(val_get(v, "n"), "x", 1));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("block_data");
    TCase *t = tcase_create("block_data");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, secrets_become_asterisks, 0, COUNT(obfuscated));
    tcase_add_loop_test(t, a_change_keeps_secrets_that_were_not_shown, 0, COUNT(changes));
    tcase_add_loop_test(t, references_are_taken_out_of_the_data, 0, COUNT(splits));
    tcase_add_loop_test(t, bodies_are_checked_as_prefect_does, 0, COUNT(bodies));
    tcase_add_test(t, a_variable_has_at_most_5000_characters);
    tcase_add_test(t, long_metadata_is_cut_at_500_characters);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
