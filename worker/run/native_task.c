/* One task run, from the queue to its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/run/native_state.h"

enum { STUCK_S = 30 };

static struct native *run_of(const struct task_run *tr)
{
    return tr->task->scope->run;
}

/* ---- the table ---- */

typedef void act_fn(struct task_run *tr);

static act_fn begin, end_unstarted, end_early, complete, fail, time_out, retry, retry_late, requeue,
    cancel_queued, cancelled, stop, say_stuck, nothing;

static const struct rule {
    enum task_run_state in;
    enum task_run_event on;
    act_fn *act;
    enum task_run_state go;
} rules[] = {
    /* clang-format off */
    {TR_QUEUED,   EV_START,    begin,         TR_RUNNING},
    {TR_QUEUED,   EV_UNSTARTED, end_unstarted, TR_OVER},
    {TR_QUEUED,   EV_CANCEL,   cancel_queued, TR_OVER},
    {TR_RUNNING,  EV_EARLY,    end_early,     TR_OVER},
    {TR_RUNNING,  EV_DONE,     complete,      TR_OVER},
    {TR_RUNNING,  EV_FAILED,   fail,          TR_OVER},
    {TR_RUNNING,  EV_RETRY,    retry,         TR_WAITING},
    {TR_RUNNING,  EV_CANCEL,   stop,          TR_STOPPING},
    {TR_RUNNING,  EV_DEADLINE, stop,          TR_LATE},
    {TR_WAITING,  EV_DEADLINE, requeue,       TR_QUEUED},
    {TR_WAITING,  EV_CANCEL,   cancelled,     TR_OVER},
    {TR_STOPPING, EV_DONE,     cancelled,     TR_OVER},
    {TR_STOPPING, EV_FAILED,   cancelled,     TR_OVER},
    {TR_STOPPING, EV_RETRY,    cancelled,     TR_OVER},
    {TR_LATE,     EV_DONE,     time_out,      TR_OVER},
    {TR_LATE,     EV_FAILED,   time_out,      TR_OVER},
    {TR_LATE,     EV_RETRY,    retry_late,    TR_WAITING},
    {TR_LATE,     EV_CANCEL,   nothing,       TR_STOPPING},
    {TR_STOPPING, EV_DEADLINE, say_stuck,     TR_STOPPING},
    {TR_LATE,     EV_DEADLINE, say_stuck,     TR_LATE},
    /* clang-format on */
};

/* The only place that changes tr->state. */
void task_run_event(struct task_run *tr, enum task_run_event ev)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (rules[i].in == tr->state && rules[i].on == ev) {
            tr->state = rules[i].go;
            rules[i].act(tr);
            native_wake(run_of(tr));
            return;
        }
    }
}

/* ---- ends ---- */

static void over(struct task_run *tr, enum outcome outcome)
{
    native_deadline(tr, TIME_NONE);
    tr->outcome = outcome;
    scope_task_run_over(tr);
}

static void say_end(struct task_run *tr, enum log_level level, const char *state,
                    const char *message)
{
    report_log(run_of(tr), tr, level, "`%s`: %s%s%s", tr->name, state,
               message && message[0] ? ": " : "", message ? message : "");
}

static void keep_outputs(struct task_run *tr, json_t *outputs)
{
    json_decref(tr->outputs);
    tr->outputs = json_incref(outputs);
}

static void complete(struct task_run *tr)
{
    const struct flow_task *def = tr->task->def;
    if (tr->cache_key && tr->outputs)
        cache_keep(run_of(tr), def->uses, tr->cache_key, def->cache_s, tr->outputs);
    report_task(tr, "COMPLETED", "Completed", NULL);
    say_end(tr, LOG_INFO, "Completed", NULL);
    over(tr, OUT_COMPLETED);
}

static void fail(struct task_run *tr)
{
    report_task(tr, "FAILED", "Failed", tr->err.detail);
    say_end(tr, LOG_ERROR, "Failed", tr->err.detail);
    over(tr, OUT_FAILED);
}

static void say_late(struct task_run *tr)
{
    tr->err.code = ERR_OK;
    err_set(&tr->err, TIMEOUT, "it took longer than its timeout of %g s", tr->task->def->timeout_s);
}

static void time_out(struct task_run *tr)
{
    say_late(tr);
    report_task(tr, "FAILED", "TimedOut", tr->err.detail);
    say_end(tr, LOG_ERROR, "TimedOut", tr->err.detail);
    over(tr, OUT_FAILED);
}

static void cancelled(struct task_run *tr)
{
    const char *reason = run_of(tr)->cancel_reason;
    if (!reason[0])
        reason = "stopped";
    report_task(tr, "CANCELLED", "Cancelled", reason);
    say_end(tr, LOG_WARN, "Cancelled", reason);
    over(tr, OUT_CANCELLED);
}

static void cancel_queued(struct task_run *tr)
{
    native_unqueue(tr);
    cancelled(tr);
}

static void nothing(struct task_run *tr)
{
    (void)tr;
}

static void end_unstarted(struct task_run *tr)
{
    static const struct {
        const char *type, *name;
    } states[] = {
        [OUT_COMPLETED] = {"COMPLETED", "DryRun"}, [OUT_SKIPPED] = {"COMPLETED", "Skipped"},
        [OUT_FAILED] = {"FAILED", "Failed"},       [OUT_CANCELLED] = {"CANCELLED", "Cancelled"},
        [OUT_NOT_READY] = {"PENDING", "NotReady"},
    };
    const char *name = states[tr->outcome].name;
    report_task(tr, states[tr->outcome].type, name, tr->err.detail);
    say_end(tr, tr->outcome == OUT_FAILED ? LOG_ERROR : LOG_INFO, name, tr->err.detail);
    over(tr, tr->outcome);
}

static void end_early(struct task_run *tr)
{
    bool dry = tr->early == EARLY_DRY;
    const char *name = dry ? "DryRun" : "Cached";
    const char *message = dry ? "not run in a dry run" : "its outputs come from the cache";
    report_task(tr, "COMPLETED", name, message);
    say_end(tr, LOG_INFO, name, message);
    over(tr, OUT_COMPLETED);
}

/* ---- retries ---- */

static void wait_for_retry(struct task_run *tr)
{
    const struct flow_task *def = tr->task->def;
    size_t i = (size_t)tr->attempt - 1;
    double delay_s = 0;
    if (def->retry_delay_count)
        delay_s = def->retry_delays_s[i < def->retry_delay_count ? i : def->retry_delay_count - 1];
    native_deadline(tr, native_now_us(run_of(tr)) + (int64_t)(delay_s * 1e6));
    report_task(tr, "SCHEDULED", "AwaitingRetry", tr->err.detail);
    report_log(run_of(tr), tr, LOG_WARN,
               "`%s`: attempt %d of %d failed: %s; the next one follows in %g s", tr->name,
               tr->attempt, def->retries + 1, tr->err.detail, delay_s);
    tr->err = (struct err){0};
}

static void retry(struct task_run *tr)
{
    wait_for_retry(tr);
}

static void retry_late(struct task_run *tr)
{
    say_late(tr);
    wait_for_retry(tr);
}

static void requeue(struct task_run *tr)
{
    native_deadline(tr, TIME_NONE);
    native_queue(tr);
}

/* ---- one attempt ---- */

/* A step that does not let go of a thread or a port cannot be left behind; but the log shows who it
 * is. */
static void watch_stop(struct task_run *tr)
{
    if (tr->call)
        native_deadline(tr, native_now_us(run_of(tr)) + STUCK_S * 1000000LL);
}

static void say_stuck(struct task_run *tr)
{
    report_log(run_of(tr), tr, LOG_WARN,
               "the step was asked to stop %d s ago and has not stopped yet", STUCK_S);
    watch_stop(tr);
}

static void stop(struct task_run *tr)
{
    native_deadline(tr, TIME_NONE);
    watch_stop(tr);
    if (tr->call)
        call_cancel(tr->call);
    if (tr->inner)
        scope_cancel(tr->inner, false);
}

static void hold_slot(struct task_run *tr, bool of_the_run)
{
    tr->holds_slot = of_the_run;
    tr->task->active++;
    run_of(tr)->active += of_the_run;
}

static void free_slot(struct task_run *tr)
{
    tr->task->active--;
    run_of(tr)->active -= tr->holds_slot;
    tr->holds_slot = false;
}

/* The attempt is over, with tr->err set if it failed. */
static void attempt_over(struct task_run *tr)
{
    free_slot(tr);
    native_deadline(tr, TIME_NONE);
    bool again = tr->attempt <= tr->task->def->retries && !tr->broken;
    if (!tr->err.code && tr->state != TR_LATE)
        task_run_event(tr, EV_DONE);
    else
        task_run_event(tr, again ? EV_RETRY : EV_FAILED);
}

/* The step keeps to its table. */
static void check_outputs(struct task_run *tr)
{
    const struct step_schema *s = &tr->task->step->schema;
    for (size_t i = 0; i < s->output_count; i++) {
        const json_t *value = json_object_get(tr->outputs, s->outputs[i].name);
        if (value && !json_is_null(value) && !flow_type_fits(s->outputs[i].type, value))
            report_log(run_of(tr), tr, LOG_WARN, "output `%s` of `%s` is not %s",
                       s->outputs[i].name, s->name, flow_type_names[s->outputs[i].type]);
    }
}

static void on_finished(void *ctx, struct step_call *call, enum err_code code)
{
    struct task_run *tr = ctx;
    keep_outputs(tr, call->outputs);
    if (code)
        tr->err = call->err;
    else
        check_outputs(tr);
    call_free(call);
    free(call);
    tr->call = NULL;
    attempt_over(tr);
}

static void on_log(void *ctx, struct step_call *call, enum log_level level, const char *text)
{
    (void)call;
    report_log(run_of(ctx), ctx, level, "%s", text);
}

static void on_artifact(void *ctx, struct step_call *call, json_t *artifact)
{
    (void)call;
    report_artifact(run_of(ctx), ctx, artifact);
}

static void on_progress(void *ctx, struct step_call *call, double done, double total)
{
    struct task_run *tr = ctx;
    struct native *n = run_of(tr);
    (void)call;
    if (n->o.hooks->progress)
        n->o.hooks->progress(n->o.ctx, tr->name, tr->id, done, total);
}

static void release_json(void *value)
{
    json_decref(value);
}

static void start_step(struct task_run *tr, json_t *with)
{
    static const struct step_sink sink = {on_log, on_artifact, on_progress, on_finished};
    struct native *n = run_of(tr);
    struct step_call *call = calloc(1, sizeof(*call));
    if (!call)
        abort();
    call->step = tr->task->step;
    call->run = &n->step_run;
    call->task = tr->task->def->name;
    call->task_run_id = tr->id;
    call->attempt = tr->attempt;
    call->with = with;
    call->loop = n->o.loop;
    call->sink = &sink;
    call->sink_ctx = tr;
    call_open(call);
    call->held = n->held;
    arena_defer(call->arena, release_json, with);
    tr->call = call;
    hold_slot(tr, true);
    call_start(call);
}

static void start_inner(struct task_run *tr, json_t *with)
{
    json_t *parameters = NULL;
    const struct flow *flow = tr->task->def->flow;
    enum err_code code = flow_parameters(flow, with, &parameters, &tr->err);
    json_decref(with);
    hold_slot(tr, false);
    if (code) {
        tr->broken = true;
        attempt_over(tr);
        return;
    }
    tr->inner = scope_open(run_of(tr), flow, parameters, tr);
}

void task_run_scope_over(struct task_run *tr)
{
    struct scope *inner = tr->inner;
    tr->inner = NULL;
    if (inner->failed || inner->cancelled_count)
        err_set(&tr->err, INTERNAL, "%s", inner->reason);
    attempt_over(tr);
}

static bool is_left_out(const struct task_run *tr, const struct view *view)
{
    const struct task *task = tr->task;
    if (!run_of(tr)->step_run.dry_run)
        return false;
    if (view->touched_dry)
        return true;
    if (task->def->dry_run != DRY_AS_STEP)
        return task->def->dry_run == DRY_SKIPS;
    return task->step && task->step->hardware;
}

/* Evaluates `with`, the dry run and the cache.  False: the attempt is over already. */
static bool prepare(struct task_run *tr, json_t **out_with)
{
    struct view view;
    json_t *with = NULL, *key = NULL;
    view_init(&view, tr->task->scope, tr->task, tr);
    enum err_code code = values_with(&view, &with, &tr->err);
    if (!code && tr->task->def->cache_key)
        code = template_render(tr->task->def->cache_key, &view.lookup, &key, &tr->err);
    free(tr->cache_key);
    tr->cache_key = key ? (json_is_string(key) ? strdup(json_string_value(key))
                                               : json_dumps(key, JSON_ENCODE_ANY | JSON_COMPACT))
                        : NULL;
    json_decref(key);
    if (code) {
        tr->broken = true;
        task_run_event(tr, EV_FAILED);
        return false;
    }
    if (is_left_out(tr, &view)) {
        json_decref(with);
        tr->dry = tr->task->dry = true;
        tr->early = EARLY_DRY;
        task_run_event(tr, EV_EARLY);
        return false;
    }
    json_t *found =
        tr->cache_key ? cache_find(run_of(tr), tr->task->def->uses, tr->cache_key) : NULL;
    if (found) {
        json_decref(with);
        json_decref(tr->outputs);
        tr->outputs = found;
        tr->early = EARLY_CACHED;
        task_run_event(tr, EV_EARLY);
        return false;
    }
    *out_with = with;
    return true;
}

static void begin(struct task_run *tr)
{
    const struct flow_task *def = tr->task->def;
    json_t *with;
    tr->attempt++;
    tr->err = (struct err){0};
    if (!prepare(tr, &with))
        return;
    report_task(tr, "RUNNING", tr->attempt > 1 ? "Retrying" : "Running", NULL);
    if (def->timeout_s > 0)
        native_deadline(tr, native_now_us(run_of(tr)) + (int64_t)(def->timeout_s * 1e6));
    if (def->flow)
        start_inner(tr, with);
    else
        start_step(tr, with);
}

void task_run_free(struct task_run *tr)
{
    json_decref(tr->matrix);
    json_decref(tr->outputs);
    free(tr->cache_key);
    free(tr->last.message);
}
