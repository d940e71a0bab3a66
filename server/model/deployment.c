#include "server/model/deployment.h"

#include <inttypes.h>
#include <string.h>

#include "server/model/flow_run.h"
#include "server/model/limits.h"
#include "server/model/misfire.h"
#include "server/model/schedule_check.h"
#include "shared/json/decode.h"
#include "shared/json/schema.h"

static const char *check_misfire(struct arena *a, const void *value)
{
    struct misfire ignored;
    return misfire_read(a, *(const struct raw *)value, &ignored);
}

static const char *check_max_runs(struct arena *a, const void *value)
{
    int64_t most = limits()->scheduled_runs;

    return *(const int64_t *)value > most
               ? arena_printf(a, "`max_scheduled_runs` must be less than or equal to %" PRId64 ".",
                              most)
               : NULL;
}

static const char *check_name(struct arena *a, const void *value)
{
    (void)a;
    const char *name = *(const char *const *)value;
    return strpbrk(name, "/%&><") ? "name may not contain / % & > <" : NULL;
}

const char *deployment_parameters_check(struct arena *a, struct raw schema, struct raw parameters)
{
    const struct schema_rules rules = {.prefect = true, .ignore_required = true};
    struct doc schema_doc, doc;
    struct schema_error error;
    struct doc_error bad;

    if (!schema.text || !parameters.text ||
        !doc_parse(a, schema.text, schema.len, &schema_doc, &bad) ||
        !doc_parse(a, parameters.text, parameters.len, &doc, &bad) ||
        val_type(doc_root(&schema_doc)) != DOC_OBJECT || !val_count(doc_root(&schema_doc)) ||
        !schema_valid_as(a, doc_root(&schema_doc), &rules, &error) ||
        schema_check_as(a, doc_root(&schema_doc), &rules, doc_root(&doc), &error) ||
        error.problem != SCHEMA_VALUE)
        return NULL;
    return schema_error_text(a, &error);
}

/* A list of objects. */
static bool read_steps(const struct reading *r, void *out)
{
    size_t before = r->bad->count;

    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "list_type", "Input should be a valid list", NULL);
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        struct loc at = {r->at, NULL, it.index};
        if (val_type(it.value) != DOC_OBJECT)
            reading_fail(&(struct reading){r->f, it.value, &at, r->bad}, "dict_type",
                         "Input should be a valid dictionary", NULL);
    }
    return r->bad->count == before && readers[FIELD_JSON](r, out);
}

static bool read_version(const struct reading *r, void *out)
{
    static const char *const needed[] = {"type", "version"};
    size_t before = r->bad->count;

    if (val_type(r->v) != DOC_OBJECT)
        return reading_fail(r, "model_attributes_type",
                            "Input should be a valid dictionary or object to extract fields from",
                            NULL);
    for (size_t i = 0; i < COUNT(needed); i++) {
        struct loc at = {r->at, needed[i], 0};
        struct val member = val_get(r->v, needed[i]);
        if (val_type(member) == DOC_NONE)
            reading_fail(&(struct reading){r->f, r->v, &at, r->bad}, "missing", "Field required",
                         NULL);
        else if (val_type(member) != DOC_STRING)
            reading_fail(&(struct reading){r->f, member, &at, r->bad}, "string_type",
                         "Input should be a valid string", NULL);
    }
    return r->bad->count == before && readers[FIELD_JSON](r, out);
}

static const char *check_create(struct arena *a, const void *object)
{
    const struct deployment_write *in = object;

    if (in->concurrency_limit != INT_NONE && !uuid_is_nil(in->global_concurrency_limit_id))
        return "A deployment cannot have both a concurrency limit and a global concurrency limit.";
    if (in->enforce_parameter_schema == TRI_FALSE)
        return NULL;
    return deployment_parameters_check(a, in->parameter_openapi_schema, in->parameters);
}

static const struct enum_name strategies[] = {{"ENQUEUE", 0}, {"CANCEL_NEW", 1}, {NULL, 0}};

/* clang-format off */
static const struct field options_fields[] = {
    F_ENUM(struct deployment_options, collision_strategy, strategies, F_REQUIRED, .doc = "Whether a run waits or is cancelled."),
    F_INT(struct deployment_options, grace_period_seconds, F_NULLABLE, F_GE(60), F_LE(86400), .doc = "How long a slot is kept for a run that begins."),
};
static const struct resource deployment_options_resource =
    RESOURCE_NAMED("ConcurrencyOptions", deployment_options, options_fields, .lax = true);

#define S struct deployment_schedule
static const struct field schedule_fields[] = {
    F_UUID(S, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(S, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(S, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_UUID(S, deployment_id, F_NULLABLE, .doc = "Its deployment."),
    F_JSON(S, schedule, F_REQUIRED, .doc = "Interval, cron or rrule."),
    F_TRI(S, active, .doc = "Whether it makes runs."),
    F_INT(S, max_scheduled_runs, F_NULLABLE, .doc = "At most so many runs ahead."),
    F_DICT(S, parameters, .doc = "For its runs, over those of the deployment."),
    F_STR(S, slug, F_NULLABLE, .doc = "Unique within the deployment."),
    F_JSON(S, switchyard_misfire, F_NULLABLE, F_UNSAID, .column = "misfire", .doc = "What becomes of runs that could not begin on time."),
};
const struct resource deployment_schedule_resource = RESOURCE_NAMED("DeploymentSchedule", deployment_schedule, schedule_fields);

static const struct field schedule_create_fields[] = {
    F_TRI(S, active, .def = "true", .doc = "Whether it makes runs."),
    F_JSON(S, schedule, F_REQUIRED, .read = schedule_check, .doc = "Interval, cron or rrule."),
    F_INT(S, max_scheduled_runs, F_NULLABLE, F_GT(0), .check = check_max_runs, .doc = "At most so many runs ahead."),
    F_DICT(S, parameters, .def = "{}", .doc = "For its runs, over those of the deployment."),
    F_STR(S, slug, F_NULLABLE, .doc = "Unique within the deployment."),
    F_STR(S, replaces, F_NULLABLE, .column = "", .doc = "The slug that this one had before."),
    F_JSON(S, switchyard_misfire, F_NULLABLE, .column = "", .check = check_misfire, .doc = "What becomes of runs that could not begin on time."),
};
const struct resource deployment_schedule_create_resource = RESOURCE_NAMED("DeploymentScheduleCreate", deployment_schedule, schedule_create_fields);

static const struct field schedule_update_fields[] = {
    F_TRI(S, active, F_NULLABLE, .doc = "Whether it makes runs."),
    F_JSON(S, schedule, F_NULLABLE, .read = schedule_check, .doc = "Interval, cron or rrule."),
    F_INT(S, max_scheduled_runs, F_NULLABLE, F_GT(0), .check = check_max_runs, .doc = "At most so many runs ahead."),
    F_DICT(S, parameters, .def = "{}", .doc = "For its runs, over those of the deployment."),
    F_STR(S, slug, F_NULLABLE, .doc = "Unique within the deployment."),
    F_STR(S, replaces, F_NULLABLE, .column = "", .doc = "The slug that this one had before."),
    F_JSON(S, switchyard_misfire, F_NULLABLE, .column = "", .check = check_misfire, .doc = "What becomes of runs that could not begin on time."),
};
const struct resource deployment_schedule_update_resource = RESOURCE_NAMED("DeploymentScheduleUpdate", deployment_schedule, schedule_update_fields);
#undef S

#define W struct deployment_write
#define F_SCHEDULES(resource) \
    {.name = "schedules", .kind = FIELD_LIST, .offset = offsetof(W, schedules), .count_offset = offsetof(W, schedules_count), \
     .of = &(resource), .column = "", .doc = "When runs are made."}
#define COMMON_FIELDS \
    F_OBJECT(W, concurrency_options, deployment_options, F_NULLABLE, .doc = "What happens when no slot is free."), \
    F_STR(W, description, F_NULLABLE, .doc = "For people."), \
    F_STR(W, version, F_NULLABLE, .doc = "Of the code."), \
    F_DICT(W, parameter_openapi_schema, F_NULLABLE, .def = "{}", .doc = "JSON Schema of the parameters."), \
    F_JSON(W, pull_steps, F_NULLABLE, .read = read_steps, .doc = "How a worker gets the code."), \
    F_STR(W, path, F_NULLABLE, .doc = "Where the code is."), \
    F_STR(W, entrypoint, F_NULLABLE, .doc = "file:function within the code."), \
    F_UUID(W, storage_document_id, F_NULLABLE, .doc = "Block that holds the code."), \
    F_UUID(W, infrastructure_document_id, F_NULLABLE, .doc = "Block that starts the run."), \
    F_INT(W, concurrency_limit, F_NULLABLE, F_GT(0), .column = "", .doc = "Runs at the same time."), \
    F_UUID(W, global_concurrency_limit_id, F_NULLABLE, .column = "", .doc = "A limit that is shared."), \
    F_STR(W, work_pool_name, F_NULLABLE, .column = "", .doc = "Who runs it."), \
    F_STR(W, work_queue_name, F_NULLABLE, .doc = "The pool's default queue by default."), \
    F_JSON(W, version_info, F_NULLABLE, .column = "", .read = read_version, .doc = "Accepted for Prefect's cloud clients.")

static const struct field create_fields[] = {
    F_STR(W, name, F_REQUIRED, .check = check_name, .doc = "Unique within the flow."),
    F_UUID(W, flow_id, F_REQUIRED, .doc = "What it runs."),
    F_BOOL(W, paused, .def = "false", .doc = "A paused deployment makes no scheduled runs."),
    F_TRI(W, enforce_parameter_schema, .def = "true", .doc = "Refuse parameters that do not fit."),
    F_DICT(W, parameters, .def = "{}", .check = check_parameters, .doc = "Defaults for its runs."),
    F_STRS(W, tags, .def = "[]", .doc = "For its runs and for filters."),
    F_LABELS(W, labels, F_NULLABLE, .def = "{}", .column = "", .doc = "Inherited by runs."),
    F_DICT(W, job_variables, .def = "{}", .doc = "Over the defaults of the pool's template."),
    F_SCHEDULES(deployment_schedule_create_resource),
    COMMON_FIELDS,
};
const struct resource deployment_create_resource = RESOURCE_NAMED("DeploymentCreate", deployment_write, create_fields, .check = check_create);

static const struct field update_fields[] = {
    F_BOOL(W, paused, .doc = "A paused deployment makes no scheduled runs."),
    F_TRI(W, enforce_parameter_schema, F_NULL_IGNORED, .doc = "Refuse parameters that do not fit."),
    F_DICT(W, parameters, F_NULL_IGNORED, .check = check_parameters, .doc = "Defaults for its runs."),
    F_STRS(W, tags, .doc = "For its runs and for filters."),
    F_DICT(W, job_variables, F_NULL_IGNORED, .doc = "Over the defaults of the pool's template."),
    F_SCHEDULES(deployment_schedule_update_resource),
    COMMON_FIELDS,
};
const struct resource deployment_update_resource = RESOURCE_NAMED("DeploymentUpdate", deployment_write, update_fields);
#undef W

#define SCHEDULE_MEMBERS \
    "'id', ds.id, 'created', wire_time(ds.created), 'updated', wire_time(ds.updated), 'deployment_id', ds.deployment_id, " \
    "'schedule', ds.schedule, 'active', ds.active, 'max_scheduled_runs', ds.max_scheduled_runs, 'parameters', ds.parameters, 'slug', ds.slug"
#define SCHEDULES_COLUMN \
    "coalesce((SELECT json_agg(CASE WHEN ds.misfire IS NULL THEN json_build_object(" SCHEDULE_MEMBERS ") " \
    "ELSE json_build_object(" SCHEDULE_MEMBERS ", 'switchyard_misfire', ds.misfire) END ORDER BY ds.updated DESC, ds.id) " \
    "FROM deployment_schedule ds WHERE ds.deployment_id = d.id), '[]')"
#define LIMIT_COLUMN \
    "(SELECT json_build_object('id', cl.id, 'created', wire_time(cl.created), 'updated', wire_time(cl.updated), 'active', cl.active, " \
    "'name', cl.name, 'limit', cl.slot_limit, 'active_slots', cl.active_slots + coalesce((SELECT sum(l.slots) FROM concurrency_lease l " \
    "WHERE l.limit_id = cl.id AND l.expires > now()), 0), 'slot_decay_per_second', cl.slot_decay_per_second) " \
    "FROM concurrency_limit cl WHERE cl.id = d.concurrency_limit_id)"
#define D struct deployment
static const struct field fields[] = {
    F_UUID(D, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(D, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(D, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_STR(D, name, F_REQUIRED, .doc = "Unique within the flow."),
    F_STR(D, version, F_NULLABLE, .doc = "Of the code."),
    F_STR(D, description, F_NULLABLE, .doc = "For people."),
    F_UUID(D, flow_id, F_REQUIRED, .doc = "What it runs."),
    F_BOOL(D, paused, .doc = "A paused deployment makes no scheduled runs."),
    F_JSON(D, schedules, .column = SCHEDULES_COLUMN, .doc = "When runs are made."),
    F_INT(D, concurrency_limit, F_NULLABLE, .column = "NULL", .doc = "Old: see global_concurrency_limit."),
    F_JSON(D, global_concurrency_limit, F_NULLABLE, .column = LIMIT_COLUMN, .doc = "Runs at the same time."),
    F_JSON(D, concurrency_options, F_NULLABLE, .doc = "What happens when no slot is free."),
    F_DICT(D, job_variables, .doc = "Over the defaults of the pool's template."),
    F_DICT(D, parameters, .doc = "Defaults for its runs."),
    F_STRS(D, tags, .doc = "For its runs and for filters."),
    F_LABELS(D, labels, F_NULLABLE, .doc = "Inherited by runs."),
    F_STR(D, work_queue_name, F_NULLABLE, .column = "coalesce(dq.name, d.work_queue_name)", .doc = "Where its runs wait."),
    F_UUID(D, work_queue_id, F_NULLABLE, .doc = "Where its runs wait."),
    F_TIME(D, last_polled, F_NULLABLE, .doc = "When a worker last asked for its runs."),
    F_JSON(D, parameter_openapi_schema, F_NULLABLE, .doc = "JSON Schema of the parameters."),
    F_STR(D, path, F_NULLABLE, .doc = "Where the code is."),
    F_JSON(D, pull_steps, F_NULLABLE, .column = "coalesce(d.pull_steps::text, '[]')", .doc = "How a worker gets the code."),
    F_STR(D, entrypoint, F_NULLABLE, .doc = "file:function within the code."),
    F_UUID(D, storage_document_id, F_NULLABLE, .doc = "Block that holds the code."),
    F_UUID(D, infrastructure_document_id, F_NULLABLE, .doc = "Block that starts the run."),
    F_JSON(D, created_by, F_NULLABLE, .doc = "Who made it."),
    F_JSON(D, updated_by, F_NULLABLE, .doc = "Who changed it."),
    F_STR(D, work_pool_name, F_NULLABLE, .column = "dp.name", .doc = "Who runs it."),
    F_STR(D, status, F_NULLABLE, .doc = "READY when somebody polls for its runs."),
    F_BOOL(D, enforce_parameter_schema, .doc = "Refuse parameters that do not fit."),
};
#undef D
const struct resource deployment_resource = RESOURCE_NAMED("DeploymentResponse", deployment, fields);
/* clang-format on */
