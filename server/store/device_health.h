/* Health checks of devices: who is due, and what a check that is over means. */
#pragma once
#include "server/db/db.h"
#include "shared/json/value.h"

/* Both in transactions of their own; the number of checks. */
MUST_CHECK enum err_code health_settle_all(struct work *w, size_t *out_count);
MUST_CHECK enum err_code health_begin_all(struct work *w, size_t *out_count);
/* The runs of checks that are not settled yet. */
MUST_CHECK enum err_code health_open_runs(struct work *w, struct uuids *out);
/* When a device is due by its schedule, TIME_NONE: never. */
MUST_CHECK enum err_code health_next(struct work *w, int64_t *out_us);
