/* The report for programs: CSV (one row per measurement and failed run) and JSON; and a summary in
 * Markdown. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/report/html.h"
#include "worker/report/report.h"

/* Units are in the names, as everywhere. */
struct column {
    const char *name;
    enum { C_TEXT, C_REAL, C_WHOLE } type;
    size_t offset;
};

#define TEXT(m)                                                                                    \
    {                                                                                              \
#m, C_TEXT, offsetof(struct measurement, m)                                                \
    }
#define REAL(m, as)                                                                                \
    {                                                                                              \
        as, C_REAL, offsetof(struct measurement, m)                                                \
    }
#define WHOLE(m)                                                                                   \
    {                                                                                              \
#m, C_WHOLE, offsetof(struct measurement, m)                                               \
    }

static const struct column columns[] = {
    TEXT(model),
    TEXT(target),
    TEXT(board),
    TEXT(meter),
    TEXT(firmware_commit),
    TEXT(build_id),
    REAL(energy_j, "median_energy_per_inference_j"),
    REAL(energy_mad_j, "mad_energy_per_inference_j"),
    REAL(dynamic_energy_j, "median_dynamic_energy_per_inference_j"),
    REAL(dynamic_energy_mad_j, "mad_dynamic_energy_per_inference_j"),
    REAL(uncertainty_rel, "uncertainty_rel"),
    REAL(dynamic_uncertainty_rel, "dynamic_uncertainty_rel"),
    REAL(latency_s, "latency_s"),
    REAL(baseline_a, "baseline_a"),
    REAL(baseline_drift_rel, "baseline_drift_rel"),
    REAL(volts, "volts"),
    REAL(sample_rate_hz, "sample_rate_hz"),
    WHOLE(samples),
    WHOLE(lost),
    WHOLE(flash_bytes),
    WHOLE(ram_bytes),
    TEXT(trace_sha256),
    TEXT(flow_run_id),
    TEXT(flow_run_name),
};

/* Quoted when needed (RFC 4180); a leading = + - @ is disarmed, since spreadsheets would run it. */
static void csv_text(struct buf *b, const char *text)
{
    bool quote = text[strcspn(text, ",\"\r\n")] != 0 || strchr("=+-@", text[0]) != NULL;
    if (!quote || !text[0]) {
        buf_add(b, text, strlen(text));
        return;
    }
    buf_lit(b, "\"");
    if (strchr("=+-@", text[0]))
        buf_lit(b, "'");
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            buf_lit(b, "\"");
        buf_add(b, p, 1);
    }
    buf_lit(b, "\"");
}

static void csv_value(struct buf *b, const struct column *c, const struct measurement *m)
{
    const char *at = (const char *)m + c->offset;
    double real = c->type == C_REAL ? *(const double *)(const void *)at : 0;
    if (c->type == C_TEXT)
        csv_text(b, *(const char *const *)(const void *)at);
    else if (c->type == C_WHOLE)
        html_put(b, "%lld", (long long)*(const int64_t *)(const void *)at);
    else if (isfinite(real))
        html_put(b, "%.9g", real);
}

static void csv_failure(struct buf *out, const struct failed_run *f)
{
    const struct measurement none = {.model = f->model,
                                     .target = f->target,
                                     .board = "",
                                     .meter = "",
                                     .firmware_commit = "",
                                     .build_id = "",
                                     .trace_sha256 = "",
                                     .flow_run_id = f->id,
                                     .flow_run_name = f->name};
    buf_lit(out, "no measurement,,");
    csv_text(out, f->reason);
    buf_lit(out, ",0");
    for (size_t k = 0; k < COUNT(columns); k++) {
        buf_lit(out, ",");
        if (columns[k].type == C_TEXT)
            csv_value(out, &columns[k], &none);
    }
    buf_lit(out, "\r\n");
}

void report_csv(const struct report *r, struct buf *out)
{
    struct arena a = {0};
    buf_lit(out, "status,origin,reason,windows");
    for (size_t i = 0; i < COUNT(columns); i++)
        html_put(out, ",%s", columns[i].name);
    buf_lit(out, "\r\n");
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        html_put(out, "%s,%s,", m->passed ? "result" : "not a result",
                 m->emulated ? "emulated" : "measured");
        csv_text(out, measurement_reason(&a, m));
        html_put(out, ",%zu", m->window_count);
        for (size_t k = 0; k < COUNT(columns); k++) {
            buf_lit(out, ",");
            csv_value(out, &columns[k], m);
        }
        buf_lit(out, "\r\n");
        arena_reset(&a);
    }
    for (size_t i = 0; i < r->failure_count; i++)
        csv_failure(out, &r->failures[i]);
}

/* ---- JSON ---- */

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *windows_json(const struct measurement *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->window_count; i++) {
        const struct measured_window *w = &m->windows[i];
        json_array_append_new(
            list,
            json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o}", "start_s", real(w->start_s), "end_s",
                      real(w->end_s), "inferences", (json_int_t)w->inferences, "energy_j",
                      real(w->energy_j), "energy_per_inference_j", real(w->energy_per_inference_j),
                      "dynamic_energy_per_inference_j", real(w->dynamic_energy_per_inference_j),
                      "latency_s", real(w->latency_s)));
    }
    return list;
}

static json_t *gates_json(const struct measurement *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->gate_count; i++) {
        const struct measured_gate *g = &m->gates[i];
        json_array_append_new(list, json_pack("{s:s, s:b, s:o, s:o, s:s}", "name", g->name,
                                              "passed", g->passed, "value", real(g->value), "limit",
                                              real(g->limit), "detail", g->detail));
    }
    return list;
}

static json_t *measurement_json(const struct report *r, const struct measurement *m)
{
    struct arena a = {0};
    json_t *o = json_pack("{s:s, s:b, s:b, s:s}", "status", m->passed ? "result" : "not a result",
                          "emulated", m->emulated, "pareto", report_is_pareto(r, m), "reason",
                          measurement_reason(&a, m));
    arena_reset(&a);
    for (size_t i = 0; i < COUNT(columns); i++) {
        const char *at = (const char *)m + columns[i].offset;
        json_t *value;
        if (columns[i].type == C_TEXT)
            value = json_string(*(const char *const *)(const void *)at);
        else if (columns[i].type == C_WHOLE)
            value = json_integer(*(const int64_t *)(const void *)at);
        else
            value = real(*(const double *)(const void *)at);
        json_object_set_new(o, columns[i].name, value);
    }
    json_object_set_new(o, "windows", windows_json(m));
    json_object_set_new(o, "gates", gates_json(m));
    return o;
}

static int dump(const char *bytes, size_t len, void *out)
{
    buf_add(out, bytes, len);
    return 0;
}

void report_json(const struct report *r, struct buf *out)
{
    char made[TIME_TEXT_BYTES];
    time_format(r->made_us, made);
    json_t *measurements = json_array(), *failures = json_array();
    for (size_t i = 0; i < r->measurement_count; i++)
        json_array_append_new(measurements, measurement_json(r, &r->measurements[i]));
    for (size_t i = 0; i < r->failure_count; i++) {
        const struct failed_run *f = &r->failures[i];
        json_array_append_new(failures,
                              json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "flow_run_id", f->id,
                                        "flow_run_name", f->name, "model", f->model, "target",
                                        f->target, "state", f->state, "reason", f->reason));
    }
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:I, s:b, s:o, s:o}", "campaign", r->campaign, "made", made,
                  "switchyard", VERSION, "results", (json_int_t)r->result_count, "emulated",
                  r->emulated_count > 0, "measurements", measurements, "failed_runs", failures);
    json_dump_callback(root, dump, out, JSON_INDENT(1) | JSON_REAL_PRECISION(12));
    buf_lit(out, "\n");
    json_decref(root);
}

/* ---- Markdown ---- */

/* A cell of a table: no line breaks, no column separators, no markup. */
static void md_text(struct buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (strchr("\\|`*_[]<>#", *p))
            buf_lit(b, "\\");
        buf_add(b, *p == '\n' || *p == '\r' ? " " : p, 1);
    }
}

static void md_row(struct arena *a, const struct measurement *m, struct buf *b)
{
    char energy[SI_TEXT_BYTES], dynamic[SI_TEXT_BYTES], latency[SI_TEXT_BYTES];
    si_format(m->energy_j, "J", 4, energy);
    si_format(m->dynamic_energy_j, "J", 4, dynamic);
    si_format(m->latency_s, "s", 4, latency);
    buf_lit(b, "| ");
    md_text(b, m->model);
    buf_lit(b, " | ");
    md_text(b, m->target);
    if (m->passed) {
        html_put(b, " | %s | %s | %s | %s |\n", energy, dynamic, latency,
                 m->emulated ? "emulated" : "measured");
        return;
    }
    buf_lit(b, " | – | – | – | not a result: ");
    md_text(b, measurement_reason(a, m));
    html_put(b, "%s |\n", m->emulated ? " (emulated)" : "");
}

void report_markdown(struct arena *a, const struct report *r, struct buf *out)
{
    enum { ROWS_MAX = 200 };
    buf_lit(out, "# Energy report: ");
    md_text(out, r->campaign);
    html_put(out, "\n\n%zu of %zu runs gave a result.%s\n\n", r->result_count,
             r->measurement_count + r->failure_count,
             !r->emulated_count ? ""
             : r->emulated_count == r->measurement_count
                 ? " **Emulated figures: not measured on hardware.**"
                 : " **Some figures are emulated: not measured on hardware.**");
    buf_lit(out, "| model | target | energy per inference | dynamic | latency | origin |\n"
                 "|---|---|---:|---:|---:|---|\n");
    for (size_t i = 0; i < r->measurement_count && i < ROWS_MAX; i++)
        md_row(a, &r->measurements[i], out);
    if (r->measurement_count > ROWS_MAX)
        html_put(out, "\nThe first %d of %zu rows; report.csv has all.\n", ROWS_MAX,
                 r->measurement_count);
    for (size_t i = 0; i < r->failure_count && i < ROWS_MAX; i++) {
        html_put(out, i ? "- " : "\nRuns without a measurement:\n\n- ");
        md_text(out, r->failures[i].name);
        buf_lit(out, ": ");
        md_text(out, r->failures[i].reason);
        buf_lit(out, "\n");
    }
}
