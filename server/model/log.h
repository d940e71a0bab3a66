/* A line of a run's log. */
#pragma once
#include "shared/json/codec.h"

struct log {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    int64_t level; /* Python's: 10 debug ... 50 critical */
    const char *message;
    int64_t timestamp_us;
    struct uuid flow_run_id, task_run_id;
};

extern const struct resource log_resource, log_create_resource;
