/* Measurements as rows.  A trigger writes them with their artifacts (migrations/0014). */
#pragma once
#include "server/db/db.h"

/* Two campaigns, model by model: one row with one column, a JSON array.  NOT_FOUND: one of
 * them has no measurement. */
MUST_CHECK enum err_code measurements_compare(struct work *w, const char *before, const char *after,
                                              struct rows *out);
