#include "server/db/filter_rows.h"

static const struct enum_name worker_statuses[] = {{"ONLINE", 0}, {"OFFLINE", 1}, {NULL, 0}};

/* clang-format off */
static const struct filter_leaf flows[] = {
    {"operator"},
    {"id.any_", LEAF_UUIDS, "f.id"}, {"id.not_any_", LEAF_NOT_UUIDS, "f.id"},
    {"deployment.operator"}, {"deployment.is_null_", LEAF_TRUTH, "NOT EXISTS (SELECT 1 FROM deployment fd WHERE fd.flow_id = f.id)"},
    {"name.any_", LEAF_TEXTS, "f.name"}, {"name.like_", LEAF_LIKE, "f.name"},
    {"tags.operator"}, {"tags.all_", LEAF_TAGS_ALL, "f.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "f.tags"},
};

static const struct filter_leaf flow_runs[] = {
    {"operator"},
    {"id.any_", LEAF_UUIDS, "fr.id"}, {"id.not_any_", LEAF_NOT_UUIDS, "fr.id"},
    {"name.any_", LEAF_TEXTS, "fr.name"}, {"name.like_", LEAF_LIKE, "fr.name"},
    {"tags.operator"}, {"tags.all_", LEAF_TAGS_ALL, "fr.tags"}, {"tags.any_", LEAF_TAGS_ANY, "fr.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "fr.tags"},
    {"deployment_id.operator"}, {"deployment_id.any_", LEAF_UUIDS, "fr.deployment_id"}, {"deployment_id.is_null_", LEAF_IS_NULL, "fr.deployment_id"},
    {"work_queue_name.operator"}, {"work_queue_name.any_", LEAF_TEXTS, "fr.work_queue_name"}, {"work_queue_name.is_null_", LEAF_IS_NULL, "fr.work_queue_name"},
    {"state.operator"},
    {"state.type.any_", LEAF_TYPES, "fr.state_type"}, {"state.type.not_any_", LEAF_NOT_TYPES, "fr.state_type"},
    {"state.name.any_", LEAF_TEXTS, "fr.state_name"}, {"state.name.not_any_", LEAF_NOT_TEXTS, "fr.state_name"},
    {"flow_version.any_", LEAF_TEXTS, "fr.flow_version"},
    {"start_time.before_", LEAF_BEFORE, "coalesce(fr.start_time, fr.expected_start_time)"}, {"start_time.after_", LEAF_AFTER, "coalesce(fr.start_time, fr.expected_start_time)"}, {"start_time.is_null_", LEAF_IS_NULL, "fr.start_time"},
    {"end_time.before_", LEAF_BEFORE, "fr.end_time"}, {"end_time.after_", LEAF_AFTER, "fr.end_time"}, {"end_time.is_null_", LEAF_IS_NULL, "fr.end_time"},
    {"expected_start_time.before_", LEAF_BEFORE, "fr.expected_start_time"}, {"expected_start_time.after_", LEAF_AFTER, "fr.expected_start_time"},
    {"next_scheduled_start_time.before_", LEAF_BEFORE, "fr.next_scheduled_start_time"}, {"next_scheduled_start_time.after_", LEAF_AFTER, "fr.next_scheduled_start_time"},
    {"parent_flow_run_id.operator"}, {"parent_flow_run_id.any_", LEAF_UUIDS, "(SELECT ptr.flow_run_id FROM task_run ptr WHERE ptr.id = fr.parent_task_run_id)"},
    {"parent_task_run_id.operator"}, {"parent_task_run_id.any_", LEAF_UUIDS, "fr.parent_task_run_id"}, {"parent_task_run_id.is_null_", LEAF_IS_NULL, "fr.parent_task_run_id"},
    {"idempotency_key.any_", LEAF_TEXTS, "fr.idempotency_key"}, {"idempotency_key.not_any_", LEAF_NOT_TEXTS, "fr.idempotency_key"},
    {"created_by.operator"}, {"created_by.id_", LEAF_UUIDS, "(fr.created_by->>'id')::uuid"}, {"created_by.type_", LEAF_TEXTS, "fr.created_by->>'type'"}, {"created_by.is_null_", LEAF_IS_NULL, "fr.created_by"},
};

static const struct filter_leaf task_runs[] = {
    {"operator"},
    {"id.any_", LEAF_UUIDS, "tr.id"},
    {"name.any_", LEAF_TEXTS, "tr.name"}, {"name.like_", LEAF_LIKE, "tr.name"},
    {"tags.operator"}, {"tags.all_", LEAF_TAGS_ALL, "tr.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "tr.tags"},
    {"state.operator"}, {"state.type.any_", LEAF_TYPES, "tr.state_type"}, {"state.name.any_", LEAF_TEXTS, "tr.state_name"},
    {"start_time.before_", LEAF_BEFORE, "tr.start_time"}, {"start_time.after_", LEAF_AFTER, "tr.start_time"}, {"start_time.is_null_", LEAF_IS_NULL, "tr.start_time"},
    {"end_time.before_", LEAF_BEFORE, "tr.end_time"}, {"end_time.after_", LEAF_AFTER, "tr.end_time"}, {"end_time.is_null_", LEAF_IS_NULL, "tr.end_time"},
    {"expected_start_time.before_", LEAF_BEFORE, "tr.expected_start_time"}, {"expected_start_time.after_", LEAF_AFTER, "tr.expected_start_time"},
    {"subflow_runs.exists_", LEAF_TRUTH, "EXISTS (SELECT 1 FROM flow_run sfr WHERE sfr.parent_task_run_id = tr.id)"},
    {"flow_run_id.operator"}, {"flow_run_id.any_", LEAF_UUIDS, "tr.flow_run_id"}, {"flow_run_id.is_null_", LEAF_NULL_UNLESS_ANY, "tr.flow_run_id"},
};

static const struct filter_leaf deployments[] = {
    {"operator"},
    {"id.any_", LEAF_UUIDS, "d.id"}, {"id.not_any_", LEAF_NOT_UUIDS, "d.id"},
    {"name.any_", LEAF_TEXTS, "d.name"}, {"name.like_", LEAF_LIKE, "d.name"},
    {"flow_or_deployment_name.like_", LEAF_LIKE, "(d.name || ' ' || (SELECT nf.name FROM flow nf WHERE nf.id = d.flow_id))"},
    {"paused.eq_", LEAF_TRUTH, "d.paused"},
    {"tags.operator"}, {"tags.all_", LEAF_TAGS_ALL, "d.tags"}, {"tags.any_", LEAF_TAGS_ANY, "d.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "d.tags"},
    {"work_queue_name.any_", LEAF_TEXTS, "d.work_queue_name"},
    {"concurrency_limit.ge_", LEAF_IGNORED}, {"concurrency_limit.le_", LEAF_IGNORED}, {"concurrency_limit.is_null_", LEAF_IGNORED_FLAG},
};

static const struct filter_leaf work_pools[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "wp.id"}, {"name.any_", LEAF_TEXTS, "wp.name"}, {"type.any_", LEAF_TEXTS, "wp.type"},
};
static const struct filter_leaf work_queues[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "wq.id"}, {"name.any_", LEAF_TEXTS, "wq.name"}, {"name.startswith_", LEAF_PREFIXES, "wq.name"},
};
static const struct filter_leaf workers[] = {
    {"operator"},
    {"last_heartbeat_time.before_", LEAF_BEFORE, "w.last_heartbeat_time"}, {"last_heartbeat_time.after_", LEAF_AFTER, "w.last_heartbeat_time"},
    {"status.any_", LEAF_TEXTS, "w.status", worker_statuses}, {"status.not_any_", LEAF_NOT_TEXTS, "w.status", worker_statuses},
};
static const struct filter_leaf logs[] = {
    {"operator"},
    {"level.ge_", LEAF_GE, "l.level"}, {"level.le_", LEAF_LE, "l.level"},
    {"timestamp.before_", LEAF_BEFORE, "l.\"timestamp\""}, {"timestamp.after_", LEAF_AFTER, "l.\"timestamp\""},
    {"flow_run_id.any_", LEAF_UUIDS, "l.flow_run_id"},
    {"task_run_id.any_", LEAF_UUIDS, "l.task_run_id"}, {"task_run_id.is_null_", LEAF_IS_NULL, "l.task_run_id"},
    {"text.query", LEAF_SEARCH, "(l.message || ' ' || l.name)"},
};
static const struct filter_leaf block_types[] = {
    {"name.like_", LEAF_LIKE, "bt.name"}, {"slug.any_", LEAF_TEXTS, "bt.slug"},
};
static const struct filter_leaf block_schemas[] = {
    {"operator"}, {"block_type_id.any_", LEAF_UUIDS, "bs.block_type_id"}, {"block_capabilities.all_", LEAF_TAGS_ALL, "bs.capabilities"},
    {"id.any_", LEAF_UUIDS, "bs.id"}, {"version.any_", LEAF_TEXTS, "bs.version"},
};
static const struct filter_leaf block_documents[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "bd.id"}, {"is_anonymous.eq_", LEAF_TRUTH, "bd.is_anonymous"},
    {"block_type_id.any_", LEAF_UUIDS, "bd.block_type_id"}, {"name.any_", LEAF_TEXTS, "bd.name"}, {"name.like_", LEAF_LIKE, "bd.name"},
};
static const struct filter_leaf artifacts[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "a.id"},
    {"key.any_", LEAF_TEXTS, "a.key"}, {"key.like_", LEAF_LIKE, "a.key"}, {"key.exists_", LEAF_TRUTH, "a.key IS NOT NULL"},
    {"flow_run_id.any_", LEAF_UUIDS, "a.flow_run_id"}, {"task_run_id.any_", LEAF_UUIDS, "a.task_run_id"},
    {"type.any_", LEAF_TEXTS, "a.type"}, {"type.not_any_", LEAF_NOT_TEXTS, "a.type"},
};
static const struct filter_leaf artifact_collections[] = {
    {"operator"}, {"latest_id.any_", LEAF_UUIDS, "ac.latest_id"},
    {"key.any_", LEAF_TEXTS, "ac.key"}, {"key.like_", LEAF_LIKE, "ac.key"}, {"key.exists_", LEAF_TRUTH, "ac.key IS NOT NULL"},
    {"flow_run_id.any_", LEAF_UUIDS, "a.flow_run_id"}, {"task_run_id.any_", LEAF_UUIDS, "a.task_run_id"},
    {"type.any_", LEAF_TEXTS, "a.type"}, {"type.not_any_", LEAF_NOT_TEXTS, "a.type"},
};
static const struct filter_leaf variables[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "v.id"}, {"name.any_", LEAF_TEXTS, "v.name"}, {"name.like_", LEAF_LIKE, "v.name"},
    {"tags.operator"}, {"tags.all_", LEAF_TAGS_ALL, "v.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "v.tags"},
};
static const struct filter_leaf automations[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "am.id"}, {"name.any_", LEAF_TEXTS, "am.name"}, {"created.before_", LEAF_BEFORE, "am.created"},
    {"tags.operator"}, {"tags.any_", LEAF_TAGS_ANY, "am.tags"}, {"tags.all_", LEAF_TAGS_ALL, "am.tags"}, {"tags.is_null_", LEAF_TAGS_EMPTY, "am.tags"},
};
static const struct filter_leaf measurements[] = {
    {"operator"}, {"id.any_", LEAF_UUIDS, "m.id"}, {"flow_run_id.any_", LEAF_UUIDS, "m.flow_run_id"}, {"campaign.any_", LEAF_TEXTS, "m.campaign"},
    {"model.any_", LEAF_TEXTS, "m.model"}, {"model.like_", LEAF_LIKE, "m.model"}, {"target.any_", LEAF_TEXTS, "m.target"},
    {"board.any_", LEAF_TEXTS, "m.board"}, {"meter.any_", LEAF_TEXTS, "m.meter"},
    {"firmware_commit.any_", LEAF_TEXTS, "m.firmware_commit"}, {"build_id.any_", LEAF_TEXTS, "m.build_id"},
    {"trace_sha256.any_", LEAF_TEXTS, "m.trace_sha256"},
    {"valid.eq_", LEAF_TRUTH, "m.valid"}, {"emulated.eq_", LEAF_TRUTH, "m.emulated"}, {"superseded.eq_", LEAF_TRUTH, "m.superseded"},
    {"created.before_", LEAF_BEFORE, "m.created"}, {"created.after_", LEAF_AFTER, "m.created"},
    {"failed_gates.any_", LEAF_TAGS_ANY, "to_jsonb(string_to_array(m.failed_gates, ' '))"},
    {"window_count.ge_", LEAF_GE, "m.window_count"}, {"window_count.le_", LEAF_LE, "m.window_count"},
    {"flash_bytes.ge_", LEAF_GE, "m.flash_bytes"}, {"flash_bytes.le_", LEAF_LE, "m.flash_bytes"},
    {"ram_bytes.ge_", LEAF_GE, "m.ram_bytes"}, {"ram_bytes.le_", LEAF_LE, "m.ram_bytes"},
    {"median_energy_per_inference_j.ge_", LEAF_REAL_GE, "m.median_energy_per_inference_j"},
    {"median_energy_per_inference_j.le_", LEAF_REAL_LE, "m.median_energy_per_inference_j"},
    {"median_dynamic_energy_per_inference_j.ge_", LEAF_REAL_GE, "m.median_dynamic_energy_per_inference_j"},
    {"median_dynamic_energy_per_inference_j.le_", LEAF_REAL_LE, "m.median_dynamic_energy_per_inference_j"},
    {"latency_s.ge_", LEAF_REAL_GE, "m.latency_s"}, {"latency_s.le_", LEAF_REAL_LE, "m.latency_s"},
};

#define SET(name, rows) {name, rows, COUNT(rows)}
const struct filter_set filter_sets[FILTER_TARGETS] = {
    [FILTER_FLOWS] = SET("FlowFilter", flows),
    [FILTER_FLOW_RUNS] = SET("FlowRunFilter", flow_runs),
    [FILTER_TASK_RUNS] = SET("TaskRunFilter", task_runs),
    [FILTER_DEPLOYMENTS] = SET("DeploymentFilter", deployments),
    [FILTER_WORK_POOLS] = SET("WorkPoolFilter", work_pools),
    [FILTER_WORK_QUEUES] = SET("WorkQueueFilter", work_queues),
    [FILTER_WORKERS] = SET("WorkerFilter", workers),
    [FILTER_LOGS] = SET("LogFilter", logs),
    [FILTER_BLOCK_TYPES] = SET("BlockTypeFilter", block_types),
    [FILTER_BLOCK_SCHEMAS] = SET("BlockSchemaFilter", block_schemas),
    [FILTER_BLOCK_DOCUMENTS] = SET("BlockDocumentFilter", block_documents),
    [FILTER_ARTIFACTS] = SET("ArtifactFilter", artifacts),
    [FILTER_ARTIFACT_COLLECTIONS] = SET("ArtifactCollectionFilter", artifact_collections),
    [FILTER_VARIABLES] = SET("VariableFilter", variables),
    [FILTER_AUTOMATIONS] = SET("AutomationFilter", automations),
    [FILTER_MEASUREMENTS] = SET("MeasurementFilter", measurements),
};

static const struct {
    enum filter_target from, target;
    const char *sql;
} joins[] = {
    {FILTER_FLOWS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.flow_id = f.id"},
    {FILTER_FLOWS, FILTER_TASK_RUNS, "task_run tr JOIN flow_run jfr ON jfr.id = tr.flow_run_id WHERE jfr.flow_id = f.id"},
    {FILTER_FLOWS, FILTER_DEPLOYMENTS, "deployment d WHERE d.flow_id = f.id"},
    {FILTER_FLOWS, FILTER_WORK_QUEUES, "work_queue wq JOIN deployment jd ON jd.work_queue_id = wq.id WHERE jd.flow_id = f.id"},
    {FILTER_FLOWS, FILTER_WORK_POOLS, "work_pool wp JOIN work_queue jwq ON jwq.work_pool_id = wp.id JOIN deployment jd ON jd.work_queue_id = jwq.id WHERE jd.flow_id = f.id"},
    {FILTER_FLOW_RUNS, FILTER_FLOWS, "flow f WHERE f.id = fr.flow_id"},
    {FILTER_FLOW_RUNS, FILTER_TASK_RUNS, "task_run tr WHERE tr.flow_run_id = fr.id"},
    {FILTER_FLOW_RUNS, FILTER_DEPLOYMENTS, "deployment d WHERE d.id = fr.deployment_id"},
    {FILTER_FLOW_RUNS, FILTER_WORK_QUEUES, "work_queue wq WHERE wq.id = fr.work_queue_id"},
    {FILTER_FLOW_RUNS, FILTER_WORK_POOLS, "work_pool wp JOIN work_queue jwq ON jwq.work_pool_id = wp.id WHERE jwq.id = fr.work_queue_id"},
    {FILTER_TASK_RUNS, FILTER_FLOWS, "flow f JOIN flow_run jfr ON jfr.flow_id = f.id WHERE jfr.id = tr.flow_run_id"},
    {FILTER_TASK_RUNS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.id = tr.flow_run_id"},
    {FILTER_TASK_RUNS, FILTER_DEPLOYMENTS, "deployment d JOIN flow_run jfr ON jfr.deployment_id = d.id WHERE jfr.id = tr.flow_run_id"},
    {FILTER_TASK_RUNS, FILTER_WORK_QUEUES, "work_queue wq JOIN flow_run jfr ON jfr.work_queue_id = wq.id WHERE jfr.id = tr.flow_run_id"},
    {FILTER_TASK_RUNS, FILTER_WORK_POOLS, "work_pool wp JOIN work_queue jwq ON jwq.work_pool_id = wp.id JOIN flow_run jfr ON jfr.work_queue_id = jwq.id WHERE jfr.id = tr.flow_run_id"},
    {FILTER_DEPLOYMENTS, FILTER_FLOWS, "flow f WHERE f.id = d.flow_id"},
    {FILTER_DEPLOYMENTS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.deployment_id = d.id"},
    {FILTER_DEPLOYMENTS, FILTER_TASK_RUNS, "task_run tr JOIN flow_run jfr ON jfr.id = tr.flow_run_id WHERE jfr.deployment_id = d.id"},
    {FILTER_DEPLOYMENTS, FILTER_WORK_QUEUES, "work_queue wq WHERE wq.id = d.work_queue_id"},
    {FILTER_DEPLOYMENTS, FILTER_WORK_POOLS, "work_pool wp JOIN work_queue jwq ON jwq.work_pool_id = wp.id WHERE jwq.id = d.work_queue_id"},
    {FILTER_ARTIFACTS, FILTER_FLOWS, "flow f JOIN flow_run jfr ON jfr.flow_id = f.id WHERE jfr.id = a.flow_run_id"},
    {FILTER_ARTIFACTS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.id = a.flow_run_id"},
    {FILTER_ARTIFACTS, FILTER_TASK_RUNS, "task_run tr WHERE tr.id = a.task_run_id"},
    {FILTER_ARTIFACTS, FILTER_DEPLOYMENTS, "deployment d JOIN flow_run jfr ON jfr.deployment_id = d.id WHERE jfr.id = a.flow_run_id"},
    {FILTER_MEASUREMENTS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.id = m.flow_run_id"},
    {FILTER_ARTIFACT_COLLECTIONS, FILTER_FLOWS, "flow f JOIN flow_run jfr ON jfr.flow_id = f.id WHERE jfr.id = a.flow_run_id"},
    {FILTER_ARTIFACT_COLLECTIONS, FILTER_FLOW_RUNS, "flow_run fr WHERE fr.id = a.flow_run_id"},
    {FILTER_ARTIFACT_COLLECTIONS, FILTER_TASK_RUNS, "task_run tr WHERE tr.id = a.task_run_id"},
    {FILTER_ARTIFACT_COLLECTIONS, FILTER_DEPLOYMENTS, "deployment d JOIN flow_run jfr ON jfr.deployment_id = d.id WHERE jfr.id = a.flow_run_id"},
    {FILTER_BLOCK_TYPES, FILTER_BLOCK_SCHEMAS, "block_schema bs WHERE bs.block_type_id = bt.id"},
    {FILTER_BLOCK_DOCUMENTS, FILTER_BLOCK_TYPES, "block_type bt WHERE bt.id = bd.block_type_id"},
    {FILTER_BLOCK_DOCUMENTS, FILTER_BLOCK_SCHEMAS, "block_schema bs WHERE bs.id = bd.block_schema_id"},
};
/* clang-format on */

const char *filter_exists(enum filter_target from, enum filter_target target)
{
    for (size_t i = 0; i < COUNT(joins); i++)
        if (joins[i].from == from && joins[i].target == target)
            return joins[i].sql;
    return NULL;
}
