/* The empirical policy of a run: how it retries, and what orchestration remembers about pauses.
 *
 * Owns:   nothing; texts and delays live in the arena they were read with.
 * Units:  seconds.
 * Source: FlowRunPolicy and TaskRunPolicy of Prefect 3.9.1. */
#pragma once
#include <math.h>

#include "shared/json/codec.h"

enum run_kind { RUN_FLOW, RUN_TASK };
enum retry_type { RETRY_NONE = -1, RETRY_IN_PROCESS, RETRY_RESCHEDULE };
enum { RETRY_DELAYS_MAX = 50 };

struct retry_policy {
    struct given given;
    int64_t max_retries;        /* old name of retries, kept as sent */
    double retry_delay_seconds; /* old name of retry_delay, kept as sent */
    int64_t retries;            /* INT_NONE is null */
    int64_t retry_delay_s;      /* flow runs only; INT_NONE is null */
    struct raw retry_delay;     /* task runs only: null, a number or a list of numbers */
    double retry_jitter_factor; /* NAN is null; task runs only */
    struct strings pause_keys;  /* flow runs only, as the next two */
    enum tri resuming;
    enum retry_type retry_type;
};
#define RETRY_POLICY_INIT                                                                          \
    {                                                                                              \
        .retries = INT_NONE, .retry_delay_s = INT_NONE, .retry_jitter_factor = NAN,                \
        .retry_type = RETRY_NONE                                                                   \
    }

extern const struct resource flow_run_policy_resource, task_run_policy_resource;

/* Fills retries and retry_delay from their old names; pause keys become a set,
 * null the empty one. */
void retry_policy_complete(struct arena *a, enum run_kind kind, struct retry_policy *p);
MUST_CHECK enum err_code retry_policy_read(struct arena *a, enum run_kind kind, const char *text,
                                           size_t len, struct retry_policy *out, struct err *e);
void retry_policy_write(struct buf *b, enum run_kind kind, const struct retry_policy *p);

/* The delay before the retry that follows attempt number `run_count`; the last of a list repeats.
 */
double retry_policy_delay_s(const struct retry_policy *p, int64_t run_count);
