/* A campaign's measurements and failed runs, out of what the API lists. */
#pragma once
#include "worker/report/report.h"

/* What is gathered, page by page.  Zero it, then add pages, then collect_finish(). */
struct collection {
    struct arena *arena;
    const char
        *own_run_id; /* the run that makes the report: it and others of its flow are not listed */
    const char *own_flow_id; /* found on the way */
    struct measurement *measurements;
    struct failed_run *failures;
    const char **artifact_keys; /* run, model and target of each measurement */
    size_t measurement_count, failure_count, run_count, unreadable;
    size_t measurement_room, failure_room;
};

/* Rows of POST /artifacts/filter, newest first.  Of each (run, model, target) the newest counts: a
 * retried task measured again.  Records that cannot be read are counted, with the last reason in e.
 * Errors: INVALID (not a list), TOO_LARGE (more than REPORT_ROWS_MAX). */
MUST_CHECK enum err_code collect_artifacts(struct collection *c, const json_t *rows, struct err *e);

/* Rows of POST /flow_runs/filter, after all artifacts: names the measurements' runs, and lists
 * those that ended badly, or have not ended, without one. */
MUST_CHECK enum err_code collect_runs(struct collection *c, const json_t *rows, struct err *e);

/* Into r, sorted. */
void collect_finish(struct collection *c, struct report *r);
