#include "server/model/work_pool.h"

#include <string.h>

#include "server/model/flow.h"
#include "server/model/job_template.h"
#include "shared/json/decode.h"

static const char *check_template(struct arena *a, const void *value)
{
    const struct raw *r = value;
    struct doc doc;
    struct doc_error bad;

    if (!r->text || !doc_parse(a, r->text, r->len, &doc, &bad))
        return NULL;
    return job_template_check(a, doc_root(&doc));
}

/* Blank names are told apart before the pattern is looked at. */
static bool read_name(const struct reading *r, void *out)
{
    const char *name = val_string(r->bad->arena, r->v, NULL);

    if (name && !name[strspn(name, " \t\r\n'\"")])
        return reading_refuse(r, "name cannot be an empty string");
    return readers[FIELD_STR](r, out);
}

bool work_pool_is_reserved(const char *name)
{
    return strncasecmp(name, "prefect", strlen("prefect")) == 0;
}

/* clang-format off */
static const struct field storage_fields[] = {
    F_DICT(struct storage_configuration, bundle_upload_step, F_NULLABLE, .doc = "How bundles are uploaded."),
    F_DICT(struct storage_configuration, bundle_execution_step, F_NULLABLE, .doc = "How bundles are executed."),
    F_UUID(struct storage_configuration, default_result_storage_block_id, F_NULLABLE, .doc = "Where results go."),
};
const struct resource storage_configuration_resource = RESOURCE_NAMED("WorkPoolStorageConfiguration", storage_configuration, storage_fields);

#define STORAGE "jsonb_build_object('bundle_upload_step', NULL, 'bundle_execution_step', NULL, 'default_result_storage_block_id', NULL) || wp.storage_configuration::jsonb"
#define POOL_ROWS(storage_column) \
    F_UUID(struct work_pool, id, F_REQUIRED, .doc = "Assigned by the server."), \
    F_TIME(struct work_pool, created, F_NULLABLE, .doc = "When the pool was made."), \
    F_TIME(struct work_pool, updated, F_NULLABLE, .doc = "When the pool was last changed."), \
    F_STR(struct work_pool, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "Unique among pools."), \
    F_STR(struct work_pool, description, F_NULLABLE, .doc = "For people."), \
    F_STR(struct work_pool, type, F_REQUIRED, .doc = "What its workers run: process, docker, switchyard ..."), \
    F_DICT(struct work_pool, base_job_template, .doc = "Job configuration and its variables."), \
    F_TRI(struct work_pool, is_paused, .doc = "A paused pool gives no work out."), \
    F_INT(struct work_pool, concurrency_limit, F_NULLABLE, .doc = "Runs at the same time, null: any number."), \
    F_STR(struct work_pool, status, F_NULLABLE, .doc = "READY, NOT_READY or PAUSED."), \
    F_UUID(struct work_pool, default_queue_id, F_NULLABLE, .doc = "Where runs go that name no queue."), \
    F_DICT(struct work_pool, storage_configuration, \
        .column = (storage_column), \
        .doc = "Where code bundles and results go."), \
    F_INT(struct work_pool, active_slots, F_NULLABLE, \
        .column = "CASE WHEN wp.concurrency_limit IS NOT NULL THEN (SELECT count(*) FROM flow_run sfr JOIN work_queue sq ON sq.id = sfr.work_queue_id " \
                  "WHERE sq.work_pool_id = wp.id AND sfr.state_type IN ('PENDING', 'RUNNING')) END", \
        .doc = "Runs that hold a slot, for pools with a limit."),
static const struct field pool_fields[] = {POOL_ROWS(STORAGE)};
const struct resource work_pool_resource = RESOURCE_NAMED("WorkPoolResponse", work_pool, pool_fields);
static const struct field old_pool_fields[] = {POOL_ROWS("(" STORAGE ") - 'default_result_storage_block_id'")};
const struct resource old_work_pool_resource = RESOURCE_NAMED("WorkPoolResponse", work_pool, old_pool_fields);

static const struct field pool_create_fields[] = {
    F_STR(struct work_pool_create, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .read = read_name, .doc = "Unique among pools."),
    F_STR(struct work_pool_create, description, F_NULLABLE, .doc = "For people."),
    F_STR(struct work_pool_create, type, .def = "\"prefect-agent\"", .doc = "What its workers run."),
    F_DICT(struct work_pool_create, base_job_template, .def = "{}", .check = check_template, .doc = "Job configuration and its variables."),
    F_BOOL(struct work_pool_create, is_paused, .def = "false", .doc = "A paused pool gives no work out."),
    F_INT(struct work_pool_create, concurrency_limit, F_NULLABLE, F_GE(0), .doc = "Runs at the same time."),
    F_OBJECT(struct work_pool_create, storage_configuration, storage_configuration, .def = "{}", .doc = "Where bundles and results go."),
};
const struct resource work_pool_create_resource = RESOURCE_NAMED("WorkPoolCreate", work_pool_create, pool_create_fields);

static const struct field pool_update_fields[] = {
    F_STR(struct work_pool_update, description, F_NULLABLE, .doc = "For people."),
    F_DICT(struct work_pool_update, base_job_template, F_NULLABLE, .check = check_template, .doc = "Job configuration and its variables."),
    F_TRI(struct work_pool_update, is_paused, F_NULLABLE, .doc = "A paused pool gives no work out."),
    F_INT(struct work_pool_update, concurrency_limit, F_NULLABLE, F_GE(0), .doc = "Runs at the same time."),
    F_OBJECT(struct work_pool_update, storage_configuration, storage_configuration, F_NULLABLE, .doc = "Where bundles and results go."),
};
const struct resource work_pool_update_resource = RESOURCE_NAMED("WorkPoolUpdate", work_pool_update, pool_update_fields);

static const struct field queue_fields[] = {
    F_UUID(struct work_queue, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(struct work_queue, created, F_NULLABLE, .doc = "When the queue was made."),
    F_TIME(struct work_queue, updated, F_NULLABLE, .doc = "When the queue was last changed."),
    F_STR(struct work_queue, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "Unique within the pool."),
    F_STR(struct work_queue, description, F_NULLABLE, .doc = "For people."),
    F_BOOL(struct work_queue, is_paused, .doc = "A paused queue gives no work out."),
    F_INT(struct work_queue, concurrency_limit, F_NULLABLE, .doc = "Runs at the same time."),
    F_INT(struct work_queue, priority, F_GT(0), .doc = "1 is first."),
    F_UUID(struct work_queue, work_pool_id, F_NULLABLE, .doc = "Its pool."),
    F_JSON(struct work_queue, filter, F_NULLABLE, .doc = "Old: which runs it takes."),
    F_TIME(struct work_queue, last_polled, F_NULLABLE, .doc = "When somebody last asked for work."),
    F_STR(struct work_queue, work_pool_name, F_NULLABLE, .column = "wp.name", .doc = "Its pool."),
    F_STR(struct work_queue, status, F_NULLABLE, .doc = "READY, NOT_READY or PAUSED."),
    F_INT(struct work_queue, active_slots, F_NULLABLE,
        .column = "CASE WHEN wq.concurrency_limit IS NOT NULL THEN (SELECT count(*) FROM flow_run sfr WHERE sfr.work_queue_id = wq.id "
                  "AND sfr.state_type IN ('PENDING', 'RUNNING')) END",
        .doc = "Runs that hold a slot, for queues with a limit."),
};
const struct resource work_queue_resource = RESOURCE_NAMED("WorkQueueResponse", work_queue, queue_fields);
/* As it was before there were pools: the rows to last_polled. */
const struct resource legacy_queue_resource = {.name = "WorkQueue", .size = sizeof(struct work_queue), .count = 11, .fields = queue_fields,
                                               .given_offset = offsetof(struct work_queue, given)};

static const struct field queue_filter_fields[] = {
    F_STRS(struct queue_filter, tags, F_NULLABLE, .doc = "Runs that have all these tags."),
    F_UUIDS(struct queue_filter, deployment_ids, F_NULLABLE, .doc = "Runs of these deployments."),
};
const struct resource queue_filter_resource = RESOURCE_NAMED("QueueFilter", queue_filter, queue_filter_fields, .lax = true);

static const struct field queue_create_fields[] = {
    F_STR(struct work_queue_write, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "Unique within the pool."),
    F_STR(struct work_queue_write, description, F_NULLABLE, .def = "\"\"", .doc = "For people."),
    F_BOOL(struct work_queue_write, is_paused, .def = "false", .doc = "A paused queue gives no work out."),
    F_INT(struct work_queue_write, concurrency_limit, F_NULLABLE, F_GE(0), .doc = "Runs at the same time."),
    F_INT(struct work_queue_write, priority, F_NULLABLE, F_GT(0), .doc = "1 is first; the last by default."),
    F_OBJECT(struct work_queue_write, filter, queue_filter, F_NULLABLE, .doc = "Old: which runs it takes."),
};
const struct resource work_queue_create_resource = RESOURCE_NAMED("WorkQueueCreate", work_queue_write, queue_create_fields);

static const struct field queue_update_fields[] = {
    F_STR(struct work_queue_write, name, F_NULLABLE, .doc = "Unique within the pool."),
    F_STR(struct work_queue_write, description, F_NULLABLE, .doc = "For people."),
    F_BOOL(struct work_queue_write, is_paused, .doc = "A paused queue gives no work out."),
    F_INT(struct work_queue_write, concurrency_limit, F_NULLABLE, F_GE(0), .doc = "Runs at the same time."),
    F_INT(struct work_queue_write, priority, F_NULLABLE, F_GT(0), .doc = "1 is first; the others move."),
    F_OBJECT(struct work_queue_write, filter, queue_filter, F_NULLABLE, .doc = "Old: which runs it takes."),
    F_TIME(struct work_queue_write, last_polled, F_NULLABLE, .doc = "When somebody last asked for work."),
};
const struct resource work_queue_update_resource = RESOURCE_NAMED("WorkQueueUpdate", work_queue_write, queue_update_fields);

static const struct field worker_fields[] = {
    F_UUID(struct worker, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(struct worker, created, F_NULLABLE, .doc = "When the worker was first seen."),
    F_TIME(struct worker, updated, F_NULLABLE, .doc = "When it last changed."),
    F_STR(struct worker, name, F_REQUIRED, .doc = "Unique within the pool."),
    F_UUID(struct worker, work_pool_id, F_REQUIRED, .doc = "Its pool."),
    F_TIME(struct worker, last_heartbeat_time, F_NULLABLE, .doc = "When it last told that it lives."),
    F_INT(struct worker, heartbeat_interval_seconds, F_NULLABLE, .doc = "How often it tells."),
    F_STR(struct worker, status, .doc = "ONLINE until three heartbeats are missed, then OFFLINE."),
};
const struct resource worker_resource = RESOURCE_NAMED("WorkerResponse", worker, worker_fields);

static const struct field heartbeat_fields[] = {
    F_STR(struct worker_heartbeat, name, F_REQUIRED, .doc = "Of the worker."),
    F_INT(struct worker_heartbeat, heartbeat_interval_seconds, F_NULLABLE, .doc = "How often it tells."),
};
const struct resource worker_heartbeat_resource = RESOURCE_NAMED("WorkerHeartbeat", worker_heartbeat, heartbeat_fields, .extra = true);
/* clang-format on */
