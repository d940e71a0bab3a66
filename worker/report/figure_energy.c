/* Energy per inference by model and target: one line per model as long as the names fit on a page,
 * then the models in order of their energy. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/report/report.h"

enum { WIDTH = 860, ROWS_PX_MAX = 1150, NARROW_ROW_PX = 19, DODGE_PX = 13, MARK_PX = 6 };

/* Which kind of figure has room for the names: one line per model and target, per model, or none.
 */
enum layout { ROWS, NARROW_ROWS, RANKS };

struct span {
    double min, max;
};

static void widen(struct span *s, double value)
{
    if (!isfinite(value) || value <= 0)
        return;
    s->min = fmin(s->min, value);
    s->max = fmax(s->max, value);
}

/* Half of the expanded uncertainty interval, k = 2. */
static double spread(double energy_j, double uncertainty_rel)
{
    return isfinite(uncertainty_rel) ? 2 * uncertainty_rel * energy_j : 0;
}

static struct span energies(const struct report *r)
{
    struct span s = {INFINITY, -INFINITY};
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (!m->passed)
            continue;
        double total_u = spread(m->energy_j, m->uncertainty_rel);
        double dynamic_u = spread(m->dynamic_energy_j, m->dynamic_uncertainty_rel);
        widen(&s, m->energy_j - total_u);
        widen(&s, m->energy_j + total_u);
        widen(&s, m->dynamic_energy_j - dynamic_u);
        widen(&s, m->dynamic_energy_j + dynamic_u);
        widen(&s, m->dynamic_energy_j);
    }
    return s;
}

static double head(struct chart *c, struct arena *a, const struct report *r, enum layout layout)
{
    struct chart_legend_item *items = arena_array(a, struct chart_legend_item, r->target_count + 1);
    for (size_t i = 0; i < r->target_count; i++)
        items[i] = (struct chart_legend_item){r->targets[i], i, false};
    if (r->emulated_count)
        chart_emulated(c, r->emulated_count == r->measurement_count);
    double used = chart_legend(c, 16, 40, items, r->target_count);
    if (layout != ROWS)
        return 40 + used;
    chart_write(c, 16, 40 + used, (struct chart_text){11, ALIGN_LEFT, false, &c->colours->muted},
                "Filled: total energy.  Hollow: dynamic energy (total less idle).  "
                "Bars, where wider than the mark: expanded uncertainty (k = 2).");
    return 40 + used + 18;
}

static void no_results(struct chart *c)
{
    chart_write(c, c->plot.x + c->plot.width / 2, c->plot.y + c->plot.height / 2,
                (struct chart_text){13, ALIGN_MIDDLE, false, &c->colours->muted},
                "No measurement passed its gates");
}

/* ---- one line per model ---- */

static size_t model_row(const struct report *r, const struct measurement *m)
{
    for (size_t i = 0; i < r->model_count; i++)
        if (strcmp(r->models[i], m->model) == 0)
            return i;
    return 0;
}

static void draw_whisker(struct chart *c, double energy_j, double u, double y, size_t series)
{
    if (energy_j > u && chart_x(c, energy_j + u) - chart_x(c, energy_j) > MARK_PX)
        chart_whisker_x(c, chart_x(c, energy_j - u), chart_x(c, energy_j + u), y, series);
}

/* Total and dynamic energy of one measurement, joined by a line. */
static void draw_pair(struct chart *c, const struct measurement *m, double y, size_t series)
{
    double x = chart_x(c, m->energy_j);
    if (m->dynamic_energy_j > 0) {
        double dynamic = chart_x(c, m->dynamic_energy_j);
        chart_set_colour(c, &c->colours->series[series % CHART_SERIES], 0.45);
        cairo_set_line_width(c->cr, 1);
        cairo_move_to(c->cr, dynamic, y);
        cairo_line_to(c->cr, x, y);
        cairo_stroke(c->cr);
        draw_whisker(c, m->dynamic_energy_j,
                     spread(m->dynamic_energy_j, m->dynamic_uncertainty_rel), y, series);
        chart_mark(c, dynamic, y, series, true);
    }
    draw_whisker(c, m->energy_j, spread(m->energy_j, m->uncertainty_rel), y, series);
    chart_mark(c, x, y, series, false);
}

static void draw_row_marks(struct chart *c, const struct report *r, double row_px)
{
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (!m->passed)
            continue;
        size_t series = report_series(r, m);
        double offset = ((double)series - (double)(r->target_count - 1) / 2) * DODGE_PX;
        draw_pair(c, m, c->plot.y + ((double)model_row(r, m) + 0.5) * row_px + offset, series);
    }
}

static void draw_row_names(struct chart *c, const struct report *r, double row_px)
{
    for (size_t i = 0; i < r->model_count; i++) {
        double y = c->plot.y + (double)i * row_px;
        if (i % 2) {
            chart_set_colour(c, &c->colours->grid, 0.35);
            cairo_rectangle(c->cr, 8, y, c->plot.x + c->plot.width - 8, row_px);
            cairo_fill(c->cr);
        }
        chart_write_cut(c, c->plot.x - 10, y + row_px / 2 + 4, c->plot.x - 20,
                        (struct chart_text){12, ALIGN_RIGHT, false, NULL}, r->models[i]);
    }
}

static void by_rows(struct chart *c, const struct report *r, struct span s)
{
    double row_px = c->plot.height / fmax(1, (double)r->model_count);
    c->x = (struct chart_axis){scale_fit(s.min, s.max, true), "Energy per inference", "J", false};
    c->y = (struct chart_axis){.scale = {false, 0, 1}, .title = "", .unit = "", .bare = true};
    draw_row_names(c, r, row_px);
    chart_axes(c);
    if (r->result_count == 0)
        no_results(c);
    draw_row_marks(c, r, row_px);
}

/* All targets of a model on one line; total on the left, dynamic on the right. */
static void by_narrow_rows(struct chart *c, const struct report *r, struct span s)
{
    const char *const titles[] = {"Total energy per inference", "Dynamic energy per inference"};
    double row_px = c->plot.height / (double)r->model_count;
    c->y = (struct chart_axis){.scale = {false, 0, 1}, .title = "", .unit = "", .bare = true};
    draw_row_names(c, r, row_px);
    c->plot.width = (c->plot.width - 20) / 2;
    for (size_t panel = 0; panel < COUNT(titles); panel++) {
        c->x = (struct chart_axis){scale_fit(s.min, s.max, true), titles[panel], "J", false};
        chart_axes(c);
        if (r->result_count == 0)
            no_results(c);
        for (size_t i = 0; i < r->measurement_count; i++) {
            const struct measurement *m = &r->measurements[i];
            double value = panel ? m->dynamic_energy_j : m->energy_j;
            double y = c->plot.y + ((double)model_row(r, m) + 0.5) * row_px;
            if (m->passed && value > 0)
                chart_mark(c, chart_x(c, value), y, report_series(r, m), false);
        }
        c->plot.x += c->plot.width + 20;
    }
}

/* ---- the models in order ---- */

struct ranked {
    size_t model;
    double energy_j;
};

static int by_energy(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    return (x->energy_j > y->energy_j) - (x->energy_j < y->energy_j);
}

/* rank[model] = place; a model's place is that of its lowest energy. */
static double *rank_models(struct arena *a, const struct report *r)
{
    struct ranked *order = arena_array(a, struct ranked, r->model_count);
    double *rank = arena_array(a, double, r->model_count);
    for (size_t i = 0; i < r->model_count; i++)
        order[i] = (struct ranked){i, INFINITY};
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        struct ranked *o = &order[model_row(r, m)];
        if (m->passed)
            o->energy_j = fmin(o->energy_j, m->energy_j);
    }
    qsort(order, r->model_count, sizeof *order, by_energy);
    for (size_t i = 0; i < r->model_count; i++)
        rank[order[i].model] = (double)i + 1;
    return rank;
}

/* One of two panels: total or dynamic energy. */
static void draw_panel(struct chart *c, const struct report *r, const double *rank, bool dynamic)
{
    chart_axes(c);
    if (r->result_count == 0)
        no_results(c);
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        double value = dynamic ? m->dynamic_energy_j : m->energy_j;
        if (m->passed && value > 0)
            chart_mark(c, chart_x(c, rank[model_row(r, m)]), chart_y(c, value), report_series(r, m),
                       false);
    }
}

static void by_rank(struct chart *c, struct arena *a, const struct report *r, struct span s)
{
    double *rank = rank_models(a, r), height = (c->plot.height - 24) / 2;
    c->small_marks = true;
    c->plot.height = height;
    c->x = (struct chart_axis){{false, 0, (double)r->model_count + 1}, "", "", .bare = true};
    c->y = (struct chart_axis){scale_fit(s.min, s.max, true), "Total energy per inference", "J",
                               false};
    draw_panel(c, r, rank, false);
    c->plot.y += height + 24;
    c->x.bare = false;
    c->x.title = "Models, in the order of their least energy";
    c->y.title = "Dynamic energy per inference";
    draw_panel(c, r, rank, true);
}

static double longest_name(struct chart *c, const struct report *r)
{
    double widest = 40;
    for (size_t i = 0; i < r->model_count; i++)
        widest = fmax(widest, chart_text_width(c, r->models[i], 12, false));
    return fmin(widest, 260);
}

static enum layout choose_layout(const struct report *r, double *out_rows_px)
{
    double models = (double)r->model_count;
    double rows = models * (18 + DODGE_PX * (double)r->target_count),
           narrow = models * NARROW_ROW_PX;
    *out_rows_px = fmax(60, rows);
    if (rows <= ROWS_PX_MAX)
        return ROWS;
    *out_rows_px = narrow <= ROWS_PX_MAX ? narrow : 740;
    return narrow <= ROWS_PX_MAX ? NARROW_ROWS : RANKS;
}

enum err_code report_figure_energy(struct arena *a, const struct report *r,
                                   struct chart_target target, struct err *e)
{
    struct chart c;
    double rows_px;
    enum layout layout = choose_layout(r, &rows_px);
    double height = 40 + 20 * ceil((double)r->target_count / 4) + rows_px + 80;

    chart_open(&c, target, WIDTH, height);
    double top = head(&c, a, r, layout), left = layout == RANKS ? 92 : longest_name(&c, r) + 26;
    c.plot = (struct chart_box){left, top, WIDTH - left - 28, height - top - 58};
    if (layout == ROWS)
        by_rows(&c, r, energies(r));
    else if (layout == NARROW_ROWS)
        by_narrow_rows(&c, r, energies(r));
    else
        by_rank(&c, a, r, energies(r));
    return chart_close(&c, e);
}
