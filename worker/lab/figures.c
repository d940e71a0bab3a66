#include "worker/lab/figures.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double settle_s = 0.05; /* baseline begins this long after a start or a window */
static const double guard_s = 0.03;  /* and ends this long before a window */
static const double late_s = 1;      /* a mark may be this late on a busy host */
static const double dwell_s = 0.005; /* shorter stretches and gaps are ripple */
static const double smooth_s = 1e-4;
static const double mark_error_s = 3e-3; /* when no edge is found */
static const double contrast_min_rel = 0.15, voltage_rel = 0.01 / 1.7320508;
enum { STRETCHES_MAX = 1000 };

/* ---- where the windows are ---- */

static double mean_a(const struct samples *s, uint64_t first, uint64_t end)
{
    struct sample_sum sum = {0};
    end = end < s->count ? end : s->count;
    sum_add(&sum, s, first, end > first ? end : first);
    return sum_mean_a(&sum);
}

static uint64_t index_at(const struct samples *s, double rate_hz, double t_s)
{
    double k = t_s * rate_hz;
    return k <= 0 ? 0 : k >= (double)s->count ? s->count : (uint64_t)k;
}

/* A stretch of high current, by the crossings of its half height. */
struct stretch {
    double start_s, end_s;
    bool taken;
};

struct stretches {
    struct stretch items[STRETCHES_MAX];
    size_t count;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the current reaches in the busiest tenth of [first, end), in means of 1 ms. */
static double high_a(const struct samples *s, double rate_hz, uint64_t first, uint64_t end)
{
    uint64_t width = (uint64_t)fmax(1, rate_hz / 1000);
    size_t count = end > first ? (size_t)((end - first) / width) : 0;
    double *means = count ? malloc(count * sizeof(*means)) : NULL;
    if (!means)
        return 0;
    for (size_t i = 0; i < count; i++)
        means[i] = mean_a(s, first + i * width, first + (i + 1) * width);
    qsort(means, count, sizeof(*means), by_value);
    double high = means[count - 1 - count / 10];
    free(means);
    return high;
}

static void close_stretch(struct stretches *list, double start_s, double end_s)
{
    struct stretch *last = list->count ? &list->items[list->count - 1] : NULL;
    if (last && start_s - last->end_s < dwell_s)
        last->end_s = end_s; /* a dip, not a gap */
    else if (end_s - start_s >= dwell_s && list->count < STRETCHES_MAX)
        list->items[list->count++] = (struct stretch){start_s, end_s, false};
}

/* A centred box smooths the ripple; it crosses half height where the edge is. */
static void find_stretches(const struct samples *s, double rate_hz, double level_a,
                           struct stretches *out)
{
    uint64_t half = (uint64_t)(smooth_s * rate_hz / 2), width = 2 * half + 1, start = 0;
    double sum_a = 0;
    bool high = false;
    out->count = 0;
    for (uint64_t k = 0; k < s->count; k++) {
        sum_a += sample_a(s, k) - (k >= width ? sample_a(s, k - width) : 0);
        if (k < width || high == (sum_a > level_a * (double)width))
            continue;
        high = !high;
        if (high)
            start = k - half;
        else
            close_stretch(out, (double)start / rate_hz, (double)(k - half) / rate_hz);
    }
}

/* The stretch near the mark that is as long as the firmware says; the mark may be late by as much
 * as the host is busy. */
static void refine(struct stretches *list, double device_s, struct measured_window *w)
{
    double tolerance_s = fmax(0.01 * device_s, 2e-3);
    for (size_t i = 0; i < list->count; i++) {
        struct stretch *t = &list->items[i];
        bool near = t->end_s > w->start_s - late_s && t->start_s < w->end_s;
        if (t->taken || !near || fabs(t->end_s - t->start_s - device_s) > tolerance_s)
            continue;
        t->taken = true;
        w->start_s = t->start_s;
        w->end_s = t->end_s;
        w->refined = true;
        return;
    }
}

static void place_windows(const struct figures_input *in, struct figures *m)
{
    struct samples s = trace_samples(&in->recorder->trace);
    double origin_s, length_s = (double)s.count / m->rate_hz;
    if (!in->mark_count || !recorder_origin_s(in->recorder, &origin_s))
        return;
    uint64_t settled = index_at(&s, m->rate_hz, settle_s);
    uint64_t first = index_at(&s, m->rate_hz, in->marks[0].start_s - origin_s);
    uint64_t last = index_at(&s, m->rate_hz, in->marks[in->mark_count - 1].end_s - origin_s);
    double idle_a = trace_mean_a(&in->recorder->trace, settled,
                                 settled + (first > settled ? (first - settled) / 2 : 1));
    double active_a = high_a(&s, m->rate_hz, settled, last);
    struct stretches *list = calloc(1, sizeof(*list));
    if (list && active_a > idle_a * (1 + contrast_min_rel))
        find_stretches(&s, m->rate_hz, (idle_a + active_a) / 2, list);
    for (size_t i = 0; list && i < in->mark_count && i < FIGURES_WINDOWS_MAX; i++) {
        const struct run_mark *mark = &in->marks[i];
        double device_s = (double)mark->device_us / 1e6;
        struct measured_window w = {.start_s = mark->start_s - origin_s,
                                    .end_s = mark->end_s - origin_s,
                                    .inferences = mark->inferences,
                                    .latency_s = device_s / (double)mark->inferences};
        refine(list, device_s, &w);
        if (w.start_s >= 0 && w.end_s <= length_s && w.end_s > w.start_s)
            m->windows[m->window_count++] = w;
    }
    free(list);
}

/* ---- energies ---- */

/* The idle current of the same recording, before the first and after the last window. */
static void measure_idle(const struct trace *t, struct figures *m)
{
    struct samples s = trace_samples(t);
    const struct measured_window *first = &m->windows[0], *last = &m->windows[m->window_count - 1];
    uint64_t settled = index_at(&s, m->rate_hz, settle_s);
    double before_a = trace_mean_a(t, settled, index_at(&s, m->rate_hz, first->start_s - guard_s));
    double after_a = trace_mean_a(t, index_at(&s, m->rate_hz, last->end_s + settle_s), s.count);
    m->baseline_a = (before_a + after_a) / 2;
    m->baseline_drift_rel = m->baseline_a > 0 ? fabs(after_a - before_a) / m->baseline_a : 1;
}

static void integrate(const struct samples *s, struct figures *m)
{
    for (size_t i = 0; i < m->window_count; i++) {
        struct measured_window *w = &m->windows[i];
        double sum_a = span_total_a(s, m->rate_hz, w->start_s, w->end_s, EDGE_FRACTIONAL);
        double length_s = w->end_s - w->start_s, n = (double)w->inferences;
        w->energy_j = sum_a / m->rate_hz * m->volts_v;
        w->per_inference_j = w->energy_j / n;
        w->dynamic_per_inference_j = (w->energy_j - m->volts_v * m->baseline_a * length_s) / n;
    }
}

static void summarize(struct figures *m)
{
    double total[FIGURES_WINDOWS_MAX], dynamic[FIGURES_WINDOWS_MAX], latency[FIGURES_WINDOWS_MAX];
    for (size_t i = 0; i < m->window_count; i++) {
        total[i] = m->windows[i].per_inference_j;
        dynamic[i] = m->windows[i].dynamic_per_inference_j;
        latency[i] = m->windows[i].latency_s;
    }
    m->median_j = stat_median(total, m->window_count);
    m->mad_j = stat_mad(total, m->window_count);
    m->median_dynamic_j = stat_median(dynamic, m->window_count);
    m->mad_dynamic_j = stat_mad(dynamic, m->window_count);
    m->latency_s = stat_median(latency, m->window_count);
}

static double spread_rel(const struct figures *m)
{
    double values[FIGURES_WINDOWS_MAX];
    for (size_t i = 0; i < m->window_count; i++)
        values[i] = m->windows[i].per_inference_j;
    double mean = stat_mean(values, m->window_count);
    return mean > 0 ? stat_deviation(values, m->window_count) / mean : 0;
}

/* Of the median of the windows, which varies more than their mean. */
static double repeat_rel(const struct figures *m)
{
    double widening = m->window_count > 2 ? sqrt(acos(-1) / 2) : 1;
    return widening * spread_rel(m) / sqrt((double)m->window_count);
}

/* The dynamic energy keeps every error of the total, in J, and has that of the baseline besides;
 * gain and voltage scale both alike. */
static double dynamic_uncertainty(const struct figures *m, struct uncertainty u)
{
    if (!(m->median_dynamic_j > 0))
        return 0;
    const struct measured_window *w = &m->windows[0];
    double ratio = m->median_j / m->median_dynamic_j;
    double idle_j = m->volts_v * m->baseline_a * (w->end_s - w->start_s) / (double)w->inferences;
    double baseline = m->baseline_drift_rel * idle_j / m->median_dynamic_j;
    u.quantisation *= ratio;
    u.window *= ratio;
    u.lost *= ratio;
    u.repeat = hypot(u.repeat * ratio, baseline);
    return uncertainty_total(&u);
}

static void estimate_uncertainty(const struct figures_input *in, const struct samples *s,
                                 struct figures *m)
{
    const struct measured_window *w = &m->windows[0];
    double length_s = w->end_s - w->start_s;
    struct sample_sum sum = {0};
    uint64_t first = index_at(s, m->rate_hz, w->start_s), end = index_at(s, m->rate_hz, w->end_s);
    sum_add(&sum, s, first, end > first ? end : first);
    struct uncertainty u = {
        .gain = in->meter->gain_rel,
        .voltage = voltage_rel,
        .quantisation = sum_quantisation_rel(&sum),
        .window = uncertainty_window(w->refined ? 1 / m->rate_hz + smooth_s / 4 : mark_error_s,
                                     length_s, sum_mean_a(&sum), m->baseline_a),
        .lost = m->samples ? (double)m->lost / (double)m->samples : 0,
        .repeat = repeat_rel(m),
    };
    m->uncertainty_rel = uncertainty_total(&u);
    m->dynamic_uncertainty_rel = dynamic_uncertainty(m, u);
}

/* ---- gates ---- */

static void gate(struct figures *m, const char *name, bool passed, double value, double limit,
                 const char *fmt, ...) PRINTF_LIKE(6, 7);
static void gate(struct figures *m, const char *name, bool passed, double value, double limit,
                 const char *fmt, ...)
{
    struct gate *g = &m->gates[m->gate_count++];
    *g = (struct gate){name, passed, value, limit, ""};
    va_list args;
    va_start(args, fmt);
    vsnprintf(g->detail, sizeof(g->detail), fmt, args);
    va_end(args);
}

static void gate_stream(const struct figures_input *in, struct figures *m)
{
    struct recorder *r = in->recorder;
    double lost = m->samples ? (double)m->lost / (double)m->samples : 1;
    bool inside = trace_lost_inside(&r->trace);
    gate(m, "lost_samples", lost <= 0.001 && !inside, lost, 0.001, "%llu of %llu samples%s",
         (unsigned long long)m->lost, (unsigned long long)m->samples,
         inside ? ", some in a window" : "");
    gate(m, "stream_clean", !r->resets && !r->full, (double)r->resets, 0,
         "%llu interruptions of the supply reported by the meter", (unsigned long long)r->resets);
    gate(m, "meter_buffer", r->buffer_max_pct < BUFFER_ALARM_PCT, r->buffer_max_pct,
         BUFFER_ALARM_PCT, "at most %u %% full", r->buffer_max_pct);
    struct samples s = trace_samples(&r->trace);
    struct signal_report report = signal_inspect(&s, m->rate_hz, r->range_max_a);
    struct err why = {.detail = "the current varies as a current does"};
    /* lone samples of a long recording with marks are events, unless they move a figure */
    double lone = signal_lone_share(&r->trace);
    bool alive = report.finding == SIGNAL_GLITCH ||
                 (!signal_judge(&report, m->rate_hz, &why) && report.finding != SIGNAL_CONSTANT);
    if (alive && lone > LONE_SHARE_MAX)
        gate(m, "signal_alive", false, lone, LONE_SHARE_MAX,
             "lone samples carry %.2f %% of a window", lone * 100);
    else
        gate(m, "signal_alive", alive, report.finding, 0, "%s",
             report.finding == SIGNAL_CONSTANT ? "all samples are equal" : why.detail);
}

static void gate_windows(const struct figures_input *in, struct figures *m)
{
    gate(m, "windows_found", m->window_count == in->windows_wanted, (double)m->window_count,
         (double)in->windows_wanted, "%zu of %zu", m->window_count, in->windows_wanted);
    double clock = trace_clock_error_rel(&in->recorder->trace), spread = spread_rel(m);
    gate(m, "clock_agrees", clock <= 0.01, clock, 0.01,
         "window and firmware time differ by %.3f %%", clock * 100);
    gate(m, "repeatability", spread <= 0.01, spread, 0.01,
         "standard deviation of %zu windows is %.3f %%", m->window_count, spread * 100);
    gate(m, "baseline_drift", m->baseline_drift_rel <= 0.02, m->baseline_drift_rel, 0.02,
         "idle current before and after differs by %.3f %%", m->baseline_drift_rel * 100);
}

static void gate_board(const struct figures_input *in, struct figures *m)
{
    gate(m, "one_boot", in->boots == 1, in->boots, 1, "%u boot banners since power-on", in->boots);
    const char *seen = in->build_id_seen ? in->build_id_seen : "";
    bool same = !in->build_id_expected || !strcmp(in->build_id_expected, seen);
    gate(m, "build_id", same, same, 1, "the board runs build %.60s, flashed was %.60s", seen,
         in->build_id_expected ? in->build_id_expected : "anything");
}

/* ---- all of it ---- */

/* Where the host heard the firmware: for people, windows are placed better than that. */
static void keep_marks(const struct figures_input *in)
{
    struct trace *t = &in->recorder->trace;
    struct samples s = trace_samples(t);
    double origin_s;
    if (!recorder_origin_s(in->recorder, &origin_s))
        return;
    for (size_t i = 0; i < in->mark_count; i++) {
        const struct run_mark *mark = &in->marks[i];
        char text[TRACE_TEXT_MAX];
        snprintf(text, sizeof(text), "n=%llu", (unsigned long long)mark->inferences);
        trace_mark(t, index_at(&s, t->rate_hz, mark->start_s - origin_s), "SY-START", text);
        snprintf(text, sizeof(text), "n=%llu us=%llu", (unsigned long long)mark->inferences,
                 (unsigned long long)mark->device_us);
        trace_mark(t, index_at(&s, t->rate_hz, mark->end_s - origin_s), "SY-END", text);
    }
}

static void keep_windows(struct trace *t, const struct figures *m)
{
    for (size_t i = 0; i < m->window_count; i++) {
        const struct measured_window *w = &m->windows[i];
        trace_window(t, &(struct trace_window){w->start_s, w->end_s, w->inferences,
                                               w->latency_s * (double)w->inferences});
    }
}

void figures_evaluate(const struct figures_input *in, struct figures *m)
{
    struct trace *t = &in->recorder->trace;
    struct samples s = trace_samples(t);
    *m = (struct figures){
        .rate_hz = t->rate_hz, .volts_v = t->volts_v, .samples = s.count, .lost = t->lost};
    place_windows(in, m);
    keep_windows(t, m);
    keep_marks(in);
    if (m->window_count) {
        measure_idle(t, m);
        integrate(&s, m);
        summarize(m);
        estimate_uncertainty(in, &s, m);
    }
    gate_stream(in, m);
    gate_windows(in, m);
    gate_board(in, m);
}

const struct gate *figures_failed_gate(const struct figures *m)
{
    for (size_t i = 0; i < m->gate_count; i++)
        if (!m->gates[i].passed)
            return &m->gates[i];
    return NULL;
}

bool figures_worth_repeating(const struct figures *m)
{
    static const char *const chance[] = {"lost_samples",  "meter_buffer",   "clock_agrees",
                                         "repeatability", "baseline_drift", "windows_found"};
    for (size_t i = 0; i < m->gate_count; i++) {
        bool by_chance = m->gates[i].passed;
        for (size_t k = 0; k < COUNT(chance); k++)
            by_chance |= !strcmp(m->gates[i].name, chance[k]);
        if (!by_chance)
            return false;
    }
    return true;
}

static json_t *preview_json(const struct figures *m, const struct trace *t)
{
    struct trace_point *points = calloc(PREVIEW_POINTS, sizeof(*points));
    uint64_t samples = trace_count(t), width = (samples + PREVIEW_POINTS - 1) / PREVIEW_POINTS;
    size_t n = points ? trace_view(t, 0, samples, PREVIEW_POINTS, points) : 0;
    json_t *min = json_array(), *mean = json_array(), *max = json_array();
    for (size_t i = 0; i < n; i++) {
        /* six digits are more than a plot shows */
        json_array_append_new(min, json_real(round(points[i].min_a * 1e9) / 1e9));
        json_array_append_new(mean, json_real(round(points[i].mean_a * 1e9) / 1e9));
        json_array_append_new(max, json_real(round(points[i].max_a * 1e9) / 1e9));
    }
    free(points);
    return json_pack("{s:f,s:o,s:o,s:o}", "bin_s", (double)width / m->rate_hz, "min_a", min,
                     "mean_a", mean, "max_a", max);
}

static json_t *windows_json(const struct figures *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->window_count; i++) {
        const struct measured_window *w = &m->windows[i];
        json_array_append_new(list,
                              json_pack("{s:f,s:f,s:I,s:f,s:f,s:f,s:f}", "start_s", w->start_s,
                                        "end_s", w->end_s, "inferences", (json_int_t)w->inferences,
                                        "energy_j", w->energy_j, "energy_per_inference_j",
                                        w->per_inference_j, "dynamic_energy_per_inference_j",
                                        w->dynamic_per_inference_j, "latency_s", w->latency_s));
    }
    return list;
}

json_t *figures_json(const struct figures *m, const struct trace *t)
{
    json_t *gates = json_array();
    for (size_t i = 0; i < m->gate_count; i++)
        json_array_append_new(gates,
                              json_pack("{s:s,s:b,s:f,s:f,s:s}", "name", m->gates[i].name, "passed",
                                        m->gates[i].passed, "value", m->gates[i].value, "limit",
                                        m->gates[i].limit, "detail", m->gates[i].detail));
    return json_pack("{s:f,s:f,s:I,s:I,s:o,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:o,s:o}", "volts",
                     m->volts_v, "sample_rate_hz", m->rate_hz, "samples", (json_int_t)m->samples,
                     "lost", (json_int_t)m->lost, "windows", windows_json(m),
                     "median_energy_per_inference_j", m->median_j, "mad_energy_per_inference_j",
                     m->mad_j, "median_dynamic_energy_per_inference_j", m->median_dynamic_j,
                     "mad_dynamic_energy_per_inference_j", m->mad_dynamic_j, "latency_s",
                     m->latency_s, "baseline_a", m->baseline_a, "baseline_drift_rel",
                     m->baseline_drift_rel, "uncertainty_rel", m->uncertainty_rel,
                     "dynamic_uncertainty_rel", m->dynamic_uncertainty_rel, "gates", gates,
                     "preview", preview_json(m, t));
}
