/* Deployments and their schedules, as clients see them. */
#pragma once
#include "shared/json/codec.h"

struct deployment_schedule {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    struct uuid deployment_id;
    struct raw schedule;
    enum tri active;
    int64_t max_scheduled_runs;
    struct raw parameters;
    const char *slug, *replaces;
    struct raw switchyard_misfire;
};

/* What happens when no slot of a deployment's limit is free. */
struct deployment_options {
    struct given given;
    int collision_strategy;
    int64_t grace_period_seconds;
};

/* For POST and PATCH. */
struct deployment_write {
    struct given given;
    const char *name;
    struct uuid flow_id;
    bool paused;
    struct deployment_schedule *schedules;
    size_t schedules_count;
    int64_t concurrency_limit;
    struct uuid global_concurrency_limit_id;
    struct deployment_options *concurrency_options;
    enum tri enforce_parameter_schema;
    struct raw parameter_openapi_schema, parameters;
    struct strings tags;
    struct raw labels, pull_steps;
    const char *work_queue_name, *work_pool_name;
    struct uuid storage_document_id, infrastructure_document_id;
    const char *description, *path, *version, *entrypoint;
    struct raw job_variables, version_info;
};

struct deployment {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name, *version, *description;
    struct uuid flow_id;
    bool paused;
    struct raw schedules;
    int64_t concurrency_limit;
    struct raw global_concurrency_limit, concurrency_options, job_variables, parameters;
    struct strings tags;
    struct raw labels;
    const char *work_queue_name;
    struct uuid work_queue_id;
    int64_t last_polled_us;
    struct raw parameter_openapi_schema;
    const char *path;
    struct raw pull_steps;
    const char *entrypoint;
    struct uuid storage_document_id, infrastructure_document_id;
    struct raw created_by, updated_by;
    const char *work_pool_name, *status;
    bool enforce_parameter_schema;
};

extern const struct resource deployment_resource, deployment_create_resource,
    deployment_update_resource;
extern const struct resource deployment_schedule_resource, deployment_schedule_create_resource,
    deployment_schedule_update_resource;

/* Why the parameters do not fit the schema, required ones aside; NULL when they do or when the
 * schema is none. */
const char *deployment_parameters_check(struct arena *a, struct raw schema, struct raw parameters);

/* For FROM: the tables that the columns of deployment_resource name. */
#define DEPLOYMENT_TABLES                                                                          \
    "deployment d LEFT JOIN work_queue dq ON dq.id = d.work_queue_id LEFT JOIN work_pool dp ON "   \
    "dp.id = dq.work_pool_id"
