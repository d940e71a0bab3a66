/* The report of a campaign: everything measured, everything that failed, with plots.
 *
 * report_write() makes, in one folder: report.html (self-contained, needs no network), report.csv,
 * report.json, and each figure as .svg and .png: energy, pareto, trace-01 ...
 * Only measurements whose gates all passed enter the figures of energy; the others are listed with
 * the reason.
 *
 * Borrows: everything in struct report, while the call lasts.
 * Thread: any; blocks on the disk. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/err.h"
#include "worker/report/chart.h"
#include "worker/report/measurement.h"

enum {
    REPORT_TRACES_MAX =
        24, /* current traces that are drawn; the other results have theirs in the store */
    REPORT_ROWS_MAX = 10000, /* measurements and failed runs */
    REPORT_FILES_MAX = 8 + 2 * REPORT_TRACES_MAX,
    REPORT_FILE_MAX_BYTES = 48 << 20,
};

struct report {
    const char *campaign;
    int64_t made_us;
    struct measurement *measurements; /* report_sort() puts them in order */
    struct failed_run *failures;
    size_t measurement_count, failure_count;

    /* Filled by report_sort(): names in the order of the figures. */
    const char **models, **targets;
    size_t model_count, target_count, result_count, emulated_count;
};

struct report_file {
    char name[40];
    const char *mime;
    const char *title;
};

struct report_files {
    struct report_file file[REPORT_FILES_MAX];
    size_t count;
};

/* By model, then target; counts. */
void report_sort(struct arena *a, struct report *r);

/* Errors: IO, TOO_LARGE. */
MUST_CHECK enum err_code report_write(struct arena *a, const struct report *r, const char *folder,
                                      struct report_files *out, struct err *e);

/* The parts, each into one buffer. */
MUST_CHECK enum err_code report_html(struct arena *a, const struct report *r, struct buf *out,
                                     struct err *e);
void report_csv(const struct report *r, struct buf *out);
void report_json(const struct report *r, struct buf *out);
/* The summary as Markdown, for the dashboard. */
void report_markdown(struct arena *a, const struct report *r, struct buf *out);

MUST_CHECK enum err_code report_figure_energy(struct arena *a, const struct report *r,
                                              struct chart_target target, struct err *e);
MUST_CHECK enum err_code report_figure_pareto(struct arena *a, const struct report *r,
                                              struct chart_target target, struct err *e);
MUST_CHECK enum err_code report_figure_trace(const struct measurement *m,
                                             struct chart_target target, struct err *e);

/* Which measurements get a trace figure: the first REPORT_TRACES_MAX that have points. */
size_t report_traces(const struct report *r,
                     const struct measurement *out[static REPORT_TRACES_MAX]);

/* True when no other result uses less energy and less time.  Thread: any. */
bool report_is_pareto(const struct report *r, const struct measurement *m);
/* The place of a target in r->targets: its series in every figure. */
size_t report_series(const struct report *r, const struct measurement *m);
