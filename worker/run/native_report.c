/* Everything that leaves the engine, in the form of the wire (reference of Prefect's REST
 * surface, 3.a, 1.8, 1.13). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/run/native_state.h"

enum { SECRET_MIN_BYTES = 3, SECRETS_MAX = 1000, INPUTS_MAX = 500, MESSAGE_BYTES = 1000 };

static const char masked[] = "********";

/* ---- secrets ---- */

static void add_secret(struct native *n, const char *text, size_t len)
{
    size_t count = 0;
    if (len < SECRET_MIN_BYTES)
        return; /* masking it would leave no log readable */
    for (struct secret *s = n->secrets; s; s = s->next)
        if (++count == SECRETS_MAX || (s->len == len && !memcmp(s->text, text, len)))
            return;
    struct secret *new = calloc(1, sizeof(*new) + len + 1), **at = &n->secrets;
    if (!new)
        abort();
    new->len = len;
    memcpy(new->text, text, len);
    while (*at && (*at)->len > len)
        at = &(*at)->next; /* the longest first: one may contain another */
    new->next = *at;
    *at = new;
}

void report_add_secrets(struct native *n, const json_t *value)
{
    size_t i;
    json_t *one;
    const char *key;
    if (json_is_string(value)) {
        const char *text = json_string_value(value);
        add_secret(n, text, strlen(text));
        for (size_t len; *text; text += len + (text[len] != 0)) {
            len = strcspn(text, "\n"); /* a log shows it line by line */
            add_secret(n, text, len);
        }
    }
    json_array_foreach(value, i, one) report_add_secrets(n, one);
    json_object_foreach((json_t *)(uintptr_t)value, key, one) report_add_secrets(n, one);
}

static bool has_secret(const struct native *n, const char *text)
{
    for (const struct secret *s = n->secrets; s; s = s->next)
        if (strstr(text, s->text))
            return true;
    return false;
}

static json_t *mask_text(const struct native *n, const char *text)
{
    struct buf out = {.max_bytes = 4 << 20};
    while (*text) {
        const struct secret *found = NULL;
        for (const struct secret *s = n->secrets; s && !found; s = s->next)
            if (!strncmp(text, s->text, s->len))
                found = s;
        if (found)
            buf_add(&out, masked, sizeof(masked) - 1);
        else
            buf_add(&out, text, 1);
        text += found ? found->len : 1;
    }
    json_t *value = json_stringn(out.bytes ? out.bytes : "", out.len);
    buf_free(&out);
    return value ? value : json_string(masked); /* a cut character */
}

/* New reference; the value itself when there is nothing to hide. */
static json_t *mask(const struct native *n, json_t *value)
{
    size_t i;
    json_t *one, *out;
    const char *key;
    if (!n->secrets)
        return json_incref(value);
    if (json_is_string(value))
        return has_secret(n, json_string_value(value)) ? mask_text(n, json_string_value(value))
                                                       : json_incref(value);
    if (json_is_array(value)) {
        out = json_array();
        json_array_foreach(value, i, one) json_array_append_new(out, mask(n, one));
        return out;
    }
    if (!json_is_object(value))
        return json_incref(value);
    out = json_object();
    json_object_foreach(value, key, one) json_object_set_new(out, key, mask(n, one));
    return out;
}

/* Takes the value. */
static void emit(const struct native *n, void (*hook)(void *, const json_t *), json_t *value)
{
    json_t *safe = mask(n, value);
    hook(n->o.ctx, safe);
    json_decref(safe);
    json_decref(value);
}

/* ---- small values ---- */

static json_t *json_time(int64_t us)
{
    char text[TIME_TEXT_BYTES];
    if (us == TIME_NONE)
        return json_null();
    time_format(us, text);
    return json_string(text);
}

static json_t *json_uuid(struct uuid id)
{
    char text[UUID_TEXT_BYTES];
    uuid_format(id, text);
    return json_string(text);
}

static json_t *json_text(const char *text)
{
    char copy[MESSAGE_BYTES];
    if (!text)
        return json_null();
    snprintf(copy, sizeof(copy), "%s", text);
    text_clean(copy);
    return json_string(copy);
}

/* ---- logs, artifacts, the flow's state ---- */

static void log_text(struct native *n, const struct task_run *tr, enum log_level level,
                     const char *text)
{
    char copy[16 << 10];
    snprintf(copy, sizeof(copy), "%s", text);
    text_clean(copy);
    static const int levels[] = {
        [LOG_DEBUG] = 10, [LOG_INFO] = 20, [LOG_WARN] = 30, [LOG_ERROR] = 40};
    json_t *record = json_pack(
        "{s:s,s:i,s:s,s:o,s:o,s:o}", "name", tr ? "prefect.task_runs" : "prefect.flow_runs",
        "level", levels[level], "message", copy, "timestamp", json_time(native_now_us(n)),
        "flow_run_id", json_uuid(n->step_run.flow_run_id), "task_run_id",
        tr ? json_uuid(tr->id) : json_null());
    emit(n, n->o.hooks->log, record);
}

void report_log(struct native *n, const struct task_run *tr, enum log_level level, const char *fmt,
                ...)
{
    char text[16 << 10];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    log_text(n, tr, level, text);
}

void report_artifact(struct native *n, const struct task_run *tr, json_t *artifact)
{
    json_object_set_new(artifact, "flow_run_id", json_uuid(n->step_run.flow_run_id));
    json_object_set_new(artifact, "task_run_id", json_uuid(tr->id));
    emit(n, n->o.hooks->artifact, artifact);
}

void report_flow(struct native *n, const char *type, const char *name, const char *message,
                 json_t *data)
{
    json_t *state =
        json_pack("{s:s,s:s,s:o}", "type", type, "name", name, "message", json_text(message));
    if (data)
        json_object_set_new(state, "data", data);
    emit(n, n->o.hooks->flow_state, state);
}

/* ---- task-run events ---- */

json_t *report_inputs(const struct task *task)
{
    json_t *inputs = json_object();
    const struct scope *scope = task->scope;
    size_t all = task->def->waits_for_all ? 0 : task->def->need_count;
    for (size_t i = 0; i < all; i++) {
        const struct task *need = &scope->tasks[task->def->needs[i]];
        json_t *list = json_array();
        for (size_t k = 0; k < need->run_count && k < INPUTS_MAX; k++)
            json_array_append_new(list, json_pack("{s:s,s:o}", "input_type", "task_run", "id",
                                                  json_uuid(need->runs[k].id)));
        json_object_set_new(inputs, need->def->name, list);
    }
    if (scope->owner)
        json_object_set_new(
            inputs, "__parents__",
            json_pack("[{s:s,s:o}]", "input_type", "task_run", "id", json_uuid(scope->owner->id)));
    return inputs;
}

static json_t *make_state(const struct native *n, const struct task_run *tr,
                          const struct reported *state)
{
    json_t *details = json_pack("{s:o,s:o}", "flow_run_id", json_uuid(n->step_run.flow_run_id),
                                "task_run_id", json_uuid(tr->id));
    if (!strcmp(state->type, "SCHEDULED"))
        json_object_set_new(details, "scheduled_time", json_time(tr->deadline_us));
    if (tr->cache_key)
        json_object_set_new(details, "cache_key", json_text(tr->cache_key));
    return json_pack("{s:s,s:s,s:o,s:o}", "type", state->type, "name", state->name, "message",
                     json_text(state->message), "state_details", details);
}

static json_t *make_resource(const struct task_run *tr, const struct reported *state)
{
    char id[UUID_TEXT_BYTES + 32], uuid[UUID_TEXT_BYTES], count[16];
    uuid_format(tr->id, uuid);
    snprintf(id, sizeof(id), "prefect.task-run.%s", uuid);
    snprintf(count, sizeof(count), "%d", tr->attempt);
    return json_pack("{s:s,s:s,s:s,s:o,s:s,s:o,s:s,s:s}", "prefect.resource.id", id,
                     "prefect.resource.name", tr->name, "prefect.run-count", count,
                     "prefect.state-message", json_text(state->message ? state->message : ""),
                     "prefect.state-name", state->name, "prefect.state-timestamp",
                     json_time(tr->state_us), "prefect.state-type", state->type,
                     "prefect.orchestration", "client");
}

static json_t *make_related(const struct native *n)
{
    char id[UUID_TEXT_BYTES + 32], uuid[UUID_TEXT_BYTES];
    if (n->o.related)
        return json_incref((json_t *)(uintptr_t)n->o.related);
    uuid_format(n->step_run.flow_run_id, uuid);
    snprintf(id, sizeof(id), "prefect.flow-run.%s", uuid);
    return json_pack("[{s:s,s:s,s:s}]", "prefect.resource.id", id, "prefect.resource.role",
                     "flow-run", "prefect.resource.name",
                     n->step_run.flow_run_name ? n->step_run.flow_run_name : "");
}

static json_t *retry_delay(const struct flow_task *def)
{
    json_t *list = json_array();
    for (size_t i = 0; i < def->retry_delay_count; i++)
        json_array_append_new(list, json_real(def->retry_delays_s[i]));
    if (json_array_size(list))
        return list;
    json_decref(list);
    return json_integer(0);
}

/* The members of TaskRunCreate and the times. */
static json_t *make_task_run(const struct native *n, const struct task_run *tr)
{
    const struct flow_task *def = tr->task->def;
    bool waits = tr->state == TR_WAITING;
    char key[400];
    snprintf(key, sizeof(key), "%s.%s%s", n->flow->name, tr->task->scope->path, def->name);
    return json_pack(
        "{s:s,s:s,s:s,s:{s:i,s:o},s:[],s:{},s:O,s:i,s:i,s:o,s:n,s:o,s:o,s:o,s:o,s:f,s:f,s:f}",
        "name", tr->name, "task_key", key, "dynamic_key", tr->dynamic_key, "empirical_policy",
        "retries", def->retries, "retry_delay", retry_delay(def), "tags", "labels", "task_inputs",
        tr->task->inputs, "run_count", tr->attempt, "flow_run_run_count", n->o.run_count,
        "cache_key", json_text(tr->cache_key), "task_version", "expected_start_time",
        json_time(tr->start_us != TIME_NONE ? tr->start_us : native_now_us(n)),
        "next_scheduled_start_time", json_time(waits ? tr->deadline_us : TIME_NONE), "start_time",
        json_time(tr->start_us), "end_time", json_time(tr->end_us), "total_run_time",
        (double)tr->running_us / 1e6, "estimated_run_time", (double)tr->running_us / 1e6,
        "estimated_start_time_delta", 0.0);
}

static bool is_terminal(const char *type)
{
    return !strcmp(type, "COMPLETED") || !strcmp(type, "FAILED") || !strcmp(type, "CANCELLED") ||
           !strcmp(type, "CRASHED");
}

/* The times of the run as the server's transforms would set them (wire facts 2.6).  The states of a
 * run are told apart by their times, so two of them never have the same. */
static void move_times(struct task_run *tr, const char *type, int64_t now)
{
    if (now <= tr->state_us)
        now = tr->state_us + 1;
    if (tr->last.type && !strcmp(tr->last.type, "RUNNING"))
        tr->running_us += now - tr->state_us;
    if (!strcmp(type, "RUNNING") && tr->start_us == TIME_NONE)
        tr->start_us = now;
    if (is_terminal(type)) {
        tr->end_us = now;
        if (tr->start_us == TIME_NONE)
            tr->start_us = now;
    }
    tr->state_us = now;
}

static json_t *make_event(struct native *n, struct task_run *tr, json_t *initial,
                          const struct reported *state)
{
    char event_name[80];
    snprintf(event_name, sizeof(event_name), "prefect.task-run.%s", state->name);
    json_t *validated = make_state(n, tr, state);
    if (is_terminal(state->type))
        json_object_set_new(validated, "data", json_pack("{s:s}", "type", "unpersisted"));
    json_t *intended =
        json_pack("{s:O,s:s}", "from", initial ? json_object_get(initial, "type") : json_null(),
                  "to", state->type);
    json_t *event =
        json_pack("{s:s,s:o,s:o,s:o,s:o,s:{s:o,s:o,s:o,s:o}}", "event", event_name, "id",
                  json_uuid(state->id), "occurred", json_time(tr->state_us), "resource",
                  make_resource(tr, state), "related", make_related(n), "payload", "intended",
                  intended, "initial_state", initial ? json_incref(initial) : json_null(),
                  "validated_state", validated, "task_run", make_task_run(n, tr));
    if (tr->last.type)
        json_object_set_new(event, "follows", json_uuid(tr->last.id));
    return event;
}

void report_task(struct task_run *tr, const char *type, const char *name, const char *message)
{
    struct native *n = tr->task->scope->run;
    struct reported state = {uuid_v7(), type, name, message ? strdup(message) : NULL};
    json_t *initial = tr->last.type ? make_state(n, tr, &tr->last) : NULL;
    move_times(tr, type, native_now_us(n));
    json_t *event = make_event(n, tr, initial, &state);
    json_decref(initial);
    free(tr->last.message);
    tr->last = state;
    emit(n, n->o.hooks->event, event);
}
