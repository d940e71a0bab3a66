#include <check.h>
#include <stdlib.h>

#include "server/model/hydrate.h"
#include "tests/unit/doc_fixture.h"

#define KIND(k) "{\"__prefect_kind\":\"" k "\""
/* Parameters, and what a run gets or why it is refused. */
static const struct {
    const char *in, *out, *reason;
} rows[] = {
    {"{}", "{}", NULL},
    {"{\"a\": [1, {\"b\": null}]}", "{\"a\":[1,{\"b\":null}]}", NULL},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}", NULL},
    {"{\"x\":" KIND("json") ",\"value\":\"{\\\"a\\\": 1}\"}}", "{\"x\":{\"a\":1}}", NULL},
    {"{\"x\":" KIND("json") ",\"value\":\"{a\"}}", NULL,
     "Invalid JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"},
    {"{\"x\":" KIND("json") "},\"y\":[" KIND("json") "},2]}", "{\"y\":[2]}", NULL},
    {"{\"x\":" KIND("json") ",\"value\":5}}", "{\"x\":5}", NULL},
    {"{\"x\":" KIND("json") ",\"value\":" KIND("none") ",\"value\":\"[1, 2]\"}}}", "{\"x\":[1,2]}",
     NULL},
    {"{\"x\":" KIND("none") "}}", NULL, "Missing 'value' key in __prefect object"},
    {"{\"x\":" KIND("none") ",\"value\":{\"z\":" KIND("none") ",\"value\":3}}}}",
     "{\"x\":{\"z\":3}}", NULL},
    {"{\"x\":" KIND("workspace_variable") ",\"variable_name\":\"v1\"}}", "{\"x\":{\"a\":[1]}}",
     NULL},
    {"{\"x\":" KIND("workspace_variable") ",\"variable_name\":\"no\"}}", NULL,
     "Variable 'no' not found in workspace."},
    {"{\"x\":" KIND("workspace_variable") ",\"variable_name\":5}}", NULL,
     "Variable '5' not found in workspace."},
    {"{\"x\":" KIND("workspace_variable") "}}", "{}", NULL},
    {"{\"x\":" KIND("other") ",\"value\":7}}", "{\"x\":7}", NULL},
    {"{\"x\":" KIND("other") "}}", "{\"x\":null}", NULL},
    {"{\"x\":{\"__prefect_kind\":null,\"value\":8}}", "{\"x\":8}", NULL},
    {KIND("json") ",\"value\":\"{\\\"q\\\":1}\"}", "{\"q\":1}", NULL},
    {KIND("json") "}", "{}", NULL},
    {"{\"x\":" KIND("jinja") "}}", NULL, "Missing 'template' key in __prefect object"},
    {"{\"x\":" KIND("jinja") ",\"template\":\"{{ 1 }}\"}}", NULL,
     "Invalid jinja: templates are not rendered here"},
};

START_TEST(kinds_stand_for_values)
{
    static const struct hydration_variable variables[] = {{"v1", {"{\"a\":[1]}", 9}}};
    struct hydration h = {.arena = &arena, .variables = variables, .variable_count = 1};
    struct buf out = {.max_bytes = 4096};

    bool ok = hydrate(&h, parse(rows[_i].in), &out);
    ck_assert_int_eq(ok, !rows[_i].reason);
    ck_assert_pstr_eq(h.reason, rows[_i].reason);
    if (ok)
        ck_assert_str_eq(arena_strndup(&arena, out.bytes, out.len), rows[_i].out);
    buf_free(&out);
}
END_TEST

START_TEST(needed_variables_are_named_once)
{
    // clang-format off
    static const char text[] = "{\"a\":" KIND("workspace_variable") ",\"variable_name\":\"v1\"},"
        "\"b\":[" KIND("workspace_variable") ",\"variable_name\":\"v2\"},"
                  KIND("workspace_variable") ",\"variable_name\":\"v1\"}],"
        "\"c\":" KIND("workspace_variable") ",\"variable_name\":" KIND("json") ",\"value\":\"\\\"v3\\\"\"}},"
        "\"d\":" KIND("workspace_variable") "}}";
    // clang-format on
    struct strings names = {0};
    hydration_needs(&arena, parse(text), &names);
    ck_assert_uint_eq(names.count, 3);
    ck_assert_str_eq(names.items[0], "v1");
    ck_assert_str_eq(names.items[1], "v2");
    ck_assert_str_eq(names.items[2], "v3");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hydrate");
    TCase *t = tcase_create("hydrate");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, kinds_stand_for_values, 0, COUNT(rows));
    tcase_add_test(t, needed_variables_are_named_once);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
