/* The tasks of one flow or sub-flow: who waits for whom, what becomes of a task when its needs are
 * over. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/run/native_state.h"

enum { NAME_BYTES = 120 };

/* ---- opening and freeing ---- */

static void link_needs(struct scope *s)
{
    for (size_t i = 0; i < s->flow->task_count; i++) {
        const struct flow_task *def = s->tasks[i].def;
        s->tasks[i].waits = def->need_count + def->waits_for_all;
        for (size_t k = 0; k < def->need_count; k++)
            s->tasks[def->needs[k]].dependent_count++;
    }
    for (size_t i = 0; i < s->flow->task_count; i++) {
        s->tasks[i].dependents =
            arena_array(&s->arena, struct task *, s->tasks[i].dependent_count + 1);
        s->tasks[i].dependent_count = 0;
    }
    for (size_t i = 0; i < s->flow->task_count; i++) {
        const struct flow_task *def = s->tasks[i].def;
        for (size_t k = 0; k < def->need_count; k++) {
            struct task *need = &s->tasks[def->needs[k]];
            need->dependents[need->dependent_count++] = &s->tasks[i];
        }
    }
}

static void wait_less(struct task *task)
{
    if (--task->waits == 0) {
        task->state = TASK_SETTLING;
        native_settle_later(task);
    }
}

static void normal_tasks_over(struct scope *s)
{
    for (size_t i = 0; i < s->flow->task_count; i++)
        if (s->tasks[i].def->waits_for_all)
            wait_less(&s->tasks[i]);
}

static void name_scope(struct scope *s)
{
    const struct task_run *owner = s->owner;
    s->path = s->key = "";
    if (owner) {
        s->path =
            arena_printf(&s->arena, "%s%s/", owner->task->scope->path, owner->task->def->name);
        s->key = arena_printf(&s->arena, "%s.%d.", owner->dynamic_key, owner->attempt);
    } else if (s->run->o.run_count > 1) {
        s->key = arena_printf(&s->arena, "%d.", s->run->o.run_count);
    }
}

static void add_tasks(struct scope *s)
{
    s->open = s->flow->task_count;
    s->tasks = arena_array(&s->arena, struct task, s->open);
    for (size_t i = 0; i < s->open; i++) {
        struct task *t = &s->tasks[i];
        t->scope = s;
        t->def = &s->flow->tasks[i];
        t->step = t->def->uses ? s->run->o.find_step(t->def->uses) : NULL;
        t->queue_tail = &t->queue;
        s->open_normal += !t->def->always;
    }
}

struct scope *scope_open(struct native *n, const struct flow *flow, json_t *parameters,
                         struct task_run *owner)
{
    struct scope *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->run = n;
    s->flow = flow;
    s->parameters = parameters;
    s->owner = owner;
    name_scope(s);
    add_tasks(s);
    link_needs(s);
    for (size_t i = 0; i < flow->task_count; i++)
        if (!s->tasks[i].waits) {
            s->tasks[i].waits = 1;
            wait_less(&s->tasks[i]);
        }
    if (!s->open_normal)
        normal_tasks_over(s);
    return s;
}

void scope_free(struct scope *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->flow->task_count; i++) {
        for (size_t k = 0; k < s->tasks[i].run_count; k++)
            task_run_free(&s->tasks[i].runs[k]);
        json_decref(s->tasks[i].outputs);
        json_decref(s->tasks[i].inputs);
    }
    json_decref(s->parameters);
    arena_reset(&s->arena);
    free(s);
}

/* ---- task runs ---- */

static const char *run_name(const struct task *task, const json_t *matrix)
{
    char name[NAME_BYTES];
    int len = snprintf(name, sizeof(name), "%s%s", task->scope->path, task->def->name);
    const char *axis, *mark = " (";
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)matrix, axis, value)
    {
        char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (len >= 0 && len < NAME_BYTES)
            len += snprintf(name + len, (size_t)(NAME_BYTES - len), "%s%s", mark,
                            text ? text : json_string_value(value));
        free(text);
        mark = ", ";
    }
    if (matrix && len >= 0 && len < NAME_BYTES - 1)
        snprintf(name + len, (size_t)(NAME_BYTES - len), ")");
    text_clean(name);
    return arena_printf(&task->scope->arena, "%s", name);
}

static struct task_run *add_runs(struct task *task, size_t count)
{
    task->runs = arena_array(&task->scope->arena, struct task_run, count);
    task->run_count = task->open_runs = count;
    for (size_t i = 0; i < count; i++) {
        struct task_run *tr = &task->runs[i];
        tr->task = task;
        tr->index = i;
        tr->id = uuid_v7();
        tr->name = run_name(task, NULL);
        tr->dynamic_key = arena_printf(&task->scope->arena, "%s%zu", task->scope->key, i);
        tr->deadline_us = tr->start_us = tr->end_us = TIME_NONE;
    }
    return task->runs;
}

static void end_run(struct task_run *tr, enum outcome outcome, const char *message)
{
    tr->outcome = outcome;
    snprintf(tr->err.detail, sizeof(tr->err.detail), "%s", message);
    task_run_event(tr, EV_UNSTARTED);
}

/* The task does not start at all; one task run says so. */
static void end_task(struct task *task, enum outcome outcome, const char *message)
{
    end_run(add_runs(task, 1), outcome, message);
}

/* ---- the matrix ---- */

/* The values of every axis. */
static enum err_code get_axes(struct task *task, struct view *view, json_t **out, struct err *err)
{
    json_t *axes = json_object();
    for (size_t i = 0; i < task->def->axis_count; i++) {
        const struct flow_axis *axis = &task->def->axes[i];
        json_t *values = NULL;
        enum err_code code = template_render(axis->values, &view->lookup, &values, err);
        if (!code && !json_is_array(values) && !view->touched_dry)
            code = err_set(err, INVALID, "matrix: `%s` has no list of values", axis->name);
        if (code) {
            json_decref(values);
            json_decref(axes);
            return code;
        }
        json_object_set_new(axes, axis->name, values ? values : json_array());
    }
    *out = axes;
    return ERR_OK;
}

static size_t count_combinations(const json_t *axes)
{
    size_t product = 1;
    const char *name;
    json_t *values;
    json_object_foreach((json_t *)(uintptr_t)axes, name, values)
    {
        product *= json_array_size(values);
        if (product > FLOW_MATRIX_MAX)
            return SIZE_MAX;
    }
    return product;
}

/* The last axis changes fastest. */
static json_t *combination(const struct task *task, const json_t *axes, size_t index)
{
    json_t *picked = json_object(), *out = json_object();
    for (size_t i = task->def->axis_count; i-- > 0;) {
        const json_t *values = json_object_get(axes, task->def->axes[i].name);
        size_t size = json_array_size(values);
        json_object_set(picked, task->def->axes[i].name, json_array_get(values, index % size));
        index /= size;
    }
    for (size_t i = 0; i < task->def->axis_count; i++) /* in order of the file */
        json_object_set(out, task->def->axes[i].name,
                        json_object_get(picked, task->def->axes[i].name));
    json_decref(picked);
    return out;
}

static void note_matrix(void *ctx, const struct node *at, const struct part *part)
{
    (void)at;
    if (part->len > 7 && !strncmp(part->text, "matrix.", 7))
        *(bool *)ctx = true;
}

static bool when_uses_matrix(const struct task *task)
{
    bool uses = false;
    struct part_visitor visitor = {note_matrix, &uses};
    expr_visit(task->def->when, &visitor);
    return uses;
}

/* True: go on. Else the task, or the one run, is ended. */
static bool check_when(struct task *task, struct task_run *tr)
{
    struct view view;
    struct err err = {0};
    bool holds = true;
    view_init(&view, task->scope, task, tr);
    enum err_code code = expr_true(task->def->when, &view.lookup, &holds, &err);
    if (!code && (holds || view.touched_dry))
        return true;
    enum outcome outcome = code ? OUT_FAILED : OUT_SKIPPED;
    const char *message = code ? err.detail : "`when` is false";
    if (tr)
        end_run(tr, outcome, message);
    else
        end_task(task, outcome, message);
    return false;
}

static void start_runs(struct task *task, const json_t *axes, size_t count)
{
    bool each = task->def->when && when_uses_matrix(task);
    struct task_run *runs = add_runs(task, count);
    for (size_t i = 0; i < count; i++) {
        if (axes) {
            runs[i].matrix = combination(task, axes, i);
            runs[i].name = run_name(task, runs[i].matrix);
        }
        report_task(&runs[i], "PENDING", "Pending", NULL);
    }
    for (size_t i = 0; i < count; i++)
        if (!each || check_when(task, &runs[i]))
            native_queue(&runs[i]);
}

static void expand(struct task *task)
{
    struct view view;
    struct err err = {0};
    json_t *axes = NULL;
    if (!task->def->axis_count) {
        start_runs(task, NULL, 1);
        return;
    }
    view_init(&view, task->scope, task, NULL);
    if (get_axes(task, &view, &axes, &err)) {
        end_task(task, OUT_FAILED, err.detail);
        return;
    }
    size_t count = count_combinations(axes);
    if (view.touched_dry) {
        task->dry = true;
        end_task(task, OUT_COMPLETED, "not run in a dry run");
    } else if (count == SIZE_MAX) {
        end_task(task, OUT_FAILED, "the matrix makes more than 10000 task runs");
    } else if (!count) {
        end_task(task, OUT_SKIPPED, "its matrix is empty");
    } else {
        start_runs(task, axes, count);
    }
    json_decref(axes);
}

void scope_settle(struct task *task)
{
    const struct flow_task *def = task->def;
    const struct scope *s = task->scope;
    task->state = TASK_OPEN;
    task->inputs = report_inputs(task);
    if (def->always ? s->cancelled_all : s->cancelled)
        end_task(task, OUT_CANCELLED, s->run->cancel_reason);
    else if (!def->always && !expr_has_status(def->when) && !values_success(task))
        end_task(task, OUT_NOT_READY, "a task that it needs did not complete");
    else if (!def->when || when_uses_matrix(task) || check_when(task, NULL))
        expand(task);
}

/* ---- ends ---- */

/* Of a matrix: a list per output, in order of the matrix; null where a run has none. */
static json_t *collect_outputs(const struct task *task)
{
    json_t *lists = json_object(), *value;
    const char *name;
    if (!task->def->axis_count) {
        json_decref(lists);
        return json_incref(task->runs[0].outputs);
    }
    for (size_t i = 0; i < task->run_count; i++)
        json_object_foreach(task->runs[i].outputs, name, value) if (!json_object_get(lists, name))
            json_object_set_new(lists, name, json_array());
    json_object_foreach(lists, name, value) for (size_t i = 0; i < task->run_count; i++)
    {
        json_t *one = json_object_get(task->runs[i].outputs, name);
        json_array_append_new(value, one ? json_incref(one) : json_null());
    }
    return lists;
}

static enum outcome outcome_of(const struct task *task)
{
    static const enum outcome order[] = {OUT_FAILED, OUT_CANCELLED, OUT_NOT_READY, OUT_COMPLETED};
    for (size_t k = 0; k < COUNT(order); k++)
        for (size_t i = 0; i < task->run_count; i++)
            if (task->runs[i].outcome == order[k])
                return order[k];
    return OUT_SKIPPED;
}

static void task_over(struct task *task)
{
    struct scope *s = task->scope;
    task->state = TASK_OVER;
    task->outcome = outcome_of(task);
    task->outputs = collect_outputs(task);
    s->open--;
    for (size_t i = 0; i < task->dependent_count; i++)
        wait_less(task->dependents[i]);
    if (!task->def->always && --s->open_normal == 0)
        normal_tasks_over(s);
    if (!s->open)
        native_scope_over(s);
}

void scope_task_run_over(struct task_run *tr)
{
    struct scope *s = tr->task->scope;
    s->failed += tr->outcome == OUT_FAILED;
    s->cancelled_count += tr->outcome == OUT_CANCELLED;
    if (tr->outcome == OUT_FAILED && s->failed == 1)
        snprintf(s->reason, sizeof(s->reason), "`%s` failed: %s", tr->name, tr->err.detail);
    else if (tr->outcome == OUT_CANCELLED && !s->reason[0])
        snprintf(s->reason, sizeof(s->reason), "`%s` was cancelled", tr->name);
    if (--tr->task->open_runs == 0)
        task_over(tr->task);
}

void scope_cancel(struct scope *s, bool clean_up_too)
{
    s->cancelled = true;
    s->cancelled_all |= clean_up_too;
    for (size_t i = 0; i < s->flow->task_count; i++) {
        struct task *task = &s->tasks[i];
        if (task->state != TASK_OPEN || (task->def->always && !clean_up_too))
            continue;
        for (size_t k = 0; k < task->run_count; k++) {
            task_run_event(&task->runs[k], EV_CANCEL);
            if (task->runs[k].inner && clean_up_too)
                scope_cancel(task->runs[k].inner, true);
        }
    }
}
