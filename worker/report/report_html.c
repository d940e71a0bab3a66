/* report.html: one file, no scripts, no network. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/report/html.h"
#include "worker/report/report.h"

static void cell(struct buf *b, const char *class, const char *text)
{
    html_put(b, "<td class=\"%s\">", class);
    html_text(b, text);
    buf_lit(b, "</td>");
}

static void cell_si(struct buf *b, double value, const char *unit, int digits)
{
    char text[SI_TEXT_BYTES] = "–";
    if (isfinite(value))
        si_format(value, unit, digits, text);
    cell(b, "n", text);
}

static void cell_percent(struct buf *b, double rel)
{
    if (rel > 0 && rel < 1e-4)
        buf_lit(b, "<td class=n>&lt;\u00a00.01\u00a0%</td>");
    else if (isfinite(rel))
        html_put(b, "<td class=n>%.2g\u00a0%%</td>", 100 * rel);
    else
        buf_lit(b, "<td class=n>–</td>");
}

static void cell_bytes(struct buf *b, int64_t bytes)
{
    if (bytes > 0)
        html_put(b, "<td class=n>%.0f\u00a0KiB</td>", (double)bytes / 1024);
    else
        buf_lit(b, "<td class=n>–</td>");
}

static void cell_origin(struct buf *b, const struct measurement *m)
{
    html_put(b, m->emulated ? "<td class=emu>emulated</td>" : "<td>measured</td>");
}

/* ---- figures ---- */

typedef enum err_code figure_fn(struct arena *a, const struct report *r,
                                const struct measurement *m, struct chart_target target,
                                struct err *e);

static enum err_code energy(struct arena *a, const struct report *r, const struct measurement *m,
                            struct chart_target target, struct err *e)
{
    (void)m;
    return report_figure_energy(a, r, target, e);
}

static enum err_code pareto(struct arena *a, const struct report *r, const struct measurement *m,
                            struct chart_target target, struct err *e)
{
    (void)m;
    return report_figure_pareto(a, r, target, e);
}

static enum err_code trace(struct arena *a, const struct report *r, const struct measurement *m,
                           struct chart_target target, struct err *e)
{
    (void)a;
    (void)r;
    return report_figure_trace(m, target, e);
}

struct figure {
    figure_fn *draw;
    const struct measurement *m; /* NULL: of the whole report */
    const char *alt;
};

static enum err_code put_drawing(struct arena *a, const struct report *r, const struct figure *f,
                                 enum chart_theme theme, struct buf *out, struct err *e)
{
    struct buf svg = {.max_bytes = 4 << 20};
    enum err_code rc = f->draw(a, r, f->m, (struct chart_target){CHART_SVG, theme, &svg}, e);
    buf_lit(out, "data:image/svg+xml;base64,");
    html_base64(out, &svg);
    buf_free(&svg);
    return rc;
}

/* Both themes; the browser takes the one that fits. */
static enum err_code put_picture(struct arena *a, const struct report *r, const struct figure *f,
                                 struct buf *out, struct err *e)
{
    buf_lit(out,
            "<figure><picture><source media=\"screen and (prefers-color-scheme:dark)\" srcset=\"");
    enum err_code rc = put_drawing(a, r, f, CHART_DARK, out, e);
    buf_lit(out, "\"><img alt=\"");
    html_text(out, f->alt);
    buf_lit(out, "\" src=\"");
    if (rc == ERR_OK)
        rc = put_drawing(a, r, f, CHART_LIGHT, out, e);
    buf_lit(out, "\"></picture>");
    return rc;
}

static enum err_code put_summary_figures(struct arena *a, const struct report *r, struct buf *b,
                                         struct err *e)
{
    const struct figure first = {energy, NULL,
                                 "Dot plot of energy per inference by model and target; "
                                 "the numbers are in table 1."};
    const struct figure second = {pareto, NULL,
                                  "Scatter plot of energy per inference against latency "
                                  "with the Pareto front; the numbers are in table 1."};
    const char *emulated = !r->emulated_count                          ? ""
                           : r->emulated_count == r->measurement_count ? " Emulated."
                                                                       : " Partly emulated.";
    enum err_code rc = put_picture(a, r, &first, b, e);
    if (rc)
        return rc;
    html_put(b,
             "<figcaption><b>Figure 1.</b> Energy per inference by model and target: median of the "
             "windows, total and dynamic.%s</figcaption></figure>\n",
             emulated);
    rc = put_picture(a, r, &second, b, e);
    html_put(b,
             "<figcaption><b>Figure 2.</b> Total energy per inference against latency.%s"
             "</figcaption></figure>\n",
             emulated);
    return rc;
}

static enum err_code put_traces(struct arena *a, const struct report *r, struct buf *b,
                                struct err *e)
{
    const struct measurement *shown[REPORT_TRACES_MAX];
    size_t count = report_traces(r, shown);
    enum err_code rc = ERR_OK;
    if (count)
        buf_lit(b, "<h2>Current traces</h2>\n");
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        const struct figure f = {trace, shown[i],
                                 "Current over time with the measured windows marked."};
        rc = put_picture(a, r, &f, b, e);
        html_put(b, "<figcaption><b>Figure %zu.</b> ", i + 3);
        html_text(b, arena_printf(a, "%s on %s", shown[i]->model, shown[i]->target));
        html_put(b, ", %zu windows%s.%s</figcaption></figure>\n", shown[i]->window_count,
                 shown[i]->passed ? "" : " (not a result: a gate failed)",
                 shown[i]->emulated ? " Emulated." : "");
    }
    if (count == REPORT_TRACES_MAX && r->measurement_count > count)
        html_put(
            b,
            "<p class=sub>The first %zu of %zu traces are drawn; recordings that were kept are in "
            "the store under their SHA-256.</p>\n",
            count, r->measurement_count);
    return rc;
}

/* ---- head ---- */

static void put_ribbon(const struct report *r, struct buf *b)
{
    if (r->emulated_count == 0)
        return;
    if (r->emulated_count == r->measurement_count)
        buf_lit(b, "<div class=ribbon>Emulated: no figure in this report was measured on "
                   "hardware.</div>\n");
    else
        html_put(
            b, "<div class=ribbon>%zu of %zu measurements are emulated; their rows say so.</div>\n",
            r->emulated_count, r->measurement_count);
}

static void put_tile(struct buf *b, const char *big, const char *small)
{
    buf_lit(b, "<div class=tile><b>");
    html_text(b, big);
    buf_lit(b, "</b><span>");
    html_text(b, small);
    buf_lit(b, "</span></div>\n");
}

static void put_best(struct arena *a, const struct report *r, struct buf *b)
{
    const struct measurement *least = NULL, *fastest = NULL;
    char text[SI_TEXT_BYTES];
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (m->passed && (!least || m->energy_j < least->energy_j))
            least = m;
        if (m->passed && m->latency_s > 0 && (!fastest || m->latency_s < fastest->latency_s))
            fastest = m;
    }
    if (least) {
        si_format(least->energy_j, "J", 4, text);
        put_tile(b, text, arena_printf(a, "least energy: %s on %s", least->model, least->target));
    }
    if (fastest) {
        si_format(fastest->latency_s, "s", 4, text);
        put_tile(b, text,
                 arena_printf(a, "least latency: %s on %s", fastest->model, fastest->target));
    }
}

static void put_head(struct arena *a, const struct report *r, struct buf *b)
{
    char made[TIME_TEXT_BYTES];
    time_format(r->made_us / 60000000 * 60000000, made);
    buf_lit(b, "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
               "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
               "<meta name=\"color-scheme\" content=\"light dark\"><title>Energy report: ");
    html_text(b, r->campaign);
    buf_lit(b, "</title>\n<style>\n");
    buf_add(b, report_style, strlen(report_style));
    if (r->emulated_count)
        html_put(b, "@page{@top-right{content:\"%s\";color:#8a3000;font:600 8.5pt sans-serif}}\n",
                 r->emulated_count == r->measurement_count ? "EMULATED" : "PARTLY EMULATED");
    buf_lit(b, "</style></head>\n<body>\n");
    put_ribbon(r, b);
    buf_lit(b, "<main><header><p class=eyebrow>Energy report</p><h1>");
    html_text(b, r->campaign);
    html_put(
        b,
        "</h1><p class=sub>%zu model%s, %zu target%s. Made %.10s %.5s UTC by Switchyard %s.</p>"
        "</header>\n<div class=tiles>\n",
        r->model_count, r->model_count == 1 ? "" : "s", r->target_count,
        r->target_count == 1 ? "" : "s", made, made + 11, VERSION);
    put_tile(
        b, arena_printf(a, "%zu of %zu", r->result_count, r->measurement_count + r->failure_count),
        "runs gave a result");
    put_best(a, r, b);
    size_t not_results = r->measurement_count - r->result_count;
    if (not_results + r->failure_count)
        put_tile(b, arena_printf(a, "%zu + %zu", not_results, r->failure_count),
                 "measurements refused by their gates + runs without a measurement");
    buf_lit(b, "</div>\n");
}

/* ---- tables ---- */

static void put_result_row(const struct report *r, const struct measurement *m, struct buf *b)
{
    bool best = report_is_pareto(r, m);
    buf_lit(b, "<tr><td class=name>");
    html_text(b, m->model);
    html_put(b, best ? " <span class=pareto title=\"on the Pareto front\">◆</span></td>" : "</td>");
    cell(b, "kind", m->target);
    cell_si(b, m->energy_j, "J", 4);
    cell_percent(b, 2 * m->uncertainty_rel);
    cell_si(b, m->dynamic_energy_j, "J", 4);
    cell_percent(b, 2 * m->dynamic_uncertainty_rel);
    cell_si(b, m->latency_s, "s", 4);
    cell_si(b, m->baseline_a, "A", 3);
    html_put(b, "<td class=n>%zu\u00a0×\u00a0%lld</td>", m->window_count,
             (long long)m->windows[0].inferences);
    cell_percent(b, m->energy_mad_j / m->energy_j);
    cell_bytes(b, m->flash_bytes);
    cell_bytes(b, m->ram_bytes);
    cell_origin(b, m);
    buf_lit(b, "</tr>\n");
}

static void put_results(const struct report *r, struct buf *b)
{
    buf_lit(
        b,
        "<div class=wide><table><caption><b>Table 1.</b> Energy is the median of the "
        "windows, "
        "per inference, over the whole rail; dynamic is what remains above idle; U is the relative "
        "expanded uncertainty (k = 2) of the energy before it; windows are given with their "
        "inferences; MAD is the median "
        "absolute deviation of the windows. ◆ is on the "
        "Pareto front.</caption><thead><tr><th>Model<th>Target<th class=n>Energy<th class=n>U"
        "<th class=n>Dynamic<th class=n>U<th class=n>Latency<th class=n>Idle<th class=n>Windows<th "
        "class=n>MAD"
        "<th class=n>Flash<th class=n>RAM<th>Origin</tr></thead><tbody>\n");
    for (size_t i = 0; i < r->measurement_count; i++)
        if (r->measurements[i].passed)
            put_result_row(r, &r->measurements[i], b);
    if (r->result_count == 0)
        buf_lit(b, "<tr><td colspan=13>No measurement passed its gates.</td></tr>\n");
    buf_lit(b, "</tbody></table></div>\n");
}

/* What was noticed about measurements that are results all the same. */
static void put_notes(struct arena *a, const struct report *r, struct buf *b)
{
    size_t count = 0;
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (!m->passed || !m->warning_count)
            continue;
        if (!count++)
            buf_lit(b, "<h2>Notes on results</h2>\n<div class=\"wide kept\"><table><thead><tr>"
                       "<th>Model<th>Target<th>Noticed</tr></thead><tbody>\n");
        buf_lit(b, "<tr>");
        cell(b, "name", m->model);
        cell(b, "kind", m->target);
        cell(b, "reason", measurement_reason(a, m));
        buf_lit(b, "</tr>\n");
    }
    if (count)
        buf_lit(b, "</tbody></table></div>\n");
}

static void put_refused(struct arena *a, const struct report *r, struct buf *b)
{
    if (r->result_count == r->measurement_count)
        return;
    buf_lit(
        b,
        "<h2>Not results</h2>\n<div class=\"wide kept\"><table><caption><b>Table 2.</b> "
        "Measurements that failed a "
        "gate. Their figures are not results and appear in no plot of energy.</caption><thead><tr>"
        "<th>Model<th>Target<th>Why it is not a result<th>Origin</tr></thead><tbody>\n");
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (m->passed)
            continue;
        buf_lit(b, "<tr>");
        cell(b, "name", m->model);
        cell(b, "kind", m->target);
        cell(b, "reason bad", measurement_reason(a, m));
        cell_origin(b, m);
        buf_lit(b, "</tr>\n");
    }
    buf_lit(b, "</tbody></table></div>\n");
}

static void put_failed(const struct report *r, struct buf *b)
{
    if (r->failure_count == 0)
        return;
    html_put(b,
             "<h2>Runs without a measurement</h2>\n<div class=\"wide "
             "kept\"><table><caption><b>Table %d.</b> Runs that "
             "ended before they had "
             "one.</caption><thead><tr><th>Run<th>Model<th>Target<th>State<th>Reason"
             "</tr></thead><tbody>\n",
             r->result_count == r->measurement_count ? 2 : 3);
    for (size_t i = 0; i < r->failure_count; i++) {
        const struct failed_run *f = &r->failures[i];
        buf_lit(b, "<tr>");
        cell(b, "name", f->name);
        cell(b, "name", f->model);
        cell(b, "name", f->target);
        cell(b, "bad", f->state);
        cell(b, "reason", f->reason);
        buf_lit(b, "</tr>\n");
    }
    buf_lit(b, "</tbody></table></div>\n");
}

/* The first characters of a hash or an id. */
static void put_start(struct buf *b, const char *text, size_t max)
{
    char start[40];
    snprintf(start, sizeof start, "%.*s", (int)max, text);
    html_text(b, start[0] ? start : "–");
}

static void put_provenance_row(const struct measurement *m, struct buf *b)
{
    buf_lit(b, "<tr>");
    cell(b, "name", m->model);
    cell(b, "kind", m->target);
    buf_lit(b, "<td class=mono>");
    put_start(b, m->firmware_commit, 12);
    buf_lit(b, "<br>");
    put_start(b, m->build_id, 24);
    buf_lit(b, "</td><td class=name>");
    html_text(b, m->board);
    buf_lit(b, "<br>");
    html_text(b, m->meter);
    if (isfinite(m->meter_temperature_c))
        html_put(b, ", %.0f °C", m->meter_temperature_c);
    buf_lit(b, "</td>");
    cell_si(b, m->volts, "V", 3);
    cell_si(b, m->sample_rate_hz, "Hz", 3);
    html_put(b, "<td class=n>%lld<br>%lld lost</td><td class=mono>", (long long)m->samples,
             (long long)m->lost);
    put_start(b, m->trace_sha256, 16);
    buf_lit(b, "</td>");
    cell_origin(b, m);
    buf_lit(b, "</tr>\n");
}

static void put_provenance(const struct report *r, struct buf *b)
{
    if (r->measurement_count == 0)
        return;
    buf_lit(b, "<h2>Provenance</h2>\n<div "
               "class=wide><table><thead><tr><th>Model<th>Target<th>Firmware commit, "
               "build id<th>Board, meter<th class=n>Supply<th class=n>Rate<th "
               "class=n>Samples<th>Trace SHA-256"
               "<th>Origin</tr></thead><tbody>\n");
    for (size_t i = 0; i < r->measurement_count; i++)
        put_provenance_row(&r->measurements[i], b);
    buf_lit(b, "</tbody></table></div>\n");
}

static void put_method(struct buf *b)
{
    buf_lit(b, "<section class=method><h2>How the figures were obtained</h2>\n"
               "<p>The meter supplies the board with a fixed voltage V and samples its current i "
               "at a fixed rate f. "
               "The energy of a window is E = V / f · Σ i, summed exactly. A window holds N "
               "inferences back to back; "
               "the figure given is E / N, the median of all windows.</p>\n"
               "<p><b>Total</b> energy is that of the whole rail and compares with MLPerf Tiny. "
               "<b>Dynamic</b> energy "
               "is E less V · I<sub>idle</sub> · T, where I<sub>idle</sub> is the mean current of "
               "the idle firmware "
               "in the same recording and T the length of the window.</p>\n"
               "<p>The uncertainty combines gain, voltage, quantisation, window edges and "
               "repeatability in quadrature, that of dynamic energy the change of the idle "
               "current besides; "
               "U is twice that standard uncertainty (k = 2, about 95 %). It does not cover "
               "differences between boards "
               "of the same type.</p>\n"
               "<p>A measurement is a result only if all of its gates pass: no lost samples in a "
               "window, a clean stream, "
               "the expected number of windows, agreement of the board's and the meter's clock, "
               "repeatability, a steady "
               "idle current, exactly one boot, and the build id that was flashed.</p>\n"
               "<p>Emulated: the firmware ran on an emulator or the current came from a simulated "
               "meter. Such figures "
               "exercise the method; they say nothing about hardware.</p></section>\n");
}

enum err_code report_html(struct arena *a, const struct report *r, struct buf *out, struct err *e)
{
    put_head(a, r, out);
    enum err_code rc = put_summary_figures(a, r, out, e);
    if (rc)
        return rc;
    buf_lit(out, "<h2>Results</h2>\n");
    put_results(r, out);
    put_notes(a, r, out);
    put_refused(a, r, out);
    put_failed(r, out);
    rc = put_traces(a, r, out, e);
    if (rc)
        return rc;
    put_method(out);
    put_provenance(r, out);
    buf_lit(out, "</main></body></html>\n");
    return out->full ? err_set(e, TOO_LARGE, "report.html: larger than %zu bytes", out->max_bytes)
                     : ERR_OK;
}
