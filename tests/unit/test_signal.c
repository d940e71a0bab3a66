/* What the current itself tells: each finding from a made-up recording of 1 s at 1 kS/s. */
#include "worker/lab/recorder.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { N = 1000 };

static uint16_t code(double a)
{
    int n = 3;
    while (n < 14 && a > 0 && ldexp(a, 4 * n) < 256)
        n++;
    if (!(a > 0))
        return 0;
    return (uint16_t)(n << 12 | (int)lround(ldexp(a, 4 * n)));
}

static void put(uint8_t *raw, int k, double a)
{
    uint16_t c = code(a);
    raw[2 * k] = (uint8_t)c;
    raw[2 * k + 1] = (uint8_t)(c >> 8);
}

/* 10 mA with noise, changed from `at` for `count` samples to `to_a` (with noise when negative). */
static const struct {
    const char *what;
    int at, count;
    double to_a;
    bool quiet;
    enum signal_finding finding;
    const char *says;
} rows[] = {
    /* clang-format off */
    {"healthy",                 0,   0,   0,     false, SIGNAL_FINE,        NULL},
    {"a short burst",           500, 5,   0.030, false, SIGNAL_FINE,        NULL},
    {"one lone sample",         500, 1,   0.160, false, SIGNAL_GLITCH,      "sample 500"},
    {"one small lone sample",   500, 1,   0.0125, false, SIGNAL_LONE,       NULL},
    {"a long trace's flip",     500, 1,   0.0201, false, SIGNAL_GLITCH,     "damaged byte"},
    {"hardly any current",      500, 50,  5e-8,  false, SIGNAL_INTERRUPTED, "for 0.0500 s"},
    {"beyond the meter",        500, 1,   0.900, false, SIGNAL_RANGE,       "more than the meter can carry"},
    {"a gap",                   500, 50,  0,     false, SIGNAL_INTERRUPTED, "for 0.0500 s"},
    {"gone",                    500, 500, 0,     false, SIGNAL_INTERRUPTED, "stays there"},
    {"off at first",            0,   50,  0,     false, SIGNAL_FINE,        NULL},
    {"off throughout",          0,   N,   0,     false, SIGNAL_ZERO,        "jumper"},
    {"stuck",                   500, 500, 0.010, false, SIGNAL_STUCK,       "stuck at exactly"},
    {"a quiet level",           500, 500, 0.040, false, SIGNAL_FINE,        NULL},
    {"stuck for a while",       500, 300, 0.010, false, SIGNAL_STUCK,       "stuck at exactly"},
    {"stuck at first",          0,   500, 0.010, false, SIGNAL_STUCK,       "stuck at exactly"},
    {"constant",                0,   N,   0.010, false, SIGNAL_CONSTANT,    NULL},
    {"two quiet levels",        500, 500, 0.020, true,  SIGNAL_FINE,        NULL},
    /* clang-format on */
};

START_TEST(findings_have_a_reason)
{
    static uint8_t raw[2 * N];
    for (int k = 0; k < N; k++) {
        double noise = rows[_i].quiet ? 0 : 1e-4 * ((k * 7919) % 13 - 6) / 6;
        put(raw, k,
            k >= rows[_i].at && k < rows[_i].at + rows[_i].count ? rows[_i].to_a : 0.010 + noise);
    }
    struct samples s = {SAMPLE_HEX16, raw, N};
    struct signal_report report = signal_inspect(&s, 1000, 0.55);
    struct err e = {0};
    ck_assert_msg(report.finding == rows[_i].finding, "%s: finding %d", rows[_i].what,
                  report.finding);
    enum err_code judged = signal_judge(&report, 1000, &e);
    ck_assert_msg((judged != ERR_OK) == (rows[_i].says != NULL), "%s: %s", rows[_i].what, e.detail);
    ck_assert_msg(!rows[_i].says || strstr(e.detail, rows[_i].says), "%s: %s", rows[_i].what,
                  e.detail);
}
END_TEST

/* ASCII samples around 2210-05, and a lone one among very many, whose weight alone says nothing. */
static const struct {
    const char *what;
    unsigned mantissa;
    int exponent;
    enum signal_finding finding;
} text_rows[] = {
    /* clang-format off */
    {"first digit lost", 210,   -5, SIGNAL_GLITCH},
    {"last digit lost",  221,   -5, SIGNAL_GLITCH},
    {"digit twice",      22210, -5, SIGNAL_GLITCH},
    {"bit of a digit",   6210,  -5, SIGNAL_GLITCH},
    {"exponent",         2210,  -4, SIGNAL_GLITCH},
    {"an event",         4500,  -5, SIGNAL_LONE},
    {"a small event",    2700,  -5, SIGNAL_LONE},
    {"noise",            2215,  -5, SIGNAL_FINE},
    /* clang-format on */
};

START_TEST(lone_numbers_are_explained_by_a_digit)
{
    enum { MANY = 20000, AT = 5000 };
    static uint8_t raw[4 * MANY];
    for (int k = 0; k < MANY; k++) {
        uint32_t word = sample_dec32(2210 + (uint32_t)(k * 7919) % 13, -5);
        if (k == AT)
            word = sample_dec32(text_rows[_i].mantissa, text_rows[_i].exponent);
        memcpy(raw + 4 * k, &word, 4);
    }
    struct samples s = {SAMPLE_DEC32, raw, MANY};
    struct signal_report report = signal_inspect(&s, 1000, 0.55);
    ck_assert_msg(report.finding == text_rows[_i].finding, "%s: finding %d", text_rows[_i].what,
                  report.finding);
    ck_assert(report.finding == SIGNAL_FINE || report.at == AT);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("signal");
    TCase *t = tcase_create("signal");
    tcase_add_loop_test(t, findings_have_a_reason, 0, (int)COUNT(rows));
    tcase_add_loop_test(t, lone_numbers_are_explained_by_a_digit, 0, (int)COUNT(text_rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
