/* A campaign's measurements and failed runs, out of what the API lists. */
#pragma once
#include "worker/report/report.h"

/* A run of the campaign. */
struct listed_run {
    struct failed_run is;
    bool completed, measured;
};

/* What is gathered, page by page.  Zero it, then add pages, then collect_finish(). */
struct collection {
    struct arena *arena;
    const char
        *own_run_id; /* the run that makes the report: it and others of its flow are not listed */
    const char *own_flow_id; /* found on the way */
    struct measurement *measurements;
    struct listed_run *runs;
    json_t *run_places; /* of the runs, by their ids */
    json_t *keys;       /* run, model and target of each measurement */
    size_t measurement_count, run_count, unreadable;
    size_t measurement_room, run_room;
};

/* Rows of POST /flow_runs/filter; one that was there before is passed over.
 * Errors: INVALID (not a list), TOO_LARGE (more than REPORT_ROWS_MAX). */
MUST_CHECK enum err_code collect_runs(struct collection *c, const json_t *rows, struct err *e);

/* Rows of POST /artifacts/filter of runs that were collected, newest first.  Of each (run, model,
 * target) the newest counts: a retried task measured again.  Records that cannot be read are
 * counted, with the last reason in e.  Errors: as above. */
MUST_CHECK enum err_code collect_artifacts(struct collection *c, const json_t *rows, struct err *e);

/* Into r, sorted; failures are the runs without a measurement: those that ended badly or have not
 * ended, and those with a model that completed. */
void collect_finish(struct collection *c, struct report *r);
