#include "worker/run/journal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/log.h"

enum {
    PENDING_MAX_BYTES = 1 << 20,
    BATCH_MAX_BYTES = 512 << 10,
    BATCH_MAX_RECORDS = 500,
    REPLY_MAX_BYTES = 1 << 20,
    SEND_TIMEOUT_MS = 30000,
    RETRY_PAUSE_MS = 1000,
    THREAD_STACK_BYTES = 256 << 10,
};

/* One round of the writer.  Belongs to the thread between `submitted` and `finished`. */
struct turn {
    struct journal_record *records;
    int64_t acked_seq;
    bool want_batch;
    size_t max_records;
    struct journal_batch batch;
    enum err_code code;
    struct err err;
};

struct journal {
    struct journal_hooks hooks;
    struct http *http;
    const char *url;
    int64_t max_bytes;
    struct journal_store *store; /* the thread's, while turning */
    int64_t stored_bytes;

    struct journal_record *pending, **pending_tail;
    size_t pending_bytes;
    bool turning, full, caught_up, closing;
    bool disk_failed, send_failed; /* pausing until `retry` */

    bool sending, unsent; /* unsent: there may be records on the disk that no request has */
    struct http_call *call;
    struct journal_batch batch; /* what `call` sends */
    size_t max_records;         /* of a batch; less after the server refused a whole one */
    int64_t acked_seq;          /* to be deleted in the next turn; 0: nothing */

    uv_timer_t retry;
    uv_async_t finished_turn;
    int open_handles;

    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct turn turn;
    enum { IDLE, SUBMITTED, FINISHED, QUIT } phase; /* under `lock` */
};

static void next_turn(struct journal *j);

/* ---- the writer's thread ---- */

static void do_turn(struct journal *j, struct turn *t)
{
    t->code = journal_store_write(j->store, t->acked_seq, t->records, &t->err);
    if (!t->code && t->want_batch)
        t->code =
            journal_store_batch(j->store, t->max_records, BATCH_MAX_BYTES, &t->batch, &t->err);
}

static void *writer(void *journal)
{
    struct journal *j = journal;

    pthread_mutex_lock(&j->lock);
    for (;;) {
        while (j->phase != SUBMITTED && j->phase != QUIT)
            pthread_cond_wait(&j->wake, &j->lock);
        if (j->phase == QUIT)
            break;
        pthread_mutex_unlock(&j->lock);
        do_turn(j, &j->turn);
        pthread_mutex_lock(&j->lock);
        j->phase = FINISHED;
        pthread_cond_broadcast(&j->wake);
        uv_async_send(&j->finished_turn);
    }
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

static void submit_turn(struct journal *j)
{
    pthread_mutex_lock(&j->lock);
    j->phase = SUBMITTED;
    pthread_cond_broadcast(&j->wake);
    pthread_mutex_unlock(&j->lock);
}

/* ---- delivery ---- */

static void report_verdicts(struct journal *j, const json_t *list, const char *fallback_status)
{
    size_t i;
    const json_t *item;

    json_array_foreach(list, i, item)
    {
        const char *run = json_string_value(json_object_get(item, "flow_run_id"));
        const char *status = json_string_value(json_object_get(item, "status"));
        const char *type = json_string_value(json_object_get(item, "state_type"));
        const char *reason = json_string_value(json_object_get(item, "reason"));
        status = status ? status : fallback_status;
        log_warn("journal.verdict", KV_S("run", run ? run : ""), KV_S("status", status),
                 KV_S("reason", reason ? reason : ""));
        if (run)
            j->hooks.verdict(j->hooks.ctx, run, status, type ? type : "", reason ? reason : "");
    }
}

/* A whole request that the server calls invalid is a bug of one of the two.  Halve it until the
 * record at fault is alone, then give that one up, loudly: the others must get through. */
static void on_refused(struct journal *j, const struct http_reply *reply)
{
    log_warn("journal.refused", KV_I("status", reply->status),
             KV_I("records", (int64_t)j->batch.records), KV_S("answer", reply->body));
    if (j->batch.records > 1) {
        j->max_records = j->batch.records / 2;
        return;
    }
    log_warn("journal.dropped", KV_I("seq", j->batch.last_seq),
             KV_S("record", j->batch.body.bytes));
    j->acked_seq = j->batch.last_seq;
    j->max_records = BATCH_MAX_RECORDS;
}

static void on_acked(struct journal *j, const struct http_reply *reply)
{
    json_t *root = json_loadb(reply->body, reply->len, 0, NULL);

    if (json_is_integer(json_object_get(root, "acked")))
        j->acked_seq = json_integer_value(json_object_get(root, "acked"));
    j->max_records = BATCH_MAX_RECORDS;
    report_verdicts(j, json_object_get(root, "refused"), "REFUSED");
    report_verdicts(j, json_object_get(root, "verdicts"), "");
    json_decref(root);
}

static void on_retry(uv_timer_t *timer)
{
    struct journal *j = timer->data;

    j->disk_failed = j->send_failed = false;
    next_turn(j);
}

static void retry_later(struct journal *j)
{
    if (!j->closing && !uv_is_active((uv_handle_t *)&j->retry))
        uv_timer_start(&j->retry, on_retry, RETRY_PAUSE_MS, 0);
}

static void on_answer(void *journal, const struct http_reply *reply)
{
    struct journal *j = journal;
    bool invalid = reply->status == 400 || reply->status == 413 || reply->status == 422;

    j->call = NULL;
    if (reply->status == 200)
        on_acked(j, reply);
    else if (invalid)
        on_refused(j, reply);
    else
        log_warn("journal.not_delivered", KV_I("status", reply->status),
                 KV_S("answer", reply->body));
    j->send_failed = !invalid && j->acked_seq < j->batch.last_seq;
    if (j->send_failed)
        retry_later(j);
    buf_free(&j->batch.body);
    j->sending = false;
    j->unsent = true;
    next_turn(j);
}

static void send_batch(struct journal *j, struct journal_batch *batch)
{
    if (!batch->records) {
        j->sending = false;
        if (!j->caught_up) {
            j->caught_up = true;
            j->hooks.caught_up(j->hooks.ctx);
        }
        return;
    }
    if (!batch->earlier_epoch && !j->caught_up) {
        j->caught_up = true;
        j->hooks.caught_up(j->hooks.ctx);
    }
    j->batch = *batch;
    batch->body = (struct buf){0};
    j->call = http_send(j->http, &(struct http_request){
                                     .method = "POST",
                                     .url = j->url,
                                     .body = j->batch.body.bytes,
                                     .body_len = j->batch.body.len,
                                     .reply_max_bytes = REPLY_MAX_BYTES,
                                     .timeout_ms = SEND_TIMEOUT_MS,
                                     .done = on_answer,
                                     .ctx = j,
                                 });
    if (!j->call) {
        buf_free(&j->batch.body);
        j->sending = false;
        j->unsent = j->send_failed = true;
        retry_later(j);
    }
}

/* ---- turns ---- */

static void update_full(struct journal *j)
{
    bool full = j->stored_bytes > j->max_bytes || j->pending_bytes > PENDING_MAX_BYTES;

    if (full == j->full)
        return;
    j->full = full;
    log_warn(full ? "journal.full" : "journal.room", KV_I("bytes", j->stored_bytes));
    j->hooks.full(j->hooks.ctx, full);
}

static void free_records(struct journal_record *list)
{
    for (struct journal_record *next; list; list = next) {
        next = list->next;
        free(list);
    }
}

static void on_written(struct journal *j, struct journal_record *list)
{
    for (struct journal_record *r = list; r; r = r->next) {
        j->pending_bytes -= r->len;
        if (r->durable)
            r->durable(r->ctx);
    }
    free_records(list);
}

/* The disk refused: the records go back to the head of the queue. */
static void put_back(struct journal *j, struct turn *t)
{
    struct journal_record *last = t->records;

    log_warn("journal.disk", KV_E(&t->err));
    while (last && last->next)
        last = last->next;
    if (last) {
        last->next = j->pending;
        if (!j->pending)
            j->pending_tail = &last->next;
        j->pending = t->records;
    }
    if (!j->acked_seq)
        j->acked_seq = t->acked_seq;
    if (t->want_batch) {
        j->sending = false;
        j->unsent = true;
    }
    j->disk_failed = true;
    retry_later(j);
}

static void on_turn_finished(uv_async_t *async)
{
    struct journal *j = async->data;

    pthread_mutex_lock(&j->lock);
    bool finished = j->phase == FINISHED;
    if (finished)
        j->phase = IDLE;
    pthread_mutex_unlock(&j->lock);
    if (!finished)
        return;
    struct turn turn = j->turn;
    j->turning = false;
    j->stored_bytes = journal_store_bytes(j->store);
    if (turn.code) {
        put_back(j, &turn);
        return;
    }
    on_written(j, turn.records);
    if (turn.want_batch)
        send_batch(j, &turn.batch);
    update_full(j);
    buf_free(&turn.batch.body);
    next_turn(j);
}

static void next_turn(struct journal *j)
{
    bool want_batch = !j->sending && !j->send_failed && (j->unsent || j->pending);

    if (j->turning || j->closing || j->disk_failed)
        return;
    if (!j->pending && !want_batch && !j->acked_seq)
        return;
    j->turn = (struct turn){.records = j->pending,
                            .acked_seq = j->acked_seq,
                            .want_batch = want_batch,
                            .max_records = j->max_records};
    j->pending = NULL;
    j->pending_tail = &j->pending;
    j->acked_seq = 0;
    j->sending = j->sending || want_batch;
    j->unsent = !want_batch && (j->unsent || j->turn.records);
    j->turning = true;
    submit_turn(j);
}

/* ---- the public side ---- */

enum err_code journal_add(struct journal *j, const char *kind, const char *body, size_t len,
                          void (*durable)(void *ctx), void *ctx)
{
    struct journal_record *r = malloc(sizeof(*r) + len + 1);
    if (!r) {
        log_warn("journal.memory", KV_S("kind", kind));
        return ERR_INTERNAL;
    }
    *r = (struct journal_record){.kind = kind, .durable = durable, .ctx = ctx, .len = len};
    memcpy(r->body, body, len);
    *j->pending_tail = r;
    j->pending_tail = &r->next;
    j->pending_bytes += len;
    update_full(j);
    next_turn(j);
    return ERR_OK;
}

bool journal_full(const struct journal *j)
{
    return j->full;
}

bool journal_drained(const struct journal *j)
{
    return !j->pending && !j->turning && !j->sending && !j->unsent;
}

const char *journal_agent(const struct journal *j)
{
    return journal_store_agent(j->store);
}

int64_t journal_epoch(const struct journal *j)
{
    return journal_store_epoch(j->store);
}

static int start_thread(struct journal *j)
{
    pthread_attr_t attr;

    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->wake, NULL);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    int rc = pthread_create(&j->thread, &attr, writer, j);
    pthread_attr_destroy(&attr);
    return rc;
}

enum err_code journal_open(const struct journal_options *o, struct journal **out, struct err *e)
{
    struct journal *j = calloc(1, sizeof(*j));
    if (!j)
        return err_set(e, INTERNAL, "out of memory");
    enum err_code rc = journal_store_open(o->path, &j->store, e);
    if (rc) {
        free(j);
        return rc;
    }
    j->hooks = o->hooks;
    j->http = o->http;
    j->url = o->url;
    j->max_bytes = o->max_bytes;
    j->stored_bytes = journal_store_bytes(j->store);
    j->pending_tail = &j->pending;
    j->max_records = BATCH_MAX_RECORDS;
    uv_timer_init(o->loop, &j->retry);
    uv_async_init(o->loop, &j->finished_turn, on_turn_finished);
    j->retry.data = j->finished_turn.data = j;
    j->open_handles = 2;
    if (start_thread(j))
        abort();      /* at start, with nothing lost: a machine without threads runs no agent */
    j->unsent = true; /* what an earlier epoch left */
    *out = j;
    next_turn(j);
    return ERR_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct journal *j = handle->data;

    if (--j->open_handles)
        return;
    journal_store_close(j->store);
    pthread_mutex_destroy(&j->lock);
    pthread_cond_destroy(&j->wake);
    free(j);
}

/* What the disk did not take yet gets its last chance. */
static void write_rest(struct journal *j, struct journal_record *list)
{
    struct err err = {0};

    if (journal_store_write(j->store, 0, list, &err))
        log_warn("journal.disk", KV_E(&err));
    free_records(list);
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    j->closing = true;
    http_cancel(j->call);
    pthread_mutex_lock(&j->lock);
    while (j->phase == SUBMITTED)
        pthread_cond_wait(&j->wake, &j->lock);
    j->phase = QUIT;
    pthread_cond_broadcast(&j->wake);
    pthread_mutex_unlock(&j->lock);
    pthread_join(j->thread, NULL);
    if (j->turning) {
        if (j->turn.code)
            write_rest(j, j->turn.records);
        else
            free_records(j->turn.records);
        buf_free(&j->turn.batch.body);
    }
    write_rest(j, j->pending);
    buf_free(&j->batch.body);
    uv_close((uv_handle_t *)&j->retry, on_closed);
    uv_close((uv_handle_t *)&j->finished_turn, on_closed);
}
