/* Folders of MLPerf Tiny energy runs.
 *
 *   trace1-energy.bin       0xF1, float32 sample rate, then float32 microjoule per sample
 *   trace1-timestamps.json  event times in s; window k is [ts[k-1], ts[k]), inferences run in the
 *                           even ones
 *   results.txt             the published answers; absent in unpublished runs
 *
 * The published rule is kept to the bit: t starts at 0 and grows by 1/rate in double; a window sums
 * the samples with start <= t < end.  Where results.txt is present, every figure in it must agree
 * with the trace up to the choice of the samples at a window's edges, and with each other; a folder
 * that contradicts itself is refused.
 *
 * Owns:   what mlperf_read() allocated; mlperf_free() accepts a zeroed struct.
 * Errors: IO (no such file), INVALID (damaged; the detail names file and place).
 * Source: power-and-boards, section 3.1. */
#pragma once
#include "shared/base/err.h"

enum { MLPERF_MAX_WINDOWS = 1000 };

struct mlperf_window {
    double start_s, end_s;
    size_t first; /* sample */
    uint64_t samples;
    double energy_j;
    uint64_t inferences; /* 0: not known (no results.txt) */
};

struct mlperf {
    double rate_hz;
    size_t count;
    float *energy_uj; /* per sample */
    struct mlperf_window *windows;
    size_t window_count;
    bool has_results;
    size_t published;           /* windows whose energy results.txt gives; they agree */
    bool edges_differ;          /* they agree but for a sample at the edge of a window */
    double worst_published_rel; /* largest difference to a published window energy */
};

MUST_CHECK enum err_code mlperf_read(const char *folder, struct mlperf *out, struct err *e);
void mlperf_free(struct mlperf *m);
