#include "worker/run/native_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"

static void pump(struct native *n);

/* ---- time ---- */

int64_t native_now_us(const struct native *n)
{
    return n->o.hooks->now_us ? n->o.hooks->now_us(n->o.ctx) : clock_now_us();
}

static void on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

void native_wake(struct native *n)
{
    if (!n->closing)
        uv_timer_start(&n->timer, on_timer, 0, 0);
}

static void fire_deadlines(struct native *n)
{
    int64_t now = native_now_us(n);
    for (struct task_run *tr; (tr = native_nearest(n)) && tr->deadline_us <= now;) {
        native_deadline(tr, TIME_NONE);
        task_run_event(tr, EV_DEADLINE);
    }
}

static void arm(struct native *n)
{
    const struct task_run *tr = native_nearest(n);
    if (!tr || n->closing)
        return;
    if (n->o.hooks->wake) {
        n->o.hooks->wake(n->o.ctx, tr->deadline_us);
        return;
    }
    int64_t wait_us = tr->deadline_us - native_now_us(n);
    uv_timer_start(&n->timer, on_timer, wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0, 0);
}

/* ---- the run ---- */

static void on_closed(uv_handle_t *handle)
{
    struct native *n = handle->data;
    n->o.hooks->over(n->o.ctx, n);
}

/* What a board said after the last step that listened. */
static void tell_kept(void *ctx, double at_s, const char *text)
{
    report_log(ctx, NULL, LOG_INFO, "[%9.3f] %s", at_s, text);
}

static void finish(struct native *n, const char *type, const char *name, const char *message,
                   json_t *data)
{
    n->phase = NATIVE_OVER;
    console_drop(&n->consoles, NULL, tell_kept, n);
    report_flow(n, type, name, message, data);
    n->closing = true;
    uv_close((uv_handle_t *)&n->timer, on_closed);
}

static json_t *make_result(struct native *n, struct err *err)
{
    struct view view;
    json_t *value = NULL;
    if (!n->flow->result)
        return NULL;
    view_init(&view, n->root, NULL, NULL);
    if (template_render(n->flow->result, &view.lookup, &value, err))
        return NULL;
    return json_pack("{s:s,s:o}", "type", "result", "value", value ? value : json_null());
}

static void finish_completed(struct native *n)
{
    struct err err = {0};
    json_t *data = make_result(n, &err);
    if (err.code) {
        char text[sizeof(err.detail) + 40];
        snprintf(text, sizeof(text), "the result cannot be made: %s", err.detail);
        finish(n, "FAILED", "Failed", text, NULL);
        return;
    }
    finish(n, "COMPLETED", n->step_run.dry_run ? "DryRun" : "Completed",
           n->step_run.dry_run ? "The dry run went through." : "All tasks completed.", data);
}

static void finish_failed(struct native *n)
{
    char text[sizeof(n->root->reason) + 80], more[60] = "";
    if (n->root->failed > 1)
        snprintf(more, sizeof(more), " (and %zu more failed)", n->root->failed - 1);
    snprintf(text, sizeof(text), "Task %s%s", n->root->reason, more);
    report_log(n, NULL, LOG_ERROR, "%s", text);
    finish(n, "FAILED", "Failed", text, NULL);
}

static json_t *inner_outputs(struct scope *s)
{
    struct view view;
    struct err err = {0};
    json_t *value = NULL;
    if (!s->flow->result)
        return json_object();
    view_init(&view, s, NULL, NULL);
    if (template_render(s->flow->result, &view.lookup, &value, &err)) {
        s->failed++;
        snprintf(s->reason, sizeof(s->reason), "result: %.250s", err.detail);
        return json_object();
    }
    if (json_is_object(value))
        return value;
    return json_pack("{s:o}", "result", value ? value : json_null());
}

void native_scope_over(struct scope *s)
{
    struct native *n = s->run;
    if (s->owner) {
        struct task_run *owner = s->owner;
        json_decref(owner->outputs);
        owner->outputs = inner_outputs(s);
        s->dead_next = n->dead;
        n->dead = s; /* freed when nothing looks at it any more */
        task_run_scope_over(owner);
    } else if (n->phase == NATIVE_CANCELLING) {
        finish(n, "CANCELLED", "Cancelled", n->cancel_reason, NULL);
    } else if (s->failed || s->cancelled_count) {
        finish_failed(n);
    } else {
        finish_completed(n);
    }
}

static json_t *make_run_values(const struct native *n)
{
    char id[UUID_TEXT_BYTES];
    uuid_format(n->step_run.flow_run_id, id);
    return json_pack("{s:s,s:s,s:s,s:s,s:b}", "id", id, "name", n->step_run.flow_run_name, "flow",
                     n->flow->name, "work_dir", n->step_run.work_dir, "dry_run",
                     n->step_run.dry_run);
}

static void begin(struct native *n)
{
    struct view view;
    struct err err = {0};
    bool dry = false;
    n->phase = NATIVE_RUNNING;
    n->run_values = make_run_values(n);
    n->root = scope_open(n, n->flow, json_incref(n->parameters), NULL);
    view_init(&view, n->root, NULL, NULL);
    if (n->flow->dry_run && expr_true(n->flow->dry_run, &view.lookup, &dry, &err)) {
        finish(n, "FAILED", "Failed", err.detail, NULL);
        return;
    }
    n->step_run.dry_run |= dry;
    json_object_set_new(n->run_values, "dry_run", json_boolean(n->step_run.dry_run));
    report_flow(n, "RUNNING", "Running", NULL, NULL);
    native_wake(n);
}

static void resolved(struct native *n)
{
    if (n->cancel_reason[0]) {
        finish(n, "CANCELLED", "Cancelled", n->cancel_reason, NULL);
    } else if (n->problem[0]) {
        report_log(n, NULL, LOG_ERROR, "%s", n->problem);
        finish(n, "FAILED", "Failed", n->problem, NULL);
    } else {
        begin(n);
    }
}

static void free_dead(struct native *n)
{
    while (n->dead) {
        struct scope *s = n->dead;
        n->dead = s->dead_next;
        scope_free(s);
    }
}

static void apply_cancels(struct native *n)
{
    while (n->cancels_done < n->cancels_wanted) {
        bool again = n->cancels_done++ > 0;
        n->phase = NATIVE_CANCELLING;
        scope_cancel(n->root, again);
    }
}

static void pump(struct native *n)
{
    if (n->phase == NATIVE_RESOLVING && !n->lookups_open)
        resolved(n);
    if (n->phase == NATIVE_RESOLVING || n->phase == NATIVE_OVER)
        return;
    apply_cancels(n);
    fire_deadlines(n);
    do {
        while (n->settle) {
            struct task *task = n->settle;
            n->settle = task->settle_next;
            if (!n->settle)
                n->settle_tail = &n->settle;
            scope_settle(task);
        }
    } while (native_start_next(n) || n->settle);
    free_dead(n);
    if (n->phase != NATIVE_OVER && !uv_is_active((uv_handle_t *)&n->timer))
        arm(n); /* else there is news already */
}

void native_tick(struct native *n)
{
    pump(n);
}

/* ---- blocks and variables ---- */

static void ask(struct native *n)
{
    for (struct native_lookup *l = n->lookups; l; l = l->next) {
        if (n->o.hooks->lookup)
            n->o.hooks->lookup(n->o.ctx, l);
        else
            native_found(l, NULL, NULL, "there is no server to ask");
    }
}

static void keep_value(struct native *n, const struct native_lookup *l, json_t *value)
{
    json_t *map = n->variables;
    if (l->block_type) {
        map = json_object_get(n->blocks, l->block_type);
        if (!map)
            json_object_set_new(n->blocks, l->block_type, map = json_object());
    }
    json_object_set_new(map, l->name, value);
}

void native_found(struct native_lookup *l, json_t *value, json_t *secrets, const char *error)
{
    struct native *n = l->run;
    assert(!l->answered);
    l->answered = true;
    n->lookups_open--;
    if (secrets || l->block_type)
        report_add_secrets(n, secrets ? secrets : value);
    json_decref(secrets);
    if (value) {
        keep_value(n, l, value);
    } else if (l->block_type || error) { /* a missing variable is empty text; wire facts 7.1 */
        if (!n->problem[0])
            snprintf(n->problem, sizeof(n->problem), "%s `%s%s%s` cannot be had: %s",
                     l->block_type ? "block" : "variable", l->block_type ? l->block_type : "",
                     l->block_type ? "/" : "", l->name,
                     error ? error : "there is none of that name");
    }
    native_wake(n);
}

/* ---- the outside ---- */

static void say_problems(struct native *n, const struct problems *problems)
{
    for (const struct problem *p = problems->first; p; p = p->next)
        report_log(n, NULL, LOG_ERROR, "%s:%u:%u: %s", p->source->file, p->line, p->column,
                   p->text);
    const struct problem *p = problems->first;
    assert(p);
    snprintf(n->problem, sizeof(n->problem), "The flow has %zu problem%s; %s:%u:%u: %s",
             problems->count, problems->count == 1 ? "" : "s", p->source->file, p->line, p->column,
             p->text);
}

static void load(struct native *n)
{
    struct problems problems = {.arena = &n->arena};
    const struct native_options *o = &n->o;
    const struct flow_options *options = o->flow_options ? o->flow_options : &step_flow_options;
    struct err err = {0};
    if (o->text)
        n->flow = flow_load(&n->arena, o->file, o->text, o->len, options, &problems);
    else
        n->flow = flow_load_file(&n->arena, o->file, options, &problems);
    if (!n->flow)
        say_problems(n, &problems);
    else if (flow_parameters(n->flow, o->parameters, &n->parameters, &err))
        snprintf(n->problem, sizeof(n->problem), "%s", err.detail);
    else
        values_collect(n, n->flow);
}

struct native *native_start(const struct native_options *options)
{
    struct native *n = calloc(1, sizeof(*n));
    if (!n)
        abort();
    n->o = *options;
    if (!n->o.find_step)
        n->o.find_step = step_find;
    if (!n->o.run_count)
        n->o.run_count = 1;
    n->step_run = options->run;
    n->step_run.consoles = &n->consoles;
    if (!n->step_run.flow_run_name)
        n->step_run.flow_run_name = "";
    n->settle_tail = &n->settle;
    n->blocks = json_object();
    n->variables = json_object();
    uv_timer_init(n->o.loop, &n->timer);
    n->timer.data = n;
    load(n);
    ask(n);
    native_wake(n);
    return n;
}

/* May be called in a hook, in the middle of a step of the machine; so it is done in the next round.
 */
void native_cancel(struct native *n, const char *reason)
{
    if (n->phase == NATIVE_OVER)
        return;
    if (!n->cancel_reason[0])
        snprintf(n->cancel_reason, sizeof(n->cancel_reason), "%s",
                 reason && reason[0] ? reason : "The run was cancelled.");
    n->cancels_wanted++;
    native_wake(n);
}

static bool cancel_in(struct scope *s, struct uuid id)
{
    for (size_t i = 0; i < s->flow->task_count; i++)
        for (size_t k = 0; k < s->tasks[i].run_count; k++) {
            struct task_run *tr = &s->tasks[i].runs[k];
            if (tr->inner && cancel_in(tr->inner, id))
                return true;
            if (memcmp(&tr->id, &id, sizeof(id)) != 0)
                continue;
            bool live = tr->state != TR_OVER;
            task_run_event(tr, EV_CANCEL);
            return live;
        }
    return false;
}

bool native_cancel_task(struct native *n, struct uuid id)
{
    bool found = n->phase == NATIVE_RUNNING && cancel_in(n->root, id);
    native_wake(n);
    return found;
}

static void hold_in(struct scope *s, bool hold)
{
    for (size_t i = 0; i < s->flow->task_count; i++)
        for (size_t k = 0; k < s->tasks[i].run_count; k++) {
            struct task_run *tr = &s->tasks[i].runs[k];
            if (tr->inner)
                hold_in(tr->inner, hold);
            if (tr->call)
                call_hold(tr->call, hold);
        }
}

void native_hold(struct native *n, bool hold)
{
    n->held = hold;
    if (n->root && n->phase != NATIVE_OVER)
        hold_in(n->root, hold);
}

void native_free(struct native *n)
{
    if (!n)
        return;
    assert(n->phase == NATIVE_OVER);
    free_dead(n);
    scope_free(n->root);
    json_decref(n->parameters);
    json_decref(n->blocks);
    json_decref(n->variables);
    json_decref(n->run_values);
    while (n->secrets) {
        struct secret *next = n->secrets->next;
        free(n->secrets);
        n->secrets = next;
    }
    arena_reset(&n->arena);
    free(n);
}
