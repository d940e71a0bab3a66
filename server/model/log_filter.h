/* LogFilter, matched against lines as they come (/logs/out).  Lists of stored lines are filtered in
 * SQL (server/db/filter_rows.c).
 *
 * Memory: that of the arena it was decoded in.   Thread: any.
 * Source: the wire facts, section 1.17. */
#pragma once
#include "server/model/log.h"
#include "shared/json/text_query.h"

struct log_filter {
    bool any;                          /* one condition is enough */
    int64_t level_ge, level_le;        /* INT_NONE: none, as TIME_NONE */
    int64_t before_us, after_us;       /* inclusive */
    struct uuids flow_runs, task_runs; /* items NULL: none */
    enum tri task_run_is_null;
    const char *query; /* NULL: none */
    struct text_query text;
};

/* null is the filter that takes all.  INVALID: bad->list says why. */
MUST_CHECK enum err_code log_filter_decode(struct val v, const struct loc *at,
                                           struct log_filter *out, struct invalid *bad);
bool log_filter_match(struct arena *a, const struct log_filter *f, const struct log *l);
