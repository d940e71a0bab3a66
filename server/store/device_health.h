/* Health checks of devices: who is due, and what a check that is over means. */
#pragma once
#include "server/db/db.h"

/* Both in transactions of their own; the number of checks. */
MUST_CHECK enum err_code health_settle_all(struct work *w, size_t *out_count);
MUST_CHECK enum err_code health_begin_all(struct work *w, size_t *out_count);
/* *out_open: checks are under way; *out_us: when one is due by schedule, TIME_NONE: never. */
MUST_CHECK enum err_code health_next(struct work *w, bool *out_open, int64_t *out_us);
