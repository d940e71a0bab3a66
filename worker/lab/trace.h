/* One recording: raw samples, what is known to be wrong with them, marks, windows, where it is
 * from.
 *
 * File: `SYTRACE1`, then parts of {4 bytes name, 8 bytes length (little end first), bytes, SHA-256
 * of all three}: HEAD (JSON), SAMP (raw samples), PYRA (min/mean/max of 256 samples, then of 16
 * bins each, as float32), and an empty `END `.  A cut or a changed byte is found and named.
 *
 * Owns:   everything in it; trace_free() accepts a zeroed struct.
 * Errors: IO (file system), INVALID (damaged: which part), TOO_LARGE (the recording's ceiling).
 * Units:  sample k covers [k, k + 1) / rate_hz seconds. */
#pragma once
#include <jansson.h>

#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "worker/lab/v3pwr_stream.h"

enum {
    TRACE_MAX_BYTES = 512 << 20,
    TRACE_MAX_MARKS = 10000,
    TRACE_MAX_SUSPECTS = 10000,
    TRACE_SHA_TEXT = 65,
    TRACE_NAME_MAX = 16,
    TRACE_TEXT_MAX = 120,
};

struct trace_mark {
    uint64_t sample;
    char name[TRACE_NAME_MAX];
    char text[TRACE_TEXT_MAX];
};

struct trace_window {
    double start_s, end_s;
    uint64_t inferences;
    double device_s; /* the firmware's own time for all of them; 0: not known */
};

struct trace {
    enum sample_code code;
    double rate_hz, volts_v;
    struct buf raw;
    uint64_t lost; /* samples in suspect blocks */
    struct stream_block *suspects;
    size_t suspect_count;
    struct trace_mark *marks;
    size_t mark_count;
    struct trace_window *windows;
    size_t window_count;
    json_t *provenance; /* an object, or NULL */
};

/* One point of a drawn trace. */
struct trace_point {
    float min_a, mean_a, max_a;
};

struct samples trace_samples(const struct trace *t);
static inline uint64_t trace_count(const struct trace *t)
{
    return t->raw.len / (size_t)t->code;
}

void trace_init(struct trace *t, enum sample_code code, double rate_hz, double volts_v);
/* False when the ceiling is reached. */
MUST_CHECK bool trace_add(struct trace *t, const uint8_t *raw, size_t count);
/* These three keep the first ...MAX entries; `lost` counts all. */
void trace_suspect(struct trace *t, const struct stream_block *block);
void trace_mark(struct trace *t, uint64_t sample, const char *name, const char *text);
void trace_window(struct trace *t, const struct trace_window *window);
void trace_free(struct trace *t);

/* Is a block that lost something in a window? */
bool trace_lost_inside(const struct trace *t);
/* The largest difference between a window's length and the firmware's own time for it, relative; 1
 * where that is not known. */
double trace_clock_error_rel(const struct trace *t);
/* The mean over [first, end) without suspect blocks; 0 when nothing is left.  A. */
double trace_mean_a(const struct trace *t, uint64_t first, uint64_t end);

/* Points of `width` samples each over [first, end), which are there; the last one covers the rest.
 * Their number is returned. */
size_t trace_bins(const struct trace *t, uint64_t first, uint64_t end, uint64_t width,
                  struct trace_point *out);
/* Points of equal width over [first, end); at most `count`, the number is returned. */
size_t trace_view(const struct trace *t, uint64_t first, uint64_t end, size_t count,
                  struct trace_point *out);

MUST_CHECK enum err_code trace_write(const struct trace *t, const char *path,
                                     char out_sha256[static TRACE_SHA_TEXT], uint64_t *out_bytes,
                                     struct err *e);
MUST_CHECK enum err_code trace_read(const char *path, struct trace *out, struct err *e);
