#include "server/api/traces.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/reply.h"
#include "server/store/traces.h"
#include "shared/json/write.h"

enum { PIXELS = 1000, SPANS_MAX = 500 };

struct window {
    double from_s, to_s; /* NAN: the whole */
    double pixels;
    uint64_t first, end; /* samples */
};

static enum err_code read_number(struct request *rq, const char *name, double *in_out)
{
    const char *text = request_query(rq, name);
    char *rest;

    if (!text)
        return ERR_OK;
    double value = strtod(text, &rest);
    if (rest == text || *rest || !isfinite(value))
        return err_set(&rq->work.err, INVALID, "`%s` is a number, not `%.40s`", name, text);
    *in_out = value;
    return ERR_OK;
}

static enum err_code read_window(struct request *rq, struct window *out)
{
    *out = (struct window){NAN, NAN, PIXELS, 0, 0};
    enum err_code rc = read_number(rq, "from", &out->from_s);
    if (!rc)
        rc = read_number(rq, "to", &out->to_s);
    if (!rc)
        rc = read_number(rq, "pixels", &out->pixels);
    if (rc)
        return rc;
    if (!(out->pixels >= 1 && out->pixels <= TRACE_PIXELS_MAX))
        return err_set(&rq->work.err, INVALID, "`pixels` is 1 to %d", TRACE_PIXELS_MAX);
    if (out->from_s >= out->to_s)
        return err_set(&rq->work.err, INVALID, "`from` must be before `to`");
    return ERR_OK;
}

/* Whole samples: those that the window touches. */
static void place(struct window *win, const struct recording *r)
{
    double first = isnan(win->from_s) ? 0 : floor(win->from_s * r->rate_hz + 1e-6);
    double end = isnan(win->to_s) ? (double)r->count : ceil(win->to_s * r->rate_hz - 1e-6);

    win->first = (uint64_t)fmin(fmax(first, 0), (double)r->count);
    win->end = (uint64_t)fmin(fmax(end, 0), (double)r->count);
}

/* Reads back equal; faster than the shortest text. */
static void write_quick(struct buf *b, double value)
{
    char text[32];
    write_separator(b);
    buf_add(b, text, (size_t)snprintf(text, sizeof(text), "%.17g", value));
}

static void write_line(struct buf *b, const char *key, const struct trace_bin *bins, size_t count,
                       double (*of)(const struct trace_bin *))
{
    write_key(b, key);
    write_array(b);
    for (size_t i = 0; i < count; i++)
        if (bins[i].count)
            write_quick(b, of(&bins[i]));
        else
            write_null(b);
    write_end_array(b);
}

static double min_of(const struct trace_bin *b)
{
    return b->min;
}
static double mean_of(const struct trace_bin *b)
{
    return b->sum / (double)b->count;
}
static double max_of(const struct trace_bin *b)
{
    return b->max;
}

/* Where samples are missing or damaged, within the window. */
static void write_suspects(struct buf *b, const struct recording *r, const struct window *win)
{
    size_t written = 0;

    write_key(b, "suspects");
    write_array(b);
    for (size_t i = 0; i < r->suspect_count && written < SPANS_MAX; i++) {
        const struct trace_span *s = &r->suspects[i];
        if (s->end <= win->first || s->first >= win->end)
            continue;
        written++;
        write_object(b);
        write_key(b, "start_s");
        write_double(b, (double)s->first / r->rate_hz);
        write_key(b, "end_s");
        write_double(b, (double)s->end / r->rate_hz);
        write_end_object(b);
    }
    write_end_array(b);
}

static void write_marks(struct buf *b, const struct recording *r, const struct window *win)
{
    size_t written = 0;

    write_key(b, "marks");
    write_array(b);
    for (struct val_iter it = val_each(val_get(r->head, "marks"));
         written < SPANS_MAX && val_next(&it);) {
        int64_t at;
        if (!val_int64(val_get(it.value, "at"), &at) || at < 0 || (uint64_t)at < win->first ||
            (uint64_t)at >= win->end)
            continue;
        written++;
        write_object(b);
        write_key(b, "at_s");
        write_double(b, (double)at / r->rate_hz);
        write_key(b, "name");
        write_raw(b, val_raw(val_get(it.value, "name")));
        write_key(b, "text");
        write_raw(b, val_raw(val_get(it.value, "text")));
        write_end_object(b);
    }
    write_end_array(b);
}

static void write_head(struct buf *b, const struct recording *r, const struct window *win)
{
    const struct {
        const char *key;
        double value;
    } numbers[] = {
        {"rate_hz", r->rate_hz},
        {"volts", r->volts},
        {"duration_s", (double)r->count / r->rate_hz},
        {"from_s", (double)win->first / r->rate_hz},
        {"to_s", (double)win->end / r->rate_hz},
    };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        write_key(b, numbers[i].key);
        write_double(b, numbers[i].value);
    }
    write_key(b, "samples");
    write_int64(b, (int64_t)r->count);
    write_key(b, "lost");
    write_int64(b, (int64_t)r->lost);
    write_key(b, "windows");
    struct val windows = val_get(r->head, "windows");
    write_raw(b, val_type(windows) == DOC_ARRAY ? val_raw(windows) : RAW("[]"));
}

enum err_code traces_get(struct request *rq)
{
    struct buf *b = &rq->reply.body;
    struct window win;
    struct recording *r = arena_new(&rq->work.arena, struct recording);
    const char *sha256 = rq->params[0];

    enum err_code rc = strlen(sha256) == 64 && strspn(sha256, "0123456789abcdef") == 64
                           ? read_window(rq, &win)
                           : err_set(&rq->work.err, NOT_FOUND, "File %.80s not found", sha256);
    if (!rc)
        rc = trace_map(&rq->work, sha256, r);
    if (rc)
        return rc;
    place(&win, r);
    size_t pixels = (size_t)win.pixels;
    struct trace_bin *bins = arena_array(&rq->work.arena, struct trace_bin, pixels);
    size_t count = recording_view(r, win.first, win.end, pixels, bins);
    write_object(b);
    write_head(b, r, &win);
    write_suspects(b, r, &win);
    write_marks(b, r, &win);
    write_line(b, "min_a", bins, count, min_of);
    write_line(b, "mean_a", bins, count, mean_of);
    write_line(b, "max_a", bins, count, max_of);
    write_end_object(b);
    reply_header(rq, "Cache-Control", "private, max-age=3600");
    return reply_status(rq, 200);
}
