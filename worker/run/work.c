/* step_work(): a blocking function of a step on libuv's thread pool.  Its log lines and its
 * progress come to the loop through a bounded list; a function that logs faster than the loop takes
 * waits for it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/run/call.h"

enum { LINES_MAX = 64, LINE_BYTES = 4 << 10 };

struct work_line {
    enum log_level level;
    char *text;
};

struct work {
    struct step_job job; /* first: the list of the call holds it */
    struct step_work face;
    uv_work_t request;
    uv_async_t news;
    uv_mutex_t lock;
    uv_cond_t taken;
    struct work_line lines[LINES_MAX];
    size_t line_count;
    bool progressed, held;
    double done, total;
    struct arena memory;
    enum err_code code;
    enum err_code (*work)(struct step_work *);
    void (*after)(struct step_call *, enum err_code);
};

static void on_news(uv_async_t *news)
{
    struct work *w = news->data;
    struct work_line lines[LINES_MAX];
    if (w->held)
        return;
    uv_mutex_lock(&w->lock);
    size_t count = w->line_count;
    memcpy(lines, w->lines, count * sizeof(lines[0]));
    w->line_count = 0;
    bool progressed = w->progressed;
    double done = w->done, total = w->total;
    w->progressed = false;
    uv_cond_signal(&w->taken);
    uv_mutex_unlock(&w->lock);

    for (size_t i = 0; i < count; i++) {
        step_log(w->job.call, lines[i].level, "%s", lines[i].text);
        free(lines[i].text);
    }
    if (progressed)
        step_progress(w->job.call, done, total);
}

static void on_thread(uv_work_t *request)
{
    struct work *w = request->data;
    if (atomic_load(&w->face.cancelled))
        w->code = err_set(&w->face.err, CANCELLED, "cancelled before it began");
    else
        w->code = w->work(&w->face);
}

static void free_memory(void *object)
{
    arena_reset(object);
    free(object);
}

static void on_closed(uv_handle_t *handle)
{
    struct work *w = handle->data;
    struct step_call *call = w->job.call;
    struct arena *kept = malloc(sizeof(*kept));
    if (!kept)
        abort();
    *kept = w->memory; /* results may live in it until the call is freed */
    arena_defer(call->arena, free_memory, kept);
    if (call->phase == CALL_RUNNING) {
        if (w->code)
            call->err = w->face.err;
        if (w->after)
            w->after(call, w->code);
        else
            step_done(call, w->code);
    }
    call_remove_job(call, &w->job);
    uv_mutex_destroy(&w->lock);
    uv_cond_destroy(&w->taken);
    free(w);
}

static void on_over(uv_work_t *request, int status)
{
    struct work *w = request->data;
    if (status == UV_ECANCELED)
        w->code = err_set(&w->face.err, CANCELLED, "cancelled before it began");
    w->held = false; /* the few lines that are left */
    on_news(&w->news);
    uv_close((uv_handle_t *)&w->news, on_closed);
}

static void hold(struct step_job *job, bool hold)
{
    struct work *w = (struct work *)job;
    w->held = hold;
    if (!hold)
        uv_async_send(&w->news);
}

static void stop(struct step_job *job)
{
    struct work *w = (struct work *)job;
    hold(job, false);
    atomic_store(&w->face.cancelled, true);
    uv_cancel((uv_req_t *)&w->request);
}

void step_work(struct step_call *call, enum err_code (*work)(struct step_work *),
               void (*after)(struct step_call *, enum err_code), void *arg)
{
    struct work *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    w->work = work;
    w->after = after;
    w->job.stop = stop;
    w->job.hold = hold;
    w->held = call->held;
    w->face.arg = arg;
    w->face.arena = &w->memory;
    w->face.job = &w->job;
    atomic_store(&w->face.cancelled, call->cancelled);
    w->request.data = w->news.data = w;
    uv_mutex_init(&w->lock);
    uv_cond_init(&w->taken);
    uv_async_init(call->loop, &w->news, on_news);
    call_add_job(call, &w->job);
    uv_queue_work(call->loop, &w->request, on_thread, on_over);
}

void step_work_log(struct step_work *face, enum log_level level, const char *fmt, ...)
{
    struct work *w = (struct work *)face->job;
    char text[LINE_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    char *copy = strdup(text);
    if (!copy)
        abort();
    uv_mutex_lock(&w->lock);
    while (w->line_count == LINES_MAX)
        uv_cond_wait(&w->taken, &w->lock);
    w->lines[w->line_count++] = (struct work_line){level, copy};
    uv_mutex_unlock(&w->lock);
    uv_async_send(&w->news);
}

void step_work_progress(struct step_work *face, double done, double total)
{
    struct work *w = (struct work *)face->job;
    uv_mutex_lock(&w->lock);
    w->progressed = true;
    w->done = done;
    w->total = total;
    uv_mutex_unlock(&w->lock);
    uv_async_send(&w->news);
}
