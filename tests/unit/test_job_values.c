#include <check.h>
#include <string.h>

#include "server/model/job_values.h"
#include "tests/unit/doc_fixture.h"

static enum err_code find(void *ctx, const struct job_reference *what, struct val *out)
{
    static const struct {
        const char *type, *name, *id, *json;
    } known[] = {
        {"secret", "token", NULL, "{\"value\":\"hunter2\"}"},
        {"secret", "deep", NULL, "{\"value\":{\"a\":[\"x\",\"y\"]}}"},
        {"minio", "lab", "00000000-0000-7000-8000-000000000001",
         "{\"user\":\"u\",\"password\":\"p\"}"},
        {NULL, "board", NULL, "\"nucleo\""},
        {NULL, "targets", NULL, "[1,{\"b\":true}]"},
    };

    (void)ctx;
    *out = (struct val){0};
    if (what->name && !strcmp(what->name, "broken"))
        return ERR_DB;
    for (size_t i = 0; i < COUNT(known); i++) {
        bool same_type = !known[i].type == !what->block_type &&
                         (!what->block_type || !strcmp(what->block_type, known[i].type));
        bool by_name = what->name && same_type && !strcmp(what->name, known[i].name);
        bool by_id = what->block_id && known[i].id && !strcmp(what->block_id, known[i].id);
        if (by_name || by_id)
            *out = parse(known[i].json);
    }
    return ERR_OK;
}

/* What Prefect's template for processes has, among others. */
#define TEMPLATE "{\"command\":\"{{ command }}\",\"env\":\"{{ env }}\",\"name\":\"{{ name }}\"}"

static const struct {
    const char *configuration, *variables, *job, *reason;
} rows[] = {
    {TEMPLATE, "{}", "{}", NULL},
    {TEMPLATE, "{\"command\":\"make\",\"env\":{\"A\":\"1\"},\"bench\":{\"target\":\"x\"}}",
     "{\"command\":\"make\",\"env\":{\"A\":\"1\"},\"bench\":{\"target\":\"x\"}}", NULL},
    {"{\"command\":\"nice {{ command }} -v {{ level }} {{no}}\"}",
     "{\"command\":\"make\",\"level\":2}", "{\"command\":\"nice make -v 2 \",\"level\":2}", NULL},
    {"{\"a\":[\"{{ none }}\",\"{{ x.y[1] }}\",\"{{ x.flag }}!\"]}",
     "{\"x\":{\"y\":[1,2],\"flag\":true}}",
     "{\"a\":[2,\"True!\"],\"x\":{\"y\":[1,2],\"flag\":true}}", NULL},
    {"{\"env\":{\"A\":\"1\",\"B\":\"{{ b }}\"}}", "{\"env\":{\"A\":\"2\"},\"b\":\"3\"}",
     "{\"env\":{\"B\":\"3\",\"A\":\"2\"},\"b\":\"3\"}", NULL},
    {TEMPLATE,
     "{\"env\":{\"T\":\"{{ prefect.blocks.secret.token }}\",\"B\":\"on "
     "{{prefect.variables.board}}\","
     "\"N\":\"{{ prefect.variables.none }}\",\"M\":\"<{{ prefect.variables.none }}>\"}}",
     "{\"env\":{\"T\":\"hunter2\",\"B\":\"on nucleo\",\"N\":\"\",\"M\":\"<>\"}}", NULL},
    {TEMPLATE, "{\"x\":\"{{ prefect.variables.targets }}\"}", "{\"x\":[1,{\"b\":true}]}", NULL},
    {TEMPLATE, "{\"x\":\"{{ prefect.blocks.secret.deep.a[1] }}\"}", "{\"x\":\"y\"}", NULL},
    {TEMPLATE, "{\"x\":\"{{ prefect.blocks.secret.token.value }}\"}", "{\"x\":\"hunter2\"}", NULL},
    {TEMPLATE,
     "{\"x\":\"{{ prefect.blocks.minio.lab.user }}:{{ prefect.blocks.minio.lab.password }}\"}",
     "{\"x\":\"u:p\"}", NULL},
    {TEMPLATE,
     "{\"x\":{\"$ref\":{\"block_document_id\":\"00000000-0000-7000-8000-000000000001\"}}}",
     "{\"x\":{\"user\":\"u\",\"password\":\"p\"}}", NULL},
    /* What belongs to others stays. */
    {TEMPLATE, "{\"bench\":{\"target\":\"{{ parameters.board }}\"},\"h\":\"{{ $HOME }}\"}",
     "{\"bench\":{\"target\":\"{{ parameters.board }}\"},\"h\":\"{{ $HOME }}\"}", NULL},
    {"{\"h\":\"{{ $HOME }}/x {{ {{ a }} }}\"}", "{\"a\":\"b\"}",
     "{\"h\":\"{{ $HOME }}/x {{ b }}\",\"a\":\"b\"}", NULL},
    {TEMPLATE, "{\"x\":\"{{ prefect.blocks.secret.no }}\"}", NULL,
     "there is no block \"no\" of type \"secret\""},
    {TEMPLATE, "{\"x\":\"{{ prefect.blocks.minio.lab.port }}\"}", NULL,
     "block \"lab\" of type \"minio\" has no \"port\""},
    {TEMPLATE, "{\"x\":\"a {{ prefect.blocks.minio.lab }}\"}", NULL,
     "{{ prefect.blocks.minio.lab }} is an object and cannot be part of a text"},
    {TEMPLATE, "{\"x\":\"{{ prefect.blocks.secret }}\"}", NULL,
     "there is no block \"\" of type \"secret\""},
    {TEMPLATE, "{\"x\":{\"$ref\":{\"block_document_id\":\"gone\"}}}", NULL,
     "there is no block with the id gone"},
};

START_TEST(job_has_the_values)
{
    struct job_values j = {.arena = &arena, .find = find};
    struct buf out = {.max_bytes = 4096};

    enum err_code rc = job_fill(&j, parse(rows[_i].configuration), parse(rows[_i].variables), &out);
    if (rows[_i].reason) {
        ck_assert_int_eq(rc, ERR_INVALID);
        ck_assert_str_eq(j.reason, rows[_i].reason);
    } else {
        ck_assert_msg(!rc, "%s", j.reason);
        ck_assert_str_eq(arena_strndup(&arena, out.bytes, out.len), rows[_i].job);
    }
    buf_free(&out);
}
END_TEST

START_TEST(trouble_of_the_store_is_passed_on)
{
    struct job_values j = {.arena = &arena, .find = find};
    struct buf out = {.max_bytes = 4096};

    ck_assert_int_eq(
        job_fill(&j, parse(TEMPLATE), parse("{\"x\":\"{{ prefect.variables.broken }}\"}"), &out),
        ERR_DB);
    ck_assert_ptr_null(j.reason);
    buf_free(&out);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("job_values");
    TCase *t = tcase_create("values");
    SRunner *r = srunner_create(s);

    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, job_has_the_values, 0, COUNT(rows));
    tcase_add_test(t, trouble_of_the_store_is_passed_on);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
