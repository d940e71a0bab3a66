/* From current samples to joules.
 *
 * A sample is kept as the meter sent it: a whole mantissa and a small exponent.  A sum adds the
 * mantissas of each exponent as integers, so it is exact, independent of order, and sums of parts
 * can be merged; the exponents are combined once, when the sum is read.
 *
 * Thread: any (no state).
 * Source: power-and-boards, sections 2.2 (samples), 3.1 (half-open rule), 8.1, 8.4. */
#pragma once
#include "shared/base/base.h"

/* How a raw sample stands in memory and in a trace; the value is its size in bytes.
 *   HEX16  bits 15..12 n, bits 11..0 m:            m * 16^-n A
 *   DEC32  bits 31..24 e (signed), bits 23..0 m:   m * 10^e A      (little end first, both) */
enum sample_code { SAMPLE_HEX16 = 2, SAMPLE_DEC32 = 4 };

enum { SAMPLE_DEC_MIN = -20, SAMPLE_DEC_MAX = 3, SUM_BINS = 24 };

struct samples {
    enum sample_code code;
    const uint8_t *raw;
    size_t count;
};

struct sample_sum {
    enum sample_code code;
    uint64_t count;
    uint64_t mantissas[SUM_BINS]; /* HEX16: by n; DEC32: by e - SAMPLE_DEC_MIN */
    uint64_t counts[SUM_BINS];
};

static inline uint32_t sample_dec32(uint32_t mantissa, int exponent)
{
    return (mantissa & 0xFFFFFF) | (uint32_t)(uint8_t)(int8_t)exponent << 24;
}

double sample_a(const struct samples *s, size_t index);

/* Adds samples [first, end). */
void sum_add(struct sample_sum *sum, const struct samples *s, size_t first, size_t end);
void sum_merge(struct sample_sum *into, const struct sample_sum *other);
/* The sum of all currents, in A; times dt it is a charge. */
double sum_total_a(const struct sample_sum *sum);
double sum_mean_a(const struct sample_sum *sum); /* 0 when empty */
/* Worst quantisation error of the mean, relative, one standard deviation. */
double sum_quantisation_rel(const struct sample_sum *sum);

enum edge_rule {
    EDGE_HALF_OPEN,  /* a sample belongs to the window when start <= t < end */
    EDGE_FRACTIONAL, /* a sample covers [t, t + dt); edges count by their covered share */
};

/* The sum of the currents in [start_s, end_s), sample k standing at k / rate_hz; energy is
 * volts / rate_hz times this.  The span is clipped to the samples that exist. */
double span_total_a(const struct samples *s, double rate_hz, double start_s, double end_s,
                    enum edge_rule rule);
/* The index of the first sample at or after t. */
size_t sample_index(double rate_hz, double t_s, size_t count);

/* Robust statistics; `values` is left as it was.  0 for an empty set. */
double stat_median(const double *values, size_t count);
double stat_mad(const double *values, size_t count);
double stat_mean(const double *values, size_t count);
double stat_deviation(const double *values, size_t count); /* of the sample, n - 1 */

/* Relative standard uncertainties of one energy figure, combined in quadrature. */
struct uncertainty {
    double gain, voltage, quantisation, window, lost, repeat;
};
double uncertainty_total(const struct uncertainty *u);
/* What misplacing both window edges by `edge_s` (standard deviation each) can change. */
double uncertainty_window(double edge_s, double window_s, double inside_a, double outside_a);
