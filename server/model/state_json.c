/* States as JSON, both ways. */
#include "server/model/state.h"
#include "shared/json/write.h"

const struct enum_name state_type_names[] = {
#define X(name) {#name, STATE_##name},
    STATE_TYPES_NAMED(X)
#undef X
        {NULL, 0},
};

static const char *check_keyset(struct arena *a, const void *value)
{
    const struct raw *r = value;
    struct doc doc;
    struct doc_error bad;

    if (!r->text)
        return NULL;
    if (!doc_parse(a, r->text, r->len, &doc, &bad))
        return "Input should be a valid dictionary";
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);)
        if (val_type(it.value) != DOC_STRING)
            return "the values of run_input_keyset should be valid strings";
    return NULL;
}

/* clang-format off */
#define D struct state_details
static const struct field details_fields[] = {
    F_UUID(D, flow_run_id, F_NULLABLE, .doc = "Set by the server."),
    F_UUID(D, task_run_id, F_NULLABLE, .doc = "Set by the server."),
    F_UUID(D, child_flow_run_id, F_NULLABLE, .doc = "Of a task run that stands for a subflow: the subflow's run."),
    F_TIME(D, scheduled_time, F_NULLABLE, .doc = "When a SCHEDULED run is to start."),
    F_STR(D, cache_key, F_NULLABLE, .doc = "Completed task runs with the same key share their state."),
    F_TIME(D, cache_expiration, F_NULLABLE, .doc = "Until when they do."),
    F_TRI(D, deferred, F_NULLABLE, .def = "false", .doc = "A task run in the background."),
    F_BOOL(D, untrackable_result, .def = "false", .doc = "The result cannot be followed to other tasks."),
    F_TIME(D, pause_timeout, F_NULLABLE, .doc = "When a paused run fails."),
    F_BOOL(D, pause_reschedule, .def = "false", .doc = "The process ends; to resume is to schedule again."),
    F_STR(D, pause_key, F_NULLABLE, .doc = "A pause fires once per key and attempt."),
    F_DICT(D, run_input_keyset, F_NULLABLE, .check = check_keyset, .doc = "Names of the inputs a paused run waits for."),
    F_TRI(D, refresh_cache, F_NULLABLE, .doc = "Run even if there is a cached state."),
    F_TRI(D, retriable, F_NULLABLE, .doc = "False: the failure is not to be tried again."),
    F_UUID(D, transition_id, F_NULLABLE, .doc = "The same for repeats of one request."),
    F_UUID(D, task_parameters_id, F_NULLABLE, .doc = "Where the parameters of a background task are."),
    F_STR(D, traceparent, F_NULLABLE, .doc = "The trace this state was made in."),
    F_UUID(D, deployment_concurrency_lease_id, F_NULLABLE, .doc = "The lease that holds the deployment's slot."),
};
#undef D
const struct resource state_details_resource = RESOURCE_NAMED("StateDetails", state_details, details_fields,
    .lax = true, .doc = "What the rules and the clients look at.");

#define C struct state_create
static const struct field create_fields[] = {
    F_ENUM(C, type, state_type_names, F_REQUIRED, .doc = "What the run does."),
    F_STR(C, name, F_NULLABLE, .doc = "Free text; the capitalised type when absent."),
    F_STR(C, message, F_NULLABLE, .doc = "For people."),
    F_JSON(C, data, F_NULLABLE, .doc = "Where the result is, or the result."),
    F_OBJECT(C, state_details, state_details, .def = "{}", .doc = "What the rules look at."),
};
#undef C
const struct resource state_create_resource = RESOURCE_NAMED("StateCreate", state_create, create_fields,
    .doc = "A state that a client proposes.");

#define R struct state_read
static const struct field read_fields[] = {
    F_UUID(R, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_ENUM(R, type, state_type_names, F_REQUIRED, .doc = "What the run does."),
    F_STR(R, name, F_NULLABLE, .doc = "Free text."),
    F_TIME(R, timestamp, .doc = "Since when, by the server's clock."),
    F_STR(R, message, F_NULLABLE, .doc = "For people."),
    F_JSON(R, data, F_NULLABLE, .doc = "Where the result is, or the result."),
    F_OBJECT(R, state_details, state_details, F_SPARSE, .def = "{}", .doc = "What the rules look at."),
};
#undef R
const struct resource state_read_resource = RESOURCE_NAMED("State", state_read, read_fields, .doc = "A state of a run.");
/* clang-format on */

enum { DATA_MAX_BYTES = 16 << 20 };
static const struct state_details no_details = STATE_DETAILS_INIT;

static const char *const artifact_members[] = {"artifact_key", "artifact_type",
                                               "artifact_description"};

/* The data without the members that belong to the artifact. */
static struct raw without_artifact(struct arena *a, struct val data)
{
    struct buf b = {.max_bytes = DATA_MAX_BYTES};

    write_object(&b);
    for (struct val_iter it = val_each(data); val_next(&it);) {
        bool skip = false;
        for (size_t i = 0; i < COUNT(artifact_members); i++)
            skip |= val_equals(it.key, artifact_members[i], strlen(artifact_members[i]));
        if (skip)
            continue;
        write_key(&b, val_string(a, it.key, NULL));
        val_write(&b, it.value);
    }
    write_end_object(&b);
    struct raw out = {arena_strndup(a, b.bytes, b.len), b.len};
    buf_free(&b);
    return out;
}

static void read_object(struct arena *a, struct state *s, struct val data)
{
    const char **out[] = {&s->artifact_key, &s->artifact_type, &s->artifact_description};
    bool any = false;

    for (size_t i = 0; i < COUNT(artifact_members); i++) {
        struct val v = val_get(data, artifact_members[i]);
        any |= val_type(v) != DOC_NONE;
        *out[i] = val_string(a, v, NULL);
    }
    s->data_stored = !val_equals(val_get(data, "type"), "unpersisted", strlen("unpersisted"));
    s->data_persisted = s->data_stored && val_count(data);
    if (any)
        s->data = without_artifact(a, data);
}

void state_set_data(struct arena *a, struct state *s, struct raw data)
{
    struct doc doc;
    struct doc_error bad;

    if (!data.text || (data.len == 4 && !memcmp(data.text, "null", 4)))
        return;
    s->data = data;
    s->data_stored = true;
    if (*data.text == '{' && doc_parse(a, data.text, data.len, &doc, &bad))
        read_object(a, s, doc_root(&doc));
}

struct state state_from_create(struct arena *a, const struct state_create *in)
{
    struct state s = {
        .type = in->type,
        .name = in->name,
        .timestamp_us = TIME_NONE,
        .message = in->message,
        .details = in->state_details ? *in->state_details : no_details,
    };
    state_set_data(a, &s, in->data);
    return s;
}

struct state state_from_read(struct arena *a, const struct state_read *in)
{
    struct state s = {
        .id = in->id,
        .type = in->type,
        .name = in->name,
        .timestamp_us = in->timestamp_us,
        .message = in->message,
        .details = in->state_details ? *in->state_details : no_details,
    };
    state_set_data(a, &s, in->data);
    return s;
}

void state_encode(struct buf *b, const struct state *s)
{
    struct state_details details = s->details;
    struct state_read out = {
        .id = s->id,
        .type = s->type,
        .name = s->name,
        .timestamp_us = s->timestamp_us,
        .message = s->message,
        .data = s->data,
        .state_details = &details,
    };
    json_encode(b, &state_read_resource, &out);
}

void state_details_store(struct buf *b, const struct state_details *d)
{
    json_encode_sparse(b, &state_details_resource, d);
}
