#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/job_template.h"
#include "tests/unit/doc_fixture.h"

#define BOTH                                                                                       \
    "The `base_job_template` must contain both a `job_configuration` key and a `variables` key."
#define UNDECLARED                                                                                 \
    "The variables specified in the job configuration template must be present as properties in "  \
    "the variables schema. Your job configuration uses the following undeclared variable(s): "
/* Templates, and what Prefect says of them. */
static const struct {
    const char *template, *reason;
} templates[] = {
    {"{}", NULL},
    {"{\"job_configuration\":{}}", BOTH},
    {"{\"job_configuration\":{},\"variables\":{\"type\":\"object\"}}", BOTH},
    {"{\"job_configuration\":{\"a\":1},\"variables\":5}", BOTH},
    {"{\"job_configuration\":{\"a\":\"{{x}}\"},\"variables\":{\"properties\":{\"x\":{}}},\"more\":"
     "1}",
     NULL},
    {"{\"job_configuration\":{\"a\":\"{{ x }}\"},\"variables\":{\"properties\":{}}}",
     UNDECLARED "x."},
    {"{\"job_configuration\":{\"a\":\"{{ x.y[0] }} {{ $E }} {{x}}\",\"{{ zz "
     "}}\":[{\"{{k}}\":\"{{k}}"
     "\"}]},\"variables\":{\"properties\":{\"x\":{}}}}",
     UNDECLARED "x.y[0] ,$E ,k."},
    {"{\"job_configuration\":{\"a\":\"{{ a b }} {{}} {{ "
     "x\"},\"variables\":{\"properties\":{\"x\":{}}}}",
     NULL},
};

START_TEST(templates_declare_what_they_use)
{
    ck_assert_pstr_eq(job_template_check(&arena, parse(templates[_i].template)),
                      templates[_i].reason);
}
END_TEST

#define TEMPLATE                                                                                   \
    "{\"job_configuration\":{\"a\":1},\"variables\":{\"type\":\"object\",\"required\":[\"n\"],"    \
    "\"properties\":{\"a\":{\"type\":\"string\",\"default\":\"x\"},\"n\":{\"type\":\"integer\"},"  \
    "\"o\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"integer\"}}}}}}"
#define BAD_DEFAULT                                                                                \
    "{\"job_configuration\":{\"a\":1},\"variables\":{\"properties\":{\"a\":{\"type\":\"string\","  \
    "\"default\":5},\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}}"
/* Template, layers of variables, and what is wrong with them. */
static const struct {
    enum job_check check;
    const char *template, *deployment, *run, *reason;
} variables[] = {
    {JOB_RUN, TEMPLATE, "{}", "{\"n\":1}", NULL},
    {JOB_RUN, TEMPLATE, "{\"n\":1}", "{}", NULL},
    {JOB_RUN, TEMPLATE, "{\"n\":\"x\"}", "{\"n\":1}", NULL},
    {JOB_RUN, TEMPLATE, "{}", "{}",
     "Validation failed. Failure reason: 'n' is a required property"},
    {JOB_RUN, TEMPLATE, "{}", "{\"n\":\"x\"}",
     "Validation failed for field 'n'. Failure reason: 'x' is not of type 'integer'"},
    {JOB_RUN, TEMPLATE, "{\"n\":1}", "{\"a\":null,\"o\":{\"k\":null}}", NULL},
    {JOB_RUN, TEMPLATE, "{\"n\":1}", "{\"unknown\":[1]}", NULL},
    {JOB_DEPLOYMENT, TEMPLATE, "{}", "{}", NULL},
    {JOB_POOL, TEMPLATE, "{}", "{}", NULL},
    {JOB_POOL, BAD_DEFAULT, "{}", "{}",
     "Validation failed for field 'a'. Failure reason: 5 is not valid under any of the given "
     "schemas"},
    {JOB_RUN, BAD_DEFAULT, "{}", "{}", NULL}, /* what is required cannot be told then */
    {JOB_RUN, "{}", "{\"x\":1}", "{}", NULL},
    {JOB_POOL, "{\"variables\":{\"type\":\"nope\"}}", "{}", "{}",
     "Invalid schema: 'nope' is not valid under any of the given schemas"},
};

START_TEST(variables_fit_the_schema)
{
    const struct val layers[] = {parse(variables[_i].deployment), parse(variables[_i].run)};

    ck_assert_pstr_eq(job_variables_check(&arena, parse(variables[_i].template),
                                          variables[_i].check, layers, COUNT(layers)),
                      variables[_i].reason);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("job_template");
    TCase *t = tcase_create("job_template");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, templates_declare_what_they_use, 0, COUNT(templates));
    tcase_add_loop_test(t, variables_fit_the_schema, 0, COUNT(variables));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
