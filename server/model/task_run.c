#include "server/model/task_run.h"

#include <inttypes.h>

#include "server/model/limits.h"
#include "server/model/variant.h"
#include "shared/json/write.h"

enum { INPUTS_MAX_BYTES = 8 << 20 };

/* One of input_kinds. */
struct task_input {
    struct given given;
    const char *input_type, *name, *type;
    struct uuid id;
};

const char *cache_key_check(struct arena *a, const char *key)
{
    int64_t most = limits()->cache_key_chars, chars = 0;

    for (; *key; key++)
        chars += (*key & 0xc0) != 0x80;
    return chars > most ? arena_printf(a,
                                       "Cache key exceeded maximum allowed length of %" PRId64
                                       " characters.",
                                       most)
                        : NULL;
}

static const char *check_cache_key(struct arena *a, const void *value)
{
    const char *key = *(const char *const *)value;

    return key ? cache_key_check(a, key) : NULL;
}

/* clang-format off */
static const struct field task_result_fields[] = {
    F_STR(struct task_input, input_type, .def = "\"task_run\"", .read = read_literal, .doc = "The result of a task run."),
    F_UUID(struct task_input, id, F_REQUIRED, .doc = "Which one."),
};
static const struct resource task_result_resource = RESOURCE_NAMED("TaskRunResult", task_input, task_result_fields, .lax = true);

static const struct field flow_result_fields[] = {
    F_STR(struct task_input, input_type, .def = "\"flow_run\"", .read = read_literal, .doc = "The result of a flow run."),
    F_UUID(struct task_input, id, F_REQUIRED, .doc = "Which one."),
};
static const struct resource flow_result_resource = RESOURCE_NAMED("FlowRunResult", task_input, flow_result_fields, .lax = true);

static const struct field parameter_fields[] = {
    F_STR(struct task_input, input_type, .def = "\"parameter\"", .read = read_literal, .doc = "A parameter of the flow."),
    F_STR(struct task_input, name, F_REQUIRED, .doc = "Which one."),
};
static const struct resource parameter_resource = RESOURCE_NAMED("Parameter", task_input, parameter_fields, .lax = true);

static const struct field constant_fields[] = {
    F_STR(struct task_input, input_type, .def = "\"constant\"", .read = read_literal, .doc = "A value of its own."),
    F_STR(struct task_input, type, F_REQUIRED, .doc = "Its type."),
};
static const struct resource constant_resource = RESOURCE_NAMED("Constant", task_input, constant_fields, .lax = true);
/* clang-format on */

static const struct variant input_kinds[] = {
    {"TaskRunResult", &task_result_resource},
    {"FlowRunResult", &flow_result_resource},
    {"Parameter", &parameter_resource},
    {"Constant", &constant_resource},
};

static bool read_input_list(const struct reading *r, struct buf *out)
{
    const struct variant *kind;
    bool good = true;
    void *value;

    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "list_type", "Input should be a valid list", NULL);
    write_array(out);
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        struct loc at = {r->at, NULL, it.index};
        const struct reading item = {r->f, it.value, &at, r->bad};
        if (variant_read(&item, input_kinds, COUNT(input_kinds), &kind, &value))
            json_encode(out, kind->of, value);
        else
            good = false;
    }
    write_end_array(out);
    return good;
}

/* {"argument": [where it comes from, ...]} */
static bool read_inputs(const struct reading *r, void *out)
{
    struct buf b = {.max_bytes = INPUTS_MAX_BYTES};
    bool good = true;

    if (val_type(r->v) != DOC_OBJECT || !val_storable(r->v))
        return readers[FIELD_DICT](r, out);
    write_object(&b);
    for (struct val_iter it = val_each(r->v);
         r->bad->count < INVALID_LISTED_MAX && val_next(&it);) {
        struct loc at = {r->at, val_string(r->bad->arena, it.key, NULL), 0};
        write_key(&b, at.key);
        good = read_input_list(&(struct reading){r->f, it.value, &at, r->bad}, &b) && good;
    }
    write_end_object(&b);
    if (good && b.full)
        good = reading_refuse(r, "the inputs are larger than the limit");
    if (good)
        *(struct raw *)out = (struct raw){arena_strndup(r->bad->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return good;
}

/* clang-format off */
#define R struct task_run
#define TASK_RUN_IDENTITY \
    F_UUID(R, id, F_REQUIRED, .doc = "Assigned by the client or the server."), \
    F_TIME(R, created, F_NULLABLE, .doc = "When the run was made."), \
    F_TIME(R, updated, F_NULLABLE, .doc = "When it was last changed."), \
    F_STR(R, name, .doc = "Two words of the server's unless given."), \
    F_UUID(R, flow_run_id, F_NULLABLE, .doc = "Null: it stands for itself."), \
    F_STR(R, task_key, F_REQUIRED, .doc = "Which task.")
#define TASK_RUN_KIND \
    F_STR(R, task_version, F_NULLABLE, .doc = "Version of the task's code."), \
    F_DICT(R, empirical_policy, .doc = "How it retries."), \
    F_STRS(R, tags, .doc = "For filters and concurrency limits.")
#define TASK_RUN_NEEDS \
    F_UUID(R, state_id, F_NULLABLE, .doc = "The current state."), \
    F_DICT(R, task_inputs, .doc = "What it waits for and reads.")
#define TASK_RUN_COURSE \
    F_TIME(R, start_time, F_NULLABLE, .doc = "When it first ran."), \
    F_TIME(R, end_time, F_NULLABLE, .doc = "When it ended."), \
    F_NUM(R, total_run_time, .doc = "Seconds in RUNNING, up to the last state."), \
    F_NUM(R, estimated_run_time, .column = RUN_ESTIMATED_RUN_TIME("tr"), .doc = "Seconds in RUNNING, up to now."), \
    F_NUM(R, estimated_start_time_delta, .column = RUN_ESTIMATED_DELTA("tr"), .doc = "Seconds it was, or is, late."), \
    F_ROW("state", R, state, FIELD_OBJECT, struct state_read *, .of = &run_state_resource, F_NULLABLE, F_INLINED, .doc = "The current state.")

static const struct field fields[] = {
    TASK_RUN_IDENTITY,
    F_STR(R, dynamic_key, F_REQUIRED, .doc = "Which call of it within the flow run."),
    F_STR(R, cache_key, F_NULLABLE, .doc = "Runs with the same key share their state."),
    F_TIME(R, cache_expiration, F_NULLABLE, .doc = "Until when they do."),
    TASK_RUN_KIND,
    F_LABELS(R, labels, .doc = "Of the flow run and the task run."),
    TASK_RUN_NEEDS,
    F_STR(R, state_type, F_NULLABLE, .doc = "What the run does."),
    F_STR(R, state_name, F_NULLABLE, .doc = "The state's name."),
    F_INT(R, run_count, .doc = "How often it was started."),
    F_INT(R, flow_run_run_count, .doc = "In which attempt of the flow run it last started."),
    F_TIME(R, expected_start_time, F_NULLABLE, .doc = "When it was first meant to start."),
    F_TIME(R, next_scheduled_start_time, F_NULLABLE, .doc = "When it is due, if it is SCHEDULED."),
    TASK_RUN_COURSE,
};

/* What a page shows of a run. */
static const struct field paged_fields[] = {TASK_RUN_IDENTITY, TASK_RUN_KIND, TASK_RUN_NEEDS, TASK_RUN_COURSE};
#undef R
const struct resource task_run_resource = RESOURCE_NAMED("TaskRun", task_run, fields, .doc = "A run of a task.");
const struct resource task_run_paged_resource = RESOURCE_NAMED("TaskRunResponse", task_run, paged_fields);

#define C struct task_run_create
static const struct field create_fields[] = {
    F_UUID(C, id, F_NULLABLE, .doc = "The server makes one unless given."),
    F_OBJECT(C, state, state_create, F_NULLABLE, .doc = "The first state; PENDING if none."),
    F_STR(C, name, F_NULLABLE, .read = run_name_read, .doc = "Two words of the server's unless given."),
    F_UUID(C, flow_run_id, F_NULLABLE, .doc = "Null: it stands for itself."),
    F_STR(C, task_key, F_REQUIRED, .doc = "Which task."),
    F_STR(C, dynamic_key, F_REQUIRED, .doc = "Which call of it within the flow run."),
    F_STR(C, cache_key, F_NULLABLE, .check = check_cache_key, .doc = "Runs with the same key share their state."),
    F_TIME(C, cache_expiration, F_NULLABLE, .doc = "Until when they do."),
    F_STR(C, task_version, F_NULLABLE, .doc = "Version of the task's code."),
    F_ROW("empirical_policy", C, empirical_policy, FIELD_OBJECT, struct retry_policy *, .of = &task_run_policy_resource, .def = "{}", .doc = "How it retries."),
    F_STRS(C, tags, .def = "[]", .doc = "For filters and concurrency limits."),
    F_LABELS(C, labels, F_NULLABLE, .doc = "On top of those of the flow run."),
    F_DICT(C, task_inputs, .def = "{}", .read = read_inputs, .doc = "What it waits for and reads."),
};
#undef C
const struct resource task_run_create_resource = RESOURCE_NAMED("TaskRunCreate", task_run_create, create_fields);

static const struct field update_fields[] = {
    F_STR(struct task_run_update, name, F_NULLABLE, .read = run_name_read, .doc = "Null gives a new one."),
};
const struct resource task_run_update_resource = RESOURCE_NAMED("TaskRunUpdate", task_run_update, update_fields);
/* clang-format on */
