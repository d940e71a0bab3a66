/* Exact sums, windows, robust statistics. */
#include "worker/lab/energy.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

static void put16(uint8_t *raw, size_t k, uint16_t code)
{
    raw[2 * k] = (uint8_t)code;
    raw[2 * k + 1] = (uint8_t)(code >> 8);
}

static void put32(uint8_t *raw, size_t k, uint32_t code)
{
    for (int i = 0; i < 4; i++)
        raw[4 * k + (size_t)i] = (uint8_t)(code >> 8 * i);
}

START_TEST(one_sample_is_what_the_manual_says)
{
    static const struct {
        uint16_t code;
        double a;
    } rows[] = {{0x52A0, 672.0 / 1048576}, {0x3145, 325.0 / 4096}, {0x3BB8, 3000.0 / 4096}, {0, 0}};
    uint8_t raw[2];
    struct samples s = {SAMPLE_HEX16, raw, 1};
    for (size_t i = 0; i < COUNT(rows); i++) {
        put16(raw, 0, rows[i].code);
        ck_assert(sample_a(&s, 0) == rows[i].a);
    }
}
END_TEST

START_TEST(decimal_samples_sum_exactly)
{
    uint8_t raw[12];
    struct samples s = {SAMPLE_DEC32, raw, 3};
    put32(raw, 0, sample_dec32(6409, -7));
    put32(raw, 1, sample_dec32(23, -10));
    put32(raw, 2, sample_dec32(11958, -9));
    struct sample_sum sum = {0};
    sum_add(&sum, &s, 0, 3);
    ck_assert_double_eq_tol(sum_total_a(&sum), 6.409e-4 + 2.3e-9 + 1.1958e-5, 1e-18);
    ck_assert_double_eq_tol(sample_a(&s, 0), 6.409e-4, 1e-18);
}
END_TEST

/* 6e7 samples: a float stagnates, a double drifts, this does not. */
START_TEST(long_sums_stay_exact)
{
    enum { N = 1000000, TIMES = 60 };
    uint8_t *raw = malloc(2 * N);
    struct samples s = {SAMPLE_HEX16, raw, N};
    for (size_t k = 0; k < N; k++)
        put16(raw, k, k % 2 ? 0x45A1 : 0x6FFF);
    struct sample_sum part = {0}, whole = {0};
    sum_add(&part, &s, 0, N / 3);
    sum_add(&part, &s, N / 3, N);
    for (int i = 0; i < TIMES; i++)
        sum_merge(&whole, &part);
    double each = (ldexp(0x5A1, -16) + ldexp(0xFFF, -24)) / 2;
    ck_assert(sum_total_a(&whole) == each * N * TIMES);
    ck_assert_uint_eq(whole.count, (uint64_t)N * TIMES);
    free(raw);
}
END_TEST

START_TEST(spans_follow_their_rule)
{
    static const struct {
        double start_s, end_s;
        double half_open, fractional; /* in samples of 1/4096 A */
    } rows[] = {
        {0, 0.010, 10, 10},
        {0.002, 0.005, 3, 3},
        {0.0025, 0.005, 2, 2.5},
        {0.002, 0.0055, 4, 3.5},
        {0.0021, 0.0029, 0, 0.8},
        {0.005, 0.005, 0, 0},
        {-1, 0.0015, 2, 1.5},
        {0.0085, 1, 1, 1.5},
        {0.3, 0.4, 0, 0},
        {0.007, 0.008, 1, 1},
        {0.0030000000001, 0.004, 0, 1},
    };
    uint8_t raw[20];
    struct samples s = {SAMPLE_HEX16, raw, 10};
    for (size_t k = 0; k < 10; k++)
        put16(raw, k, 0x3001);
    for (size_t i = 0; i < COUNT(rows); i++) {
        double h = span_total_a(&s, 1000, rows[i].start_s, rows[i].end_s, EDGE_HALF_OPEN);
        double f = span_total_a(&s, 1000, rows[i].start_s, rows[i].end_s, EDGE_FRACTIONAL);
        ck_assert_double_eq_tol(h * 4096, rows[i].half_open, 1e-9);
        ck_assert_double_eq_tol(f * 4096, rows[i].fractional, 1e-6);
    }
}
END_TEST

START_TEST(statistics_resist_outliers)
{
    const double values[] = {3, 1, 2, 100, 2};
    ck_assert_double_eq(stat_median(values, 5), 2);
    ck_assert_double_eq(stat_mad(values, 5), 1);
    ck_assert_double_eq(stat_median(values, 4), 2.5);
    ck_assert_double_eq(stat_median(values, 0), 0);
    ck_assert_double_eq_tol(stat_deviation(values, 3), 1, 1e-12);
    ck_assert_double_eq(stat_deviation(values, 1), 0);
}
END_TEST

START_TEST(uncertainty_adds_in_quadrature)
{
    struct uncertainty u = {.gain = 0.003, .voltage = 0.004};
    ck_assert_double_eq_tol(uncertainty_total(&u), 0.005, 1e-12);
    /* 1 kS/s and 10 s: 0.004 % for an edge of 1/sqrt(12) sample, half the current outside */
    ck_assert_double_eq_tol(uncertainty_window(1e-3 / sqrt(12), 10, 0.02, 0), 4.08e-5, 1e-7);
    uint8_t raw[2];
    struct samples s = {SAMPLE_HEX16, raw, 1};
    struct sample_sum sum = {0};
    put16(raw, 0, 0x3100);
    sum_add(&sum, &s, 0, 1);
    ck_assert_double_eq_tol(sum_quantisation_rel(&sum), 0.00195 / sqrt(3), 1e-5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("energy");
    TCase *t = tcase_create("energy");
    tcase_add_test(t, one_sample_is_what_the_manual_says);
    tcase_add_test(t, decimal_samples_sum_exactly);
    tcase_add_test(t, long_sums_stay_exact);
    tcase_add_test(t, spans_follow_their_rule);
    tcase_add_test(t, statistics_resist_outliers);
    tcase_add_test(t, uncertainty_adds_in_quadrature);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
