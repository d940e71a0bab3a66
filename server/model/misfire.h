/* What becomes of the runs of a schedule that could not begin on time: because nobody took them, or
 * because the server was away and did not even make them.
 *
 *   {"policy": "run_all"}                             all are made and run, however late
 *   {"policy": "latest_only"}                         only the latest of them
 *   {"policy": "skip_if_later_than", "seconds": 600}  those that are not later than that
 *   {"policy": "cancel"}                              none
 *
 * Without a policy what was made is run (as Prefect does), and what was not made within a minute is
 * not made.
 * Thread: any. */
#pragma once
#include "shared/base/arena.h"
#include "shared/json/value.h"

enum misfire_policy {
    MISFIRE_DEFAULT,
    MISFIRE_RUN_ALL,
    MISFIRE_LATEST_ONLY,
    MISFIRE_SKIP,
    MISFIRE_CANCEL
};

struct misfire {
    enum misfire_policy policy;
    int64_t limit_us; /* MISFIRE_SKIP: how late a run may begin */
};

/* No text is the default.  NULL, or what is wrong. */
const char *misfire_read(struct arena *a, struct raw text, struct misfire *out);

/* Fire times from from_us to to_us were not dealt with: from when on they count. */
int64_t misfire_since(const struct misfire *m, int64_t from_us, int64_t to_us);
/* Of `count` such times, ascending: the first one that is to be made.  more: later ones follow. */
size_t misfire_first(const struct misfire *m, size_t count, bool more);
