/* What the current itself says about a recording. */
#include <math.h>

#include "worker/lab/recorder.h"

/* A lone sample this far from two neighbours that agree is damage or a very short event.  Up to
 * LONE_FEW of them are taken for damage when they carry more than LONE_WEIGHT of the charge. */
static const double lone_factor = 1.9, lone_weight = 2e-4, neighbours_rel = 0.25;
enum { LONE_FEW = 3, RUN_SAMPLES = 200 };
static const double zero_gap_s = 0.005, run_s = 0.02, least_a = 1e-7; /* of both meters' ranges */

struct scan {
    uint64_t zeros, zero_run, zero_at, longest_zero, longest_zero_at;
    uint64_t run, longest_run, longest_run_end, changes;
    uint64_t lone, lone_at;
    double lone_a, lone_excess_a, total_a, steps_a;
    uint64_t over_at, over;
    double over_a;
};

static bool is_lone(double before, double a, double after)
{
    double low = fmin(before, after), high = fmax(before, after);
    if (!(low > 0) || high - low > neighbours_rel * high)
        return false;
    return a > lone_factor * high || a < low / lone_factor;
}

static void scan_zero(struct scan *s, uint64_t k, double a)
{
    if (a > 0) {
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

static void scan_lone(struct scan *s, uint64_t k, double before, double a, double after)
{
    if (!is_lone(before, a, after))
        return;
    s->lone_excess_a += fabs(a - (before + after) / 2);
    if (!s->lone++) {
        s->lone_at = k;
        s->lone_a = a;
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
    double before = 0, a = samples->count ? sample_a(samples, 0) : 0;
    for (uint64_t k = 0; k < samples->count; k++) {
        bool last = k + 1 == samples->count;
        double after = last ? 0 : sample_a(samples, k + 1);
        s.total_a += a;
        scan_zero(&s, k, a);
        scan_run(&s, k, before, a);
        scan_range(&s, k, a, 1.2 * range_max_a);
        if (k && !last)
            scan_lone(&s, k, before, a, after);
        before = a;
        a = after;
    }
    return s;
}

/* Half a step of the quantiser at sample k. */
static double resolution_a(const struct samples *s, uint64_t k)
{
    const uint8_t *p = s->raw + k * (size_t)s->code;
    return s->code == SAMPLE_HEX16 ? ldexp(0.5, -4 * (p[1] >> 4)) : 0.5 * pow(10, (int8_t)p[3]);
}

/* Noise that was there and is gone, though the meter would resolve it at the stuck value as well.
 */
static bool is_stuck(const struct samples *samples, const struct scan *s, double rate_hz)
{
    uint64_t rest = samples->count - s->longest_run;
    if (s->longest_run < RUN_SAMPLES || (double)s->longest_run < run_s * rate_hz ||
        rest < RUN_SAMPLES)
        return false;
    if (s->changes * 2 < rest)
        return false;
    double typical_step_a = s->steps_a / (double)s->changes;
    return typical_step_a > 2 * resolution_a(samples, s->longest_run_end - 1);
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
    if (s.lone && s.lone <= LONE_FEW && s.lone_excess_a > lone_weight * s.total_a)
        return (struct signal_report){SIGNAL_GLITCH, s.lone_at, s.lone, s.lone_a};
    double last_a = sample_a(samples, s.longest_run_end - 1);
    uint64_t run_at = s.longest_run_end - s.longest_run;
    if (is_stuck(samples, &s, rate_hz))
        return (struct signal_report){SIGNAL_STUCK, run_at, s.longest_run, last_a};
    if (!s.changes && samples->count >= RUN_SAMPLES)
        return (struct signal_report){SIGNAL_CONSTANT, 0, samples->count, last_a};
    return (struct signal_report){SIGNAL_FINE, 0, 0, 0};
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
