/* The base job template of a work pool, and the job variables that fill it.
 *
 * Errors: a reason for clients in Prefect's words, in the arena; NULL when all is well.
 * Source: the wire facts, sections 6 (schema preprocessing) and 7.2. */
#pragma once
#include "shared/json/doc.h"

/* Both parts are there, and every placeholder in the job configuration is a declared variable. */
const char *job_template_check(struct arena *a, struct val template);

enum job_check {
    JOB_POOL,       /* the template's own defaults must fit */
    JOB_DEPLOYMENT, /* what is required may still come; defaults that do not fit are left out */
    JOB_RUN,        /* all that is required must be there */
};

/* The variables of all layers, later ones win, against the template's schema. */
const char *job_variables_check(struct arena *a, struct val template, enum job_check check,
                                const struct val *layers, size_t layer_count);

/* How a schema that pydantic 1 wrote is to be read. */
struct schema_reading {
    bool preprocess;        /* optional properties accept null, `items` lists are tuples */
    bool null_with_default; /* the first also where there is a default */
    bool ignore_required;
};
/* The schema as it is to be read.  False when it is too large. */
MUST_CHECK bool schema_reread(struct arena *a, struct val schema, struct schema_reading how,
                              struct doc *out);
