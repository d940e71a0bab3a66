/* Energy against latency, with the Pareto front: what no other result beats in both. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/report/report.h"

enum { WIDTH = 860, HEIGHT = 560, LABELS_MAX = 24 };

struct labels {
    struct chart_box box[LABELS_MAX];
    size_t count;
};

static int by_latency(const void *a, const void *b)
{
    const struct measurement *x = *(const struct measurement *const *)a;
    const struct measurement *y = *(const struct measurement *const *)b;
    int order = (x->latency_s > y->latency_s) - (x->latency_s < y->latency_s);
    return order ? order : (x->energy_j < y->energy_j) - (x->energy_j > y->energy_j);
}

static bool drawable(const struct measurement *m)
{
    return m->passed && m->energy_j > 0 && m->latency_s > 0;
}

/* The front by growing latency, in out; returns its size. */
static size_t front(const struct report *r, const struct measurement **out)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < r->measurement_count; i++)
        if (drawable(&r->measurements[i]))
            out[n++] = &r->measurements[i];
    if (n)
        qsort(out, n, sizeof(const struct measurement *), by_latency);
    double best = INFINITY;
    for (size_t i = 0; i < n; i++) {
        bool last_of_its_latency = i + 1 == n || out[i + 1]->latency_s > out[i]->latency_s;
        if (!last_of_its_latency || out[i]->energy_j >= best)
            continue;
        best = out[i]->energy_j;
        out[kept++] = out[i];
    }
    return kept;
}

/* A staircase: a result stands for everything slower until the next one is better. */
static void draw_front(struct chart *c, const struct measurement **points, size_t count)
{
    static const double dashes[] = {5, 4};
    if (count == 0)
        return;
    cairo_move_to(c->cr, chart_x(c, points[0]->latency_s), c->plot.y);
    for (size_t i = 0; i < count; i++) {
        double x = chart_x(c, points[i]->latency_s), y = chart_y(c, points[i]->energy_j);
        double next =
            i + 1 < count ? chart_x(c, points[i + 1]->latency_s) : c->plot.x + c->plot.width;
        cairo_line_to(c->cr, x, y);
        cairo_line_to(c->cr, next, y);
    }
    chart_set_colour(c, &c->colours->muted, 1);
    cairo_set_line_width(c->cr, 1.5);
    cairo_set_dash(c->cr, dashes, COUNT(dashes), 0);
    cairo_stroke(c->cr);
    cairo_set_dash(c->cr, NULL, 0, 0);
}

static bool overlaps(const struct chart_box *a, const struct chart_box *b)
{
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

static bool is_free(const struct chart *c, const struct labels *taken, const struct chart_box *box)
{
    if (box->x < c->plot.x || box->x + box->width > c->plot.x + c->plot.width ||
        box->y < c->plot.y || box->y + box->height > c->plot.y + c->plot.height)
        return false;
    for (size_t i = 0; i < taken->count; i++)
        if (overlaps(&taken->box[i], box))
            return false;
    return true;
}

/* True when no mark lies under the box. */
static bool is_clear(const struct chart *c, const struct report *r, const struct chart_box *box)
{
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (!drawable(m))
            continue;
        struct chart_box mark = {chart_x(c, m->latency_s) - 5, chart_y(c, m->energy_j) - 5, 10, 10};
        if (overlaps(&mark, box))
            return false;
    }
    return true;
}

static double within(double x, double min, double max)
{
    return fmax(min, fmin(x, max));
}

/* Below a result of the front there is no other one: the first free line down there takes its name.
 */
static void label(struct chart *c, const struct report *r, struct labels *taken,
                  const struct measurement *m)
{
    double x = chart_x(c, m->latency_s), y = chart_y(c, m->energy_j);
    double width = fmin(chart_text_width(c, m->model, 11, false), 230);
    double right = c->plot.x + c->plot.width - width - 4;
    const double beside[] = {x - width / 2, x - width - 9, x + 9, x - width - 40, x + 40};
    for (int line = 0; line < 8; line++) {
        for (size_t i = 0; i < COUNT(beside); i++) {
            struct chart_box box = {within(beside[i], c->plot.x + 4, right), y + 8 + 14 * line,
                                    width, 13};
            if (!is_free(c, taken, &box) || !is_clear(c, r, &box) || taken->count == LABELS_MAX)
                continue;
            taken->box[taken->count++] = box;
            chart_set_colour(c, &c->colours->muted, 0.7);
            cairo_set_line_width(c->cr, 0.8);
            cairo_move_to(c->cr, x, y);
            cairo_line_to(c->cr, within(x, box.x, box.x + width), box.y + 1);
            cairo_stroke(c->cr);
            chart_set_colour(c, &c->colours->paper, 0.85);
            cairo_rectangle(c->cr, box.x, box.y, width, 13);
            cairo_fill(c->cr);
            chart_write_cut(c, box.x, box.y + 10.5, width + 1,
                            (struct chart_text){11, ALIGN_LEFT, false, NULL}, m->model);
            return;
        }
    }
}

static void fit_axes(struct chart *c, const struct report *r)
{
    double x[2] = {INFINITY, -INFINITY}, y[2] = {INFINITY, -INFINITY};
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (!drawable(m))
            continue;
        x[0] = fmin(x[0], m->latency_s);
        x[1] = fmax(x[1], m->latency_s);
        y[0] = fmin(y[0], m->energy_j);
        y[1] = fmax(y[1], m->energy_j);
    }
    c->x = (struct chart_axis){scale_fit(x[0], x[1], true), "Latency per inference", "s", false};
    c->y = (struct chart_axis){scale_fit(y[0], y[1], true), "Energy per inference", "J", false};
    if (c->y.scale.log)
        c->y.scale.min /=
            pow(c->y.scale.max / c->y.scale.min, 0.08); /* room for names below the front */
}

static double draw_legend(struct chart *c, struct arena *a, const struct report *r)
{
    struct chart_legend_item *items = arena_array(a, struct chart_legend_item, r->target_count + 1);
    for (size_t i = 0; i < r->target_count; i++)
        items[i] = (struct chart_legend_item){r->targets[i], i, false};
    double used = chart_legend(c, 16, 40, items, r->target_count);
    chart_write(
        c, 16, 40 + used, (struct chart_text){11, ALIGN_LEFT, false, &c->colours->muted},
        "Dashed: Pareto front; no result needs less energy and less time.  Named: results on it.");
    if (r->emulated_count)
        chart_emulated(c, r->emulated_count == r->measurement_count);
    return 40 + used + 18;
}

enum err_code report_figure_pareto(struct arena *a, const struct report *r,
                                   struct chart_target target, struct err *e)
{
    struct chart c;
    struct labels taken = {.count = 0};
    const struct measurement **points =
        arena_array(a, const struct measurement *, r->measurement_count + 1);
    size_t count = front(r, points);

    chart_open(&c, target, WIDTH, HEIGHT);
    double top = draw_legend(&c, a, r);
    c.plot = (struct chart_box){96, top, WIDTH - 96 - 28, HEIGHT - top - 58};
    fit_axes(&c, r);
    chart_axes(&c);
    draw_front(&c, points, count);
    for (size_t i = 0; i < count; i++)
        label(&c, r, &taken, points[i]);
    c.small_marks = r->result_count > 400;
    for (size_t i = 0; i < r->measurement_count; i++) {
        const struct measurement *m = &r->measurements[i];
        if (drawable(m))
            chart_mark(&c, chart_x(&c, m->latency_s), chart_y(&c, m->energy_j), report_series(r, m),
                       false);
    }
    return chart_close(&c, e);
}
