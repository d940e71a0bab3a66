/* A drawing with two axes, as SVG or PNG, in a light or a dark theme.
 * Order: chart_open, set the plot's scales, chart_axes, draw, chart_legend, chart_close.
 * Units: pixels of 1/96 inch from the top left; PNG has two device pixels for each.
 * Thread: any; one chart belongs to one thread. */
#pragma once
#include <cairo.h>

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "worker/report/scale.h"

enum chart_format { CHART_SVG, CHART_PNG };
enum chart_theme { CHART_LIGHT, CHART_DARK };
enum { CHART_SERIES = 8 }; /* colours and shapes that can be told apart */

struct colour {
    double r, g, b;
};

struct chart_colours {
    struct colour paper, ink, muted, grid, warn;
    struct colour series[CHART_SERIES];
};

struct chart_box {
    double x, y, width, height;
};

struct chart_axis {
    struct scale scale;
    const char *title; /* without the unit */
    const char *unit;  /* SI unit without prefix */
    bool bare;         /* no ticks and no numbers: the caller draws them */
};

struct chart {
    enum chart_format format;
    const struct chart_colours *colours;
    cairo_surface_t *surface;
    cairo_t *cr;
    struct buf *out;
    double width, height;
    bool small_marks; /* for hundreds of them */
    struct chart_box plot;
    struct chart_axis x, y;
};

/* What a chart should become. */
struct chart_target {
    enum chart_format format;
    enum chart_theme theme;
    struct buf *out; /* receives the file */
};

void chart_open(struct chart *c, struct chart_target target, double width, double height);
/* Errors: IO when cairo failed, TOO_LARGE when the buffer is full. */
MUST_CHECK enum err_code chart_close(struct chart *c, struct err *e);

/* Frame, grid, ticks, numbers and titles around c->plot. */
void chart_axes(struct chart *c);

double chart_x(const struct chart *c, double value);
double chart_y(const struct chart *c, double value);

enum chart_align { ALIGN_LEFT, ALIGN_MIDDLE, ALIGN_RIGHT };
struct chart_text {
    double size_px;
    enum chart_align align;
    bool bold;
    const struct colour *colour; /* NULL: ink */
};
/* (x, y) is the base line's start, middle or end. */
void chart_write(struct chart *c, double x, double y, struct chart_text how, const char *text);
/* Cut with an ellipsis to fit max_px. */
void chart_write_cut(struct chart *c, double x, double y, double max_px, struct chart_text how,
                     const char *text);
double chart_text_width(struct chart *c, const char *text, double size_px, bool bold);

void chart_set_colour(struct chart *c, const struct colour *colour, double alpha);
/* Shape and colour of the n-th series; hollow ones are filled with paper. */
void chart_mark(struct chart *c, double x, double y, size_t series, bool hollow);
/* A horizontal (or vertical) error bar with caps, from a to b. */
void chart_whisker_x(struct chart *c, double a, double b, double y, size_t series);
void chart_whisker_y(struct chart *c, double x, double a, double b, size_t series);

struct chart_legend_item {
    const char *name;
    size_t series;
    bool hollow;
};
/* Rows of items from (x, y), wrapped at the chart's right edge.  Returns the height used. */
double chart_legend(struct chart *c, double x, double y, const struct chart_legend_item *items,
                    size_t count);
/* At the top right: EMULATED, or PARTLY EMULATED. */
void chart_emulated(struct chart *c, bool all);
