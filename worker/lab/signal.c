/* What the current itself says about a recording. */
#include <math.h>
#include <stdlib.h>

#include "worker/lab/recorder.h"

/* A lone sample this far from two neighbours that agree is damage or a very short event.  Up to
 * LONE_FEW of them are taken for damage when they carry more than lone_weight of the charge; less
 * is enough when one changed bit or digit explains them. */
static const double lone_factor = 1.9, lone_weight = 2e-4, damaged_weight = 1e-6,
                    neighbours_rel = 0.25, drop_factor = 8;
/* Nearer ones are worth a word: so much of the neighbours, and so many typical steps. */
static const double near_rel = 0.1, near_steps = 10, agree_steps = 2;
enum { LONE_FEW = 3, RUN_SAMPLES = 200, MANTISSA_DIGITS = 6 };
static const double zero_gap_s = 0.002, run_s = 0.02, least_a = 1e-7; /* of both meters' ranges */

struct scan {
    uint64_t zeros, zero_run, zero_at, longest_zero, longest_zero_at;
    uint64_t run, longest_run, longest_run_end, changes;
    double total_a, steps_a;
    uint64_t over_at, over;
    double over_a;
};

struct lone_samples {
    uint64_t count, at; /* of the first */
    double a;
    uint64_t far, damaged;
    double far_excess_a, damaged_excess_a;
};

static void scan_zero(struct scan *s, uint64_t k, double a)
{
    if (a >= least_a) {
        s->zero_run = 0;
        return;
    }
    s->zeros++;
    if (!s->zero_run++)
        s->zero_at = k;
    if (s->zero_at && s->zero_run > s->longest_zero) {
        s->longest_zero = s->zero_run;
        s->longest_zero_at = s->zero_at;
    }
}

static void scan_run(struct scan *s, uint64_t k, double before, double a)
{
    s->run = k && a == before ? s->run + 1 : 1;
    if (k && a != before) {
        s->changes++;
        s->steps_a += fabs(a - before);
    }
    if (s->run > s->longest_run) {
        s->longest_run = s->run;
        s->longest_run_end = k + 1;
    }
}

static void scan_range(struct scan *s, uint64_t k, double a, double limit_a)
{
    if (a > limit_a && !s->over++) {
        s->over_at = k;
        s->over_a = a;
    }
}

static struct scan scan(const struct samples *samples, double range_max_a)
{
    struct scan s = {0};
    double before = 0;
    for (uint64_t k = 0; k < samples->count; k++) {
        double a = sample_a(samples, k);
        s.total_a += a;
        scan_zero(&s, k, a);
        scan_run(&s, k, before, a);
        scan_range(&s, k, a, 1.2 * range_max_a);
        before = a;
    }
    return s;
}

/* ---- lone samples ---- */

static bool within(double a, double low, double high)
{
    return a >= low && a <= high;
}

static bool word_within(unsigned word, double low, double high)
{
    return word >> 12 < 15 && within(ldexp(word & 0xFFF, -4 * (int)(word >> 12)), low, high);
}

/* One of 16 bits, a byte turned over, or both bytes swapped. */
static bool bit_explains(const uint8_t *p, double low, double high)
{
    unsigned word = (unsigned)(p[0] | p[1] << 8);
    for (unsigned bit = 1; bit < 1U << 16; bit <<= 1)
        if (word_within(word ^ bit, low, high))
            return true;
    return word_within(word ^ 0xFF00, low, high) ||
           word_within((unsigned)(p[0] << 8 | p[1]), low, high);
}

/* Digits are characters: the digit at `place` (a power of ten) had another bit, was lost, or came
 * twice. */
static bool place_explains(unsigned mantissa, unsigned place, double scale, double low, double high)
{
    unsigned above = mantissa / place, below = mantissa % place, digit = above % 10;
    unsigned above_digit = above / 10;
    double rest = mantissa - (double)digit * place;
    for (unsigned bit = 1; bit <= 8; bit *= 2)
        if ((digit ^ bit) < 10 && within((rest + (double)(digit ^ bit) * place) * scale, low, high))
            return true;
    for (unsigned lost = 0; lost < 10; lost++) {
        double whole = ((double)above * 10 + lost) * place + below;
        if (within(whole * scale, low, high))
            return true;
    }
    return within(((double)above_digit * place + below) * scale, low, high);
}

static bool digit_explains(const uint8_t *p, double low, double high)
{
    unsigned mantissa = (unsigned)(p[0] | p[1] << 8 | p[2] << 16), place = 1;
    int8_t exponent = (int8_t)p[3];
    for (int i = 0; i < MANTISSA_DIGITS; i++, place *= 10)
        if (place_explains(mantissa, place, pow(10, exponent), low, high))
            return true;
    for (int bit = 1; bit <= 8; bit *= 2) { /* of the exponent's last digit */
        int digit = abs(exponent) % 10, step = (digit ^ bit) - digit;
        double other = mantissa * pow(10, exponent < 0 ? exponent - step : exponent + step);
        if ((digit ^ bit) < 10 && within(other, low, high))
            return true;
    }
    return false;
}

static bool is_lone(double before, double a, double after, double step_a)
{
    double low = fmin(before, after), high = fmax(before, after);
    if (!(low > 0))
        return false;
    if (a < least_a && a < low / drop_factor) /* nothing at all, also where the level changes */
        return true;
    if (high - low > neighbours_rel * high)
        return false;
    double limit_a = fmax(near_rel * high, near_steps * step_a);
    return a > fmin(lone_factor * high, high + limit_a) ||
           a < fmax(low / lone_factor, low - limit_a);
}

static void take_lone(struct lone_samples *l, const struct samples *samples, uint64_t k,
                      const double around_a[static 3], double step_a)
{
    double low = fmin(around_a[0], around_a[2]), high = fmax(around_a[0], around_a[2]);
    double a = around_a[1], excess_a = fabs(a - (low + high) / 2), slack_a = agree_steps * step_a;
    const uint8_t *raw = samples->raw + k * (size_t)samples->code;
    bool far = a > lone_factor * high || a < low / lone_factor;
    if (!l->count++) {
        l->at = k;
        l->a = a;
    }
    l->far += far;
    l->far_excess_a += far ? excess_a : 0;
    if (!far || l->count > LONE_FEW)
        return;
    bool damaged =
        a < low / drop_factor || /* the board's capacitors forbid it */
        (samples->code == SAMPLE_HEX16 ? bit_explains(raw, low - slack_a, high + slack_a)
                                       : digit_explains(raw, low - slack_a, high + slack_a));
    l->damaged += damaged;
    l->damaged_excess_a += damaged ? excess_a : 0;
}

static struct lone_samples find_lone(const struct samples *samples, const struct scan *s)
{
    struct lone_samples l = {0};
    double step_a = s->changes ? s->steps_a / (double)s->changes : 0;
    if (samples->count < 3)
        return l;
    double around_a[3] = {0, sample_a(samples, 0), sample_a(samples, 1)};
    for (uint64_t k = 1; k + 1 < samples->count; k++) {
        around_a[0] = around_a[1];
        around_a[1] = around_a[2];
        around_a[2] = sample_a(samples, k + 1);
        if (is_lone(around_a[0], around_a[1], around_a[2], step_a))
            take_lone(&l, samples, k, around_a, step_a);
    }
    return l;
}

/* Many are what the board does. */
static enum signal_finding judge_lone(const struct lone_samples *l, double total_a)
{
    if (l->far && l->far <= LONE_FEW && l->far_excess_a > lone_weight * total_a)
        return SIGNAL_GLITCH;
    if (l->damaged && l->far <= LONE_FEW && l->damaged_excess_a > damaged_weight * total_a)
        return SIGNAL_GLITCH;
    return l->count && l->count <= LONE_FEW ? SIGNAL_LONE : SIGNAL_FINE;
}

double signal_lone_share(const struct trace *t)
{
    double worst = 0;
    struct samples all = trace_samples(t);
    for (size_t i = 0; i < t->window_count; i++) {
        size_t first = sample_index(t->rate_hz, t->windows[i].start_s, all.count);
        size_t end = sample_index(t->rate_hz, t->windows[i].end_s, all.count);
        struct samples part = {all.code, all.raw + first * (size_t)all.code, end - first};
        struct scan s = scan(&part, INFINITY);
        struct lone_samples lone = find_lone(&part, &s);
        if (lone.far && lone.far <= LONE_FEW && s.total_a > 0)
            worst = fmax(worst, lone.far_excess_a / s.total_a);
    }
    return worst;
}

/* Half a step of the quantiser at sample k. */
static double resolution_a(const struct samples *s, uint64_t k)
{
    const uint8_t *p = s->raw + k * (size_t)s->code;
    return s->code == SAMPLE_HEX16 ? ldexp(0.5, -4 * (p[1] >> 4)) : 0.5 * pow(10, (int8_t)p[3]);
}

/* Do the samples [first, end) stand around `level_a`, with noise that the meter resolves there? */
static bool is_noisy(const struct samples *s, uint64_t first, uint64_t end, double level_a,
                     double resolution_a)
{
    double total_a = 0, steps_a = 0;
    uint64_t changes = 0, count = end - first;
    for (uint64_t k = first; k < end; k++) {
        double a = sample_a(s, k), step_a = k > first ? fabs(a - sample_a(s, k - 1)) : 0;
        total_a += a;
        steps_a += step_a;
        changes += step_a > 0;
    }
    return fabs(total_a / (double)count - level_a) <= neighbours_rel * level_a &&
           changes * 2 >= count && steps_a > 2 * resolution_a * (double)changes;
}

/* Noise that was there right before (or comes right after) and is gone, at the same level.  Another
 * level may well be quiet: the meter resolves less the higher it is. */
static bool is_stuck(const struct samples *samples, const struct scan *s, double rate_hz)
{
    uint64_t end = s->longest_run_end, first = end - s->longest_run;
    if (s->longest_run < RUN_SAMPLES || (double)s->longest_run < run_s * rate_hz)
        return false;
    double level_a = sample_a(samples, first), fine_a = resolution_a(samples, first);
    return (first >= RUN_SAMPLES &&
            is_noisy(samples, first - RUN_SAMPLES, first, level_a, fine_a)) ||
           (end + RUN_SAMPLES <= samples->count &&
            is_noisy(samples, end, end + RUN_SAMPLES, level_a, fine_a));
}

struct signal_report signal_inspect(const struct samples *samples, double rate_hz,
                                    double range_max_a)
{
    struct scan s = scan(samples, range_max_a);
    if (!samples->count)
        return (struct signal_report){SIGNAL_EMPTY, 0, 0, 0};
    if (s.total_a < least_a * (double)samples->count)
        return (struct signal_report){SIGNAL_ZERO, 0, s.zeros, 0};
    if (s.over)
        return (struct signal_report){SIGNAL_RANGE, s.over_at, s.over, s.over_a};
    if (s.longest_zero >= 5 && (double)s.longest_zero >= zero_gap_s * rate_hz)
        return (struct signal_report){SIGNAL_INTERRUPTED, s.longest_zero_at, s.longest_zero,
                                      s.longest_zero_at + s.longest_zero == samples->count ? -1
                                                                                           : 0};
    struct lone_samples lone = find_lone(samples, &s);
    enum signal_finding alone = judge_lone(&lone, s.total_a);
    if (alone == SIGNAL_GLITCH)
        return (struct signal_report){alone, lone.at, lone.count, lone.a};
    double last_a = sample_a(samples, s.longest_run_end - 1);
    uint64_t run_at = s.longest_run_end - s.longest_run;
    if (is_stuck(samples, &s, rate_hz))
        return (struct signal_report){SIGNAL_STUCK, run_at, s.longest_run, last_a};
    if (!s.changes && samples->count >= RUN_SAMPLES)
        return (struct signal_report){SIGNAL_CONSTANT, 0, samples->count, last_a};
    return (struct signal_report){alone, lone.at, lone.count, lone.a};
}

enum err_code signal_judge(const struct signal_report *r, double rate_hz, struct err *e)
{
    double at_s = (double)r->at / rate_hz, length_s = (double)r->count / rate_hz;
    switch (r->finding) {
    case SIGNAL_EMPTY:
        return err_set(e, INVALID, "the recording is empty");
    case SIGNAL_ZERO:
        return err_set(
            e, INVALID,
            "zero current throughout: the measuring jumper is out, or the board is not supplied");
    case SIGNAL_INTERRUPTED:
        if (r->value_a < 0)
            return err_set(e, INVALID,
                           "the current falls to zero at %.4f s and stays there: the supply is "
                           "gone or the measuring "
                           "jumper is out",
                           at_s);
        return err_set(e, INVALID,
                       "the current falls to zero at %.4f s for %.4f s: the supply was interrupted "
                       "(brown-out)",
                       at_s, length_s);
    case SIGNAL_RANGE:
        return err_set(e, INVALID,
                       "sample %llu (%.4f s) is %.4g A, more than the meter can carry: the stream "
                       "is damaged or overloaded",
                       (unsigned long long)r->at, at_s, r->value_a);
    case SIGNAL_STUCK:
        return err_set(e, INVALID, "the current is stuck at exactly %.6g A from %.4f s for %.4f s",
                       r->value_a, at_s, length_s);
    case SIGNAL_GLITCH:
        return err_set(e, INVALID,
                       "sample %llu (%.4f s) of %.4g A stands alone between neighbours that agree: "
                       "a damaged byte",
                       (unsigned long long)r->at, at_s, r->value_a);
    default:
        return ERR_OK;
    }
}
