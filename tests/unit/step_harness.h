/* Runs one step in a test: the real call, a real loop, no engine.
 *
 *   struct harness h = {0};
 *   harness_run(&h, &shell_step, json_pack("{s:s}", "run", "echo hi"));
 *   ck_assert_int_eq(h.code, ERR_OK);   ... h.log, h.call.outputs, h.call.err.detail, h.artifacts
 *   harness_free(&h); */
#pragma once
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/run/call.h"

struct harness {
    struct step_call call;
    struct step_run run; /* set members before harness_run() where a step needs them */
    uv_loop_t loop;
    json_t *with, *artifacts;
    enum err_code code;
    bool finished;
    char work_dir[64];
    char log[64 << 10]; /* the lines, each with its end */
    size_t log_len;
    double done, total;
    bool (*cancel_on)(struct harness *h, const char *line); /* true: cancel the call now */
    uint64_t cancel_after_ms; /* for steps that wait for what never comes; 0: never */
    uint64_t hold_ms;         /* held from the start for so long */
    size_t lines, held_lines; /* all; those that came while it was held */
    uv_timer_t timer;
};

static inline void harness_cancel(uv_timer_t *timer)
{
    call_cancel(&((struct harness *)timer->data)->call);
}

static inline void harness_let_go(uv_timer_t *timer)
{
    struct harness *h = timer->data;
    h->held_lines = h->lines;
    call_hold(&h->call, false);
}

static inline void harness_log(void *ctx, struct step_call *call, enum log_level level,
                               const char *text)
{
    struct harness *h = ctx;
    (void)level;
    int n = snprintf(h->log + h->log_len, sizeof(h->log) - h->log_len, "%s\n", text);
    h->lines++;
    if (n > 0 && h->log_len + (size_t)n < sizeof(h->log))
        h->log_len += (size_t)n;
    if (h->cancel_on && h->cancel_on(h, text))
        call_cancel(call);
}

static inline void harness_artifact(void *ctx, struct step_call *call, json_t *artifact)
{
    struct harness *h = ctx;
    (void)call;
    json_array_append_new(h->artifacts, artifact);
}

static inline void harness_progress(void *ctx, struct step_call *call, double done, double total)
{
    struct harness *h = ctx;
    (void)call;
    h->done = done;
    h->total = total;
}

static inline void harness_finished(void *ctx, struct step_call *call, enum err_code code)
{
    struct harness *h = ctx;
    (void)call;
    ck_assert(!h->finished);
    h->finished = true;
    h->code = code;
    if (h->cancel_after_ms || h->hold_ms)
        uv_close((uv_handle_t *)&h->timer, NULL);
}

/* Fills in the defaults of the step's table, as the engine does. */
static inline void harness_defaults(const struct step *step, json_t *with)
{
    for (size_t i = 0; i < step->schema.param_count; i++) {
        const struct step_param *p = &step->schema.params[i];
        if (!json_object_get(with, p->name) && p->fallback)
            json_object_set_new(with, p->name, json_loads(p->fallback, JSON_DECODE_ANY, NULL));
    }
}

static inline void harness_run(struct harness *h, const struct step *step, json_t *with)
{
    static const struct step_sink sink = {harness_log, harness_artifact, harness_progress,
                                          harness_finished};
    strcpy(h->work_dir, "/tmp/step-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(h->work_dir));
    h->run.work_dir = h->work_dir;
    if (!h->run.data_dir)
        h->run.data_dir = h->work_dir;
    h->run.flow_run_name = "test";
    h->with = with;
    h->artifacts = json_array();
    harness_defaults(step, with);
    ck_assert_int_eq(uv_loop_init(&h->loop), 0);
    h->call.step = step;
    h->call.run = &h->run;
    h->call.task = "task";
    h->call.attempt = 1;
    h->call.with = with;
    h->call.loop = &h->loop;
    h->call.sink = &sink;
    h->call.sink_ctx = h;
    if (h->cancel_after_ms || h->hold_ms) {
        uv_timer_init(&h->loop, &h->timer);
        h->timer.data = h;
        uv_timer_start(&h->timer, h->hold_ms ? harness_let_go : harness_cancel,
                       h->hold_ms + h->cancel_after_ms, 0);
    }
    call_open(&h->call);
    h->call.held = h->hold_ms > 0;
    call_start(&h->call);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    ck_assert(h->finished);
    ck_assert_int_eq(uv_loop_close(&h->loop), 0); /* no handle left behind */
}

static inline void harness_free(struct harness *h)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", h->work_dir);
    ck_assert_int_eq(system(command), 0);
    call_free(&h->call);
    json_decref(h->with);
    json_decref(h->artifacts);
}
