/* Figures from recordings whose truth is known: energies, what the uncertainties promise, gates. */
#include "worker/lab/figures.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOWS = 5, REPEATS = 120, INFERENCES = 100 };

/* One board and meter; what is drawn anew for each measurement comes from `seed`. */
struct bench {
    double rate_hz, idle_a, contrast, window_s;
    double gain_limit, volts_limit; /* uniform errors of the meter */
    double spread_rel;              /* of the windows, one standard deviation */
    double idle_spread_rel;         /* idle after against before */
    double late_s;                  /* host marks come up to this much late */
    uint64_t seed;
};

struct truth {
    double total_j, dynamic_j; /* per inference, of the board on average */
};

static double uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (double)(*seed >> 11) * 0x1p-53;
}

static double normal(uint64_t *seed)
{
    return sqrt(-2 * log(1 - uniform(seed))) * cos(6.283185307179586 * uniform(seed));
}

static void add_sample(struct trace *t, double a)
{
    uint32_t n = 0;
    while (n < 14 && round(ldexp(a, 4 * (int)n + 4)) < 4096)
        n++;
    uint32_t word = n << 12 | (uint32_t)lround(ldexp(a, 4 * (int)n));
    ck_assert(trace_add(t, (uint8_t[]){(uint8_t)word, (uint8_t)(word >> 8)}, 1));
}

/* Idle, windows with pauses, idle; as the meter with its errors sees it. */
static struct truth record(struct bench *b, struct recorder *r, struct run_mark *marks)
{
    const double before_s = 0.3, pause_s = 0.15;
    double gain = 1 + b->gain_limit * (2 * uniform(&b->seed) - 1);
    double volts = 3.3 * (1 + b->volts_limit * (2 * uniform(&b->seed) - 1));
    double idle_after = 1 + b->idle_spread_rel * normal(&b->seed), active_a[WINDOWS];
    for (int w = 0; w < WINDOWS; w++) {
        double start_s = before_s + w * (b->window_s + pause_s) + uniform(&b->seed) / b->rate_hz;
        marks[w] = (struct run_mark){start_s, start_s + b->window_s, INFERENCES,
                                     (uint64_t)llround(b->window_s * 1e6)};
        active_a[w] = b->idle_a * b->contrast * (1 + b->spread_rel * normal(&b->seed));
    }
    double end_s = marks[WINDOWS - 1].end_s + before_s;
    for (uint64_t k = 0; (double)k < end_s * b->rate_hz; k++) {
        double from = (double)k / b->rate_hz, to = (double)(k + 1) / b->rate_hz;
        double a = b->idle_a * (from > marks[WINDOWS - 1].end_s ? idle_after : 1);
        for (int w = 0; w < WINDOWS; w++) {
            double in_s = fmin(to, marks[w].end_s) - fmax(from, marks[w].start_s);
            a += in_s > 0 ? in_s * b->rate_hz * (active_a[w] - a) : 0;
        }
        add_sample(&r->trace, a * gain * (1 + 0.004 * normal(&b->seed)));
    }
    for (int w = 0; w < WINDOWS; w++) { /* that of the end is some bytes longer */
        marks[w].start_s += b->late_s * uniform(&b->seed);
        marks[w].end_s += b->late_s * uniform(&b->seed);
    }
    double mean_idle_a = b->idle_a, total = volts * b->idle_a * b->contrast * b->window_s;
    return (struct truth){total / INFERENCES,
                          (total - volts * mean_idle_a * b->window_s) / INFERENCES};
}

/* A recorder as after the last block: the host heard the first one at time 0 of the trace. */
static void prepare(const struct bench *b, struct recorder *r, struct meter_info *info)
{
    *info = (struct meter_info){.model = "M", .code = SAMPLE_HEX16, .range_max_a = 0.5};
    info->gain_rel = b->gain_limit / sqrt(3);
    struct meter_config config = {.volts_v = 3.3, .rate_hz = b->rate_hz};
    *r = (struct recorder){0};
    recorder_init(r, info, &config, 0);
    r->arrivals_s = calloc(1, sizeof(double));
    r->arrival_count = 1;
}

static void evaluate(struct recorder *r, const struct meter_info *info,
                     const struct run_mark *marks, struct figures *out)
{
    struct figures_input in = {r, info, marks, WINDOWS, WINDOWS, 1, "b1", "b1"};
    figures_evaluate(&in, out);
}

static const struct {
    const char *what;
    struct bench bench;
    bool refined; /* contrast enough to see the edges */
} coverages[] = {
    /* clang-format off */
    {"contrast",    {10000, 0.0071, 3,    0.2, 0.005, 0.01, 0.002, 0.002, 0.003, 1}, true},
    {"busy wait",   {10000, 0.018,  1.19, 0.2, 0.005, 0.01, 0.002, 0.005, 0.003, 2}, true},
    {"marks alone", {10000, 0.018,  1.1,  0.2, 0.005, 0.01, 0.002, 0.002, 0.006, 3}, false},
    {"few samples", {1000,  0.0071, 3,    0.2, 0.02,  0.01, 0.001, 0.002, 0.003, 4}, true},
    {"restless",    {10000, 0.0071, 3,    0.2, 0.001, 0.01, 0.012, 0.002, 0.003, 5}, true},
    /* clang-format on */
};

/* How often the truth lies within one and two standard uncertainties of the figure. */
struct coverage {
    size_t one, two;
};

static void cover(struct coverage *c, double figure, double truth, double rel)
{
    double off = fabs(figure / truth - 1);
    c->one += off <= rel;
    c->two += off <= 2 * rel;
}

static void check_coverage(const struct coverage *c, const char *what, const char *of)
{
    printf("%s: %s within 1 u %.2f, 2 u %.2f\n", what, of, (double)c->one / REPEATS,
           (double)c->two / REPEATS);
    ck_assert_msg(c->one >= REPEATS * 0.55 && c->two >= REPEATS * 0.90, "%s: %s: %zu, %zu of %d",
                  what, of, c->one, c->two, REPEATS);
}

/* Uniform errors: 58 % to 68 % within one standard deviation, all within 1.73. */
START_TEST(the_uncertainty_covers_the_truth)
{
    struct bench b = coverages[_i].bench;
    struct coverage total = {0}, dynamic = {0};
    double claimed = 0, squares = 0;
    for (int k = 0; k < REPEATS; k++) {
        struct recorder r;
        struct meter_info info;
        struct run_mark marks[WINDOWS];
        struct figures f;
        prepare(&b, &r, &info);
        struct truth truth = record(&b, &r, marks);
        evaluate(&r, &info, marks, &f);
        ck_assert_uint_eq(f.window_count, WINDOWS);
        ck_assert(f.windows[0].refined == coverages[_i].refined);
        cover(&total, f.median_j, truth.total_j, f.uncertainty_rel);
        cover(&dynamic, f.median_dynamic_j, truth.dynamic_j, f.dynamic_uncertainty_rel);
        claimed += f.uncertainty_rel * f.uncertainty_rel;
        squares += pow(f.median_j / truth.total_j - 1, 2);
        recorder_free(&r);
    }
    check_coverage(&total, coverages[_i].what, "total");
    check_coverage(&dynamic, coverages[_i].what, "dynamic");
    double wide = sqrt(claimed / squares); /* not by claiming too much */
    printf("%s: claimed / seen %.2f\n", coverages[_i].what, wide);
    ck_assert(wide > 0.85 && wide < 1.5);
}
END_TEST

static const struct gate *gate_of(const struct figures *f, const char *name)
{
    for (size_t i = 0; i < f->gate_count; i++)
        if (!strcmp(f->gates[i].name, name))
            return &f->gates[i];
    ck_abort_msg("no gate %s", name);
}

/* Sample by sample, with the covered share of those at the edges. */
static double energy_j(const struct recorder *r, const struct measured_window *w)
{
    struct samples s = trace_samples(&r->trace);
    double rate_hz = r->trace.rate_hz, sum = 0;
    for (size_t k = 0; k < s.count; k++) {
        double share =
            fmin((double)k + 1, w->end_s * rate_hz) - fmax((double)k, w->start_s * rate_hz);
        sum += share > 0 ? share * sample_a(&s, k) : 0;
    }
    return sum / rate_hz * r->trace.volts_v;
}

/* A damaged block, if any, holds 0.4 A. */
static void measure_with(size_t first, size_t count, struct recorder *r, struct figures *f)
{
    struct bench b = {10000, 0.0071, 3, 0.5, 0, 0, 0, 0, 0.003, 7};
    struct meter_info info;
    struct run_mark marks[WINDOWS];
    prepare(&b, r, &info);
    record(&b, r, marks);
    for (size_t k = first; k < first + count; k++)
        memcpy(r->trace.raw.bytes + 2 * k, (uint8_t[]){0x66, 0x16}, 2);
    if (count)
        trace_suspect(&r->trace, &(struct stream_block){first, count, 0, 0, BLOCK_DAMAGED});
    evaluate(r, &info, marks, f);
}

START_TEST(figures_are_sums)
{
    struct recorder r;
    struct figures f;
    double dynamic[WINDOWS];
    measure_with(0, 0, &r, &f);
    ck_assert_uint_eq(f.window_count, WINDOWS);
    ck_assert_ptr_null(figures_failed_gate(&f));
    for (size_t i = 0; i < WINDOWS; i++) {
        const struct measured_window *w = &f.windows[i];
        double idle_j = 3.3 * f.baseline_a * (w->end_s - w->start_s);
        ck_assert_double_eq_tol(w->energy_j / energy_j(&r, w), 1, 1e-12);
        ck_assert_double_eq_tol(w->per_inference_j, w->energy_j / INFERENCES, 1e-18);
        dynamic[i] = (w->energy_j - idle_j) / INFERENCES;
        ck_assert_double_eq_tol(w->dynamic_per_inference_j, dynamic[i], 1e-15);
    }
    ck_assert_double_eq_tol(f.median_dynamic_j, stat_median(dynamic, WINDOWS), 1e-15);
    ck_assert_double_eq_tol(f.baseline_a, 0.0071, 0.0071 * 1e-3);
    ck_assert(f.dynamic_uncertainty_rel >= f.uncertainty_rel);
    ck_assert_uint_eq(r.trace.mark_count, 2 * WINDOWS);
    ck_assert_str_eq(r.trace.marks[1].text, "n=100 us=500000");
    recorder_free(&r);
}
END_TEST

START_TEST(damaged_blocks_count_nowhere)
{
    struct recorder r;
    struct figures clean, f;
    measure_with(0, 0, &r, &clean);
    recorder_free(&r);
    measure_with(1500, 20, &r, &f); /* in the idle stretch before the windows */
    ck_assert(gate_of(&f, "lost_samples")->passed);
    ck_assert_double_eq_tol(f.baseline_a / clean.baseline_a, 1, 1e-4);
    ck_assert_double_eq_tol(f.median_dynamic_j / clean.median_dynamic_j, 1, 1e-4);
    recorder_free(&r);
    measure_with(5000, 20, &r, &f); /* in the first window */
    ck_assert(!gate_of(&f, "lost_samples")->passed);
    recorder_free(&r);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("figures");
    TCase *t = tcase_create("figures");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, the_uncertainty_covers_the_truth, 0, (int)COUNT(coverages));
    tcase_add_test(t, figures_are_sums);
    tcase_add_test(t, damaged_blocks_count_nowhere);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
