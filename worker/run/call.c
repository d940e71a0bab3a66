#include "worker/run/call.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LOG_TEXT_BYTES = 16 << 10 };

void call_open(struct step_call *call)
{
    call->arena = &call->memory;
    call->outputs = json_object();
    call->phase = CALL_OPEN;
}

void call_start(struct step_call *call)
{
    assert(call->phase == CALL_OPEN);
    uv_timer_init(call->loop, &call->later);
    call->later.data = call;
    call->phase = CALL_RUNNING;
    call->step->start(call);
}

static void stop_jobs(struct step_call *call)
{
    for (struct step_job *job = call->jobs; job; job = job->next)
        job->stop(job);
}

void call_cancel(struct step_call *call)
{
    if (call->phase != CALL_RUNNING || call->cancelled)
        return;
    call->cancelled = true;
    stop_jobs(call);
    if (call->step->cancel)
        call->step->cancel(call);
}

void call_hold(struct step_call *call, bool hold)
{
    if (call->held == hold)
        return;
    call->held = hold;
    for (struct step_job *job = call->jobs; job; job = job->next)
        if (job->hold)
            job->hold(job, hold);
}

void call_free(struct step_call *call)
{
    assert(call->phase == CALL_OPEN || call->phase == CALL_FINISHED);
    json_decref(call->outputs);
    call->outputs = NULL;
    arena_reset(&call->memory);
}

static void on_closed(uv_handle_t *handle)
{
    struct step_call *call = handle->data;
    call->phase = CALL_FINISHED;
    call->sink->finished(call->sink_ctx, call, call->code);
}

static void settle(struct step_call *call)
{
    if (call->phase == CALL_DONE && !call->jobs && !uv_is_closing((uv_handle_t *)&call->later))
        uv_close((uv_handle_t *)&call->later, on_closed);
}

static void on_later(uv_timer_t *timer)
{
    settle(timer->data);
}

void step_done(struct step_call *call, enum err_code code)
{
    assert(call->phase == CALL_RUNNING);
    call->phase = CALL_DONE;
    call->code = code;
    if (code && !call->err.code)
        err_set_at(&call->err, code, __FILE__, __LINE__, "%s", err_infos[code].title);
    stop_jobs(call);
    uv_timer_start(&call->later, on_later, 0, 0);
}

void call_add_job(struct step_call *call, struct step_job *job)
{
    job->call = call;
    job->next = call->jobs;
    call->jobs = job;
}

void call_remove_job(struct step_call *call, struct step_job *job)
{
    struct step_job **at = &call->jobs;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (!uv_is_active((uv_handle_t *)&call->later))
        settle(call);
}

void step_log(struct step_call *call, enum log_level level, const char *fmt, ...)
{
    char text[LOG_TEXT_BYTES + 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    text_clean(text);
    call->sink->log(call->sink_ctx, call, level, text);
}

void step_artifact(struct step_call *call, json_t *artifact)
{
    call->sink->artifact(call->sink_ctx, call, artifact);
}

void step_progress(struct step_call *call, double done, double total)
{
    call->sink->progress(call->sink_ctx, call, done, total);
}

const char *step_string(const struct step_call *call, const char *name)
{
    return json_string_value(json_object_get(call->with, name));
}

int64_t step_integer(const struct step_call *call, const char *name)
{
    return json_integer_value(json_object_get(call->with, name));
}

double step_number(const struct step_call *call, const char *name)
{
    return json_number_value(json_object_get(call->with, name));
}

bool step_flag(const struct step_call *call, const char *name)
{
    return json_is_true(json_object_get(call->with, name));
}

void step_output(struct step_call *call, const char *name, json_t *value)
{
    json_object_set_new(call->outputs, name, value);
}

const char *step_path(struct step_call *call, const char *path)
{
    if (path[0] == '/')
        return path;
    return arena_printf(call->arena, "%s/%s", call->run->work_dir, path);
}
