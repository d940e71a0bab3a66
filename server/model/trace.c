#include "server/model/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 8, PART_BYTES = 12, DIGEST_BYTES = 32, SUSPECTS_MAX = 10000 };

/* ---- the file ---- */

static enum err_code take_part(const uint8_t *bytes, size_t len, size_t *at, const char *name,
                               struct raw *out, struct err *e)
{
    uint64_t size = 0;

    if (len - *at < PART_BYTES + DIGEST_BYTES || memcmp(bytes + *at, name, 4) != 0)
        return err_set(e, INVALID, "the trace has no part %s at byte %zu", name, *at);
    for (int i = 7; i >= 0; i--)
        size = size << 8 | bytes[*at + 4 + (size_t)i];
    if (size > len - *at - PART_BYTES - DIGEST_BYTES)
        return err_set(e, INVALID, "the trace is cut off inside of its part %s", name);
    *out = (struct raw){(const char *)bytes + *at + PART_BYTES, size};
    *at += PART_BYTES + size + DIGEST_BYTES;
    return ERR_OK;
}

static int compare_spans(const void *a, const void *b)
{
    const struct trace_span *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* Those that touch become one. */
static void join_spans(struct recording *r)
{
    size_t kept = 0;

    qsort(r->suspects, r->suspect_count, sizeof(*r->suspects), compare_spans);
    for (size_t i = 0; i < r->suspect_count; i++) {
        struct trace_span s = r->suspects[i];
        if (kept && s.first <= r->suspects[kept - 1].end) {
            if (s.end > r->suspects[kept - 1].end)
                r->suspects[kept - 1].end = s.end;
        } else {
            r->suspects[kept++] = s;
        }
    }
    r->suspect_count = kept;
}

static void take_suspects(struct arena *a, struct recording *r)
{
    struct val list = val_get(r->head, "suspects");
    size_t room = val_count(list) < SUSPECTS_MAX ? val_count(list) : SUSPECTS_MAX;

    r->suspects = arena_array(a, struct trace_span, room + 1);
    for (struct val_iter it = val_each(list); r->suspect_count < room && val_next(&it);) {
        int64_t first, count;
        if (!val_int64(val_get(it.value, "first"), &first) ||
            !val_int64(val_get(it.value, "count"), &count) || first < 0 || count <= 0 ||
            (uint64_t)first >= r->count)
            continue; /* a block without samples has nothing to leave out */
        uint64_t left = r->count - (uint64_t)first, many = (uint64_t)count;
        r->suspects[r->suspect_count++] =
            (struct trace_span){(uint64_t)first, (uint64_t)first + (many < left ? many : left)};
    }
    join_spans(r);
}

static enum err_code take_head(struct arena *a, struct raw head, struct recording *r, struct err *e)
{
    struct doc_error bad;
    int64_t lost = 0;

    if (!doc_parse(a, head.text, head.len, &r->doc, &bad))
        return err_set(e, INVALID, "the head of the trace is not JSON: %s", bad.reason);
    r->head = doc_root(&r->doc);
    struct val code = val_get(r->head, "code");
    r->sample_bytes = val_equals(code, "hex16", 5) ? 2 : val_equals(code, "dec32", 5) ? 4 : 0;
    if (!r->sample_bytes || !val_double(val_get(r->head, "rate_hz"), &r->rate_hz) ||
        !val_double(val_get(r->head, "volts_v"), &r->volts) ||
        !(r->rate_hz > 0 && r->rate_hz <= 1e9) || !isfinite(r->volts))
        return err_set(e, INVALID, "the head of the trace is not one that this server knows");
    if (val_int64(val_get(r->head, "lost"), &lost) && lost > 0)
        r->lost = (uint64_t)lost;
    return ERR_OK;
}

enum err_code recording_open(struct arena *a, const uint8_t *bytes, size_t len,
                             struct recording *out, struct err *e)
{
    size_t at = MAGIC_BYTES;
    struct raw head, samples;

    *out = (struct recording){0};
    if (len < MAGIC_BYTES || memcmp(bytes, "SYTRACE1", MAGIC_BYTES) != 0)
        return err_set(e, INVALID, "the file is not a trace");
    enum err_code rc = take_part(bytes, len, &at, "HEAD", &head, e);
    if (!rc)
        rc = take_head(a, head, out, e);
    if (!rc)
        rc = take_part(bytes, len, &at, "SAMP", &samples, e);
    if (rc)
        return rc;
    out->samples = (const uint8_t *)samples.text;
    out->count = samples.len / out->sample_bytes;
    for (int i = 0; i < 256; i++)
        out->powers[i] = powl(10.0L, (int8_t)i);
    take_suspects(a, out);
    return ERR_OK;
}

double recording_sample_a(const struct recording *r, uint64_t index)
{
    static const double weights[16] = {0x1p0,   0x1p-4,  0x1p-8,  0x1p-12, 0x1p-16, 0x1p-20,
                                       0x1p-24, 0x1p-28, 0x1p-32, 0x1p-36, 0x1p-40, 0x1p-44,
                                       0x1p-48, 0x1p-52, 0x1p-56, 0x1p-60};
    const uint8_t *p = r->samples + index * r->sample_bytes;

    if (r->sample_bytes == 2)
        return (p[0] | (p[1] & 0xF) << 8) * weights[p[1] >> 4];
    return (double)((uint32_t)(p[0] | p[1] << 8 | p[2] << 16) * r->powers[p[3]]);
}

/* ---- bins ---- */

static const struct trace_bin empty = {INFINITY, -INFINITY, 0, 0};

static void merge(struct trace_bin *into, const struct trace_bin *other)
{
    into->min = other->min < into->min ? other->min : into->min;
    into->max = other->max > into->max ? other->max : into->max;
    into->sum += other->sum;
    into->count += other->count;
}

static void add_range(const struct recording *r, uint64_t at, uint64_t end, struct trace_bin *b)
{
    for (; at < end; at++) {
        double a = recording_sample_a(r, at);
        b->min = a < b->min ? a : b->min;
        b->max = a > b->max ? a : b->max;
        b->sum += a;
        b->count++;
    }
}

/* The first suspect that ends behind `at`. */
static size_t suspect_at(const struct recording *r, uint64_t at)
{
    size_t low = 0, high = r->suspect_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (r->suspects[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_samples(const struct recording *r, uint64_t at, uint64_t end, struct trace_bin *b)
{
    for (size_t i = suspect_at(r, at); at < end; i++) {
        bool more = i < r->suspect_count && r->suspects[i].first < end;
        uint64_t stop = !more ? end : r->suspects[i].first > at ? r->suspects[i].first : at;
        add_range(r, at, stop, b);
        at = more ? r->suspects[i].end : end;
    }
}

/* ---- the pyramid ---- */

static size_t level_bins(uint64_t samples, int level)
{
    uint64_t width = TRACE_BASE;
    for (int i = 0; i < level; i++)
        width *= TRACE_STEP;
    return (size_t)((samples + width - 1) / width);
}

size_t pyramid_bins(uint64_t samples)
{
    size_t bins = 0;
    for (int level = 0; level < TRACE_LEVELS; level++)
        bins += level_bins(samples, level);
    return bins;
}

void pyramid_build(const struct recording *r, struct trace_bin *out)
{
    size_t below = level_bins(r->count, 0);

    for (size_t i = 0; i < below; i++) {
        uint64_t at = i * TRACE_BASE, left = r->count - at;
        out[i] = empty;
        add_samples(r, at, at + (left < TRACE_BASE ? left : TRACE_BASE), &out[i]);
    }
    for (int level = 1; level < TRACE_LEVELS; level++) {
        size_t bins = level_bins(r->count, level);
        const struct trace_bin *from = out;
        out += below;
        for (size_t i = 0; i < bins; i++) {
            out[i] = empty;
            for (size_t k = i * TRACE_STEP; k < (i + 1) * TRACE_STEP && k < below; k++)
                merge(&out[i], &from[k]);
        }
        below = bins;
    }
}

void recording_use(struct recording *r, const struct trace_bin *pyramid)
{
    for (int level = 0; level < TRACE_LEVELS; level++) {
        r->levels[level] = pyramid;
        pyramid += level_bins(r->count, level);
    }
}

/* ---- the view ---- */

/* The widest bin that begins at `at` and ends by `end`; -1: none. */
static int widest(const struct recording *r, uint64_t at, uint64_t end, uint64_t *out_width)
{
    int level = -1;
    uint64_t width = TRACE_BASE;

    for (int i = 0; i < TRACE_LEVELS; i++, width *= TRACE_STEP) {
        uint64_t left = r->count - at, covers = left < width ? left : width;
        if (at % width || covers > end - at)
            break;
        level = i;
        *out_width = width;
    }
    return level;
}

static struct trace_bin look(const struct recording *r, uint64_t at, uint64_t end)
{
    struct trace_bin b = empty;
    uint64_t width = TRACE_BASE;

    while (at < end) {
        int level = widest(r, at, end, &width);
        if (level >= 0) {
            merge(&b, &r->levels[level][at / width]);
            at = end - at < width ? end : at + width;
        } else {
            uint64_t edge = (at / TRACE_BASE + 1) * TRACE_BASE;
            add_samples(r, at, edge < end ? edge : end, &b);
            at = edge < end ? edge : end;
        }
    }
    return b;
}

size_t recording_view(const struct recording *r, uint64_t first, uint64_t end, size_t pixels,
                      struct trace_bin *out)
{
    end = end < r->count ? end : r->count;
    if (first >= end)
        return 0;
    uint64_t samples = end - first, count = samples < pixels ? samples : pixels;
    for (uint64_t i = 0; i < count; i++)
        out[i] = look(r, first + samples * i / count, first + samples * (i + 1) / count);
    return (size_t)count;
}
