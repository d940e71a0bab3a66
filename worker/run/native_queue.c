/* Who comes next: deadlines, tasks to be settled, task runs that wait for room. */
#include "shared/base/clock.h"
#include "worker/run/native_state.h"

void native_deadline(struct task_run *tr, int64_t at_us)
{
    struct native *n = tr->task->scope->run;
    if (tr->deadline_us != TIME_NONE) {
        *(tr->deadline_prev ? &tr->deadline_prev->deadline_next : &n->deadlines) =
            tr->deadline_next;
        if (tr->deadline_next)
            tr->deadline_next->deadline_prev = tr->deadline_prev;
    }
    tr->deadline_us = at_us;
    if (at_us == TIME_NONE)
        return;
    tr->deadline_prev = NULL;
    tr->deadline_next = n->deadlines;
    if (n->deadlines)
        n->deadlines->deadline_prev = tr;
    n->deadlines = tr;
}

struct task_run *native_nearest(const struct native *n)
{
    struct task_run *best = n->deadlines;
    for (struct task_run *tr = best; tr; tr = tr->deadline_next)
        if (tr->deadline_us < best->deadline_us)
            best = tr;
    return best;
}

void native_settle_later(struct task *task)
{
    struct native *n = task->scope->run;
    task->settle_next = NULL;
    *n->settle_tail = task;
    n->settle_tail = &task->settle_next;
}

static void ready_remove(struct native *n, struct task *task)
{
    if (!task->ready)
        return;
    *(task->ready_prev ? &task->ready_prev->ready_next : &n->ready) = task->ready_next;
    *(task->ready_next ? &task->ready_next->ready_prev : &n->ready_last) = task->ready_prev;
    task->ready = false;
}

static void ready_add(struct native *n, struct task *task)
{
    if (task->ready)
        return;
    task->ready = true;
    task->ready_next = NULL;
    task->ready_prev = n->ready_last;
    *(n->ready_last ? &n->ready_last->ready_next : &n->ready) = task;
    n->ready_last = task;
}

void native_queue(struct task_run *tr)
{
    tr->queue_next = NULL;
    *tr->task->queue_tail = tr;
    tr->task->queue_tail = &tr->queue_next;
    ready_add(tr->task->scope->run, tr->task);
}

void native_unqueue(struct task_run *tr)
{
    struct task *task = tr->task;
    struct task_run **at = &task->queue;
    while (*at && *at != tr)
        at = &(*at)->queue_next;
    if (*at)
        *at = tr->queue_next;
    if (!tr->queue_next)
        task->queue_tail = at;
    if (!task->queue)
        ready_remove(task->scope->run, task);
}

/* A sub-flow takes no slot of the run, or its own tasks could wait for it for ever. */
static bool has_room(const struct native *n, const struct task *task)
{
    const struct flow *flow = task->scope->flow;
    bool group = task->def->flow;
    size_t limit = (size_t)task->def->max_parallel;
    if (group && !limit)
        limit = (size_t)flow->max_parallel;
    if (limit && task->active >= limit)
        return false;
    return group || n->active < (size_t)n->flow->max_parallel;
}

bool native_start_next(struct native *n)
{
    for (struct task *task = n->ready; task; task = task->ready_next) {
        if (!has_room(n, task))
            continue;
        struct task_run *tr = task->queue;
        task->queue = tr->queue_next;
        if (!task->queue) {
            task->queue_tail = &task->queue;
            ready_remove(n, task);
        }
        task_run_event(tr, EV_START);
        return true;
    }
    return false;
}
