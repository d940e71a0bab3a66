/* A native flow as a run: its file comes from the server's file store, what it reports goes to the
 * journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/base/sha256.h"
#include "worker/run/native.h"
#include "worker/run/run.h"
#include "worker/run/run_folder.h"

enum {
    FLOW_MAX_BYTES = 4 << 20,
    LOOKUP_MAX_BYTES = 4 << 20,
    FETCH_TIMEOUT_MS = 30000,
    LOOKUP_TIMEOUT_MS = 10000,
    LOOKUP_TRIES = 5,
};

/* A block or variable that is being asked for. */
struct run_lookup {
    struct run_lookup *next;
    struct run *run;
    struct native_lookup *lookup;
    struct http_call *call;
    char url[];
};

static const char *text_at(const json_t *claim, const char *object, const char *member)
{
    return json_string_value(json_object_get(json_object_get(claim, object), member));
}

/* ---- hooks of the engine ---- */

static bool is_final(const char *type)
{
    static const char *const finals[] = {"COMPLETED", "FAILED", "CANCELLED", "CRASHED"};
    for (size_t i = 0; i < COUNT(finals); i++)
        if (strcmp(type, finals[i]) == 0)
            return true;
    return false;
}

static void on_state(void *ctx, const json_t *state)
{
    struct run *run = ctx;
    const char *type = json_string_value(json_object_get(state, "type"));
    const char *message = json_string_value(json_object_get(state, "message"));

    if (run->lost && is_final(type))
        return; /* the agent stopped it: another attempt decides */
    if (is_final(type))
        snprintf(run->message, sizeof(run->message), "%s: %s", type, message ? message : "");
    run_record_state(run, state);
}

static void on_event(void *ctx, const json_t *event)
{
    run_record(ctx, "events", "events", json_pack("[O]", event));
}

static void on_log(void *ctx, const json_t *record)
{
    const json_t *message = json_object_get(record, "message");

    run_say(ctx, json_string_value(json_object_get(record, "name")),
            (int)json_integer_value(json_object_get(record, "level")),
            json_string_value(json_object_get(record, "task_run_id")), json_string_value(message),
            json_string_length(message));
}

static void on_artifact(void *ctx, const json_t *artifact)
{
    run_record(ctx, "artifact", "artifact", json_incref((json_t *)(uintptr_t)artifact));
}

static void on_over(void *ctx, struct native *native)
{
    struct run *run = ctx;

    native_free(native);
    run->native = NULL;
    run_event(run, EV_ENDED);
}

/* ---- blocks and variables ---- */

static void unlink_lookup(struct run_lookup *l)
{
    struct run_lookup **link = &l->run->lookups;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
}

/* A block of one member `value` stands for that value, as in Prefect. */
static json_t *lookup_value(const struct native_lookup *lookup, const json_t *document)
{
    json_t *value = json_object_get(document, lookup->block_type ? "data" : "value");

    if (lookup->block_type && json_object_size(value) == 1 && json_object_get(value, "value"))
        value = json_object_get(value, "value");
    return json_incref(value);
}

static void on_found(void *ctx, const struct http_reply *reply)
{
    struct run_lookup *l = ctx;
    char problem[512] = "";
    json_t *document =
        reply->status == 200 ? json_loadb(reply->body, reply->len, JSON_DECODE_ANY, NULL) : NULL;

    if (!document && reply->status != 404)
        snprintf(problem, sizeof(problem), "the server answered %d%s%s", reply->status,
                 reply->status ? "" : ": ", reply->status ? "" : reply->err->detail);
    unlink_lookup(l);
    native_found(l->lookup, document ? lookup_value(l->lookup, document) : NULL, NULL,
                 *problem ? problem : NULL);
    json_decref(document);
    free(l);
}

static void on_lookup(void *ctx, struct native_lookup *lookup)
{
    struct run *run = ctx;
    struct arena scratch = {0};
    char *url =
        lookup->block_type
            ? arena_printf(&scratch,
                           "%s/block_types/slug/%s/block_documents/name/%s?include_secrets=true",
                           run->host->api_url, lookup->block_type, lookup->name)
            : arena_printf(&scratch, "%s/variables/name/%s", run->host->api_url, lookup->name);
    struct run_lookup *l = calloc(1, sizeof(*l) + strlen(url) + 1);

    if (!l)
        abort();
    *l = (struct run_lookup){.next = run->lookups, .run = run, .lookup = lookup};
    memcpy(l->url, url, strlen(url) + 1);
    arena_reset(&scratch);
    run->lookups = l;
    l->call = http_send(run->host->http, &(struct http_request){
                                             .method = "GET",
                                             .url = l->url,
                                             .reply_max_bytes = LOOKUP_MAX_BYTES,
                                             .timeout_ms = LOOKUP_TIMEOUT_MS,
                                             .tries = LOOKUP_TRIES,
                                             .done = on_found,
                                             .ctx = l,
                                         });
    if (l->call)
        return;
    unlink_lookup(l);
    free(l);
    native_found(lookup, NULL, NULL, "out of memory");
}

/* ---- the start ---- */

static void add_related(json_t *list, const char *kind, const char *id, const char *name)
{
    char resource[100];

    if (!id)
        return;
    snprintf(resource, sizeof(resource), "prefect.%s.%s", kind, id);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "prefect.resource.id", resource,
                                          "prefect.resource.role", kind, "prefect.resource.name",
                                          name ? name : ""));
}

static void release_json(void *json)
{
    json_decref(json);
}

/* Lives as long as the run. */
static const json_t *keep(struct run *run, json_t *json)
{
    arena_defer(&run->arena, release_json, json);
    return json;
}

static const json_t *related(struct run *run)
{
    json_t *list = json_array();

    add_related(list, "flow-run", run->flow_run_id, run->flow_run_name);
    add_related(list, "flow", text_at(run->claim, "flow", "id"),
                text_at(run->claim, "flow", "name"));
    add_related(list, "deployment", text_at(run->claim, "deployment", "id"),
                text_at(run->claim, "deployment", "name"));
    return keep(run, list);
}

static json_t *take_device(const struct run *run, size_t at)
{
    return json_pack("{s:O, s:I}", "name",
                     json_array_get(json_object_get(run->claim, "devices"), at), "token",
                     (json_int_t)run->token);
}

/* What one selector of the job got: one device, or a list for its `count`. */
static json_t *take_devices(const struct run *run, const json_t *selector, size_t *in_out_at)
{
    json_int_t count = json_integer_value(json_object_get(selector, "count"));
    json_t *list = count > 1 ? json_array() : NULL;

    if (!list)
        return take_device(run, (*in_out_at)++);
    for (; count > 0; count--)
        json_array_append_new(list, take_device(run, (*in_out_at)++));
    return list;
}

/* The claim's devices are in the order of the job's `devices`, which say what the flow calls each;
 * `bench` is the short form for one. */
static const json_t *devices(struct run *run)
{
    const json_t *selectors = json_object_get(run->job, "devices"), *selector;
    size_t i, at = 0, count = json_array_size(json_object_get(run->claim, "devices"));
    json_t *all = json_object();

    if (!json_is_array(selectors) && count)
        json_object_set_new(all, "bench", take_device(run, at));
    json_array_foreach(selectors, i, selector)
    {
        const char *as = json_string_value(json_object_get(selector, "as"));
        if (at < count)
            json_object_set_new(all,
                                as  ? as
                                : i ? arena_printf(&run->arena, "device%zu", i + 1)
                                    : "bench",
                                take_devices(run, selector, &at));
    }
    return keep(run, all);
}

static void start_flow(struct run *run, const char *text, size_t len)
{
    static const struct native_hooks hooks = {
        .flow_state = on_state,
        .event = on_event,
        .log = on_log,
        .artifact = on_artifact,
        .lookup = on_lookup,
        .over = on_over,
    };
    const json_t *flow_run = json_object_get(run->claim, "flow_run");
    const char *flow_name = text_at(run->claim, "flow", "name");
    struct native_options o = {
        .loop = run->host->loop,
        .hooks = &hooks,
        .ctx = run,
        .file = arena_printf(&run->arena, "%s.yaml", flow_name ? flow_name : "flow"),
        .text = arena_strndup(&run->arena, text, len),
        .len = len,
        .parameters = json_object_get(flow_run, "parameters"),
        .run =
            {
                .work_dir = run->folder,
                .data_dir = run->host->data_dir,
                .api_url = run->host->api_url,
                .authorization = run->host->authorization,
                .flow_run_name = run->flow_run_name,
                .devices = devices(run),
                .lease = run->has_devices ? &run->lease : NULL,
                .lab = run->host->lab,
            },
        .run_count = (int)json_integer_value(json_object_get(flow_run, "run_count")) + 1,
        .related = related(run),
    };
    if (!uuid_parse(run->flow_run_id, strlen(run->flow_run_id), &o.run.flow_run_id))
        log_warn("run.id", KV_S("run", run->flow_run_id));
    run_event(run, EV_STARTED); /* first: the engine reports RUNNING while it starts */
    run->native = native_start(&o);
    native_hold(run->native, journal_full(run->host->journal));
}

/* A flow that cannot be had is a failed run, not a crashed one: another attempt would see the same.
 */
static void fail(struct run *run, const char *reason)
{
    json_t *state =
        json_pack("{s:s, s:s, s:s}", "type", "FAILED", "name", "Failed", "message", reason);

    snprintf(run->message, sizeof(run->message), "%s", reason);
    run_say(run, "prefect.flow_runs", 40, NULL, reason, strlen(reason));
    run_record_state(run, state);
    json_decref(state);
    run_event(run, EV_FAILED);
}

static const char *wanted_hash(const struct run *run)
{
    const char *name = json_string_value(json_object_get(run->job, "native_flow"));
    return strncmp(name, "sha256:", 7) == 0 && strlen(name) == 7 + 64 &&
                   strspn(name + 7, "0123456789abcdef") == 64
               ? name + 7
               : NULL;
}

static void on_fetched(void *ctx, const struct http_reply *reply)
{
    struct run *run = ctx;
    char hash[SHA256_TEXT_BYTES], reason[600];

    run->fetch = NULL;
    if (reply->status != 200) {
        snprintf(reason, sizeof(reason), "The flow file %s cannot be had: %s", wanted_hash(run),
                 reply->status ? reply->body : reply->err->detail);
        fail(run, reason);
        return;
    }
    sha256_of(reply->body, reply->len, hash);
    if (strcmp(hash, wanted_hash(run)) != 0)
        fail(run, "The flow file that the server sent is not the one that was asked for (its "
                  "SHA-256 differs).");
    else
        start_flow(run, reply->body, reply->len);
}

static void start(struct run *run)
{
    const char *hash = wanted_hash(run);

    if (!hash) {
        fail(
            run,
            "The job variable native_flow must be `sha256:` and 64 lower-case hexadecimal digits.");
        return;
    }
    run->folder = arena_printf(&run->arena, "%s/runs/%s", run->host->data_dir, run->flow_run_id);
    if (run_folder_make(run->folder, &run->err)) {
        fail(run, run->err.detail);
        return;
    }
    run->fetch = http_send(
        run->host->http,
        &(struct http_request){
            .method = "GET",
            .url = arena_printf(&run->arena, "%s/switchyard/files/%s", run->host->api_url, hash),
            .reply_max_bytes = FLOW_MAX_BYTES,
            .timeout_ms = FETCH_TIMEOUT_MS,
            .done = on_fetched,
            .ctx = run,
        });
    if (!run->fetch)
        fail(run, "out of memory");
}

static void stop(struct run *run)
{
    if (run->native) {
        native_cancel(run->native, run->why_stopped);
        return;
    }
    http_cancel(run->fetch);
    run->fetch = NULL;
    run_event(run, EV_ENDED);
}

static void hold(struct run *run, bool hold)
{
    if (run->native)
        native_hold(run->native, hold);
}

static void release(struct run *run)
{
    for (struct run_lookup *l = run->lookups, *next; l; l = next) {
        next = l->next;
        http_cancel(l->call);
        free(l);
    }
    run->lookups = NULL;
}

const struct run_kind run_native_kind = {start, stop, hold, release};
