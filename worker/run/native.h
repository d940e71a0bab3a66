/* Runs a native flow (docs/flows.md) on the loop of the agent.
 *
 * The caller gives the text of the flow, the parameters and where things are; everything that
 * happens comes back through the hooks, ready for the wire.  Whatever is wrong (the file, the
 * parameters, a missing block) ends the run as FAILED with the reasons in its log, so
 * native_start() itself cannot fail.
 *
 *   native_start ──> RESOLVING ──blocks and variables found──> RUNNING ──all tasks over──> OVER ──>
 * hooks->over └────────── not found, cancel ───┐      └──native_cancel──> CANCELLING ──clean-up
 * over──┘ └──> OVER
 *
 * Owns:   the flow, its tasks, their calls.  native_free() after (or in) hooks->over.
 * Borrows: everything in the options, until native_free().
 * Thread: loop thread. */
#pragma once
#include "shared/flow/flow.h"
#include "worker/steps.h"

struct native;
struct native_lookup;

struct native_hooks {
    /* The run's state in the shape of StateCreate {type, name, message, data?}: RUNNING first, a
     * terminal one last. */
    void (*flow_state)(void *ctx, const json_t *state);
    /* A task run's state change, an event as /events/in takes it (wire facts 3.a). */
    void (*event)(void *ctx, const json_t *event);
    /* {name, level, message, timestamp, flow_run_id, task_run_id}, as POST /logs/ takes it. */
    void (*log)(void *ctx, const json_t *record);
    /* {key?, type, description?, data, flow_run_id, task_run_id}, as POST /artifacts/ takes it. */
    void (*artifact)(void *ctx, const json_t *artifact);
    /* How far a task is; total 0: not known.  May be NULL. */
    void (*progress)(void *ctx, const char *task_run_name, struct uuid task_run_id, double done,
                     double total);
    /* Fetches a block or a variable and calls native_found(), now or later.  NULL: there is no
     * server to ask. */
    void (*lookup)(void *ctx, struct native_lookup *lookup);
    /* The run is over and flow_state has been told; native_free() may be called here. */
    void (*over)(void *ctx, struct native *run);
    /* For tests that own time; NULL: the real clocks.  wake() is told when native_tick() is wanted.
     */
    int64_t (*now_us)(void *ctx);
    void (*wake)(void *ctx, int64_t at_us);
};

struct native_lookup {
    struct native *run;
    struct native_lookup *next;
    const char *block_type; /* NULL: a variable */
    const char *name;
    bool answered;
};

struct native_options {
    uv_loop_t *loop;
    const struct native_hooks *hooks;
    void *ctx;
    const char
        *file; /* name of the flow file in messages; `flow: other.yaml` is looked for beside it */
    const char *text; /* NULL: read the file */
    size_t len;
    const json_t *parameters; /* NULL: none */
    struct step_run run;      /* dry_run here makes the run dry whatever the flow says */
    int run_count;            /* of the flow run: 1 for the first time */
    const json_t
        *related; /* `related` of the events: flow run, flow, deployment, ...; NULL: the run only */
    /* For tests with steps of their own; NULL: the table of worker/steps.h. */
    const struct step *(*find_step)(const char *name);
    const struct flow_options *flow_options;
};

struct native *native_start(const struct native_options *options);

/* The first call stops all tasks and lets the clean-up run; the second one stops the clean-up too.
 */
void native_cancel(struct native *run, const char *reason);

/* Stops one task run; the flow goes on without it.  False: it is not running or waiting.  Not from
 * a hook. */
bool native_cancel_task(struct native *run, struct uuid task_run_id);

/* The logs are full: what its tasks start waits with its output until it is let go.  A task that is
 * cancelled is not held. */
void native_hold(struct native *run, bool hold);

/* Answers hooks->lookup.  Takes the references.  value NULL: not found, or `error` says why it
 * could not be asked. secrets: texts that must not appear anywhere; NULL: all texts of a block. */
void native_found(struct native_lookup *lookup, json_t *value, json_t *secrets, const char *error);

void native_tick(struct native *run); /* only with hooks->wake */
void native_free(struct native *run);
