#include "worker/lab/recorder.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

enum { WARNINGS_MAX = 50 };
/* Host and meter clocks may differ by this much, and a busy host be this late, without a word. */
static const double pace_rel = 0.002, jitter_s = 0.015, short_s = 3, short_late_s = 0.3,
                    arrival_step_s = 0.01;
/* Slower by less than this within so short a time is a busy host. */
static const double brief_s = 1, busy_rel = 4;
static const double far_rel = 0.25, far_s = 0.2; /* from here on it is another rate */
/* Boards draw more, so less is worth a word. */
static const double little_a = 1e-3;
static const double volts_rel = 0.01;    /* as accurate as both meters' supplies */
static const double stamps_apart_ms = 1; /* two stamps of whole milliseconds */

void recorder_init(struct recorder *r, const struct meter_info *info,
                   const struct meter_config *config, uint64_t wanted)
{
    *r = (struct recorder){.wanted = wanted,
                           .range_max_a = info->range_max_a,
                           .warnings = r->warnings ? r->warnings : json_array()};
    trace_init(&r->trace, info->code, config->rate_hz, config->volts_v);
}

void recorder_free(struct recorder *r)
{
    trace_free(&r->trace);
    json_decref(r->warnings);
    free(r->arrivals_s);
    *r = (struct recorder){0};
}

void recorder_warn(struct recorder *r, const char *fmt, ...)
{
    if (!r->warnings)
        r->warnings = json_array();
    if (json_array_size(r->warnings) >= WARNINGS_MAX)
        return;
    char text[500];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t i;
    json_t *said;
    json_array_foreach(r->warnings, i, said) if (!strcmp(json_string_value(said), text)) return;
    json_array_append_new(r->warnings, json_string(text));
}

/* At most one in each arrival_step_s of samples; slow ones arrive one by one. */
static void note_arrival(struct recorder *r)
{
    double end_s = (double)trace_count(&r->trace) / r->trace.rate_hz;
    if (r->arrival_count && end_s - r->arrived_s < arrival_step_s)
        return;
    if (!r->arrivals_s)
        r->arrivals_s = malloc(RECORDER_ARRIVALS_MAX * sizeof(*r->arrivals_s));
    if (!r->arrivals_s || r->arrival_count == RECORDER_ARRIVALS_MAX)
        return;
    r->arrived_s = end_s;
    r->arrivals_s[r->arrival_count++] = (double)clock_monotonic_us() / 1e6 - end_s;
}

static void take_samples(struct recorder *r, const struct meter_news *news)
{
    uint64_t have = trace_count(&r->trace), count = news->count;
    bool last = r->wanted && have + count > r->wanted;
    if (last)
        count = have < r->wanted ? r->wanted - have : 0;
    if (count && !trace_add(&r->trace, news->raw, (size_t)count))
        r->full = true;
    else if (count && !last) /* of the last piece only a part is counted */
        note_arrival(r);
}

static void note_clock(struct recorder *r, const struct stream_block *b)
{
    if (r->stamped++) {
        r->clock_ms += (b->stamp_ms - r->stamp_ms) & 0x7FFFFFFF;
        r->clock_samples += b->count;
    }
    r->stamp_ms = b->stamp_ms;
}

static void take_block(struct recorder *r, const struct stream_block *b)
{
    if (b->buffer_pct <= 100 && b->buffer_pct > r->buffer_max_pct)
        r->buffer_max_pct = b->buffer_pct;
    bool beyond = r->wanted && b->first >= r->wanted;
    if (beyond)
        return;
    if (b->verdict > BLOCK_NO_STAMP)
        trace_suspect(&r->trace, b);
    else if (b->verdict == BLOCK_NO_STAMP)
        recorder_warn(r, "a time stamp is missing between samples %llu and %llu; no sample is",
                      (unsigned long long)b->first, (unsigned long long)b->first + b->count);
    r->closed = b->first + b->count;
    note_clock(r, b);
}

static void take_event(struct recorder *r, const struct stream_event *event)
{
    switch (event->kind) {
    case STREAM_BLOCK:
        take_block(r, &event->block);
        break;
    case STREAM_ENDED:
        if (event->block.verdict != BLOCK_GOOD && (!r->wanted || event->block.first < r->wanted))
            trace_suspect(&r->trace, &event->block);
        break;
    case STREAM_RESTART: /* samples of an older acquisition */
        r->trace.raw.len = 0;
        r->trace.suspect_count = r->trace.mark_count = 0;
        r->trace.lost = 0;
        r->closed = r->stamped = r->clock_ms = r->clock_samples = 0;
        r->arrival_count = 0;
        break;
    case STREAM_TARGET_RESET:
        r->resets++;
        trace_mark(&r->trace, event->at, "reset", event->text);
        break;
    case STREAM_POWER:
        r->resets += !(event->value > 0);
        trace_mark(&r->trace, event->at, event->value > 0 ? "power_on" : "power_off", event->text);
        break;
    case STREAM_VOLTAGE:
        if (fabs(event->value - r->trace.volts_v) > volts_rel * r->trace.volts_v)
            r->wrong_volts_v = event->value;
        break;
    case STREAM_MARK:
        trace_mark(&r->trace, event->at, "edge", event->text);
        break;
    case STREAM_UNKNOWN:
        recorder_warn(r, "the stream holds a frame of unknown kind F0 %02X at sample %llu",
                      (unsigned)event->value, (unsigned long long)event->at);
        break;
    default:
        break;
    }
}

void recorder_take(struct recorder *r, const struct meter_news *news)
{
    if (news->kind == METER_SAMPLES)
        take_samples(r, news);
    else if (news->kind == METER_EVENT)
        take_event(r, news->event);
    else if (news->kind == METER_WARNING)
        recorder_warn(r, "%s", news->text);
}

void recorder_warm(struct recorder *r, const struct meter_news *news)
{
    if (news->kind != METER_SAMPLES)
        return;
    size_t size = (size_t)r->trace.code;
    for (size_t i = 1; i < news->count; i++)
        r->warm_changes += memcmp(news->raw + i * size, news->raw + (i - 1) * size, size) != 0;
    r->warm_samples += news->count;
}

static double lowest(const double *values, size_t first, size_t end)
{
    double low = values[first];
    for (size_t i = first; i < end; i++)
        low = fmin(low, values[i]);
    return low;
}

bool recorder_origin_s(const struct recorder *r, double *out_s)
{
    if (!r->arrival_count)
        return false;
    *out_s = lowest(r->arrivals_s, 0, r->arrival_count);
    return true;
}

/* How far the arrivals lie apart, besides a drift of `step_s` from one to the next: a meter that
 * sends in large pieces, or a busy host. */
static double spread_s(const double *values, size_t first, size_t end, double step_s)
{
    double low = values[first], high = low;
    for (size_t i = first; i < end; i++) {
        double value = values[i] - (double)(i - first) * step_s;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    return high - low;
}

/* The lower envelope of arrival times tells how fast samples come by the host's clock, in seconds
 * that they came later (or earlier) at the end than at the begin.  Short recordings escape less of
 * the spread: it goes into the tolerance. */
struct pace {
    double drift_s, span_s, late_s;
};

static bool measure_pace(const struct recorder *r, struct pace *out)
{
    size_t n = r->arrival_count, third = n / 3;
    if (!third)
        return false;
    double drift_s = lowest(r->arrivals_s, n - third, n) - lowest(r->arrivals_s, 0, third);
    double step_s = drift_s / (double)(n - third), late_s = jitter_s;
    if (r->arrived_s < short_s)
        late_s = fmax(short_late_s, late_s) + fmax(spread_s(r->arrivals_s, 0, third, step_s),
                                                   spread_s(r->arrivals_s, n - third, n, step_s));
    *out = (struct pace){drift_s, r->arrived_s * 2 / 3, late_s * 2 / 3};
    return true;
}

static void warn_pace(struct recorder *r)
{
    struct pace p;
    if (!measure_pace(r, &p) || fabs(p.drift_s) <= pace_rel * p.span_s + p.late_s)
        return;
    bool busy_host = r->arrived_s < brief_s && p.drift_s > 0 && p.drift_s < busy_rel * p.span_s;
    if (r->stamped > 1 && busy_host)
        return;
    recorder_warn(r, "the samples came %.2f %% %s than the meter's clock says",
                  100 * fabs(p.drift_s) / p.span_s, p.drift_s > 0 ? "slower" : "faster");
}

/* So far off that it is no clock's error and no busy host: another rate.  Where the meter's own
 * clock vouches for the samples it is believed, with a warning: emulated meters run at any pace. */
static enum err_code judge_pace(const struct recorder *r, struct err *e)
{
    struct pace p;
    bool vouched = r->stamped > 1;
    if (vouched || !measure_pace(r, &p) ||
        fabs(p.drift_s) <= fmax(far_rel * p.span_s, far_s + p.late_s))
        return ERR_OK;
    double rate_hz = r->trace.rate_hz / (1 + p.drift_s / p.span_s);
    return err_set(e, INVALID,
                   "the samples came at a rate of %.3g/s by the host's clock, not %g/s: the meter "
                   "samples at another rate than it was told",
                   rate_hz, r->trace.rate_hz);
}

/* Every block fits the clock; together they may still drift away from it. */
static void compare_stamps(struct recorder *r)
{
    double samples_ms = (double)r->clock_samples * 1000 / r->trace.rate_hz;
    double apart_ms = (double)r->clock_ms - samples_ms;
    if (fabs(apart_ms) > stamps_apart_ms)
        recorder_warn(r,
                      "by its own clock the meter took %.4f s for samples of %.4f s: the rate is "
                      "%.3f %% off",
                      (double)r->clock_ms / 1000, samples_ms / 1000,
                      100 * fabs(apart_ms / samples_ms));
}

static enum err_code judge_blocks(struct recorder *r, struct err *e)
{
    if (!r->trace.suspect_count)
        return ERR_OK;
    const struct stream_block *b = &r->trace.suspects[0];
    const char *more = r->trace.suspect_count > 1 ? " (and more like it)" : "";
    double at_s = (double)b->first / r->trace.rate_hz;
    double due_ms = (double)b->count * 1000 / r->trace.rate_hz;
    if (b->verdict == BLOCK_CLOCK && fabs(b->took_ms - due_ms) > 2 * stamps_apart_ms)
        return err_set(e, INVALID,
                       "the stream is damaged: by the meter's own clock the block at %.3f s (%llu "
                       "samples) took %u ms, not %.0f ms: samples are lost, or its rate is another "
                       "one%s",
                       at_s, (unsigned long long)b->count, b->took_ms, due_ms, more);
    if (b->verdict == BLOCK_COUNT)
        return err_set(e, INVALID,
                       "the stream is damaged: the block at %.3f s has %llu samples, %d expected%s",
                       at_s, (unsigned long long)b->count, STREAM_BLOCK_SAMPLES, more);
    return err_set(e, INVALID, "the stream is damaged: the block at %.3f s (%llu samples) %s%s",
                   at_s, (unsigned long long)b->count, stream_verdict_texts[b->verdict], more);
}

/* What does not spoil the recording but should be looked at. */
static void warn(struct recorder *r, const struct samples *samples,
                 const struct signal_report *report)
{
    if (report->finding == SIGNAL_CONSTANT)
        recorder_warn(r, "all samples are exactly %.6g A: a stuck meter?", report->value_a);
    if (report->finding == SIGNAL_LONE)
        recorder_warn(r,
                      "sample %llu of %.4g A stands alone between neighbours that agree: a very "
                      "short event, or a damaged byte",
                      (unsigned long long)report->at, report->value_a);
    struct sample_sum sum = {0};
    sum_add(&sum, samples, 0, samples->count);
    if (sum_mean_a(&sum) < little_a)
        recorder_warn(r, "the mean current is only %.3g A: is the measuring jumper out?",
                      sum_mean_a(&sum));
    if (r->buffer_max_pct >= BUFFER_ALARM_PCT)
        recorder_warn(r, "the meter's buffer was %u %% full: the host reads too slowly",
                      r->buffer_max_pct);
    compare_stamps(r);
    warn_pace(r);
}

enum err_code recorder_judge(struct recorder *r, struct err *e)
{
    uint64_t have = trace_count(&r->trace);
    enum err_code code = judge_blocks(r, e);
    if (code)
        return code;
    if (r->full)
        return err_set(e, TOO_LARGE, "the recording is larger than %d MB", TRACE_MAX_BYTES >> 20);
    if ((code = judge_pace(r, e)))
        return code;
    if (have < r->wanted)
        return err_set(e, INVALID, "the meter sent %llu of %llu samples", (unsigned long long)have,
                       (unsigned long long)r->wanted);
    if (r->resets)
        return err_set(
            e, INVALID,
            "the target's supply was interrupted %llu times during the recording (brown-out)",
            (unsigned long long)r->resets);
    if (r->wrong_volts_v > 0)
        return err_set(e, INVALID, "the meter supplies %.3f V after it was told to supply %.3f V",
                       r->wrong_volts_v, r->trace.volts_v);
    struct samples samples = trace_samples(&r->trace);
    struct signal_report report = signal_inspect(&samples, r->trace.rate_hz, r->range_max_a);
    if ((code = signal_judge(&report, r->trace.rate_hz, e)))
        return code;
    if (report.finding == SIGNAL_CONSTANT && 2 * r->warm_changes > r->warm_samples)
        return err_set(
            e, INVALID,
            "the current is stuck at exactly %.6g A: all samples are equal, those of the "
            "warm-up were not",
            report.value_a);
    warn(r, &samples, &report);
    return ERR_OK;
}
