#include "server/model/flow_run.h"

#include "server/model/limits.h"
#include "shared/json/decode.h"

/* 524,288 */
static const char *with_commas(struct arena *a, size_t n)
{
    return n < 1000 ? arena_printf(a, "%zu", n)
                    : arena_printf(a, "%s,%03zu", with_commas(a, n / 1000), n % 1000);
}

const char *check_parameters(struct arena *a, const void *raw)
{
    size_t len = raw_compact_len(*(const struct raw *)raw, true);
    size_t max = (size_t)limits()->parameters_bytes;

    if (len <= max)
        return NULL;
    return arena_printf(
        a, "Flow run parameters must be less than %s bytes when serialized (got %s bytes).",
        with_commas(a, max), with_commas(a, len));
}

/* clang-format off */
#define R struct state_read
static const struct field run_state_fields[] = {
    F_UUID(R, id, .column = "state_id", .doc = "Assigned by the server."),
    F_ENUM(R, type, state_type_names, .column = "state_type", .doc = "What the run does."),
    F_STR(R, name, F_NULLABLE, .column = "state_name", .doc = "Free text."),
    F_TIME(R, timestamp, .column = "state_timestamp", .doc = "Since when, by the server's clock."),
    F_STR(R, message, F_NULLABLE, .column = "state_message", .doc = "For people."),
    F_JSON(R, data, F_NULLABLE, .column = "state_data", .doc = "Where the result is, or the result."),
    F_OBJECT(R, state_details, state_details, F_SPARSE, .doc = "What the rules look at."),
};
#undef R
const struct resource run_state_resource = RESOURCE_NAMED("State", state_read, run_state_fields, .doc = "A state of a run.");

#define R struct flow_run
/* Of all shapes of a run; flow_runs_name_pools() puts the name of the queue in that it has now. */
#define RUN_ROWS \
    F_UUID(R, id, F_REQUIRED, .doc = "Assigned by the server."), \
    F_TIME(R, created, F_NULLABLE, .doc = "When the run was made."), \
    F_TIME(R, updated, F_NULLABLE, .doc = "When it was last changed."), \
    F_STR(R, name, .doc = "Two words of the server's unless given."), \
    F_UUID(R, flow_id, F_REQUIRED, .doc = "Of which flow."), \
    F_UUID(R, state_id, F_NULLABLE, .doc = "The current state."), \
    F_UUID(R, deployment_id, F_NULLABLE, .doc = "The deployment that made it."), \
    F_STR(R, deployment_version, F_NULLABLE, .doc = "Its version then."), \
    F_UUID(R, work_queue_id, F_NULLABLE, .doc = "Where workers find it."), \
    F_STR(R, work_queue_name, F_NULLABLE, .doc = "Where workers find it."), \
    F_STR(R, flow_version, F_NULLABLE, .doc = "Version of the flow's code."), \
    F_DICT(R, parameters, .doc = "Arguments of the flow."), \
    F_STR(R, idempotency_key, F_NULLABLE, .doc = "A second run of the flow with this key is not made."), \
    F_DICT(R, context, .doc = "For the client's own use."), \
    F_DICT(R, empirical_policy, .doc = "How it retries."), \
    F_STRS(R, tags, .doc = "For filters."), \
    F_LABELS(R, labels, .doc = "Of the flow, the deployment and the run."), \
    F_UUID(R, parent_task_run_id, F_NULLABLE, .doc = "Of a subflow: the task run that stands for it."), \
    F_STR(R, state_type, F_NULLABLE, .doc = "What the run does."), \
    F_STR(R, state_name, F_NULLABLE, .doc = "The state's name."), \
    F_INT(R, run_count, .doc = "How often it was started."), \
    F_TIME(R, expected_start_time, F_NULLABLE, .doc = "When it was first meant to start."), \
    F_TIME(R, next_scheduled_start_time, F_NULLABLE, .doc = "When it is due, if it is SCHEDULED."), \
    F_TIME(R, start_time, F_NULLABLE, .doc = "When it first ran."), \
    F_TIME(R, end_time, F_NULLABLE, .doc = "When it ended."), \
    F_NUM(R, total_run_time, .doc = "Seconds in RUNNING, up to the last state."), \
    F_NUM(R, estimated_run_time, .column = RUN_ESTIMATED_RUN_TIME("fr"), .doc = "Seconds in RUNNING, up to now."), \
    F_NUM(R, estimated_start_time_delta, .column = RUN_ESTIMATED_DELTA("fr"), .doc = "Seconds it was, or is, late."), \
    F_BOOL(R, auto_scheduled, .doc = "A schedule made it."), \
    F_UUID(R, infrastructure_document_id, F_NULLABLE, .doc = "Block with the infrastructure."), \
    F_STR(R, infrastructure_pid, F_NULLABLE, .doc = "What runs it, in its worker's words."), \
    F_DICT(R, created_by, F_NULLABLE, .doc = "Who made it."), \
    F_ROW("state", R, state, FIELD_OBJECT, struct state_read *, .of = &run_state_resource, F_NULLABLE, F_INLINED, .doc = "The current state."), \
    F_DICT(R, job_variables, F_NULLABLE, .doc = "For the infrastructure."),
static const struct field fields[] = {
    RUN_ROWS
    F_UUID(R, work_pool_id, F_NULLABLE, .column = "NULL", .doc = "Where workers find it."),
    F_STR(R, work_pool_name, F_NULLABLE, .column = "NULL", .doc = "Where workers find it."),
};
static const struct field due_fields[] = {RUN_ROWS};
#undef R
const struct resource flow_run_resource = RESOURCE_NAMED("FlowRunResponse", flow_run, fields, .doc = "A run of a flow.");
const struct resource due_run_resource = RESOURCE_NAMED("FlowRun", flow_run, due_fields, .doc = "A run that a worker may start.");

bool run_name_read(const struct reading *r, void *out)
{
    if (!val_is_falsy(r->v))
        return readers[FIELD_STR](r, out);
    *(const char **)out = NULL;
    return true;
}

#define C struct flow_run_create
static const struct field create_fields[] = {
    F_OBJECT(C, state, state_create, F_NULLABLE, .doc = "The first state; PENDING if none."),
    F_STR(C, name, F_NULLABLE, .read = run_name_read, .doc = "Two words of the server's unless given."),
    F_UUID(C, flow_id, F_REQUIRED, .doc = "Of which flow."),
    F_STR(C, flow_version, F_NULLABLE, .doc = "Version of the flow's code."),
    F_DICT(C, parameters, .def = "{}", .check = check_parameters, .doc = "Arguments of the flow."),
    F_DICT(C, context, .def = "{}", .doc = "For the client's own use."),
    F_UUID(C, parent_task_run_id, F_NULLABLE, .doc = "Of a subflow: the task run that stands for it."),
    F_UUID(C, infrastructure_document_id, F_NULLABLE, .doc = "Block with the infrastructure."),
    F_ROW("empirical_policy", C, empirical_policy, FIELD_OBJECT, struct retry_policy *, .of = &flow_run_policy_resource, .def = "{}", .doc = "How it retries."),
    F_STRS(C, tags, .def = "[]", .doc = "For filters."),
    F_LABELS(C, labels, F_NULLABLE, .doc = "On top of those of flow and deployment."),
    F_STR(C, idempotency_key, F_NULLABLE, .doc = "A second run of the flow with this key is not made."),
    F_STR(C, work_pool_name, F_NULLABLE, .doc = "Where workers find it."),
    F_STR(C, work_queue_name, F_NULLABLE, .doc = "The pool's default queue if none."),
    F_DICT(C, job_variables, F_NULLABLE, .doc = "For the infrastructure."),
    F_UUID(C, deployment_id, F_NULLABLE, .doc = "Better: POST /deployments/{id}/create_flow_run."),
};
const struct resource flow_run_create_resource = RESOURCE_NAMED("FlowRunCreate", flow_run_create, create_fields);

static const struct field deployment_run_fields[] = {
    F_OBJECT(C, state, state_create, F_NULLABLE, .doc = "The first state; SCHEDULED, now, if none."),
    F_STR(C, name, F_NULLABLE, .read = run_name_read, .doc = "Two words of the server's unless given."),
    F_DICT(C, parameters, .def = "{}", .check = check_parameters, .doc = "On top of those of the deployment."),
    F_TRI(C, enforce_parameter_schema, F_NULLABLE, .doc = "Instead of what the deployment says."),
    F_DICT(C, context, .def = "{}", .doc = "For the client's own use."),
    F_UUID(C, infrastructure_document_id, F_NULLABLE, .doc = "Block with the infrastructure."),
    F_ROW("empirical_policy", C, empirical_policy, FIELD_OBJECT, struct retry_policy *, .of = &flow_run_policy_resource, .def = "{}", .doc = "How it retries."),
    F_STRS(C, tags, .def = "[]", .doc = "On top of those of the deployment."),
    F_STR(C, idempotency_key, F_NULLABLE, .doc = "A second run of the flow with this key is not made."),
    F_LABELS(C, labels, F_NULLABLE, .doc = "On top of those of flow and deployment."),
    F_UUID(C, parent_task_run_id, F_NULLABLE, .doc = "Of a subflow: the task run that stands for it."),
    F_STR(C, work_queue_name, F_NULLABLE, .doc = "Another queue of the deployment's pool."),
    F_DICT(C, job_variables, F_NULLABLE, .doc = "On top of those of the deployment."),
};
#undef C
const struct resource deployment_run_create_resource = RESOURCE_NAMED("DeploymentFlowRunCreate", flow_run_create, deployment_run_fields);

#define U struct flow_run_update
static const struct field update_fields[] = {
    F_STR(U, name, F_NULLABLE, .read = run_name_read, .doc = "Null gives a new one."),
    F_STR(U, flow_version, F_NULLABLE, .doc = "Version of the flow's code."),
    F_DICT(U, parameters, .def = "{}", .check = check_parameters, .doc = "Arguments of the flow."),
    F_ROW("empirical_policy", U, empirical_policy, FIELD_OBJECT, struct retry_policy *, .of = &flow_run_policy_resource, .def = "{}", .doc = "How it retries."),
    F_STRS(U, tags, .def = "[]", .doc = "For filters."),
    F_STR(U, infrastructure_pid, F_NULLABLE, .doc = "What runs it, in its worker's words."),
    F_DICT(U, job_variables, F_NULLABLE, .doc = "For the infrastructure; only while SCHEDULED."),
};
#undef U
const struct resource flow_run_update_resource = RESOURCE_NAMED("FlowRunUpdate", flow_run_update, update_fields);

#define I struct flow_run_input
static const struct field input_fields[] = {
    F_UUID(I, id, .doc = "Assigned by the server."),
    F_TIME(I, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(I, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_UUID(I, flow_run_id, F_REQUIRED, .doc = "Whose input it is."),
    F_STR(I, key, F_REQUIRED, .doc = "Unique within the run."),
    F_STR(I, value, F_REQUIRED, .doc = "JSON, as the client wants it."),
    F_STR(I, sender, F_NULLABLE, .doc = "Who sent it."),
};
#undef I
const struct resource flow_run_input_resource = RESOURCE_NAMED("FlowRunInput", flow_run_input, input_fields);
/* clang-format on */
