#include "worker/power_analyze.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/lab/mlperf.h"
#include "worker/lab/recorder.h"

/* One analysis under way: windows and gates as they will be printed. */
struct analysis {
    double rate_hz;
    uint64_t samples;
    json_t *windows, *gates;
    double *per_inference_j, *per_window_j;
    size_t count, known; /* windows; those with a known number of inferences */
};

void power_print(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
    if (text)
        puts(text);
    free(text);
}

/* One block for both lists. */
static void make_room(struct analysis *a, size_t windows)
{
    a->per_window_j = calloc(2 * windows + 1, sizeof(double));
    a->per_inference_j = a->per_window_j ? a->per_window_j + windows : NULL;
}

static void add_window(struct analysis *a, double start_s, double end_s, double energy_j,
                       uint64_t inferences)
{
    json_t *window =
        json_pack("{s:f,s:f,s:f}", "start_s", start_s, "end_s", end_s, "energy_j", energy_j);
    double each_j = inferences ? energy_j / (double)inferences : 0;
    json_object_set_new(window, "inferences",
                        inferences ? json_integer((json_int_t)inferences) : json_null());
    json_object_set_new(window, "energy_per_inference_j",
                        inferences ? json_real(each_j) : json_null());
    json_array_append_new(a->windows, window);
    a->per_window_j[a->count++] = energy_j;
    if (inferences)
        a->per_inference_j[a->known++] = each_j;
}

static void add_gate(struct analysis *a, const char *name, bool passed, double value, double limit,
                     const char *detail)
{
    json_array_append_new(a->gates,
                          json_pack("{s:s,s:b,s:f,s:f,s:s}", "name", name, "passed", passed,
                                    "value", value, "limit", limit, "detail", detail));
}

static void add_common_gates(struct analysis *a)
{
    char detail[100];
    snprintf(detail, sizeof(detail), "%zu of %zu windows have a known number of inferences",
             a->known, a->count);
    add_gate(a, "windows_found", a->known && a->known == a->count, (double)a->known,
             (double)a->count, detail);
    /* with unknown numbers they are taken to be equal */
    bool all = a->known == a->count;
    const double *values_j = all ? a->per_inference_j : a->per_window_j;
    double mean = stat_mean(values_j, a->count);
    double spread = mean > 0 ? stat_deviation(values_j, a->count) / mean : 0;
    snprintf(detail, sizeof(detail), "standard deviation of %zu windows is %.3f %% of their mean",
             a->count, spread * 100);
    add_gate(a, "repeatability", spread <= 0.01, spread, 0.01, detail);
}

static void add_published_gate(struct analysis *a, const struct mlperf *m)
{
    char some[100];
    const char *detail = "results.txt agrees with the trace";
    bool all = m->published == m->window_count;
    if (!all) { /* a trace that nothing vouches for may lack samples */
        snprintf(some, sizeof(some), "results.txt gives the energy of %zu of %zu windows",
                 m->published, m->window_count);
        detail = some;
    } else if (m->edges_differ)
        detail = "results.txt differs from the trace by a sample at the edge of a window";
    add_gate(a, "published_figures", all && !m->edges_differ, m->worst_published_rel, 1e-8, detail);
}

static enum err_code analyze_mlperf(struct analysis *a, const char *path, struct err *e)
{
    struct mlperf m;
    enum err_code code = mlperf_read(path, &m, e);
    if (code)
        return code;
    a->rate_hz = m.rate_hz;
    a->samples = m.count;
    make_room(a, m.window_count);
    for (size_t i = 0; a->per_window_j && i < m.window_count; i++)
        add_window(a, m.windows[i].start_s, m.windows[i].end_s, m.windows[i].energy_j,
                   m.windows[i].inferences);
    add_common_gates(a);
    if (m.has_results)
        add_published_gate(a, &m);
    mlperf_free(&m);
    return ERR_OK;
}

static void add_lost_gate(struct analysis *a, const struct trace *t)
{
    char detail[100];
    bool inside = trace_lost_inside(t);
    double lost = trace_count(t) ? (double)t->lost / (double)trace_count(t) : 0;
    snprintf(detail, sizeof(detail), "%llu of %llu samples%s", (unsigned long long)t->lost,
             (unsigned long long)trace_count(t), inside ? ", some in a window" : "");
    add_gate(a, "lost_samples", lost <= 0.001 && !inside, lost, 0.001, detail);
}

static void add_clock_gate(struct analysis *a, const struct trace *t)
{
    char detail[100];
    double clock = trace_clock_error_rel(t);
    snprintf(detail, sizeof(detail), "window and firmware time differ by %.3f %%", clock * 100);
    add_gate(a, "clock_agrees", clock <= 0.01, clock, 0.01, detail);
}

/* What is not in the samples (boots, the meter's words, windows that were not found) was judged
 * when it was recorded. */
static void add_recorded_gates(struct analysis *a, const struct trace *t)
{
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(t->provenance, "failed_gates"), i, name)
    {
        char detail[100];
        snprintf(detail, sizeof(detail), "gate %.60s failed when this was recorded",
                 json_is_string(name) ? json_string_value(name) : "?");
        add_gate(a, "as_recorded", false, 0, 1, detail);
    }
}

static void add_signal_gate(struct analysis *a, const struct trace *t)
{
    char detail[100];
    struct samples samples = trace_samples(t);
    struct signal_report report = signal_inspect(&samples, t->rate_hz, 1.0);
    struct err why = {.detail = "the current varies as a current does"};
    bool alive = !signal_judge(&report, t->rate_hz, &why) && report.finding != SIGNAL_CONSTANT;
    double lone = signal_lone_share(t);
    if (alive && lone > LONE_SHARE_MAX) {
        snprintf(detail, sizeof(detail), "lone samples carry %.2f %% of a window", lone * 100);
        add_gate(a, "signal_alive", false, lone, LONE_SHARE_MAX, detail);
    } else
        add_gate(a, "signal_alive", alive, (double)report.finding, 0,
                 report.finding == SIGNAL_CONSTANT ? "all samples are equal" : why.detail);
}

static void add_trace_gates(struct analysis *a, const struct trace *t)
{
    add_lost_gate(a, t);
    if (t->window_count)
        add_clock_gate(a, t);
    add_signal_gate(a, t);
    add_recorded_gates(a, t);
}

static enum err_code analyze_trace(struct analysis *a, const char *path, struct err *e)
{
    struct trace t;
    enum err_code code = trace_read(path, &t, e);
    if (code)
        return code;
    struct samples samples = trace_samples(&t);
    a->rate_hz = t.rate_hz;
    a->samples = samples.count;
    make_room(a, t.window_count);
    for (size_t i = 0; a->per_window_j && i < t.window_count; i++) {
        const struct trace_window *w = &t.windows[i];
        double sum_a = span_total_a(&samples, t.rate_hz, w->start_s, w->end_s, EDGE_FRACTIONAL);
        add_window(a, w->start_s, w->end_s, sum_a / t.rate_hz * t.volts_v, w->inferences);
    }
    add_common_gates(a);
    add_trace_gates(a, &t);
    trace_free(&t);
    return ERR_OK;
}

static void print_table(const struct analysis *a, double median_j)
{
    printf("%llu samples at %g Hz\n%10s %10s %14s %11s %16s\n", (unsigned long long)a->samples,
           a->rate_hz, "start s", "end s", "energy J", "inferences", "J/inference");
    size_t i;
    json_t *w;
    json_array_foreach(a->windows, i, w) printf(
        "%10.3f %10.3f %14.6g %11lld %16.6g\n", json_real_value(json_object_get(w, "start_s")),
        json_real_value(json_object_get(w, "end_s")),
        json_real_value(json_object_get(w, "energy_j")),
        (long long)json_integer_value(json_object_get(w, "inferences")),
        json_real_value(json_object_get(w, "energy_per_inference_j")));
    if (a->known)
        printf("median %.9g J per inference\n", median_j);
    json_t *g;
    json_array_foreach(a->gates, i, g)
        printf("%-18s %s  %s\n", json_string_value(json_object_get(g, "name")),
               json_is_true(json_object_get(g, "passed")) ? "passed" : "FAILED",
               json_string_value(json_object_get(g, "detail")));
}

static void print_analysis(const struct analysis *a, bool json)
{
    /* a median over some of the windows would not be the median */
    bool whole = a->known && a->known == a->count;
    double median_j = stat_median(a->per_inference_j, a->known);
    json_t *out =
        json_pack("{s:f,s:I,s:O,s:o,s:O}", "sample_rate_hz", a->rate_hz, "samples",
                  (json_int_t)a->samples, "windows", a->windows, "median_energy_per_inference_j",
                  whole ? json_real(median_j) : json_null(), "gates", a->gates);
    if (json)
        power_print(out);
    else
        print_table(a, median_j);
    json_decref(out);
}

enum err_code power_analyze(const char *path, bool json, struct err *e)
{
    struct stat st;
    if (stat(path, &st))
        return err_set(e, IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return err_set(e, INVALID, "%s is neither a file nor a folder", path);
    struct analysis a = {.windows = json_array(), .gates = json_array()};
    enum err_code code =
        S_ISDIR(st.st_mode) ? analyze_mlperf(&a, path, e) : analyze_trace(&a, path, e);
    if (!code && !a.per_window_j)
        code = err_set(e, INTERNAL, "no memory");
    if (!code)
        print_analysis(&a, json);
    json_decref(a.windows);
    json_decref(a.gates);
    free(a.per_window_j);
    return code;
}
