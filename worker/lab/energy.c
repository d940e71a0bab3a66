#include "worker/lab/energy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t code_at(const struct samples *s, size_t index)
{
    const uint8_t *p = s->raw + index * (size_t)s->code;
    if (s->code == SAMPLE_HEX16)
        return (uint32_t)(p[0] | p[1] << 8);
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static long double bin_weight(enum sample_code code, int bin)
{
    if (code == SAMPLE_HEX16)
        return ldexpl(1.0L, -4 * bin);
    return powl(10.0L, bin + SAMPLE_DEC_MIN);
}

static int bin_of(enum sample_code code, uint32_t raw)
{
    return code == SAMPLE_HEX16 ? (int)(raw >> 12) : (int8_t)(raw >> 24) - SAMPLE_DEC_MIN;
}

static uint32_t mantissa_of(enum sample_code code, uint32_t raw)
{
    return code == SAMPLE_HEX16 ? raw & 0xFFF : raw & 0xFFFFFF;
}

double sample_a(const struct samples *s, size_t index)
{
    uint32_t raw = code_at(s, index);
    if (s->code == SAMPLE_HEX16)
        return ldexp(raw & 0xFFF, -4 * (int)(raw >> 12));
    return (double)(mantissa_of(s->code, raw) * powl(10.0L, (int8_t)(raw >> 24)));
}

void sum_add(struct sample_sum *sum, const struct samples *s, size_t first, size_t end)
{
    sum->code = s->code;
    for (size_t i = first; i < end; i++) {
        uint32_t raw = code_at(s, i);
        int bin = bin_of(s->code, raw);
        sum->mantissas[bin] += mantissa_of(s->code, raw);
        sum->counts[bin]++;
    }
    sum->count += end > first ? end - first : 0;
}

void sum_merge(struct sample_sum *into, const struct sample_sum *other)
{
    into->code = other->code;
    into->count += other->count;
    for (int bin = 0; bin < SUM_BINS; bin++) {
        into->mantissas[bin] += other->mantissas[bin];
        into->counts[bin] += other->counts[bin];
    }
}

double sum_total_a(const struct sample_sum *sum)
{
    long double total = 0;
    for (int bin = 0; bin < SUM_BINS; bin++)
        if (sum->mantissas[bin])
            total += (long double)sum->mantissas[bin] * bin_weight(sum->code, bin);
    return (double)total;
}

double sum_mean_a(const struct sample_sum *sum)
{
    return sum->count ? sum_total_a(sum) / (double)sum->count : 0;
}

double sum_quantisation_rel(const struct sample_sum *sum)
{
    long double half_steps = 0;
    for (int bin = 0; bin < SUM_BINS; bin++)
        if (sum->counts[bin])
            half_steps += 0.5L * (long double)sum->counts[bin] * bin_weight(sum->code, bin);
    double total = sum_total_a(sum);
    return total > 0 ? (double)half_steps / total / sqrt(3.0) : 0;
}

size_t sample_index(double rate_hz, double t_s, size_t count)
{
    double guess = ceil(t_s * rate_hz);
    if (!(guess > 0))
        return 0;
    if (guess > (double)count)
        return count;
    /* k / rate decides, not the rounded product */
    size_t k = (size_t)guess;
    while (k > 0 && (double)(k - 1) / rate_hz >= t_s)
        k--;
    while (k < count && (double)k / rate_hz < t_s)
        k++;
    return k;
}

static double fractional_total(const struct samples *s, double from, double to)
{
    from = fmax(from, 0);
    to = fmin(to, (double)s->count);
    if (!(to > from))
        return 0;
    size_t first = (size_t)floor(from), last = (size_t)floor(to);
    if (first == last)
        return (to - from) * sample_a(s, first);
    struct sample_sum whole = {0};
    sum_add(&whole, s, first + 1, last);
    double total = sum_total_a(&whole) + ((double)first + 1 - from) * sample_a(s, first);
    if (last < s->count)
        total += (to - (double)last) * sample_a(s, last);
    return total;
}

double span_total_a(const struct samples *s, double rate_hz, double start_s, double end_s,
                    enum edge_rule rule)
{
    if (rule == EDGE_FRACTIONAL)
        return fractional_total(s, start_s * rate_hz, end_s * rate_hz);
    struct sample_sum sum = {0};
    size_t end = sample_index(rate_hz, end_s, s->count);
    sum_add(&sum, s, sample_index(rate_hz, start_s, s->count), end);
    return sum_total_a(&sum);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double stat_median(const double *values, size_t count)
{
    if (!count)
        return 0;
    double *sorted = malloc(count * sizeof(*sorted));
    if (!sorted)
        return NAN;
    memcpy(sorted, values, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), by_value);
    double median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    free(sorted);
    return median;
}

double stat_mad(const double *values, size_t count)
{
    if (!count)
        return 0;
    double median = stat_median(values, count);
    double *distances = malloc(count * sizeof(*distances));
    if (!distances)
        return NAN;
    for (size_t i = 0; i < count; i++)
        distances[i] = fabs(values[i] - median);
    double mad = stat_median(distances, count);
    free(distances);
    return mad;
}

double stat_mean(const double *values, size_t count)
{
    long double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return count ? (double)(sum / (long double)count) : 0;
}

double stat_deviation(const double *values, size_t count)
{
    if (count < 2)
        return 0;
    double mean = stat_mean(values, count);
    long double squares = 0;
    for (size_t i = 0; i < count; i++)
        squares += (long double)(values[i] - mean) * (values[i] - mean);
    return sqrt((double)(squares / (long double)(count - 1)));
}

double uncertainty_total(const struct uncertainty *u)
{
    const double terms[] = {u->gain, u->voltage, u->quantisation, u->window, u->lost, u->repeat};
    double squares = 0;
    for (size_t i = 0; i < COUNT(terms); i++)
        squares += terms[i] * terms[i];
    return sqrt(squares);
}

double uncertainty_window(double edge_s, double window_s, double inside_a, double outside_a)
{
    if (!(window_s > 0) || !(inside_a > 0))
        return 0;
    return edge_s * fabs(inside_a - outside_a) / (inside_a * window_s) * sqrt(2);
}
