/* The base job template of a work pool, and the job variables that fill it.
 *
 * Errors: a reason for clients in Prefect's words, in the arena; NULL when all is well.
 * Source: the wire facts, section 7.2. */
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
