#include "worker/report/chart.h"

#include <assert.h>
#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define RGB(hex)                                                                                   \
    {                                                                                              \
        ((hex) >> 16) / 255.0, ((hex) >> 8 & 255) / 255.0, ((hex)&255) / 255.0                     \
    }

/* Source: the series of the light theme are Okabe and Ito's colours, which people with any kind of
 * colour vision can tell apart (https://jfly.uni-koeln.de/color/); the dark ones are lighter kin.
 */
static const struct chart_colours themes[] = {
    [CHART_LIGHT] = {.paper = RGB(0xFFFFFF),
                     .ink = RGB(0x1F2328),
                     .muted = RGB(0x59636E),
                     .grid = RGB(0xE3E6EA),
                     .warn = RGB(0xA63A00),
                     .series = {RGB(0x0072B2), RGB(0xD55E00), RGB(0x009E73), RGB(0xCC79A7),
                                RGB(0xE69F00), RGB(0x56B4E9), RGB(0x4D4D4D), RGB(0x8C6D1F)}},
    [CHART_DARK] = {.paper = RGB(0x161A20),
                    .ink = RGB(0xE6EAF0),
                    .muted = RGB(0x9AA5B1),
                    .grid = RGB(0x2B323B),
                    .warn = RGB(0xFFB27D),
                    .series = {RGB(0x5AB4F0), RGB(0xFF8A3D), RGB(0x2CC295), RGB(0xE29BC4),
                               RGB(0xF0B429), RGB(0xA6D8FA), RGB(0xC7C7C7), RGB(0xD8C77B)}},
};

/* fontconfig keeps its caches until the process ends, where LeakSanitizer counts some of them as
 * lost. */
__attribute__((weak)) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig";
}

enum { PNG_SCALE = 2 };
static const double label_px = 12, title_px = 12.5;

static cairo_status_t append(void *out, const unsigned char *bytes, unsigned len)
{
    struct buf *b = out;
    buf_add(b, bytes, len);
    return b->full ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

void chart_open(struct chart *c, struct chart_target target, double width, double height)
{
    *c = (struct chart){.format = target.format,
                        .colours = &themes[target.theme],
                        .out = target.out,
                        .width = width,
                        .height = height};
    if (c->format == CHART_SVG) {
        c->surface = cairo_svg_surface_create_for_stream(append, c->out, width, height);
        cairo_svg_surface_set_document_unit(c->surface, CAIRO_SVG_UNIT_PX);
    } else {
        c->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width * PNG_SCALE,
                                                (int)height * PNG_SCALE);
        cairo_surface_set_device_scale(c->surface, PNG_SCALE, PNG_SCALE);
    }
    c->cr = cairo_create(c->surface);
    chart_set_colour(c, &c->colours->paper, 1);
    cairo_paint(c->cr);
    cairo_set_line_cap(c->cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(c->cr, CAIRO_LINE_JOIN_ROUND);
}

enum err_code chart_close(struct chart *c, struct err *e)
{
    cairo_status_t status = cairo_status(c->cr);
    if (c->format == CHART_PNG && status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_write_to_png_stream(c->surface, append, c->out);
    cairo_destroy(c->cr);
    cairo_surface_finish(c->surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(c->surface);
    cairo_surface_destroy(c->surface);
    if (c->out->full)
        return err_set(e, TOO_LARGE, "plot: larger than %zu bytes", c->out->max_bytes);
    if (status != CAIRO_STATUS_SUCCESS)
        return err_set(e, IO, "plot: %s", cairo_status_to_string(status));
    return ERR_OK;
}

void chart_set_colour(struct chart *c, const struct colour *colour, double alpha)
{
    assert(colour);
    cairo_set_source_rgba(c->cr, colour->r, colour->g, colour->b, alpha);
}

double chart_x(const struct chart *c, double value)
{
    return c->plot.x + scale_at(&c->x.scale, value) * c->plot.width;
}

double chart_y(const struct chart *c, double value)
{
    return c->plot.y + (1 - scale_at(&c->y.scale, value)) * c->plot.height;
}

/* ---- text ---- */

static void choose_font(struct chart *c, double size_px, bool bold)
{
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cr, size_px);
}

double chart_text_width(struct chart *c, const char *text, double size_px, bool bold)
{
    cairo_text_extents_t extents;
    choose_font(c, size_px, bold);
    cairo_text_extents(c->cr, text, &extents);
    return extents.x_advance;
}

void chart_write(struct chart *c, double x, double y, struct chart_text how, const char *text)
{
    double width = chart_text_width(c, text, how.size_px, how.bold);
    chart_set_colour(c, how.colour ? how.colour : &c->colours->ink, 1);
    cairo_move_to(c->cr, x - width * (double)how.align / 2, y);
    cairo_show_text(c->cr, text);
}

/* The largest length up to len that does not cut a character in two. */
static size_t whole(const char *text, size_t len)
{
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void chart_write_cut(struct chart *c, double x, double y, double max_px, struct chart_text how,
                     const char *text)
{
    char cut[160];
    size_t len = strlen(text);
    len = whole(text, len < sizeof cut - 4 ? len : sizeof cut - 4);
    snprintf(cut, sizeof cut, "%.*s%s", (int)len, text, text[len] ? "…" : "");
    while (len > 1 && chart_text_width(c, cut, how.size_px, how.bold) > max_px) {
        len = whole(text, len - 1);
        snprintf(cut, sizeof cut, "%.*s…", (int)len, text);
    }
    chart_write(c, x, y, how, cut);
}

/* ---- axes ---- */

static void stroke(struct chart *c, double x0, double y0, double x1, double y1)
{
    cairo_move_to(c->cr, x0, y0);
    cairo_line_to(c->cr, x1, y1);
    cairo_stroke(c->cr);
}

static void number(const struct chart_axis *axis, double factor, double value,
                   char out_text[static SI_TEXT_BYTES])
{
    if (axis->scale.log)
        si_format_tick(value, axis->unit, out_text);
    else
        snprintf(out_text, SI_TEXT_BYTES, "%.6g", fabs(value) < 1e-30 ? 0 : value / factor);
}

/* Linear axes carry the prefix in the title, logarithmic ones at each number. */
static void axis_title(const struct chart_axis *axis, const char *prefix, char *out, size_t size)
{
    if (axis->scale.log || !axis->unit[0])
        snprintf(out, size, "%s", axis->title);
    else
        snprintf(out, size, "%s (%s%s)", axis->title, prefix, axis->unit);
}

static double axis_factor(const struct chart_axis *axis, const char **out_prefix)
{
    double factor = 1, size = fmax(fabs(axis->scale.min), fabs(axis->scale.max));
    *out_prefix = axis->unit[0] ? si_prefix(size * 0.999, &factor) : "";
    return factor;
}

static void x_axis(struct chart *c)
{
    const char *prefix;
    char text[SI_TEXT_BYTES], title[120];
    struct ticks ticks;
    double factor = axis_factor(&c->x, &prefix), bottom = c->plot.y + c->plot.height,
           free_from = -1;
    scale_ticks(&c->x.scale, (int)(c->plot.width / 60), &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        double x = chart_x(c, ticks.tick[i].value);
        chart_set_colour(c, &c->colours->grid, ticks.tick[i].labelled ? 1 : 0.55);
        stroke(c, x, c->plot.y, x, bottom);
        number(&c->x, factor, ticks.tick[i].value, text);
        double half = chart_text_width(c, text, label_px, false) / 2;
        if (!ticks.tick[i].labelled || x - half < free_from)
            continue;
        free_from = x + half + 6;
        chart_write(c, x, bottom + 18,
                    (struct chart_text){label_px, ALIGN_MIDDLE, false, &c->colours->muted}, text);
    }
    axis_title(&c->x, prefix, title, sizeof title);
    chart_write(c, c->plot.x + c->plot.width / 2, bottom + 40,
                (struct chart_text){title_px, ALIGN_MIDDLE, false, NULL}, title);
}

static void y_axis(struct chart *c)
{
    const char *prefix;
    char text[SI_TEXT_BYTES], title[120];
    struct ticks ticks;
    double factor = axis_factor(&c->y, &prefix), widest = 0, free_below = 1e9;
    scale_ticks(&c->y.scale, (int)(c->plot.height / 34), &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        double y = chart_y(c, ticks.tick[i].value);
        chart_set_colour(c, &c->colours->grid, ticks.tick[i].labelled ? 1 : 0.55);
        stroke(c, c->plot.x, y, c->plot.x + c->plot.width, y);
        if (!ticks.tick[i].labelled || y > free_below)
            continue;
        free_below = y - label_px - 3;
        number(&c->y, factor, ticks.tick[i].value, text);
        widest = fmax(widest, chart_text_width(c, text, label_px, false));
        chart_write(c, c->plot.x - 8, y + label_px * 0.36,
                    (struct chart_text){label_px, ALIGN_RIGHT, false, &c->colours->muted}, text);
    }
    axis_title(&c->y, prefix, title, sizeof title);
    cairo_save(c->cr);
    cairo_translate(c->cr, c->plot.x - 20 - widest, c->plot.y + c->plot.height / 2);
    cairo_rotate(c->cr, -M_PI / 2);
    chart_write(c, 0, 0, (struct chart_text){title_px, ALIGN_MIDDLE, false, NULL}, title);
    cairo_restore(c->cr);
}

void chart_axes(struct chart *c)
{
    cairo_set_line_width(c->cr, 1);
    if (!c->x.bare)
        x_axis(c);
    if (!c->y.bare)
        y_axis(c);
    chart_set_colour(c, &c->colours->muted, 1);
    stroke(c, c->plot.x, c->plot.y + c->plot.height, c->plot.x + c->plot.width,
           c->plot.y + c->plot.height);
    stroke(c, c->plot.x, c->plot.y, c->plot.x, c->plot.y + c->plot.height);
}

/* ---- marks ---- */

/* Corners on the unit circle, in 24ths of a turn from the top; none: a circle. */
static const struct {
    double size;
    int count;
    int corners[6];
} shapes[CHART_SERIES] = {
    {4.6, 0, {0}},         {5.6, 4, {0, 6, 12, 18}}, {5.8, 3, {0, 8, 16}},
    {5.8, 3, {4, 12, 20}}, {5.8, 4, {3, 9, 15, 21}}, {5.2, 6, {0, 4, 8, 12, 16, 20}},
    {5.8, 3, {6, 14, 22}}, {5.8, 3, {2, 10, 18}},
};

void chart_mark(struct chart *c, double x, double y, size_t series, bool hollow)
{
    size_t s = series % CHART_SERIES;
    double size = shapes[s].size * (c->small_marks ? 0.55 : 1);
    cairo_new_path(c->cr);
    if (shapes[s].count == 0)
        cairo_arc(c->cr, x, y, size, 0, 2 * M_PI);
    for (int i = 0; i < shapes[s].count; i++) {
        double angle = shapes[s].corners[i] * M_PI / 12;
        cairo_line_to(c->cr, x + size * sin(angle), y - size * cos(angle));
    }
    cairo_close_path(c->cr);
    chart_set_colour(c, hollow ? &c->colours->paper : &c->colours->series[s], 1);
    cairo_fill_preserve(c->cr);
    cairo_set_line_width(c->cr, hollow ? 1.5 : c->small_marks ? 0.4 : 1);
    chart_set_colour(c, hollow ? &c->colours->series[s] : &c->colours->paper, 1);
    cairo_stroke(c->cr);
}

void chart_whisker_x(struct chart *c, double a, double b, double y, size_t series)
{
    chart_set_colour(c, &c->colours->series[series % CHART_SERIES], 1);
    cairo_set_line_width(c->cr, 1.4);
    stroke(c, a, y, b, y);
    stroke(c, a, y - 4, a, y + 4);
    stroke(c, b, y - 4, b, y + 4);
}

void chart_whisker_y(struct chart *c, double x, double a, double b, size_t series)
{
    chart_set_colour(c, &c->colours->series[series % CHART_SERIES], 1);
    cairo_set_line_width(c->cr, 1.4);
    stroke(c, x, a, x, b);
    stroke(c, x - 4, a, x + 4, a);
    stroke(c, x - 4, b, x + 4, b);
}

double chart_legend(struct chart *c, double x, double y, const struct chart_legend_item *items,
                    size_t count)
{
    double at = x, row = y;
    for (size_t i = 0; i < count; i++) {
        double width = 18 + chart_text_width(c, items[i].name, label_px, false) + 20;
        if (at > x && at + width > c->width - 8) {
            at = x;
            row += 20;
        }
        chart_mark(c, at + 6, row - 4, items[i].series, items[i].hollow);
        chart_write(c, at + 18, row, (struct chart_text){label_px, ALIGN_LEFT, false, NULL},
                    items[i].name);
        at += width;
    }
    return row - y + 20;
}

void chart_emulated(struct chart *c, bool all)
{
    chart_write(c, c->width - 12, 18, (struct chart_text){11, ALIGN_RIGHT, true, &c->colours->warn},
                all ? "EMULATED" : "PARTLY EMULATED");
}
