#include "server/api/task_workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/socket_jobs.h"
#include "server/db/notify.h"
#include "server/http/loop_calls.h"
#include "server/http/reply.h"
#include "server/model/task_run.h"
#include "server/server.h"
#include "server/store/task_queue.h"
#include "server/store/task_runs.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/json/write.h"

enum { CLOSE_PROTOCOL = 4001, ASK_AGAIN_MS = 5000, KEYS_MAX = 1000, RUN_MAX_BYTES = 4 << 20 };

enum phase { SUBSCRIBING, IDLE, ASKING, HOLDING };

/* Lives until its connection is gone and nothing of it is in the lane. */
struct worker {
    struct worker *next, **at; /* list of all */
    struct task_workers *all;
    struct websocket *ws; /* NULL when gone */
    enum phase phase;
    bool rung; /* a run was queued while it asked */
    size_t pending;
    struct arena arena; /* keys, client_id */
    struct strings keys;
    const char *client_id;
    int64_t seen_us, held_since_us;
    struct task_hold hold;
    char until[48]; /* hold.until points here */
};

struct task_workers {
    struct server *server;
    uv_timer_t timer;
    pthread_mutex_t lock; /* the list is changed on the loop and read by requests */
    struct worker *first;
};

/* What waits in the lane. */
struct question {
    struct socket_job job;
    struct worker *worker;
    bool take, acknowledge; /* first the end of `hold`, if there is one, then the next run */
    struct task_hold hold;
    char until[48];
    /* the answer */
    struct buf run;
    struct task_hold taken;
    char taken_until[48];
};

/* ---- asking ---- */

static enum err_code answer(struct work *w, struct socket_job *job);
static void on_answer(struct loop_call *call);

static void worker_release(struct worker *w)
{
    if (w->ws || w->pending)
        return;
    arena_reset(&w->arena);
    free(w);
}

static void end_hold(struct worker *w, struct question *q, bool acknowledge)
{
    if (w->hold.until) {
        memcpy(q->until, w->until, sizeof(q->until));
        q->hold = (struct task_hold){w->hold.task_run_id, q->until};
        q->acknowledge = acknowledge;
    }
    w->hold.until = NULL;
}

/* Ends what the worker holds and, when `take`, asks for the next run. */
static void ask(struct worker *w, bool acknowledge, bool take)
{
    struct question *q = calloc(1, sizeof(*q));

    if (!q)
        abort();
    q->worker = w;
    q->take = take;
    q->job.run = answer;
    q->job.call.run = on_answer;
    q->run.max_bytes = RUN_MAX_BYTES;
    end_hold(w, q, acknowledge);
    w->rung = false;
    if (take)
        w->phase = ASKING;
    if (socket_job_submit(w->all->server, &q->job)) {
        w->pending++;
        return;
    }
    free(q); /* what it held comes again when the time is over */
    w->phase = IDLE;
}

static void send_run(struct worker *w, const struct question *q)
{
    memcpy(w->until, q->taken_until, sizeof(w->until));
    w->hold = (struct task_hold){q->taken.task_run_id, w->until};
    w->held_since_us = clock_monotonic_us();
    w->phase = HOLDING;
    websocket_send(w->ws, q->run.bytes, q->run.len);
}

/* On the loop again. */
static void on_answer(struct loop_call *call)
{
    struct question *q = (struct question *)((char *)call - offsetof(struct question, job.call));
    struct worker *w = q->worker;

    if (q->taken.until && w->ws) {
        send_run(w, q);
    } else if (q->taken.until) {
        memcpy(w->until, q->taken_until, sizeof(w->until));
        w->hold = (struct task_hold){q->taken.task_run_id, w->until};
        ask(w, false, false);
        task_workers_wake(w->all->server, NULL);
    } else if (w->ws && q->take) {
        w->phase = IDLE;
        if (w->rung)
            ask(w, false, true);
    }
    buf_free(&q->run);
    free(q);
    w->pending--; /* now: sending may have ended the connection */
    worker_release(w);
}

static enum err_code take_next(struct work *w, struct question *q)
{
    struct column columns[DB_PARAMETERS_MAX];
    struct rows rows;
    enum err_code rc = task_queue_take(w, q->worker->keys, &q->taken);

    if (rc || !q->taken.until)
        return rc;
    snprintf(q->taken_until, sizeof(q->taken_until), "%s", q->taken.until);
    q->taken.until = q->taken_until;
    rc = task_run_get(w, q->taken.task_run_id, &rows);
    for (int i = 0; i < rows.columns && !rc; i++)
        columns[i] = (struct column){rows_text(&rows, 0, i), rows_len(&rows, 0, i)};
    if (!rc)
        json_encode_columns(&q->run, &task_run_resource, columns);
    if (rc || q->run.full)
        q->taken.until = NULL; /* deleted meanwhile, or it comes again when the time is over */
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static enum err_code answer(struct work *w, struct socket_job *job)
{
    struct question *q = (struct question *)job; /* job is the first member */
    enum err_code rc = ERR_OK;

    if (q->hold.until)
        rc = q->acknowledge ? task_queue_acknowledge(w, &q->hold) : task_queue_release(w, &q->hold);
    return rc || !q->take ? rc : take_next(w, q);
}

/* ---- waking ---- */

struct wake {
    struct loop_call call;
    struct server *server;
    char key[]; /* empty: any */
};

static bool has_key(const struct worker *w, const char *key)
{
    for (size_t i = 0; i < w->keys.count; i++)
        if (strcmp(w->keys.items[i], key) == 0)
            return true;
    return !*key;
}

/* One run, one worker; those that are asking will look once more. */
static void on_wake(struct loop_call *call)
{
    struct wake *wake = (struct wake *)call;
    struct worker *w = wake->server->task_workers->first, *next;

    for (; w; w = next) {
        next = w->next;
        if (!has_key(w, wake->key))
            continue;
        w->rung |= w->phase == ASKING;
        if (w->phase != IDLE)
            continue;
        ask(w, false, true);
        if (*wake->key)
            break;
    }
    free(wake);
}

static void wake_here(struct server *server, const char *task_key)
{
    const char *key = task_key ? task_key : "";
    size_t len = strlen(key);
    struct wake *wake = calloc(1, sizeof(*wake) + len + 1);

    if (!wake)
        abort();
    wake->call.run = on_wake;
    wake->server = server;
    memcpy(wake->key, key, len + 1);
    loop_call(server->loop_calls, &wake->call);
}

void task_workers_wake(struct server *server, const char *task_key)
{
    wake_here(server, task_key);
    notify_send(server->notify, "task", task_key ? task_key : "");
}

void task_workers_heard(struct server *server, const char *rest)
{
    wake_here(server, rest);
}

/* What other servers queued, what came free with time, and consumers that do not acknowledge. */
static void on_time(uv_timer_t *timer)
{
    struct task_workers *t = timer->data;
    int64_t now_us = clock_monotonic_us();
    struct worker *next;

    for (struct worker *w = t->first; w; w = next) {
        next = w->next;
        if (w->phase == IDLE)
            ask(w, false, true);
        else if (w->phase == HOLDING && now_us - w->held_since_us > TASK_HOLD_S * INT64_C(1000000))
            websocket_close(w->ws, CLOSE_PROTOCOL, "Protocol violation: expected 'ack' message");
    }
}

/* ---- the socket ---- */

static void *on_open(struct websocket *ws)
{
    struct worker *w = calloc(1, sizeof(*w));

    if (!w)
        abort();
    w->ws = ws;
    w->all = websocket_server(ws)->task_workers;
    return w;
}

static void enlist(struct worker *w)
{
    struct task_workers *t = w->all;

    pthread_mutex_lock(&t->lock);
    w->next = t->first;
    w->at = &t->first;
    if (w->next)
        w->next->at = &w->next;
    t->first = w;
    w->seen_us = clock_now_us();
    pthread_mutex_unlock(&t->lock);
}

static void delist(struct worker *w)
{
    pthread_mutex_lock(&w->all->lock);
    if (w->at) {
        *w->at = w->next;
        if (w->next)
            w->next->at = w->at;
    }
    w->at = NULL;
    pthread_mutex_unlock(&w->all->lock);
}

struct subscribe {
    struct given given;
    struct strings keys;
    const char *client_id;
};

static const struct field subscribe_fields[] = {
    F_STRS(struct subscribe, keys, F_NULLABLE, F_LEN(0, KEYS_MAX), .doc = "Task keys."),
    F_STR(struct subscribe, client_id, F_NULLABLE, .doc = "Who asks."),
};
static const struct resource subscribe_resource =
    RESOURCE_NAMED("Subscribe", subscribe, subscribe_fields, .lax = true);

static void refuse(struct worker *w, const char *expected)
{
    struct arena a = {0};
    websocket_close(w->ws, CLOSE_PROTOCOL,
                    arena_printf(&a, "Protocol violation: expected '%s' %smessage", expected,
                                 strcmp(expected, "keys") == 0 || strcmp(expected, "client_id") == 0
                                     ? "in subscribe "
                                     : ""));
    arena_reset(&a);
}

static void subscribe(struct worker *w, struct val message)
{
    struct invalid bad = {.arena = &w->arena};
    struct subscribe in;

    if (!val_equals(val_get(message, "type"), "subscribe", 9))
        refuse(w, "subscribe");
    else if (json_decode(&subscribe_resource, message, &loc_body, &in, &bad) || !in.keys.count)
        refuse(w, "keys");
    else if (!in.client_id || !*in.client_id)
        refuse(w, "client_id");
    else {
        w->keys = in.keys;
        w->client_id = in.client_id;
        enlist(w);
        ask(w, false, true);
    }
}

static void on_text(struct websocket *ws, const char *text, size_t len)
{
    struct worker *w = websocket_state(ws);
    struct arena own = {0}, *a = w->phase == SUBSCRIBING ? &w->arena : &own;
    const char *copy = arena_strndup(a, text, len);
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    if (!doc_parse(a, copy, len, doc, &bad)) {
        refuse(w, w->phase == SUBSCRIBING ? "subscribe" : "ack");
    } else if (w->phase == SUBSCRIBING) {
        subscribe(w, doc_root(doc));
    } else if (val_equals(val_get(doc_root(doc), "type"), "quit", 4)) {
        websocket_close(ws, 1000, "");
    } else if (!val_equals(val_get(doc_root(doc), "type"), "ack", 3)) {
        refuse(w, "ack");
    } else if (w->phase == HOLDING) {
        w->seen_us = clock_now_us();
        ask(w, true, true);
    }
    arena_reset(&own);
}

static void on_gone(struct websocket *ws)
{
    struct worker *w = websocket_state(ws);

    w->ws = NULL;
    delist(w);
    if (w->hold.until) {
        ask(w, false, false);
        task_workers_wake(w->all->server, NULL);
    }
    worker_release(w);
}

const struct websocket_kind task_runs_socket = {on_open, on_text, on_gone};

/* ---- start, stop, list ---- */

struct task_workers *task_workers_start(struct server *server)
{
    struct task_workers *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->server = server;
    pthread_mutex_init(&t->lock, NULL);
    uv_timer_init(&server->loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_time, ASK_AGAIN_MS, ASK_AGAIN_MS);
    uv_unref((uv_handle_t *)&t->timer);
    return t;
}

void task_workers_stop(struct task_workers *t)
{
    pthread_mutex_destroy(&t->lock);
    free(t);
}

struct workers_filter {
    struct given given;
    struct strings task_keys;
};

static const struct field workers_filter_fields[] = {
    F_STRS(struct workers_filter, task_keys, F_REQUIRED, .doc = "Serving one of these."),
};
static const struct resource workers_filter_resource =
    RESOURCE_NAMED("TaskWorkerFilter", workers_filter, workers_filter_fields, .lax = true);

struct filter_body {
    struct given given;
    struct workers_filter *task_worker_filter;
};

static const struct field filter_fields[] = {
    F_OBJECT(struct filter_body, task_worker_filter, workers_filter, F_NULLABLE,
             .doc = "Which; all if none."),
};
const struct resource task_workers_filter_resource =
    RESOURCE_NAMED("TaskWorkersFilter", filter_body, filter_fields, .extra = true);

static bool wanted(const struct worker *w, const struct workers_filter *filter)
{
    for (size_t i = 0; filter && i < filter->task_keys.count; i++)
        if (has_key(w, filter->task_keys.items[i]))
            return true;
    return !filter;
}

enum err_code task_workers_filter(struct request *rq)
{
    const struct workers_filter *filter = request_in(rq, struct filter_body)->task_worker_filter;
    struct task_workers *t = rq->work.server->task_workers;
    struct buf *b = &rq->reply.body;

    write_array(b);
    pthread_mutex_lock(&t->lock);
    for (const struct worker *w = t->first; w; w = w->next) {
        if (!wanted(w, filter))
            continue;
        write_object(b);
        write_key(b, "identifier");
        write_string(b, w->client_id);
        write_key(b, "task_keys");
        write_array(b);
        for (size_t i = 0; i < w->keys.count; i++)
            write_string(b, w->keys.items[i]);
        write_end_array(b);
        write_key(b, "timestamp");
        write_time(b, w->seen_us);
        write_end_object(b);
    }
    pthread_mutex_unlock(&t->lock);
    write_end_array(b);
    return reply_status(rq, 200);
}
