/* What a health check tells of a device. */
#include "server/model/device_health.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base.h"

static const double six[] = {1.00, 1.01, 0.99, 1.02, 0.98, 1.00}; /* sigma 0.0141 */
static const double same[] = {1, 1, 1, 1, 1};

static const struct {
    const char *state;
    bool measured, valid;
    double value_j, low_j, high_j;
    const double *past;
    size_t count;
    enum health_result result;
    const char *says;
} rows[] = {
    /* clang-format off */
    {"COMPLETED", false, false, NAN,   NAN, NAN, NULL, 0, HEALTH_PASSED,    "completed"},
    {"COMPLETED", false, false, NAN,   NAN, 2,   NULL, 0, HEALTH_FAILED,    "no measurement"},
    {"FAILED",    true,  true,  1,     NAN, NAN, NULL, 0, HEALTH_FAILED,    "health check failed: why"},
    {"CANCELLED", true,  true,  1,     NAN, NAN, NULL, 0, HEALTH_UNDECIDED, "not finished: why"},
    {"CRASHED",   false, false, NAN,   NAN, NAN, NULL, 0, HEALTH_UNDECIDED, "not finished: why"},
    {"COMPLETED", true,  false, 1,     NAN, NAN, NULL, 0, HEALTH_FAILED,    "not a result: lost_samples"},
    {"COMPLETED", true,  true,  7,     NAN, NAN, six,  4, HEALTH_PASSED,    "4 of 5 before limits hold"},
    {"COMPLETED", true,  true,  1.04,  NAN, NAN, six,  6, HEALTH_PASSED,    "within 0.957574 to 1.04243"},
    {"COMPLETED", true,  true,  1.05,  NAN, NAN, six,  6, HEALTH_FAILED,    "outside of 0.957574 to 1.04243"},
    {"COMPLETED", true,  true,  0.95,  NAN, NAN, six,  6, HEALTH_FAILED,    "outside of"},
    {"COMPLETED", true,  true,  1.014, NAN, NAN, same, 5, HEALTH_PASSED,    "within 0.985 to 1.015"},
    {"COMPLETED", true,  true,  1.016, NAN, NAN, same, 5, HEALTH_FAILED,    "outside of 0.985 to 1.015"},
    {"COMPLETED", true,  true,  1.5,   1,   2,   same, 5, HEALTH_PASSED,    "within 1 to 2"}, /* declared ones come first */
    {"COMPLETED", true,  true,  2.5,   1,   2,   NULL, 0, HEALTH_FAILED,    "outside of 1 to 2"},
    {"COMPLETED", true,  true,  0.5,   1,   NAN, NULL, 0, HEALTH_FAILED,    "outside of at least 1 J"},
    {"COMPLETED", true,  true,  9,     1,   NAN, NULL, 0, HEALTH_PASSED,    "within at least 1 J"},
    /* clang-format on */
};

START_TEST(checks_are_judged)
{
    struct arena a = {0};
    struct health_facts f = {.state = rows[_i].state,
                             .message = "why",
                             .measured = rows[_i].measured,
                             .valid = rows[_i].valid,
                             .value_j = rows[_i].value_j,
                             .failed_gates = "lost_samples",
                             .low_j = rows[_i].low_j,
                             .high_j = rows[_i].high_j,
                             .sigmas = HEALTH_SIGMAS,
                             .past_count = rows[_i].count};
    if (rows[_i].count)
        memcpy(f.past_j, rows[_i].past, rows[_i].count * sizeof(double));
    struct health_verdict v = health_judge(&a, &f);
    ck_assert_msg(v.result == rows[_i].result && strstr(v.reason, rows[_i].says), "%d %s", v.result,
                  v.reason);
    arena_reset(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("device_health");
    TCase *t = tcase_create("judge");
    tcase_add_loop_test(t, checks_are_judged, 0, COUNT(rows));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
