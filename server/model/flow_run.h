/* A flow run on the wire: what clients send to make and change one, and what they read. */
#pragma once
#include "server/model/retry_policy.h"
#include "server/model/state.h"

/* What is read; the rows name the columns (alias fr; NULL: see flow_runs_name_pools()). */
struct flow_run {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct uuid flow_id, state_id, deployment_id;
    const char *deployment_version;
    struct uuid work_queue_id;
    const char *work_queue_name, *flow_version;
    struct raw parameters;
    const char *idempotency_key;
    struct raw context, empirical_policy;
    struct strings tags;
    struct raw labels;
    struct uuid parent_task_run_id;
    const char *state_type, *state_name;
    int64_t run_count;
    int64_t expected_start_time_us, next_scheduled_start_time_us, start_time_us, end_time_us;
    double total_run_time, estimated_run_time, estimated_start_time_delta;
    bool auto_scheduled;
    struct uuid infrastructure_document_id;
    const char *infrastructure_pid;
    struct raw created_by;
    struct uuid work_pool_id;
    const char *work_pool_name;
    struct state_read *state;
    struct raw job_variables;
};

/* Evaluated for each read, of the alias t. */
#define RUN_ESTIMATED_RUN_TIME(t)                                                                  \
    "(" t ".total_run_time + CASE WHEN " t ".state_type = 'RUNNING' "                              \
    "THEN greatest(0, extract(epoch FROM now() - " t ".state_timestamp)::float8) ELSE 0 END)"
#define RUN_ESTIMATED_DELTA(t)                                                                     \
    "CASE WHEN " t ".start_time > " t ".expected_start_time "                                      \
    "THEN extract(epoch FROM " t ".start_time - " t ".expected_start_time)::float8 "               \
    "WHEN " t ".start_time IS NULL AND " t ".expected_start_time < now() "                         \
    "AND " t ".state_type NOT IN ('COMPLETED', 'FAILED', 'CANCELLED', 'CRASHED') "                 \
    "THEN extract(epoch FROM now() - " t ".expected_start_time)::float8 ELSE 0 END"

struct flow_run_create {
    struct given given;
    struct state_create *state;
    const char *name;
    struct uuid flow_id;
    const char *flow_version;
    struct raw parameters, context;
    struct uuid parent_task_run_id, infrastructure_document_id;
    struct retry_policy *empirical_policy;
    struct strings tags;
    struct raw labels;
    const char *idempotency_key, *work_pool_name, *work_queue_name;
    struct raw job_variables;
    struct uuid deployment_id;
    enum tri enforce_parameter_schema; /* of a deployment's run only */
};

struct flow_run_update {
    struct given given;
    const char *name, *flow_version;
    struct raw parameters;
    struct retry_policy *empirical_policy;
    struct strings tags;
    const char *infrastructure_pid;
    struct raw job_variables;
};

struct flow_run_input {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    struct uuid flow_run_id;
    const char *key, *value, *sender;
};

extern const struct resource flow_run_resource, due_run_resource, flow_run_create_resource,
    flow_run_update_resource;
extern const struct resource flow_run_input_resource;
/* Reads a run's name: what is empty, of whatever type, stands for none. */
bool run_name_read(const struct reading *r, void *out);
/* What makes a run of a deployment: decoded into struct flow_run_create. */
extern const struct resource deployment_run_create_resource;
/* The state that stands in the row of a run: columns state_id, state_type, ... */
extern const struct resource run_state_resource;

/* Parameters as text are not longer than the limit. */
const char *check_parameters(struct arena *a, const void *raw);
