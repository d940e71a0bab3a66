/* Whole runs of the engine: steps of ours, a clock of ours. */
#pragma once
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/fault.h"
#include "worker/run/native.h"

/* ---- steps ---- */

static const struct step_param any_params[] = {
    {"v", FLOW_ANY, false, NULL, "a value", NULL},
    {"n", FLOW_INTEGER, false, "0", "a number", NULL},
    {"s", FLOW_STRING, false, NULL, "a text", NULL},
};
static const struct step_output any_outputs[] = {{"v", FLOW_ANY, "the value"}};

static struct step_call *stubborn; /* the call that is let go at the second warning */

static void start_ok(struct step_call *call)
{
    const char *text = step_string(call, "s");
    if (text)
        step_log(call, LOG_INFO, "%s", text);
    step_output(call, "v", json_incref(json_object_get(call->with, "v")));
    step_done(call, ERR_OK);
}

/* Fails in its first n attempts. */
static void start_fail(struct step_call *call)
{
    if (call->attempt > step_integer(call, "n") && step_integer(call, "n"))
        step_done(call, ERR_OK);
    else
        step_done(call, err_set(&call->err, IO, "attempt %d broke", call->attempt));
}

static void start_hang(struct step_call *call)
{
    (void)call;
}

static void cancel_hang(struct step_call *call)
{
    step_done(call, err_set(&call->err, CANCELLED, "woken"));
}

/* Does not stop when it is asked to. */
static void start_stubborn(struct step_call *call)
{
    stubborn = call;
}

static void start_artifact(struct step_call *call)
{
    step_progress(call, 1, 2);
    step_artifact(call, json_pack("{s:s,s:s,s:O}", "key", "report", "type", "markdown", "data",
                                  json_object_get(call->with, "s")));
    step_done(call, ERR_OK);
}

#define ANY STEP_PARAMS(any_params), STEP_OUTPUTS(any_outputs)
static const struct step own[] = {
    {.schema = {.name = "ok", .doc = "d", ANY}, .start = start_ok},
    {.schema = {.name = "fail", .doc = "d", ANY}, .start = start_fail},
    {.schema = {.name = "hang", .doc = "d", ANY}, .start = start_hang, .cancel = cancel_hang},
    {.schema = {.name = "hw", .doc = "d", ANY}, .start = start_fail, .hardware = true},
    {.schema = {.name = "stubborn", .doc = "d", ANY}, .start = start_stubborn},
    {.schema = {.name = "artifact", .doc = "d", ANY}, .start = start_artifact},
};

static const struct step *find_step(const char *name)
{
    for (size_t i = 0; i < COUNT(own); i++)
        if (!strcmp(own[i].schema.name, name))
            return &own[i];
    return step_find(name);
}

static const struct step_schema *find_schema(const char *name)
{
    const struct step *step = find_step(name);
    return step ? &step->schema : NULL;
}

static const struct flow_options flow_options = {find_schema, NULL};

/* ---- a run ---- */

struct world {
    uv_loop_t loop;
    struct native *native;
    struct native_options options;
    json_t *events, *logs, *states, *artifacts, *tasks; /* tasks: id to last event */
    int64_t now_us, wake_us;
    bool over;
    int said, cancel_at, cancel_again_at; /* cancel when so many things were said; 0: never */
    const char *cancel_on;                /* ... or at this log line */
    char dir[64];
    const char *blocks, *secrets; /* JSON: what lookup answers */
    size_t live, live_max;        /* task runs in state RUNNING */
    int progressed, warnings;
};

static void said(struct world *w)
{
    w->said++;
    if (w->said == w->cancel_at || w->said == w->cancel_again_at)
        native_cancel(w->native, "because");
}

static void on_state(void *ctx, const json_t *state)
{
    struct world *w = ctx;
    json_array_append(w->states, (json_t *)(uintptr_t)state);
    if (w->native)
        said(w);
}

static const char *text_at(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s ? s : "(none)";
}

static void on_event(void *ctx, const json_t *event)
{
    struct world *w = ctx;
    const json_t *resource = json_object_get(event, "resource");
    const char *id = text_at(resource, "prefect.resource.id");
    const json_t *before = json_object_get(json_object_get(w->tasks, id), "resource");
    w->live -= before && !strcmp(text_at(before, "prefect.state-type"), "RUNNING");
    w->live += !strcmp(text_at(resource, "prefect.state-type"), "RUNNING");
    w->live_max = w->live > w->live_max ? w->live : w->live_max;
    json_array_append(w->events, (json_t *)(uintptr_t)event);
    json_object_set(w->tasks, id, (json_t *)(uintptr_t)event);
    said(w);
}

static void on_log(void *ctx, const json_t *record)
{
    struct world *w = ctx;
    if (strstr(text_at(record, "message"), "has not stopped yet") && ++w->warnings == 2)
        step_done(stubborn, ERR_CANCELLED);
    json_array_append(w->logs, (json_t *)(uintptr_t)record);
    if (w->cancel_on && !strcmp(w->cancel_on, text_at(record, "message")))
        native_cancel(w->native, "because");
}

static void on_artifact(void *ctx, const json_t *artifact)
{
    json_array_append(((struct world *)ctx)->artifacts, (json_t *)(uintptr_t)artifact);
}

static void on_progress(void *ctx, const char *name, struct uuid id, double done, double total)
{
    (void)name, (void)id;
    ((struct world *)ctx)->progressed += done > 0 && total > done;
}

static void on_lookup(void *ctx, struct native_lookup *l)
{
    struct world *w = ctx;
    json_t *all = json_loads(w->blocks ? w->blocks : "{}", 0, NULL);
    char name[100];
    snprintf(name, sizeof(name), "%s/%s", l->block_type ? l->block_type : "variable", l->name);
    json_t *value = json_incref(json_object_get(all, name));
    json_decref(all);
    native_found(l, value, w->secrets ? json_loads(w->secrets, 0, NULL) : NULL, NULL);
}

static void on_over(void *ctx, struct native *native)
{
    struct world *w = ctx;
    ck_assert_ptr_eq(native, w->native);
    w->over = true;
}

static int64_t now_us(void *ctx)
{
    return ((struct world *)ctx)->now_us;
}

static void wake(void *ctx, int64_t at_us)
{
    ((struct world *)ctx)->wake_us = at_us;
}

static const struct native_hooks hooks = {on_state,  on_event, on_log, on_artifact, on_progress,
                                          on_lookup, on_over,  now_us, wake};

static void setup(struct world *w, const char *yaml, const char *parameters)
{
    w->events = json_array();
    w->logs = json_array();
    w->states = json_array();
    w->artifacts = json_array();
    w->tasks = json_object();
    w->now_us = 1700000000000000;
    strcpy(w->dir, "/tmp/native-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(w->dir));
    ck_assert_int_eq(uv_loop_init(&w->loop), 0);
    w->options.loop = &w->loop;
    w->options.hooks = &hooks;
    w->options.ctx = w;
    w->options.file = "f.yaml";
    w->options.text = yaml;
    w->options.len = strlen(yaml);
    w->options.find_step = find_step;
    w->options.flow_options = &flow_options;
    w->options.parameters = parameters ? json_loads(parameters, 0, NULL) : NULL;
    w->options.run.work_dir = w->options.run.data_dir = w->dir;
    w->options.run.flow_run_name = "test-run";
    w->options.run.flow_run_id = uuid_v7();
}

/* Runs to the end; time passes only when nothing else can happen. */
static void run_until_over(struct world *w)
{
    w->wake_us = TIME_NONE;
    w->native = native_start(&w->options);
    for (int rounds = 0; !w->over; rounds++) {
        ck_assert_msg(rounds < 100000, "the run does not end");
        uv_run(&w->loop, UV_RUN_DEFAULT);
        if (w->over)
            break;
        ck_assert_msg(w->wake_us != TIME_NONE, "the run waits for nothing");
        w->now_us = w->wake_us > w->now_us ? w->wake_us : w->now_us;
        w->wake_us = TIME_NONE;
        native_tick(w->native);
    }
    native_free(w->native);
    ck_assert_int_eq(uv_loop_close(&w->loop), 0); /* no handle left behind */
}

static void teardown(struct world *w)
{
    char command[100];
    snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
    ck_assert_int_eq(system(command), 0);
    json_decref((json_t *)(uintptr_t)w->options.parameters);
    json_decref(w->events);
    json_decref(w->logs);
    json_decref(w->states);
    json_decref(w->artifacts);
    json_decref(w->tasks);
}

/* "a=Completed b=Failed | FAILED: message" */
static const char *summary(const struct world *w)
{
    static char text[4000];
    const char *id;
    json_t *event;
    size_t n = 0;
    json_object_foreach(w->tasks, id, event)
    {
        const json_t *r = json_object_get(event, "resource");
        n +=
            (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s ",
                             text_at(r, "prefect.resource.name"), text_at(r, "prefect.state-name"));
    }
    const json_t *last = json_array_get(w->states, json_array_size(w->states) - 1);
    snprintf(text + n, sizeof(text) - n, "| %s: %s", text_at(last, "type"),
             text_at(last, "message"));
    return text;
}

static bool has_log(const struct world *w, const char *message)
{
    size_t i;
    json_t *record;
    json_array_foreach(w->logs, i,
                       record) if (!strcmp(text_at(record, "message"), message)) return true;
    return false;
}

/* What most flows begin and end with. */
#define FLOW(tasks) "name: f\nparameters: {p: 1, l: [a, b]}\ntasks:\n" tasks
#define DONE        "| COMPLETED: All tasks completed."
