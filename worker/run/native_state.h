/* What the files worker/run/native*.c share: the state tables of a native run.  Not for others.
 *
 * A run has a tree of scopes: one per flow and sub-flow that is being run.  A scope has tasks, a
 * task has task runs (one, or one per combination of its matrix), a task run has attempts: a step
 * call or an inner scope. */
#pragma once
#include "worker/lab/console.h"
#include "worker/run/call.h"
#include "worker/run/native.h"

struct scope;
struct task;

/*             ┌───────────────────────────────────────retry due─────┐
 *             v                                                     │
 *   QUEUED ──start──> RUNNING ──failed, retries left──> WAITING ────┤
 *     │                 │  │ └──deadline──> LATE ──it stopped───────┤
 *     │cancel           │  └──cancel──> STOPPING ──it stopped──┐    │no retries left
 *     └─────────────────┴──done, failed────────────────────────┴────┴──> OVER */
enum task_run_state { TR_QUEUED, TR_RUNNING, TR_WAITING, TR_STOPPING, TR_LATE, TR_OVER };
enum task_run_event {
    EV_START,
    EV_UNSTARTED, /* it will never start: outcome and err.detail say why */
    EV_EARLY,     /* over without having run: `early` says why */
    EV_DONE,
    EV_FAILED,
    EV_RETRY,
    EV_CANCEL,
    EV_DEADLINE
};

enum outcome { OUT_NONE, OUT_COMPLETED, OUT_SKIPPED, OUT_FAILED, OUT_CANCELLED, OUT_NOT_READY };

/* A state as it was told. */
struct reported {
    struct uuid id;
    const char *type, *name; /* NULL: nothing yet */
    char *message;
};

struct task_run {
    struct task *task;
    size_t index; /* in the matrix */
    enum task_run_state state;
    enum outcome outcome;
    struct uuid id;
    const char *name, *dynamic_key;
    json_t *matrix;  /* {axis: value}; NULL: no matrix */
    json_t *outputs; /* NULL: none */
    int attempt;     /* 1 for the first; 0: not started */
    bool broken;     /* retrying cannot help */
    bool dry;        /* walked over in a dry run */
    enum { EARLY_DRY, EARLY_CACHED } early;
    struct err err;
    char *cache_key;        /* of the attempt; NULL: no cache */
    struct step_call *call; /* the attempt: a step ... */
    struct scope *inner;    /* ... or a sub-flow */
    bool holds_slot;
    struct task_run *queue_next;
    int64_t deadline_us; /* TIME_NONE: none; else it is in the run's list */
    struct task_run *deadline_prev, *deadline_next;

    struct reported last;
    int64_t start_us, end_us, state_us, running_us;
};

struct task {
    struct scope *scope;
    const struct flow_task *def;
    const struct step *step;
    size_t waits; /* for this many things */
    struct task **dependents;
    size_t dependent_count;
    enum { TASK_WAITING, TASK_SETTLING, TASK_OPEN, TASK_OVER } state;
    enum outcome outcome;
    bool dry;
    struct task_run *runs;
    size_t run_count, open_runs, active;
    json_t *outputs, *inputs; /* inputs: task_inputs of the events */
    struct task_run *queue, **queue_tail;
    struct task *settle_next; /* all it waits for is over */
    struct task *ready_prev, *ready_next;
    bool ready;
};

struct scope {
    struct native *run;
    struct arena arena;
    const struct flow *flow;
    json_t *parameters;
    struct task_run *owner; /* NULL: the root */
    const char *path, *key; /* "sub/" and "0.1." in front of names and dynamic keys */
    struct task *tasks;
    size_t open, open_normal; /* tasks that are not over */
    bool cancelled, cancelled_all;
    size_t failed, cancelled_count;
    char reason[600]; /* of the first failure */
    struct scope *dead_next;
};

enum native_phase { NATIVE_RESOLVING, NATIVE_RUNNING, NATIVE_CANCELLING, NATIVE_OVER };

struct secret {
    struct secret *next;
    size_t len;
    char text[];
};

struct native {
    struct native_options o;
    enum native_phase phase;
    struct arena arena;
    struct flow *flow;
    struct step_run step_run;
    struct console_shelf consoles;
    struct scope *root, *dead;
    json_t *parameters, *blocks, *variables, *run_values;
    struct native_lookup *lookups;
    size_t lookups_open;
    struct secret *secrets;
    size_t active;
    struct task *settle, **settle_tail;
    struct task *ready, *ready_last;
    struct task_run *deadlines;
    uv_timer_t timer;
    bool closing, held;
    int cancels_wanted, cancels_done;
    char cancel_reason[200];
    char problem[400]; /* why it cannot run; "": nothing */
};

/* ---- native_values.c: where the values of placeholders come from ---- */

struct view {
    struct lookup lookup;
    struct scope *scope;
    struct task *task;   /* NULL: the flow itself */
    struct task_run *tr; /* NULL: before the matrix is written out */
    bool touched_dry;    /* a value comes from what a dry run leaves out */
};

void view_init(struct view *view, struct scope *scope, struct task *task, struct task_run *tr);
/* `with` of a step: rendered, defaults filled in, types checked. */
MUST_CHECK enum err_code values_with(struct view *view, json_t **out, struct err *err);
/* The task's own ways of seeing the tasks it needs. */
bool values_success(const struct task *task);
bool values_failure(const struct task *task);
/* All blocks and variables that the flow and its sub-flows name. */
void values_collect(struct native *n, const struct flow *flow);

/* ---- native_report.c: what leaves the engine; secrets are masked here ---- */

/* Ids, types and names as in the wire facts, section 2.1. */
void report_task(struct task_run *tr, const char *type, const char *name, const char *message);
/* `data` is taken; NULL: none. */
void report_flow(struct native *n, const char *type, const char *name, const char *message,
                 json_t *data);
void report_log(struct native *n, const struct task_run *tr, enum log_level level, const char *fmt,
                ...) PRINTF_LIKE(4, 5);
void report_artifact(struct native *n, const struct task_run *tr, json_t *artifact); /* takes it */
void report_add_secrets(struct native *n, const json_t *value);
/* The task_inputs of a task whose needs are over. */
json_t *report_inputs(const struct task *task);

/* ---- native_cache.c ---- */

/* New reference, or NULL. */
json_t *cache_find(struct native *n, const char *step, const char *key);
void cache_keep(struct native *n, const char *step, const char *key, double expires_s,
                const json_t *outputs);

/* ---- native_task.c: one task run ---- */

void task_run_event(struct task_run *tr, enum task_run_event ev);
void task_run_scope_over(struct task_run *tr); /* its inner scope is over */
void task_run_free(struct task_run *tr);

/* ---- native_scope.c: the tasks of a flow ---- */

struct scope *scope_open(struct native *n, const struct flow *flow, json_t *parameters,
                         struct task_run *owner);
void scope_cancel(struct scope *scope, bool clean_up_too);
void scope_free(struct scope *scope);
void scope_settle(struct task *task); /* decides what becomes of a task whose needs are over */
void scope_task_run_over(struct task_run *tr);

/* ---- native.c: the run ---- */

int64_t native_now_us(const struct native *n);
void native_wake(struct native *n); /* look at everything in the next loop round */
void native_scope_over(struct scope *scope);

/* ---- native_queue.c ---- */

void native_queue(struct task_run *tr);   /* starts when there is room */
void native_unqueue(struct task_run *tr); /* harmless when it is not queued */
bool native_start_next(struct native *n); /* false: nothing can start now */
void native_settle_later(struct task *task);
void native_deadline(struct task_run *tr, int64_t at_us); /* TIME_NONE: none */
struct task_run *native_nearest(const struct native *n);  /* deadline; NULL: there is none */
