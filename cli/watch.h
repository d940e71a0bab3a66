/* Follows flow runs until all are done, or the time is up, or the user interrupts.
 *
 * Progress goes to stderr: a table with a bar that redraws itself on a terminal, else one line per
 * change. An unreachable server is waited for (PATIENCE_S); the runs go on without it. */
#pragma once
#include "cli/resources.h"

struct watch_result {
    int completed, failed; /* failed: FAILED, CRASHED or CANCELLED */
    bool interrupted, time_up;
};

/* ids: array of strings.  timeout_s 0: no limit.  out_runs: the last seen rows, in the order of
 * ids. */
MUST_CHECK enum err_code watch_runs(struct cli *cli, const char *title, json_t *ids,
                                    int64_t timeout_s, struct watch_result *out, json_t **out_runs);
