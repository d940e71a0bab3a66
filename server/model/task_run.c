#include "server/model/task_run.h"

#include <inttypes.h>

#include "server/model/limits.h"

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

/* What a task input has to say, by its type. */
static const struct {
    const char *type, *member;
} input_types[] = {
    {"task_run", "id"},
    {"flow_run", "id"},
    {"parameter", "name"},
    {"constant", "type"},
};

static bool is_input(struct val v)
{
    for (size_t i = 0; i < COUNT(input_types); i++)
        if (val_equals(val_get(v, "input_type"), input_types[i].type, strlen(input_types[i].type)))
            return val_type(val_get(v, input_types[i].member)) == DOC_STRING;
    return false;
}

static const char *check_inputs(struct arena *a, const void *value)
{
    const struct raw *inputs = value;
    struct doc doc;
    struct doc_error bad;

    if (!doc_parse(a, inputs->text, inputs->len, &doc, &bad))
        return "Input should be a valid dictionary";
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);) {
        if (val_type(it.value) != DOC_ARRAY)
            return arena_printf(a, "%s: Input should be a valid list", val_string(a, it.key, NULL));
        for (struct val_iter in = val_each(it.value); val_next(&in);)
            if (!is_input(in.value))
                return arena_printf(
                    a,
                    "%s: each input needs an input_type (task_run and flow_run with "
                    "id, parameter with name, constant with type)",
                    val_string(a, it.key, NULL));
    }
    return NULL;
}

/* clang-format off */
#define R struct task_run
static const struct field fields[] = {
    F_UUID(R, id, F_REQUIRED, .doc = "Assigned by the client or the server."),
    F_TIME(R, created, F_NULLABLE, .doc = "When the run was made."),
    F_TIME(R, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_STR(R, name, .doc = "Two words of the server's unless given."),
    F_UUID(R, flow_run_id, F_NULLABLE, .doc = "Null: it stands for itself."),
    F_STR(R, task_key, F_REQUIRED, .doc = "Which task."),
    F_STR(R, dynamic_key, F_REQUIRED, .doc = "Which call of it within the flow run."),
    F_STR(R, cache_key, F_NULLABLE, .doc = "Runs with the same key share their state."),
    F_TIME(R, cache_expiration, F_NULLABLE, .doc = "Until when they do."),
    F_STR(R, task_version, F_NULLABLE, .doc = "Version of the task's code."),
    F_DICT(R, empirical_policy, .doc = "How it retries."),
    F_STRS(R, tags, .doc = "For filters and concurrency limits."),
    F_LABELS(R, labels, .doc = "Of the flow run and the task run."),
    F_UUID(R, state_id, F_NULLABLE, .doc = "The current state."),
    F_DICT(R, task_inputs, .doc = "What it waits for and reads."),
    F_STR(R, state_type, F_NULLABLE, .doc = "What the run does."),
    F_STR(R, state_name, F_NULLABLE, .doc = "The state's name."),
    F_INT(R, run_count, .doc = "How often it was started."),
    F_INT(R, flow_run_run_count, .doc = "In which attempt of the flow run it last started."),
    F_TIME(R, expected_start_time, F_NULLABLE, .doc = "When it was first meant to start."),
    F_TIME(R, next_scheduled_start_time, F_NULLABLE, .doc = "When it is due, if it is SCHEDULED."),
    F_TIME(R, start_time, F_NULLABLE, .doc = "When it first ran."),
    F_TIME(R, end_time, F_NULLABLE, .doc = "When it ended."),
    F_NUM(R, total_run_time, .doc = "Seconds in RUNNING, up to the last state."),
    F_NUM(R, estimated_run_time, .column = RUN_ESTIMATED_RUN_TIME("tr"), .doc = "Seconds in RUNNING, up to now."),
    F_NUM(R, estimated_start_time_delta, .column = RUN_ESTIMATED_DELTA("tr"), .doc = "Seconds it was, or is, late."),
    F_ROW("state", R, state, FIELD_OBJECT, struct state_read *, .of = &run_state_resource, F_NULLABLE, F_INLINED, .doc = "The current state."),
};
#undef R
const struct resource task_run_resource = RESOURCE_NAMED("TaskRun", task_run, fields, .doc = "A run of a task.");

#define C struct task_run_create
static const struct field create_fields[] = {
    F_UUID(C, id, F_NULLABLE, .doc = "The server makes one unless given."),
    F_OBJECT(C, state, state_create, F_NULLABLE, .doc = "The first state; PENDING if none."),
    F_STR(C, name, F_NULLABLE, .doc = "Two words of the server's unless given."),
    F_UUID(C, flow_run_id, F_NULLABLE, .doc = "Null: it stands for itself."),
    F_STR(C, task_key, F_REQUIRED, .doc = "Which task."),
    F_STR(C, dynamic_key, F_REQUIRED, .doc = "Which call of it within the flow run."),
    F_STR(C, cache_key, F_NULLABLE, .check = check_cache_key, .doc = "Runs with the same key share their state."),
    F_TIME(C, cache_expiration, F_NULLABLE, .doc = "Until when they do."),
    F_STR(C, task_version, F_NULLABLE, .doc = "Version of the task's code."),
    F_ROW("empirical_policy", C, empirical_policy, FIELD_OBJECT, struct retry_policy *, .of = &task_run_policy_resource, .def = "{}", .doc = "How it retries."),
    F_STRS(C, tags, .def = "[]", .doc = "For filters and concurrency limits."),
    F_LABELS(C, labels, F_NULLABLE, .doc = "On top of those of the flow run."),
    F_DICT(C, task_inputs, .def = "{}", .check = check_inputs, .doc = "What it waits for and reads."),
};
#undef C
const struct resource task_run_create_resource = RESOURCE_NAMED("TaskRunCreate", task_run_create, create_fields);

static const struct field update_fields[] = {
    F_STR(struct task_run_update, name, F_NULLABLE, .doc = "Null gives a new one."),
};
const struct resource task_run_update_resource = RESOURCE_NAMED("TaskRunUpdate", task_run_update, update_fields);
/* clang-format on */
