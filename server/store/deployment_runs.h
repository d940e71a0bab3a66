/* Runs of a deployment: what they inherit, checked and put together for flow_runs_insert(). */
#pragma once
#include "server/store/flow_runs.h"
#include "shared/json/doc.h"

/* A deployment as its runs see it; texts live in the arena of the work. */
struct run_source {
    struct uuid id, flow_id, work_queue_id, infrastructure_document_id;
    const char *version, *work_queue_name, *work_pool_name;
    struct val parameters, job_variables, tags, parameter_schema, job_template;
    bool enforce_parameter_schema;
};

/* NOT_FOUND. */
MUST_CHECK enum err_code run_source_get(struct work *w, struct uuid deployment,
                                        struct run_source *out);

/* Variables and other kinds put in place; BAD_REQUEST says whose (`of`) parameters cannot be. */
MUST_CHECK enum err_code parameters_hydrate(struct work *w, struct val parameters, const char *of,
                                            struct val *out);

/* The first one's members, overlaid by the second one's. */
struct val run_source_merge(struct work *w, struct val base, struct val over);

/* out->in is a struct flow_run_create of the arena.  BAD_REQUEST for parameters that cannot be
 * hydrated, CONFLICT for those that do not fit the schema, INVALID for job variables that do not.
 */
MUST_CHECK enum err_code run_source_prepare(struct work *w, const struct run_source *source,
                                            const struct flow_run_create *in,
                                            struct flow_run_new *out);
