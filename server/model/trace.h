/* A recording as the dashboard draws it: min, mean and max of any window at any number of pixels.
 *
 * The file is the agent's (worker/lab/trace.h): parts {4 bytes name, 8 bytes length, bytes, 32
 * bytes digest} behind `SYTRACE1`, of which HEAD and SAMP are read.  The pyramid is made from SAMP
 * alone: level 0 has a bin per 256 samples, each further level one per 16 bins; the last bin of a
 * level may cover less.  A pixel is put together of the largest bins that lie inside of it and of
 * samples at its edges, so it is the same as if all of its samples had been looked at.
 *
 * Samples of blocks that lost or damaged something (`suspects`) count nowhere; a pixel without a
 * good sample has count 0.
 *
 * Borrows: the bytes of file and pyramid, for as long as the struct is used.  Thread: any (pure).
 * Errors: INVALID, which part is not as it should be.  Units: A; sample k covers [k, k + 1) / rate.
 */
#pragma once
#include "shared/base/err.h"
#include "shared/json/doc.h"

enum { TRACE_PIXELS_MAX = 4096, TRACE_LEVELS = 6, TRACE_BASE = 256, TRACE_STEP = 16 };

struct trace_span {
    uint64_t first, end;
};

struct trace_bin {
    double min, max, sum;
    uint64_t count; /* of good samples */
};

struct recording {
    const uint8_t *samples;
    size_t sample_bytes; /* 2: m * 16^-n; 4: m * 10^e */
    uint64_t count, lost;
    double rate_hz, volts;
    struct trace_span *suspects; /* in order, apart from each other */
    size_t suspect_count;
    struct doc doc;
    struct val head;
    long double powers[256]; /* of 10, by the exponent's byte */
    const struct trace_bin *levels[TRACE_LEVELS];
};

MUST_CHECK enum err_code recording_open(struct arena *a, const uint8_t *bytes, size_t len,
                                        struct recording *out, struct err *e);
double recording_sample_a(const struct recording *r, uint64_t index);

/* Of all levels. */
size_t pyramid_bins(uint64_t samples);
/* out: pyramid_bins(r->count) of them. */
void pyramid_build(const struct recording *r, struct trace_bin *out);
void recording_use(struct recording *r, const struct trace_bin *pyramid);

/* Pixels of equal width over [first, end); the number is returned: `pixels`, or one per sample. */
size_t recording_view(const struct recording *r, uint64_t first, uint64_t end, size_t pixels,
                      struct trace_bin *out);
