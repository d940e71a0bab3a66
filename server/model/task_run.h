/* A task run on the wire: what clients send to make and change one, and what they read. */
#pragma once
#include "server/model/flow_run.h"

/* What is read; the rows name the columns (alias tr). */
struct task_run {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct uuid flow_run_id;
    const char *task_key, *dynamic_key, *cache_key;
    int64_t cache_expiration_us;
    const char *task_version;
    struct raw empirical_policy;
    struct strings tags;
    struct raw labels;
    struct uuid state_id;
    struct raw task_inputs;
    const char *state_type, *state_name;
    int64_t run_count, flow_run_run_count;
    int64_t expected_start_time_us, next_scheduled_start_time_us, start_time_us, end_time_us;
    double total_run_time, estimated_run_time, estimated_start_time_delta;
    struct state_read *state;
};

/* What is wrong with a cache key, NULL: nothing. */
const char *cache_key_check(struct arena *a, const char *key);

struct task_run_create {
    struct given given;
    struct uuid id;
    struct state_create *state;
    const char *name;
    struct uuid flow_run_id;
    const char *task_key, *dynamic_key, *cache_key;
    int64_t cache_expiration_us;
    const char *task_version;
    struct retry_policy *empirical_policy;
    struct strings tags;
    struct raw labels, task_inputs;
};

struct task_run_update {
    struct given given;
    const char *name;
};

extern const struct resource task_run_resource, task_run_paged_resource, task_run_create_resource,
    task_run_update_resource;
