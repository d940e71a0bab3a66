/* The log lines of one run on their way into the journal: gathered for at most 200 ms or 64 KB,
 * then one record. */
#pragma once
#include "worker/run/journal.h"

enum { RUN_LOG_DELAY_MS = 200 };

struct run_log {
    struct journal *journal;
    const char *flow_run_id;
    int64_t token;
    struct buf record; /* an open record, or empty */
};

/* level: 10 debug, 20 info, 30 warning, 40 error.  task_run_id may be NULL.  True: lines wait for
 * run_log_flush(). */
bool run_log_add(struct run_log *log, const char *logger, int level, const char *task_run_id,
                 const char *text, size_t len);
void run_log_flush(struct run_log *log);
void run_log_free(struct run_log *log);
