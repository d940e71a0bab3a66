#include "worker/lab/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void trace_init(struct trace *t, enum sample_code code, double rate_hz, double volts_v)
{
    *t = (struct trace){.code = code, .rate_hz = rate_hz, .volts_v = volts_v};
    t->raw.max_bytes = TRACE_MAX_BYTES;
}

struct samples trace_samples(const struct trace *t)
{
    return (struct samples){t->code, (const uint8_t *)t->raw.bytes, trace_count(t)};
}

bool trace_add(struct trace *t, const uint8_t *raw, size_t count)
{
    buf_add(&t->raw, raw, count * (size_t)t->code);
    return !t->raw.full;
}

/* Room for one more of `size` bytes in a list that grows by doubling; NULL at the limit. */
static void *grow(void **list, size_t *count, size_t limit, size_t size)
{
    if (*count >= limit)
        return NULL;
    if ((*count & (*count - 1)) == 0) {
        void *grown = realloc(*list, (*count ? *count * 2 : 1) * size);
        if (!grown)
            return NULL;
        *list = grown;
    }
    char *slot = (char *)*list + *count * size;
    ++*count;
    return memset(slot, 0, size);
}

void trace_suspect(struct trace *t, const struct stream_block *block)
{
    t->lost += block->count ? block->count : STREAM_BLOCK_SAMPLES;
    struct stream_block *slot =
        grow((void **)&t->suspects, &t->suspect_count, TRACE_MAX_SUSPECTS, sizeof(*slot));
    if (slot)
        *slot = *block;
}

void trace_mark(struct trace *t, uint64_t sample, const char *name, const char *text)
{
    struct trace_mark *slot =
        grow((void **)&t->marks, &t->mark_count, TRACE_MAX_MARKS, sizeof(*slot));
    if (!slot)
        return;
    slot->sample = sample;
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    snprintf(slot->text, sizeof(slot->text), "%s", text ? text : "");
}

void trace_window(struct trace *t, const struct trace_window *window)
{
    struct trace_window *slot =
        grow((void **)&t->windows, &t->window_count, TRACE_MAX_MARKS, sizeof(*slot));
    if (slot)
        *slot = *window;
}

void trace_free(struct trace *t)
{
    buf_free(&t->raw);
    free(t->suspects);
    free(t->marks);
    free(t->windows);
    json_decref(t->provenance);
    *t = (struct trace){0};
}

bool trace_lost_inside(const struct trace *t)
{
    for (size_t i = 0; i < t->suspect_count; i++) {
        const struct stream_block *b = &t->suspects[i];
        double first_s = (double)b->first / t->rate_hz,
               end_s = (double)(b->first + b->count) / t->rate_hz;
        for (size_t k = 0; k < t->window_count; k++)
            if (end_s >= t->windows[k].start_s && first_s <= t->windows[k].end_s)
                return true;
    }
    return false;
}

double trace_clock_error_rel(const struct trace *t)
{
    double worst = 0;
    for (size_t i = 0; i < t->window_count; i++) {
        const struct trace_window *w = &t->windows[i];
        double off_s = fabs(w->end_s - w->start_s - w->device_s);
        worst = fmax(worst, w->device_s > 0 ? off_s / w->device_s : 1);
    }
    return worst;
}

double trace_mean_a(const struct trace *t, uint64_t first, uint64_t end)
{
    struct samples s = trace_samples(t);
    struct sample_sum sum = {0};
    end = end < s.count ? end : s.count;
    for (size_t i = 0; i < t->suspect_count && first < end; i++) {
        const struct stream_block *b = &t->suspects[i]; /* in order */
        if (b->first + b->count <= first)
            continue;
        sum_add(&sum, &s, first, b->first < end ? b->first : end);
        first = b->first + b->count;
    }
    sum_add(&sum, &s, first, end);
    return sum_mean_a(&sum);
}

/* The samples [first, end), which are there, as one point. */
static struct trace_point summarize(const struct samples *s, uint64_t first, uint64_t end)
{
    double sum = 0, min = sample_a(s, first), max = min;
    for (uint64_t k = first; k < end; k++) {
        double a = sample_a(s, k);
        sum += a;
        min = a < min ? a : min;
        max = a > max ? a : max;
    }
    return (struct trace_point){(float)min, (float)(sum / (double)(end - first)), (float)max};
}

size_t trace_bins(const struct trace *t, uint64_t first, uint64_t end, uint64_t width,
                  struct trace_point *out)
{
    struct samples s = trace_samples(t);
    size_t points = 0;
    for (uint64_t at = first; at < end; at += width)
        out[points++] = summarize(&s, at, at + width < end ? at + width : end);
    return points;
}

size_t trace_view(const struct trace *t, uint64_t first, uint64_t end, size_t count,
                  struct trace_point *out)
{
    if (end > trace_count(t))
        end = trace_count(t);
    if (end <= first || !count)
        return 0;
    return trace_bins(t, first, end, (end - first + count - 1) / count, out);
}
