/* Work pools, their queues and workers, as clients see them. */
#pragma once
#include "shared/json/codec.h"

struct storage_configuration {
    struct given given;
    struct raw bundle_upload_step, bundle_execution_step;
    struct uuid default_result_storage_block_id;
};

struct work_pool {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name, *description, *type, *status;
    struct raw base_job_template, storage_configuration;
    enum tri is_paused;
    int64_t concurrency_limit, active_slots;
    struct uuid default_queue_id;
};

struct work_pool_create {
    struct given given;
    const char *name, *description, *type;
    struct raw base_job_template;
    bool is_paused;
    int64_t concurrency_limit;
    struct storage_configuration *storage_configuration;
};

struct work_pool_update {
    struct given given;
    const char *description;
    struct raw base_job_template;
    enum tri is_paused;
    int64_t concurrency_limit;
    struct storage_configuration *storage_configuration;
};

struct work_queue {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name, *description;
    bool is_paused;
    int64_t concurrency_limit, priority;
    struct uuid work_pool_id;
    struct raw filter;
    int64_t last_polled_us;
    const char *work_pool_name, *status;
    int64_t active_slots;
};

/* NULL items: of any. */
struct queue_filter {
    struct given given;
    struct strings tags;
    struct uuids deployment_ids;
};

/* For POST and PATCH; what is not given keeps its value or its default. */
struct work_queue_write {
    struct given given;
    const char *name, *description;
    bool is_paused;
    int64_t concurrency_limit, priority;
    struct queue_filter *filter;
    int64_t last_polled_us;
};

struct worker {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct uuid work_pool_id;
    int64_t last_heartbeat_time_us, heartbeat_interval_seconds;
    const char *status;
};

struct worker_heartbeat {
    struct given given;
    const char *name;
    int64_t heartbeat_interval_seconds;
};

/* What clients up to 3.3.7 get: they refuse a member that came later. */
extern const struct resource old_work_pool_resource;
extern const struct resource storage_configuration_resource, work_pool_resource,
    work_pool_create_resource, work_pool_update_resource, work_queue_resource,
    legacy_queue_resource, queue_filter_resource, work_queue_create_resource,
    work_queue_update_resource, worker_resource, worker_heartbeat_resource;

/* Names that begin with "prefect" are reserved. */
bool work_pool_is_reserved(const char *name);
