#include "server/store/task_run_recorder.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/model/retry_policy.h"
#include "server/model/state.h"
#include "shared/base/clock.h"

/* What an event says about a task run.  Texts live in the work's arena. */
struct record {
    struct uuid state_id, task_run_id, flow_run_id;
    int64_t timestamp_us;
    struct val state, run;
    const char *type;
};

enum { RECORD_MAX_BYTES = 1500000, RUN_COLUMNS = 26, STATE_COLUMNS = 8 };

static const char *string_of(struct work *w, struct val object, const char *key)
{
    return val_string(&w->arena, val_get(object, key), NULL);
}

/* The uuid behind "prefect.task-run." and the like. */
static bool id_after(const char *text, const char *prefix, struct uuid *out)
{
    size_t n = strlen(prefix);
    return text && strncmp(text, prefix, n) == 0 && uuid_parse(text + n, strlen(text + n), out);
}

static struct val parse(struct work *w, struct raw text)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    return doc_parse(&w->arena, text.text, text.len, doc, &bad) ? doc_root(doc) : (struct val){0};
}

static struct uuid flow_run_of(struct work *w, struct val related)
{
    struct uuid id = {{0}};

    for (struct val_iter it = val_each(related); val_next(&it);) {
        const char *role = string_of(w, it.value, "prefect.resource.role");
        if (role && strcmp(role, "flow-run") == 0 &&
            id_after(string_of(w, it.value, "prefect.resource.id"), "prefect.flow-run.", &id))
            return id;
    }
    return id;
}

static bool read_record(struct work *w, const struct event *e, struct record *out)
{
    if (strncmp(e->event, "prefect.task-run", strlen("prefect.task-run")) != 0)
        return false;
    struct val resource = parse(w, e->resource), payload = parse(w, e->payload);
    const char *by = string_of(w, resource, "prefect.orchestration");
    const char *at = string_of(w, resource, "prefect.state-timestamp");
    struct record r = {.state_id = e->id,
                       .timestamp_us = e->occurred_us,
                       .flow_run_id = flow_run_of(w, parse(w, e->related)),
                       .state = val_get(payload, "validated_state"),
                       .run = val_get(payload, "task_run")};
    if (!by || strcmp(by, "client") != 0 ||
        !id_after(string_of(w, resource, "prefect.resource.id"), "prefect.task-run.",
                  &r.task_run_id))
        return false;
    if (at && !time_parse(at, strlen(at), &r.timestamp_us))
        r.timestamp_us = e->occurred_us;
    r.type = string_of(w, r.state, "type");
    *out = r;
    return r.type && val_type(r.run) == DOC_OBJECT && string_of(w, r.run, "task_key") &&
           string_of(w, r.run, "dynamic_key");
}

static void put_string(struct work *w, struct array *a, struct val object, const char *key)
{
    array_string(a, string_of(w, object, key));
}

/* Any JSON, or NULL. */
static void put_json(struct array *a, struct val object, const char *key)
{
    struct val v = val_get(object, key);

    array_raw(a, val_type(v) <= DOC_NULL ? (struct raw){0} : val_raw(v));
}

/* A list or a map; an empty one for whatever else. */
static void put_items(struct array *a, struct val object, const char *key, enum doc_type type)
{
    struct val v = val_get(object, key);

    array_raw(a, val_type(v) == type ? val_raw(v) : type == DOC_ARRAY ? RAW("[]") : RAW("{}"));
}

/* With all members: older clients know fewer. */
static void put_policy(struct work *w, struct array *a, const struct record *r)
{
    struct retry_policy policy = RETRY_POLICY_INIT;
    struct val given = val_get(r->run, "empirical_policy");
    struct raw text = val_type(given) == DOC_OBJECT ? val_raw(given) : RAW("{}");
    struct buf b = {.max_bytes = RECORD_MAX_BYTES};

    if (retry_policy_read(&w->arena, RUN_TASK, text.text, text.len, &policy, &w->err) != ERR_OK)
        policy = (struct retry_policy)RETRY_POLICY_INIT;
    retry_policy_write(&b, RUN_TASK, &policy);
    array_text(a, b.bytes, b.len);
    buf_free(&b);
}

static void put_time(struct work *w, struct array *a, struct val object, const char *key)
{
    const char *text = string_of(w, object, key);
    int64_t us = TIME_NONE;

    if (text && !time_parse(text, strlen(text), &us))
        us = TIME_NONE;
    array_time(a, us);
}

static void put_int(struct array *a, struct val object, const char *key)
{
    int64_t n;
    array_int(a, val_int64(val_get(object, key), &n) ? n : 0);
}

static void put_seconds(struct array *a, struct val object, const char *key)
{
    double s;
    array_seconds(a, val_double(val_get(object, key), &s) ? (int64_t)(s * 1e6 + 0.5) : 0);
}

/* The ids that the server adds to the details of every state. */
static void put_details(struct work *w, struct array *a, const struct record *r)
{
    struct state_details d = STATE_DETAILS_INIT;
    struct val given = val_get(r->state, "state_details");
    struct raw text = val_type(given) == DOC_OBJECT ? val_raw(given) : RAW("{}");
    struct buf b = {.max_bytes = RECORD_MAX_BYTES};

    if (json_decode_text(&w->arena, &state_details_resource, text.text, text.len, &d, &w->err) !=
        ERR_OK)
        d = (struct state_details)STATE_DETAILS_INIT;
    d.task_run_id = r->task_run_id;
    d.flow_run_id = r->flow_run_id;
    state_details_store(&b, &d);
    array_text(a, b.bytes, b.len);
    buf_free(&b);
}

static void put_state(struct work *w, struct array *a, const struct record *r)
{
    const char *name = string_of(w, r->state, "name");

    array_uuid(&a[0], r->state_id);
    array_uuid(&a[1], r->task_run_id);
    array_time(&a[2], r->timestamp_us);
    array_string(&a[3], r->type);
    array_string(&a[4],
                 name ? name : state_default_name(state_type_parse(r->type, strlen(r->type))));
    put_string(w, &a[5], r->state, "message");
    put_details(w, &a[6], r);
    put_json(&a[7], r->state, "data");
}

static void put_run(struct work *w, struct array *a, const struct record *r)
{
    const char *name = string_of(w, r->run, "name");

    put_state(w, a, r);
    array_uuid(&a[8], r->flow_run_id);
    array_string(&a[9], name ? name : string_of(w, r->run, "task_key"));
    put_string(w, &a[10], r->run, "task_key");
    put_string(w, &a[11], r->run, "dynamic_key");
    put_string(w, &a[12], r->run, "cache_key");
    put_time(w, &a[13], r->run, "cache_expiration");
    put_string(w, &a[14], r->run, "task_version");
    put_policy(w, &a[15], r);
    put_items(&a[16], r->run, "tags", DOC_ARRAY);
    put_items(&a[17], r->run, "labels", DOC_OBJECT);
    put_items(&a[18], r->run, "task_inputs", DOC_OBJECT);
    put_int(&a[19], r->run, "run_count");
    put_int(&a[20], r->run, "flow_run_run_count");
    put_time(w, &a[21], r->run, "expected_start_time");
    put_time(w, &a[22], r->run, "next_scheduled_start_time");
    put_time(w, &a[23], r->run, "start_time");
    put_time(w, &a[24], r->run, "end_time");
    put_seconds(&a[25], r->run, "total_run_time");
}

/* A run may occur several times in a batch; an upsert takes it once, with its newest state. */
static bool is_newest(const struct record *records, size_t count, size_t i)
{
    for (size_t k = 0; k < count; k++) {
        if (k == i ||
            memcmp(&records[k].task_run_id, &records[i].task_run_id, sizeof(struct uuid)) != 0)
            continue;
        if (records[k].timestamp_us > records[i].timestamp_us ||
            (records[k].timestamp_us == records[i].timestamp_us && k > i))
            return false;
    }
    return true;
}

static enum err_code write_records(struct work *w, const struct record *records, size_t count)
{
    struct array states[STATE_COLUMNS] = {0}, runs[RUN_COLUMNS] = {0};
    struct db_step steps[] = {{.query = Q_recorder_states, .arrays = states},
                              {.query = Q_recorder_runs, .arrays = runs}};

    arrays_binary(states, STATE_COLUMNS);
    arrays_binary(runs, RUN_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        put_state(w, states, &records[i]);
        if (is_newest(records, count, i))
            put_run(w, runs, &records[i]);
    }
    enum err_code rc = db_pipeline(w, steps, COUNT(steps));
    arrays_free(states, STATE_COLUMNS);
    arrays_free(runs, RUN_COLUMNS);
    return rc;
}

enum err_code task_runs_record(struct work *w, const struct event *const *events, size_t count)
{
    struct record *records = arena_array(&w->arena, struct record, count);
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += read_record(w, events[i], &records[n]);
    return n ? write_records(w, records, n) : ERR_OK;
}
