#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/schema.h"
#include "tests/unit/doc_fixture.h"

/* What is wrong, or "". */
static const char *check(bool prefect, const char *schema, const char *value,
                         struct schema_error *error)
{
    struct schema_rules rules = {.prefect = prefect};

    if (schema_check_as(&arena, parse(schema), &rules, parse(value), error))
        return "";
    return schema_error_text(&arena, error);
}

static const struct {
    bool prefect;
    const char *schema, *value, *text;
} rows[] = {
#define ROW(prefect, schema, value, text) {prefect, schema, value, text},
#include "tests/unit/schema_rows.h"
#undef ROW
};

START_TEST(the_words_are_those_of_jsonschema)
{
    struct schema_error error;
    const char *text = check(rows[_i].prefect, rows[_i].schema, rows[_i].value, &error);
    ck_assert_msg(strcmp(text, rows[_i].text) == 0, "%s  %s\n  got  %s\n  want %s", rows[_i].schema,
                  rows[_i].value, text, rows[_i].text);
}
END_TEST

static const struct {
    const char *schema, *value;
    enum schema_problem problem;
} stopped[] = {
    {"{\"$ref\":\"#/definitions/none\"}", "1", SCHEMA_REFERENCE},
    {"{\"$ref\":\"http://example.com/x\"}", "1", SCHEMA_REFERENCE},
    {"{\"$ref\":\"#\"}", "1", SCHEMA_CIRCULAR},
    {"{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"$ref\":\"#/$defs/b\"},\"b\":{\"$ref\":\"#/$defs/"
     "a\"}}}",
     "1", SCHEMA_CIRCULAR},
    {"{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "1", SCHEMA_CIRCULAR},
    {"{\"pattern\":\"(\"}", "\"x\"", SCHEMA_PATTERN},
    {"{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"", SCHEMA_PATTERN},
};

START_TEST(what_would_not_end_is_stopped)
{
    struct schema_error error;
    const char *text = check(false, stopped[_i].schema, stopped[_i].value, &error);
    ck_assert_int_eq(error.problem, stopped[_i].problem);
    ck_assert_str_ne(text, "");
}
END_TEST

START_TEST(doubling_branches_run_out_of_budget)
{
    struct schema_error error;
    struct buf b = {.max_bytes = 1 << 16};
    buf_lit(&b, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{\"d40\":{}");
    for (int i = 0; i < 40; i++) {
        const char *def = arena_printf(
            &arena, ",\"d%d\":{\"allOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]}",
            i, i + 1, i + 1);
        buf_add(&b, def, strlen(def));
    }
    buf_lit(&b, "}}");
    check(false, arena_strndup(&arena, b.bytes, b.len), "1", &error);
    ck_assert_int_eq(error.problem, SCHEMA_COSTLY);
    buf_free(&b);
}
END_TEST

static const struct {
    const char *schema, *before, *after;
} swollen[] = {
    {"{\"uniqueItems\":true}", "{\"a\":1", "}"},
    {"{\"items\":{\"properties\":{\"a\":{\"pattern\":\"x\"}}}}", "{\"a\":\"", "\"}"},
    {"{\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}}", "", ""},
};

START_TEST(large_values_do_not_fill_the_memory)
{
    struct schema_error error;
    struct buf b = {.max_bytes = 1 << 20};
    buf_lit(&b, "[1");
    for (int i = 0; b.len < 500000; i++) {
        const char *item = arena_printf(&arena, "%s%d%s", swollen[_i].before, i, swollen[_i].after);
        buf_lit(&b, ",");
        buf_add(&b, item, strlen(item));
    }
    buf_lit(&b, "]");
    const char *text = arena_strndup(&arena, b.bytes, b.len);
    check(false, swollen[_i].schema, text, &error);
    ck_assert_uint_lt(arena.used_bytes, ARENA_MAX_BYTES);
    buf_free(&b);
}
END_TEST

static const struct {
    const char *schema, *message; /* NULL: it is one */
} schemas[] = {
    {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":[\"string\",\"null\"]}},\"required\":["
     "\"a\"]}",
     NULL},
    {"true", NULL},
    {"{\"type\":\"strin\"}", "'strin' is not valid under any of the given schemas"},
    {"{\"properties\":{\"a\":5}}", "5 is not of type 'object', 'boolean'"},
    {"{\"properties\":[]}", "[] is not of type 'object'"},
    {"{\"required\":\"a\"}", "'a' is not of type 'array'"},
    {"{\"minLength\":-1}", "-1 is less than the minimum of 0"},
    {"{\"anyOf\":[]}", "[] should be non-empty"},
    {"{\"items\":{\"pattern\":\"[\"}}",
     "'[' is not a regular expression: missing terminating ] for character class"},
    {"{\"items\":[{\"type\":\"string\"}]}",
     "[{'type': 'string'}] is not of type 'object', 'boolean'"},
    {"5", "5 is not of type 'object', 'boolean'"},
};

START_TEST(schemas_that_make_no_sense_are_refused)
{
    struct schema_error error = {.message = NULL};
    bool ok = schema_valid(&arena, parse(schemas[_i].schema), &error);
    ck_assert_int_eq(ok, !schemas[_i].message);
    if (!ok)
        ck_assert_str_eq(error.message, schemas[_i].message);
}
END_TEST

START_TEST(prefect_has_its_own_rules)
{
    struct schema_error error;
    const char *schema =
        "{\"properties\":{\"a\":{\"type\":\"integer\",\"default\":1}},\"required\":[\"b\"]}";
    struct schema_rules jobs = {
        .prefect = true, .null_for_defaults = true, .ignore_required = true};
    ck_assert(schema_check_as(&arena, parse(schema), &jobs, parse("{\"a\":null}"), &error));
    jobs.ignore_required = false;
    ck_assert(!schema_check_as(&arena, parse(schema), &jobs, parse("{\"a\":null}"), &error));
    ck_assert_str_eq(error.message, "'b' is a required property");
    const char *tuple = "{\"properties\":{\"a\":{\"items\":[{\"type\":\"integer\"}]}}}";
    ck_assert(schema_valid_as(&arena, parse(tuple), &jobs, &error));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("schema");
    TCase *t = tcase_create("schema");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, the_words_are_those_of_jsonschema, 0, COUNT(rows));
    tcase_add_loop_test(t, what_would_not_end_is_stopped, 0, COUNT(stopped));
    tcase_add_test(t, doubling_branches_run_out_of_budget);
    tcase_add_loop_test(t, large_values_do_not_fill_the_memory, 0, COUNT(swollen));
    tcase_add_loop_test(t, schemas_that_make_no_sense_are_refused, 0, COUNT(schemas));
    tcase_add_test(t, prefect_has_its_own_rules);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
