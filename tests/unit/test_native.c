/* Whole runs of the engine: steps of ours, a clock of ours. */
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

/* ---- scenarios ---- */

#define FLOW(tasks) "name: f\nparameters: {p: 1, l: [a, b]}\ntasks:\n" tasks
#define DONE        "| COMPLETED: All tasks completed."
/* clang-format off */
static const struct {
    const char *yaml, *parameters, *summary;
} rows[] = {
    {FLOW("  a: {uses: ok}\n"), NULL, "a=Completed " DONE},
    {FLOW("  b: {uses: ok, needs: a}\n  a: {uses: ok}\n"), NULL, "a=Completed b=Completed " DONE},
    {FLOW("  a: {uses: fail}\n  b: {uses: ok, needs: a}\n  c: {uses: ok, needs: b}\n  d: {uses: ok}\n"), NULL,
     "a=Failed d=Completed b=NotReady c=NotReady | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  a: {uses: fail, with: {n: 2}, retries: 2, retry_delay: 1h}\n"), NULL, "a=Completed " DONE},
    {FLOW("  a: {uses: fail, with: {n: 3}, retries: 2}\n"), NULL, "a=Failed | FAILED: Task `a` failed: attempt 3 broke"},
    {FLOW("  a: {uses: hang, timeout: 10m}\n"), NULL, "a=TimedOut | FAILED: Task `a` failed: it took longer than its timeout of 600 s"},
    {FLOW("  a: {uses: hang, timeout: 10m, retries: 1, retry_delay: 5}\n"), NULL, "a=TimedOut | FAILED: Task `a` failed: it took longer than its timeout of 600 s"},
    /* when */
    {FLOW("  a: {uses: ok, when: parameters.p == 1}\n  b: {uses: ok, when: parameters.p > 1}\n  c: {uses: ok, needs: b}\n"), NULL,
     "a=Completed b=Skipped c=Completed " DONE},
    {FLOW("  a: {uses: fail}\n  b: {uses: ok, needs: a, when: failure()}\n  c: {uses: ok, needs: a, when: success()}\n"), NULL,
     "a=Failed b=Completed c=Skipped | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  a: {uses: ok, when: \"parameters.p < 'x'\"}\n"), NULL,
     "a=Failed | FAILED: Task `a` failed: `when` compares by size what is neither two numbers nor two texts"},
    {FLOW("  a: {uses: ok, when: not ('c' in parameters.l) and 'a' in parameters.l and 'z' not in parameters.l}\n"), NULL, "a=Completed " DONE},
    {FLOW("  a: {uses: ok, when: \"{{ parameters.p }} in [2, 3] or tasks.b.state == 'Completed'\"}\n  b: {uses: ok}\n"), NULL, "b=Completed a=Completed " DONE},
    /* always */
    {FLOW("  z: {uses: ok, always: true}\n  a: {uses: fail}\n  b: {uses: ok, needs: a}\n"), NULL,
     "a=Failed b=NotReady z=Completed | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  z: {uses: ok, always: true, needs: a}\n  a: {uses: fail}\n  y: {uses: ok, always: true, needs: z}\n"), NULL,
     "a=Failed z=Completed y=Completed | FAILED: Task `a` failed: attempt 1 broke"},
    {FLOW("  z: {uses: fail, always: true}\n  a: {uses: ok}\n"), NULL, "a=Completed z=Failed | FAILED: Task `z` failed: attempt 1 broke"},
    {FLOW("  z: {uses: ok, always: true, when: failure()}\n  a: {uses: ok}\n"), NULL, "a=Completed z=Skipped " DONE},
    /* matrix */
    {FLOW("  a: {uses: ok, matrix: {x: [1, 2], y: '{{ parameters.l }}'}, with: {v: '{{ matrix.x }}{{ matrix.y }}'}}\n"
          "  b: {uses: ok, with: {v: '{{ tasks.a.outputs.v }}', s: '{{ tasks.a.outputs.v }} {{ tasks.a.outputs.v[3] }}'}}\n"), NULL,
     "a (1, a)=Completed a (1, b)=Completed a (2, a)=Completed a (2, b)=Completed b=Completed " DONE},
    {FLOW("  a: {uses: fail, matrix: {x: [0, 1]}, with: {n: '{{ matrix.x }}'}, retries: 1}\n  b: {uses: ok, needs: a}\n"), NULL,
     "a (0)=Failed a (1)=Completed b=NotReady | FAILED: Task `a (0)` failed: attempt 2 broke"},
    {FLOW("  a: {uses: ok, matrix: {x: [1, 2]}, when: matrix.x == 2}\n"), NULL, "a (1)=Skipped a (2)=Completed " DONE},
    {FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.l }}'}}\n  b: {uses: ok, needs: a}\n"), "{\"l\":[]}", "a=Skipped b=Completed " DONE},
    {FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.p }}'}}\n"), NULL, "a=Failed | FAILED: Task `a` failed: matrix: `x` has no list of values"},
    /* sub-flows */
    {FLOW("  s: {flow: {parameters: {q: {}}, tasks: {a: {uses: ok, with: {v: '{{ parameters.q }}'}}}, result: {r: '{{ tasks.a.outputs.v }}'}}, with: {q: '{{ parameters.p }}'}}\n"
          "  b: {uses: ok, when: tasks.s.outputs.r == 1}\n"), NULL, "s=Completed s/a=Completed b=Completed " DONE},
    {FLOW("  s: {flow: {tasks: {a: {uses: fail}}}, retries: 1}\n"), NULL, "s=Failed s/a=Failed s/a=Failed | FAILED: Task `s` failed: `s/a` failed: attempt 1 broke"},
    {FLOW("  s: {flow: {tasks: {a: {uses: hang}, z: {uses: ok, always: true}}}, timeout: 1m}\n"), NULL,
     "s=TimedOut s/a=Cancelled s/z=Completed | FAILED: Task `s` failed: it took longer than its timeout of 60 s"},
    {FLOW("  s: {flow: {parameters: {q: {type: integer}}, tasks: {a: {uses: ok}}}, with: {q: '{{ parameters.l }}'}, retries: 3}\n"), NULL,
     "s=Failed | FAILED: Task `s` failed: parameters: `q` is [\"a\",\"b\"], expected type integer"},
    {FLOW("  s: {flow: {parameters: {q: {}}, tasks: {a: {uses: ok}}, result: '{{ parameters.q }}'}, with: {q: '{{ matrix.m }}'}, matrix: {m: [1, 2]}}\n"
          "  b: {uses: ok, when: \"tasks.s.outputs.result == [1, 2]\"}\n"), NULL,
     "s (1)=Completed s (2)=Completed s/a=Completed s/a=Completed b=Completed " DONE},
    /* what is wrong before it starts */
    {FLOW("  a: {uses: okay}\n"), NULL, "| FAILED: The flow has 1 problem; f.yaml:4:13: there is no step `okay`; `switchyard-worker flow steps` lists them"},
    {FLOW("  a: {uses: ok}\n"), "{\"p\":\"x\"}", "| FAILED: parameters: `p` is \"x\", expected type integer"},
    {FLOW("  a: {uses: ok, with: {v: '{{ prefect.blocks.s3.lab.key }}'}}\n"), NULL, "| FAILED: block `s3/lab` cannot be had: there is none of that name"},
    {FLOW("  a: {uses: ok, with: {n: '{{ prefect.variables.none }}'}}\n"), NULL, "a=Completed " DONE},
    /* types */
    {FLOW("  a: {uses: ok, with: {n: '{{ parameters.l }}'}, retries: 5}\n"), NULL, "a=Failed | FAILED: Task `a` failed: `n` is not an integer"},
    {FLOW("  a: {uses: ok, with: {s: '{{ parameters.p }}'}}\n"), NULL, "a=Completed " DONE},
};
/* clang-format on */

START_TEST(a_run_ends_as_it_should)
{
    struct world w = {0};
    setup(&w, rows[_i].yaml, rows[_i].parameters);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), rows[_i].summary);
    teardown(&w);
}
END_TEST

START_TEST(the_result_is_the_same_every_time)
{
    const char *yaml = "name: f\ntasks:\n"
                       "  a: {uses: ok, matrix: {x: [3, 1, 2]}, with: {v: '{{ matrix.x }}'}}\n"
                       "  b: {uses: ok, with: {v: {list: '{{ tasks.a.outputs.v }}', none: "
                       "'{{ tasks.c.outputs.v }}', text: 'x{{ tasks.c.outputs.v }}y \\{{ z }}'}}}\n"
                       "  c: {uses: ok, when: false}\n"
                       "result: '{{ tasks.b.outputs.v }}'\n";
    for (int i = 0; i < 3; i++) {
        struct world w = {0};
        setup(&w, yaml, NULL);
        run_until_over(&w);
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        char *shown = json_dumps(json_object_get(last, "data"), JSON_COMPACT | JSON_SORT_KEYS);
        ck_assert_str_eq(
            shown, "{\"type\":\"result\",\"value\":{\"list\":[3,1,2],\"text\":\"xy {{ z }}\"}}");
        free(shown);
        teardown(&w);
    }
}
END_TEST

static const json_t *member(const json_t *value, const char *path)
{
    struct arena arena = {0};
    struct path p;
    ck_assert(path_parse(&arena, path, strlen(path), &p));
    const json_t *found = path_get((json_t *)(uintptr_t)value, &p, 0);
    ck_assert_msg(found != NULL, "no %s", path);
    arena_reset(&arena);
    return found;
}

START_TEST(events_have_the_form_of_the_wire)
{
    struct world w = {0};
    setup(&w,
          FLOW("  a: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 30}\n  b: {uses: ok, "
               "needs: a}\n"),
          NULL);
    run_until_over(&w);
    static const char *const names[] = {
        "prefect.task-run.Pending",  "prefect.task-run.Running",   "prefect.task-run.AwaitingRetry",
        "prefect.task-run.Retrying", "prefect.task-run.Completed", "prefect.task-run.Pending",
        "prefect.task-run.Running",  "prefect.task-run.Completed"};
    ck_assert_uint_eq(json_array_size(w.events), COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++) {
        const json_t *e = json_array_get(w.events, i);
        ck_assert_str_eq(text_at(e, "event"), names[i]);
        ck_assert_str_eq(json_string_value(json_object_get(json_object_get(e, "resource"),
                                                           "prefect.orchestration")),
                         "client");
        if (i % 5)
            ck_assert_str_eq(text_at(e, "follows"), text_at(json_array_get(w.events, i - 1), "id"));
        else
            ck_assert_ptr_null(json_object_get(e, "follows"));
    }
    const json_t *retry = json_array_get(w.events, 2), *done = json_array_get(w.events, 4);
    ck_assert_str_eq(json_string_value(member(retry, "payload.intended.from")), "RUNNING");
    ck_assert_str_eq(json_string_value(member(retry, "payload.intended.to")), "SCHEDULED");
    ck_assert_str_eq(json_string_value(member(retry, "payload.initial_state.name")), "Running");
    ck_assert_str_eq(json_string_value(member(retry, "payload.validated_state.message")),
                     "attempt 1 broke");
    ck_assert_str_eq(
        json_string_value(member(retry, "payload.validated_state.state_details.scheduled_time")),
        "2023-11-14T22:13:50Z");
    ck_assert_int_eq(json_integer_value(member(done, "payload.task_run.run_count")), 2);
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.start_time")),
                     "2023-11-14T22:13:20.000001Z");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.end_time")),
                     "2023-11-14T22:13:50.000001Z");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.task_key")), "f.a");
    ck_assert_str_eq(json_string_value(member(done, "payload.task_run.dynamic_key")), "0");
    ck_assert_int_eq(json_integer_value(member(done, "payload.task_run.empirical_policy.retries")),
                     1);
    ck_assert(
        fabs(json_real_value(member(done, "payload.task_run.empirical_policy.retry_delay[0]")) -
             30) < 1e-9);
    const json_t *b = json_array_get(w.events, 7);
    const char *a_id =
        json_string_value(json_object_get(member(done, "resource"), "prefect.resource.id"));
    ck_assert_str_eq(json_string_value(member(b, "payload.task_run.task_inputs.a[0].id")),
                     a_id + strlen("prefect.task-run."));
    ck_assert_str_eq(json_string_value(member(b, "payload.task_run.task_inputs.a[0].input_type")),
                     "task_run");
    teardown(&w);
}
END_TEST

START_TEST(a_retried_flow_run_has_new_natural_keys)
{
    struct world w = {0};
    setup(&w, FLOW("  s: {flow: {tasks: {a: {uses: ok}}}}\n"), NULL);
    w.options.run_count = 2;
    run_until_over(&w);
    const json_t *a = json_array_get(w.events, 2);
    ck_assert_str_eq(json_string_value(member(a, "payload.task_run.task_key")), "f.s/a");
    ck_assert_str_eq(json_string_value(member(a, "payload.task_run.dynamic_key")), "2.0.1.0");
    ck_assert_str_eq(
        json_string_value(member(a, "payload.task_run.task_inputs.__parents__[0].input_type")),
        "task_run");
    teardown(&w);
}
END_TEST

START_TEST(secrets_appear_nowhere)
{
    struct world w = {.blocks = "{\"s3/lab\":{\"key\":\"sesame-open\",\"url\":\"http://x\"},"
                                "\"secret/pin\":{\"value\":\"12345\"},\"variable/city\":\"Lund\"}",
                      .secrets = "[\"sesame-open\", \"12345\"]"};
    setup(
        &w,
        FLOW("  a: {uses: ok, with: {s: 'k={{ prefect.blocks.s3.lab.key }} {{ "
             "prefect.blocks.secret.pin }} {{ prefect.blocks.s3.lab.url }} {{ "
             "prefect.variables.city }}'}}\n"
             "  b: {uses: artifact, with: {s: '{{ prefect.blocks.s3.lab.key }}'}}\n"
             "  c: {uses: shell, with: {run: 'echo {{ prefect.blocks.s3.lab.key }} >&2; exit 1'}}\n"
             "result: {k: '{{ prefect.blocks.s3.lab.key }}'}\n"),
        NULL);
    run_until_over(&w);
    ck_assert(has_log(&w, "k=******** ******** http://x Lund"));
    json_t *all = json_pack("[O,O,O,O]", w.events, w.logs, w.states, w.artifacts);
    char *text = json_dumps(all, 0);
    ck_assert_ptr_null(strstr(text, "sesame"));
    ck_assert_ptr_null(strstr(text, "12345\""));
    ck_assert_ptr_nonnull(strstr(text, "ended with status 1: ********"));
    ck_assert_str_eq(text_at(json_array_get(w.artifacts, 0), "data"), "********");
    ck_assert_int_eq(w.progressed, 1);
    free(text);
    json_decref(all);
    teardown(&w);
}
END_TEST

START_TEST(a_dry_run_leaves_hardware_alone)
{
    const char *yaml =
        "name: f\nparameters: {dry: false}\ndry_run: '{{ parameters.dry }}'\ntasks:\n"
        "  build: {uses: ok, with: {v: 1}}\n"
        "  flash: {uses: hw, needs: build}\n"
        "  look: {uses: ok, with: {v: '{{ tasks.flash.outputs.v }}'}}\n"
        "  many: {uses: ok, matrix: {x: '{{ tasks.look.outputs.v }}'}}\n"
        "  send: {uses: ok, dry_run: false, with: {v: 2}}\n"
        "  sim: {uses: hw, dry_run: true, with: {n: 1}, retries: 1}\n"
        "  end: {uses: ok, needs: [many, send]}\n";
    struct world w = {0};
    setup(&w, yaml, "{\"dry\":true}");
    run_until_over(&w);
    ck_assert_str_eq(
        summary(&w),
        "build=Completed send=DryRun sim=Completed flash=DryRun look=DryRun many=DryRun "
        "end=Completed | COMPLETED: The dry run went through.");
    teardown(&w);
}
END_TEST

START_TEST(outputs_are_cached)
{
    const char *yaml = FLOW("  a: {uses: ok, with: {v: '{{ parameters.p }}'}, cache: {key: 'k{{ "
                            "parameters.l }}', expires: 1h}}\n"
                            "  b: {uses: ok, with: {v: '{{ run.work_dir }}/x'}, cache: {key: k}}\n"
                            "result: '{{ tasks.a.outputs.v }}'\n");
    static const struct {
        const char *parameters, *summary;
        int64_t later_us, result;
    } runs[] = {
        {"{\"p\":1}", "a=Completed b=Completed " DONE, 0, 1},
        {"{\"p\":2}", "a=Cached b=Completed " DONE, 3599000000, 1},
        {"{\"p\":3,\"l\":[]}", "a=Completed b=Completed " DONE, 3599000000, 3},
        {"{\"p\":4}", "a=Completed b=Completed " DONE, 3600000000, 4},
    };
    char data[] = "/tmp/cache-XXXXXX", command[64];
    ck_assert_ptr_nonnull(mkdtemp(data));
    for (size_t i = 0; i < COUNT(runs); i++) {
        struct world w = {0};
        setup(&w, yaml, runs[i].parameters);
        w.options.run.data_dir = data;
        w.now_us += runs[i].later_us;
        run_until_over(&w);
        ck_assert_str_eq(summary(&w), runs[i].summary);
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        ck_assert_int_eq(json_integer_value(member(last, "data.value")), runs[i].result);
        ck_assert(
            has_log(&w, "outputs of `ok` are not cached: they name files in the run's own folder"));
        teardown(&w);
    }
    snprintf(command, sizeof(command), "rm -rf '%s'", data);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* ---- cancel ---- */

#define BUSY                                                                                       \
    FLOW("  a: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 10}\n"                          \
         "  h: {uses: hang, timeout: 1h, retries: 1}\n"                                            \
         "  m: {uses: ok, needs: a, matrix: {x: [1, 2, 3]}, max_parallel: 1}\n"                    \
         "  s: {flow: {tasks: {i: {uses: fail, with: {n: 1}, retries: 1, retry_delay: 20}, z: "    \
         "{uses: ok, always: true}}}}\n"                                                           \
         "  l: {uses: ok, needs: [m, s]}\n"                                                        \
         "  z: {uses: ok, always: true, with: {s: cleaned}}\n"                                     \
         "  y: {uses: ok, always: true, needs: l}\n")

START_TEST(cancel_at_every_moment_ends_cleanly)
{
    int cancelled = 0;
    for (int at = 1; at < 1000; at++) {
        struct world w = {.cancel_at = at};
        setup(&w, BUSY, NULL);
        run_until_over(&w);
        bool fired = w.said >= at;
        const json_t *last = json_array_get(w.states, json_array_size(w.states) - 1);
        if (fired && !strcmp(text_at(last, "type"), "CANCELLED")) {
            cancelled++;
            ck_assert_str_eq(text_at(last, "message"), "because");
        }
        ck_assert(w.cancel_at > 2 ? has_log(&w, "cleaned") : true);
        teardown(&w);
        if (!fired)
            break;
    }
    ck_assert_int_ge(cancelled, 30);
}
END_TEST

START_TEST(the_second_cancel_stops_the_clean_up)
{
    struct world w = {.cancel_at = 3, .cancel_again_at = 6};
    setup(&w,
          FLOW("  a: {uses: hang}\n  z: {uses: hang, always: true}\n  y: {uses: ok, always: true, "
               "needs: z}\n"),
          NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled z=Cancelled y=Cancelled | CANCELLED: because");
    teardown(&w);
}
END_TEST

START_TEST(cancel_kills_real_processes)
{
    struct world w = {.cancel_on = "ready"};
    setup(&w,
          FLOW("  a: {uses: shell, with: {run: 'echo ready; sleep 600 & wait'}}\n  z: {uses: ok, "
               "always: true}\n"),
          NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled z=Completed | CANCELLED: because");
    teardown(&w);
}
END_TEST

START_TEST(a_step_that_does_not_stop_is_named)
{
    struct world w = {.cancel_at = 3};
    setup(&w, FLOW("  a: {uses: stubborn}\n"), NULL);
    run_until_over(&w);
    ck_assert_str_eq(summary(&w), "a=Cancelled | CANCELLED: because");
    ck_assert_int_eq(w.warnings, 2);
    ck_assert_int_eq(w.now_us, 1700000000000000 + 60000000);
    teardown(&w);
}
END_TEST

/* ---- faults ---- */

#if defined(FAULTS)
START_TEST(a_retry_survives_any_single_fault)
{
    static const char *const points[] = {"exec.spawn", "cache.write"};
    for (size_t p = 0; p < COUNT(points); p++)
        for (int nth = 1; nth < 6; nth++) {
            struct world w = {0};
            setup(&w,
                  FLOW("  a: {uses: shell, retries: 1, with: {run: 'true'}, cache: {key: a}}\n"
                       "  b: {uses: shell, needs: a, retries: 1, with: {run: 'true'}, cache: {key: "
                       "b}}\n"),
                  NULL);
            fault_arm(points[p], nth);
            run_until_over(&w);
            ck_assert_str_eq(summary(&w), "a=Completed b=Completed " DONE);
            fault_arm(points[p], 0);
            teardown(&w);
        }
}
END_TEST
#endif

/* ---- size ---- */

static double seconds_since(clock_t start)
{
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

START_TEST(a_thousand_tasks_are_quick)
{
    struct buf yaml = {.max_bytes = 1 << 20};
    char line[100];
    buf_lit(&yaml, "name: big\ntasks:\n");
    for (int i = 0; i < 1000; i++) {
        int n =
            snprintf(line, sizeof(line),
                     i % 2 ? "  t%d: {uses: ok, needs: t%d}\n" : "  t%d: {uses: ok}\n", i, i - 1);
        buf_add(&yaml, line, (size_t)n);
    }
    buf_add(&yaml, "", 1);
    struct world w = {0};
    clock_t start = clock();
    setup(&w, yaml.bytes, NULL);
    run_until_over(&w);
    ck_assert_uint_eq(json_object_size(w.tasks), 1000);
    ck_assert_uint_eq(w.live_max, 16); /* max_parallel */
    ck_assert_msg(seconds_since(start) < 5, "%g s", seconds_since(start));
    teardown(&w);
    buf_free(&yaml);
}
END_TEST

START_TEST(a_wide_matrix_is_quick_and_bounded)
{
    char list[2000] = "[0", parameters[2100];
    for (int i = 1; i < 200; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), ",%d", i);
    snprintf(parameters, sizeof(parameters), "{\"l\":%s]}", list);
    struct world w = {0};
    clock_t start = clock();
    setup(&w,
          FLOW("  a: {uses: ok, matrix: {x: '{{ parameters.l }}'}, max_parallel: 5, with: {v: '{{ "
               "matrix.x }}'}}\n"
               "  b: {uses: ok, needs: a, matrix: {x: '{{ parameters.l }}'}}\n"),
          parameters);
    run_until_over(&w);
    ck_assert_uint_eq(json_object_size(w.tasks), 400);
    ck_assert_uint_eq(w.live_max, 16);
    ck_assert_msg(seconds_since(start) < 5, "%g s", seconds_since(start));
    teardown(&w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("native");
    TCase *t = tcase_create("native");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_run_ends_as_it_should, 0, COUNT(rows));
    tcase_add_test(t, the_result_is_the_same_every_time);
    tcase_add_test(t, events_have_the_form_of_the_wire);
    tcase_add_test(t, a_retried_flow_run_has_new_natural_keys);
    tcase_add_test(t, secrets_appear_nowhere);
    tcase_add_test(t, a_dry_run_leaves_hardware_alone);
    tcase_add_test(t, outputs_are_cached);
    tcase_add_test(t, cancel_at_every_moment_ends_cleanly);
    tcase_add_test(t, the_second_cancel_stops_the_clean_up);
    tcase_add_test(t, cancel_kills_real_processes);
    tcase_add_test(t, a_step_that_does_not_stop_is_named);
#if defined(FAULTS)
    tcase_add_test(t, a_retry_survives_any_single_fault);
#endif
    tcase_add_test(t, a_thousand_tasks_are_quick);
    tcase_add_test(t, a_wide_matrix_is_quick_and_bounded);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
