/* The limits of settings.def that rules without a server to ask look at: checks of single members,
 * orchestration of task runs.   Order: set once, before the threads start; then read by all. */
#pragma once
#include "shared/base/base.h"

struct limits {
    int64_t parameters_bytes;
    int64_t cache_key_chars;
    int64_t scheduled_runs; /* of one schedule, ahead */
    double tag_wait_s;      /* the longest that a task run is told to wait for a slot */
};

const struct limits *limits(void);
void limits_set(const struct limits *values);
