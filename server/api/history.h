/* POST /flow_runs/history and /task_runs/history: how many runs of each state fall into each
 * interval. */
#pragma once
#include "server/api/listing.h"

/* Buckets by the expected start, all of them, also the empty ones; the first 500 of a longer time.
 * alias: of the runs in l->from; run_time and lateness: expressions in seconds. */
struct history {
    const struct listing *listing;
    const char *alias, *run_time, *lateness;
};

enum err_code history_reply(struct request *rq, const struct history *h);
