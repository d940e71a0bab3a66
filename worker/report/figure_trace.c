/* The current of one measurement over time, with its windows. */
#include <math.h>
#include <stdio.h>

#include "worker/report/report.h"

enum { WIDTH = 860, HEIGHT = 300 };

static void fit_axes(struct chart *c, const struct measurement *m)
{
    double top = 0, bottom = INFINITY;
    for (size_t i = 0; i < m->point_count; i++) {
        top = fmax(top, m->points[i].max_a);
        bottom = fmin(bottom, m->points[i].min_a);
    }
    /* Time and current start at zero: a trace that hides its offset looks more lively than it is.
     */
    double last = m->points[m->point_count - 1].t_s;
    c->x = (struct chart_axis){{false, 0, last}, "Time", "s", false};
    c->y = (struct chart_axis){scale_fit(fmin(0, bottom), top, false), "Current", "A", false};
}

static void draw_windows(struct chart *c, const struct measurement *m)
{
    double free_from = 0;
    for (size_t i = 0; i < m->window_count; i++) {
        double x0 = chart_x(c, m->windows[i].start_s), x1 = chart_x(c, m->windows[i].end_s);
        char number[24];
        chart_set_colour(c, &c->colours->series[4], 0.20);
        cairo_rectangle(c->cr, x0, c->plot.y, fmax(x1 - x0, 1), c->plot.height);
        cairo_fill(c->cr);
        snprintf(number, sizeof number, "%zu", i + 1);
        double half = chart_text_width(c, number, 11, true) / 2, middle = (x0 + x1) / 2;
        if (middle - half < free_from)
            continue;
        free_from = middle + half + 4;
        chart_write(c, middle, c->plot.y - 5,
                    (struct chart_text){11, ALIGN_MIDDLE, true, &c->colours->muted}, number);
    }
}

/* From the smallest to the largest sample of each stretch. */
static void draw_band(struct chart *c, const struct measurement *m)
{
    for (size_t i = 0; i < m->point_count; i++)
        cairo_line_to(c->cr, chart_x(c, m->points[i].t_s), chart_y(c, m->points[i].max_a));
    for (size_t i = m->point_count; i > 0; i--)
        cairo_line_to(c->cr, chart_x(c, m->points[i - 1].t_s), chart_y(c, m->points[i - 1].min_a));
    cairo_close_path(c->cr);
    chart_set_colour(c, &c->colours->series[5], 0.55);
    cairo_fill(c->cr);
}

static void draw_mean(struct chart *c, const struct measurement *m)
{
    for (size_t i = 0; i < m->point_count; i++)
        cairo_line_to(c->cr, chart_x(c, m->points[i].t_s), chart_y(c, m->points[i].mean_a));
    chart_set_colour(c, &c->colours->series[0], 1);
    cairo_set_line_width(c->cr, 1.2);
    cairo_stroke(c->cr);
}

static void draw_baseline(struct chart *c, const struct measurement *m)
{
    static const double dashes[] = {5, 4};
    if (!isfinite(m->baseline_a) || m->baseline_a <= 0)
        return;
    double y = chart_y(c, m->baseline_a);
    chart_set_colour(c, &c->colours->series[1], 1);
    cairo_set_line_width(c->cr, 1.2);
    cairo_set_dash(c->cr, dashes, COUNT(dashes), 0);
    cairo_move_to(c->cr, c->plot.x, y);
    cairo_line_to(c->cr, c->plot.x + c->plot.width, y);
    cairo_stroke(c->cr);
    cairo_set_dash(c->cr, NULL, 0, 0);
}

static void draw_key(struct chart *c, const struct measurement *m)
{
    const struct {
        const char *name;
        size_t series;
        double alpha, height;
        bool shown;
    } keys[] = {{"mean", 0, 1, 2, true},
                {"smallest to largest sample", 5, 0.55, 9, true},
                {"window", 4, 0.35, 9, m->window_count > 0},
                {"idle", 1, 1, 2, isfinite(m->baseline_a) && m->baseline_a > 0}};
    double x = c->plot.x;
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (!keys[i].shown)
            continue;
        chart_set_colour(c, &c->colours->series[keys[i].series], keys[i].alpha);
        cairo_rectangle(c->cr, x, 18 - keys[i].height / 2, 18, keys[i].height);
        cairo_fill(c->cr);
        chart_write(c, x + 24, 22, (struct chart_text){11, ALIGN_LEFT, false, &c->colours->muted},
                    keys[i].name);
        x += 24 + chart_text_width(c, keys[i].name, 11, false) + 18;
    }
}

enum err_code report_figure_trace(const struct measurement *m, struct chart_target target,
                                  struct err *e)
{
    struct chart c;
    chart_open(&c, target, WIDTH, HEIGHT);
    c.plot = (struct chart_box){76, 48, WIDTH - 76 - 22, HEIGHT - 48 - 54};
    fit_axes(&c, m);
    chart_axes(&c);
    draw_windows(&c, m);
    cairo_save(c.cr);
    cairo_rectangle(c.cr, c.plot.x, c.plot.y, c.plot.width, c.plot.height);
    cairo_clip(c.cr);
    draw_band(&c, m);
    draw_mean(&c, m);
    draw_baseline(&c, m);
    cairo_restore(c.cr);
    draw_key(&c, m);
    if (m->emulated)
        chart_emulated(&c, true);
    return chart_close(&c, e);
}
