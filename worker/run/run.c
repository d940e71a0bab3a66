#include "worker/run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/json/write.h"
#include "worker/lab/bench.h"
#include "worker/lab/roll_call.h"
#include "worker/lab/supply.h"
#include "worker/run/run_folder.h"

enum { DONE_MAX_BYTES = 4096 };

/* ---- what happens in a state ---- */

static void start(struct run *run)
{
    const char *problem = json_string_value(json_object_get(run->claim, "problem"));

    log_info("run.start", KV_S("run", run->flow_run_id), KV_S("name", run->flow_run_name));
    if (!problem) {
        run->kind->start(run);
        return;
    }
    snprintf(run->message, sizeof(run->message), "The job cannot be started: %s.", problem);
    run_event(run, EV_FAILED);
}

static void stop(struct run *run)
{
    if (!run->why_stopped)
        run->why_stopped = run->lost ? "The agent is stopping." : "The run was cancelled.";
    log_info("run.stop", KV_S("run", run->flow_run_id), KV_S("why", run->why_stopped));
    run->kind->stop(run);
}

/* The devices are not touched any more: by clean-ups neither. */
static void abandon(struct run *run)
{
    run->why_stopped = "The claim was lost: another may have the run and its devices.";
    atomic_store(&run->lease.lost, true);
    stop(run);
}

static void cut(struct run *run);

static void nothing(struct run *run)
{
    (void)run;
}

static void on_done_durable(void *run)
{
    run_event(run, EV_WRITTEN);
}

/* The last record of the claim. */
static void report(struct run *run)
{
    supply_stop(run->supply);
    run->supply = NULL;
    struct buf b = {.max_bytes = DONE_MAX_BYTES};

    run_log_flush(&run->log);
    write_object(&b);
    write_key(&b, "flow_run_id");
    write_string(&b, run->flow_run_id);
    write_key(&b, "token");
    write_int64(&b, run->token);
    write_key(&b, "claim_id");
    write_string(&b, run->claim_id);
    write_key(&b, "message");
    write_string(&b, run->message);
    write_key(&b, "lost");
    write_bool(&b, run->lost);
    write_key(&b, "cancelled");
    write_bool(&b, run->cancelled);
    write_end_object(&b);
    enum err_code rc =
        journal_add(run->host->journal, "done", b.bytes, b.len, on_done_durable, run);
    buf_free(&b);
    if (rc)
        run_event(run, EV_WRITTEN); /* the claim will expire instead */
}

/* ---- a run that was stopped leaves no board under power ---- */

/* The bench of a device that gives it supply: the bench itself, or its meter. */
static const struct bench *bench_at(const struct run *run, size_t at)
{
    const char *name =
        json_string_value(json_array_get(json_object_get(run->claim, "devices"), at));
    const struct bench *bench =
        name && run->host->lab ? lab_find_device(run->host->lab, name) : NULL;
    char meter[200];

    if (!bench || strcmp(name, bench->name) == 0)
        return bench;
    bench_part_name(bench, "meter", meter, sizeof(meter));
    return strcmp(name, meter) == 0 ? bench : NULL;
}

static enum err_code may_cut(void *ctx, struct err *e)
{
    const struct run *run = ctx;
    const struct bench *bench = bench_at(run, run->cut - 1);
    return bench_may_drive_under(&run->lease, run->host->lab, bench, e);
}

static void on_cut(void *ctx, enum err_code code, const struct err *e)
{
    struct run *run = ctx;
    const struct bench *bench = bench_at(run, run->cut - 1);

    supply_stop(run->supply);
    run->supply = NULL;
    if (code)
        log_warn("run.cut", KV_S("bench", bench->name), KV_E(e));
    else
        lab_note_supply(run->host->lab, bench, false);
    cut(run);
}

/* The next bench that may have supply; then the report. */
static void cut(struct run *run)
{
    struct supply_hooks hooks = {may_cut, on_cut, run};
    size_t count = json_array_size(json_object_get(run->claim, "devices"));
    struct err e = {0};

    while (run->cut < count) {
        const struct bench *bench = bench_at(run, run->cut++);
        bool driven = bench && (run->kind == &run_process_kind ||
                                lab_health(run->host->lab, bench)->supplied);
        if (!driven)
            continue;
        if (!supply_cut(run->host->loop, bench, &hooks, &run->supply, &e))
            return;
        log_warn("run.cut", KV_S("bench", bench->name), KV_E(&e));
    }
    run_event(run, EV_CUT);
}

static void finish(struct run *run)
{
    struct run_host *host = run->host;
    struct run **link = &host->runs;

    log_info("run.end", KV_S("run", run->flow_run_id), KV_S("message", run->message));
    supply_stop(run->supply);
    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    host->count--;
    if (run->kind->free)
        run->kind->free(run);
    if (run->folder)
        run_folder_remove_later(host->loop, run->folder);
    host->ended(host->ctx, run);
    run_log_free(&run->log);
    struct arena arena = run->arena;
    arena_reset(&arena);
    free(run);
}

/* The whole life of a run.  What is not listed is ignored: a second cancel, a loss while reporting,
 * ... */
/* clang-format off */
static const struct rule {
    enum run_state in;
    enum run_event on;
    void (*act)(struct run *);
    enum run_state go;
} rules[] = {
    { RUN_OFFERED,    EV_ACKED,   start,   RUN_STARTING   },
    { RUN_OFFERED,    EV_LOST,    finish,  RUN_DONE       },
    { RUN_STARTING,   EV_STARTED, nothing, RUN_RUNNING    },
    { RUN_STARTING,   EV_FAILED,  report,  RUN_REPORTING  },
    { RUN_STARTING,   EV_CANCEL,  stop,    RUN_STOPPING   },
    { RUN_STARTING,   EV_LOST,    abandon, RUN_ABANDONING },
    { RUN_RUNNING,    EV_ENDED,   report,  RUN_REPORTING  },
    { RUN_RUNNING,    EV_CANCEL,  stop,    RUN_STOPPING   },
    { RUN_RUNNING,    EV_LOST,    abandon, RUN_ABANDONING },
    { RUN_STOPPING,   EV_ENDED,   cut,     RUN_CUTTING    },
    { RUN_STOPPING,   EV_FAILED,  cut,     RUN_CUTTING    },
    { RUN_STOPPING,   EV_LOST,    abandon, RUN_ABANDONING },
    { RUN_CUTTING,    EV_CUT,     report,  RUN_REPORTING  },
    { RUN_CUTTING,    EV_LOST,    finish,  RUN_DONE       },
    { RUN_ABANDONING, EV_ENDED,   finish,  RUN_DONE       },
    { RUN_ABANDONING, EV_FAILED,  finish,  RUN_DONE       },
    { RUN_REPORTING,  EV_WRITTEN, finish,  RUN_DONE       },
};
/* clang-format on */

/* The only place that changes run->state.  The action comes last because it may free the run. */
void run_event(struct run *run, enum run_event event)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (rules[i].in == run->state && rules[i].on == event) {
            run->state = rules[i].go;
            rules[i].act(run);
            return;
        }
    }
}

/* ---- records ---- */

static void on_log_timer(uv_timer_t *timer)
{
    struct run_host *host = timer->data;

    for (struct run *run = host->runs; run; run = run->next)
        run_log_flush(&run->log);
}

void run_say(struct run *run, const char *logger, int level, const char *task_run_id,
             const char *text, size_t len)
{
    uv_timer_t *timer = &run->host->log_timer;

    if (run->state == RUN_ABANDONING)
        return;
    if (run_log_add(&run->log, logger, level, task_run_id, text, len) &&
        !uv_is_active((uv_handle_t *)timer))
        uv_timer_start(timer, on_log_timer, RUN_LOG_DELAY_MS, 0);
}

/* Takes the reference. */
static void add_record(struct run *run, const char *kind, json_t *record)
{
    char *text = run->state == RUN_ABANDONING ? NULL : json_dumps(record, JSON_COMPACT);

    run_log_flush(&run->log); /* the lines that were written before */
    if (text)
        (void)journal_add(run->host->journal, kind, text, strlen(text), NULL, NULL);
    free(text);
    json_decref(record);
}

void run_record(struct run *run, const char *kind, const char *name, json_t *value)
{
    add_record(run, kind,
               json_pack("{s:s, s:I, s:o}", "flow_run_id", run->flow_run_id, "token",
                         (json_int_t)run->token, name, value));
}

void run_record_state(struct run *run, const json_t *state)
{
    char now[TIME_TEXT_BYTES];

    time_format(clock_now_us(), now);
    add_record(run, "state",
               json_pack("{s:s, s:I, s:s, s:O}", "flow_run_id", run->flow_run_id, "token",
                         (json_int_t)run->token, "timestamp", now, "state", state));
}

/* ---- all runs ---- */

void run_host_init(struct run_host *host)
{
    uv_timer_init(host->loop, &host->log_timer);
    host->log_timer.data = host;
}

void run_host_close(struct run_host *host)
{
    uv_close((uv_handle_t *)&host->log_timer, NULL);
}

void run_host_hold(struct run_host *host, bool hold)
{
    for (struct run *run = host->runs; run; run = run->next)
        if (run->kind->hold)
            run->kind->hold(run, hold);
}

struct run *run_find(const struct run_host *host, const char *claim_id)
{
    struct run *run = host->runs;
    while (run && strcmp(run->claim_id, claim_id) != 0)
        run = run->next;
    return run;
}

struct run *run_find_flow_run(const struct run_host *host, const char *flow_run_id)
{
    struct run *run = host->runs;
    while (run && strcmp(run->flow_run_id, flow_run_id) != 0)
        run = run->next;
    return run;
}

static void release_json(void *json)
{
    json_decref(json);
}

/* Soon over: the run is stopped, and has the margin for its clean-up.  Over: that stops, too. */
static void watch_lease(struct run *run, double seconds)
{
    static const char why[] = "The lease of the devices may be over: the server was not heard of.";

    if (!run->lost && lease_ends(&run->lease, seconds)) {
        run->lost = true;
        run->why_stopped = why;
        run_say(run, "prefect.flow_runs", 40, NULL, why, sizeof(why) - 1);
        run_event(run, EV_CANCEL);
    } else if (!run->fenced && lease_is_over(&run->lease)) {
        run->fenced = true;
        if (run->state == RUN_STOPPING)
            run->kind->stop(run);
        else if (run->state == RUN_CUTTING)
            run_event(run, EV_CUT);
    }
}

void run_host_leases(struct run_host *host, double seconds)
{
    for (struct run *run = host->runs, *next; run; run = next) {
        next = run->next;
        if (run->has_devices && run->state > RUN_OFFERED)
            watch_lease(run, seconds);
    }
}

static bool has_bench(const struct run *run, const struct bench *bench)
{
    size_t i;
    const json_t *name;

    json_array_foreach(json_object_get(run->claim, "devices"), i,
                       name) if (json_is_string(name) &&
                                 lab_find_device(run->host->lab, json_string_value(name)) ==
                                     bench) return true;
    return false;
}

bool run_host_uses(const struct run_host *host, const struct bench *bench)
{
    for (const struct run *run = host->runs; run; run = run->next)
        if (has_bench(run, bench))
            return true;
    return false;
}

/* A run that has lost its claim may take a moment to let go of its devices. */
static bool is_in_use(const struct run_host *host, const struct bench *bench)
{
    for (const struct run *run = host->runs; run; run = run->next)
        if (run->state == RUN_ABANDONING && has_bench(run, bench))
            return true;
    return false;
}

static const struct bench *bench_named(const struct run *run, const json_t *name)
{
    struct lab *lab = run->host->lab;
    return lab && json_is_string(name) ? lab_find_device(lab, json_string_value(name)) : NULL;
}

static enum err_code check_devices(struct run *run, const json_t *list, struct err *e)
{
    const json_t *name;
    size_t i;

    json_array_foreach(list, i, name)
    {
        const struct bench *bench = bench_named(run, name);
        if (bench && is_in_use(run->host, bench))
            return err_set(e, BUSY, "the device %s is still being left by a run that lost it",
                           json_string_value(name));
        if (bench && roll_call_keeps(run->host->roll_call, bench))
            return err_set(e, BUSY, "the device %s is being asked who it is",
                           json_string_value(name));
    }
    return ERR_OK;
}

static enum err_code take_devices(struct run *run, struct err *e)
{
    const json_t *name, *list = json_object_get(run->claim, "devices");
    enum err_code code = check_devices(run, list, e);
    size_t i;

    if (code)
        return code;
    json_array_foreach(list, i, name)
    {
        const struct bench *bench = bench_named(run, name);
        run->has_devices = true;
        if (bench)
            lab_leased(run->host->lab, bench, run->token);
    }
    return ERR_OK;
}

enum err_code run_new(struct run_host *host, json_t *claim, struct err *e)
{
    const char *claim_id = json_string_value(json_object_get(claim, "claim_id"));
    const json_t *flow_run = json_object_get(claim, "flow_run");
    const char *id = json_string_value(json_object_get(flow_run, "id"));
    const char *name = json_string_value(json_object_get(flow_run, "name"));
    const json_t *job = json_object_get(claim, "job");

    if (!claim_id || !id || !json_is_integer(json_object_get(claim, "token")))
        return err_set(e, INVALID, "claim: claim_id, token or flow_run.id is missing");
    struct run *run = calloc(1, sizeof(*run));
    if (!run)
        return err_set(e, INTERNAL, "out of memory");
    arena_defer(&run->arena, release_json, json_incref(claim));
    run->host = host;
    run->claim = claim;
    run->claim_id = claim_id;
    run->flow_run_id = id;
    run->flow_run_name = name ? name : "";
    run->token = json_integer_value(json_object_get(claim, "token"));
    run->job = job;
    run->lease.token = run->token;
    enum err_code code = take_devices(run, e);
    if (code) {
        struct arena arena = run->arena;
        arena_reset(&arena);
        free(run);
        return code;
    }
    run->kind =
        json_is_string(json_object_get(job, "native_flow")) ? &run_native_kind : &run_process_kind;
    run->log = (struct run_log){.journal = host->journal, .flow_run_id = id, .token = run->token};
    run->next = host->runs;
    host->runs = run;
    host->count++;
    return ERR_OK;
}
