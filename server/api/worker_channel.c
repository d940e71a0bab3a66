#include "server/api/worker_channel.h"

#include <stdlib.h>
#include <string.h>

#include "server/api/worker_channel_jobs.h"
#include "server/db/notify.h"
#include "server/server.h"
#include "shared/base/clock.h"

/* ---- jobs ---- */

static void on_done(struct loop_call *call);

static struct job *job_new(struct channel *c, job_fn *run)
{
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        abort();
    j->channel = c;
    j->job.run = run;
    j->job.call.run = on_done;
    j->frame.max_bytes = FRAME_MAX_BYTES;
    j->sequence = c->sequence + 1;
    return j;
}

static void job_free(struct job *j)
{
    arena_reset(&j->arena);
    buf_free(&j->frame);
    free(j->queues.items);
    free(j);
}

/* A full lane closes the connection; false then. */
static bool submit(struct job *j)
{
    struct websocket *ws = j->channel->ws;

    if (socket_job_submit(j->channel->all->server, &j->job)) {
        j->channel->pending++;
        return true;
    }
    job_free(j);
    websocket_close(ws, 1011, "transient_server_error");
    return false;
}

static void channel_release(struct channel *c)
{
    if (c->ws || c->pending)
        return;
    arena_reset(&c->arena);
    free(c);
}

static void forget(struct channel *c, struct uuid message)
{
    int64_t now_us = clock_monotonic_us();
    size_t kept = 0;

    for (size_t i = 0; i < c->in_flight_count; i++)
        if (memcmp(&c->in_flight[i].id, &message, sizeof(message)) != 0 &&
            c->in_flight[i].until_us > now_us)
            c->in_flight[kept++] = c->in_flight[i];
    c->in_flight_count = kept;
}

static void take_cleanup(struct channel *c)
{
    static const struct uuid nothing;
    int64_t most = c->hello->max_cleanup_concurrency;

    forget(c, nothing); /* those whose time is over */
    if (!c->taking && channel_cleans_up(c->hello) && c->in_flight_count < IN_FLIGHT_MAX &&
        (int64_t)c->in_flight_count < most)
        c->taking = submit(job_new(c, channel_take));
}

static void look_now(struct channel *c)
{
    c->look_again = c->looking;
    if (c->looking || c->phase != OPEN)
        return;
    c->looking = true;
    (void)submit(job_new(c, channel_look)); /* last: it may end the connection */
}

static void open_channel(struct channel *c, struct job *j)
{
    c->phase = OPEN;
    c->sequence = 1;
    c->queues = j->queues;
    j->queues.items = NULL;
    memcpy(c->pool_id, j->pool_id, sizeof(c->pool_id));
    arena_defer(&c->arena, free, c->queues.items);
    c->next = c->all->first;
    c->at = &c->all->first;
    if (c->next)
        c->next->at = &c->next;
    c->all->first = c;
}

/* What a job found is sent and kept. */
static void apply(struct channel *c, struct job *j)
{
    bool snapshot = c->phase == OPEN && *j->digest && strcmp(j->digest, c->shown) != 0;

    if (c->phase == GREETING)
        open_channel(c, j);
    if (*j->digest)
        memcpy(c->shown, j->digest, sizeof(c->shown));
    c->sequence += snapshot;
    if (j->frame.len)
        websocket_send(c->ws, j->frame.bytes, j->frame.len);
    if (j->sent)
        c->in_flight[c->in_flight_count++] = (struct in_flight){
            j->message, clock_monotonic_us() +
                            settings_us(&c->all->server->config.settings,
                                        SETTING_SERVER_WORKER_CHANNEL_CLEANUP_LEASE_SECONDS)};
    if (j->finished)
        forget(c, j->cleanup->message_id);
    if (c->ws && (j->sent || j->finished || c->sequence == 1))
        take_cleanup(c);
}

static void on_done(struct loop_call *call)
{
    struct job *j = (struct job *)((char *)call - offsetof(struct job, job.call));
    struct channel *c = j->channel; /* the job counts until here: sending may end the connection */

    if (j->job.run == channel_look)
        c->looking = false;
    if (j->job.run == channel_take)
        c->taking = false;
    if (c->ws && j->close_code)
        websocket_close(c->ws, j->close_code, j->close_reason);
    else if (c->ws)
        apply(c, j);
    if (c->ws && c->look_again)
        look_now(c);
    if (c->ws && j->job.run == channel_greet)
        websocket_release(c->ws);
    job_free(j);
    c->pending--;
    channel_release(c);
}

/* ---- the socket ---- */

static void *on_open(struct websocket *ws)
{
    struct channel *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    c->ws = ws;
    c->all = websocket_server(ws)->worker_channels;
    c->pool = websocket_param(ws, 0);
    c->pool = arena_printf(&c->arena, "%s", c->pool);
    return c;
}

/* Decodes a payload; false closes the connection. */
static bool read_payload(struct channel *c, struct arena *a, const struct resource *r,
                         const struct channel_frame *frame, void *out)
{
    struct err e;

    if (json_decode_text(a, r, frame->payload.text, frame->payload.len, out, &e) == ERR_OK)
        return true;
    websocket_close(c->ws, CLOSE_PROTOCOL);
    return false;
}

static void on_hello(struct channel *c, const struct channel_frame *frame)
{
    struct channel_hello *hello = arena_new(&c->arena, struct channel_hello);
    struct arena *a = &c->arena;
    struct channel_frame *own = arena_new(a, struct channel_frame);

    *own = *frame;
    own->payload.text = arena_strndup(a, frame->payload.text, frame->payload.len);
    if (!read_payload(c, a, &channel_hello_resource, own, hello))
        return;
    if (!strings_have(hello->supported_channel_versions, CHANNEL_VERSION)) {
        websocket_close(c->ws, 1008, "unsupported_version");
    } else if (!channel_hello_is_good(hello)) {
        websocket_close(c->ws, CLOSE_PROTOCOL);
    } else {
        c->hello = hello;
        c->phase = GREETING;
        websocket_hold(c->ws); /* what follows the hello waits for the answer */
        if (!submit(job_new(c, channel_greet)))
            websocket_release(c->ws);
    }
}

static void on_heartbeat(struct channel *c, struct arena *a, const struct channel_frame *frame)
{
    struct channel_heartbeat in;

    if (!read_payload(c, a, &channel_heartbeat_resource, frame, &in))
        return;
    if (memcmp(&in.consumer_id, &c->hello->consumer_id, sizeof(in.consumer_id)) != 0 ||
        strcmp(in.worker_name, c->hello->worker_name) != 0)
        websocket_close(c->ws, CLOSE_PROTOCOL);
    else
        (void)submit(job_new(c, channel_beat));
}

static void on_operation(struct channel *c, const struct channel_frame *frame,
                         enum cleanup_operation operation)
{
    struct job *j = job_new(c, channel_cleanup_do);
    struct channel_cleanup *in = arena_new(&j->arena, struct channel_cleanup);
    struct channel_frame own = *frame;

    own.payload.text = arena_strndup(&j->arena, frame->payload.text, frame->payload.len);
    j->cleanup = in;
    j->operation = operation;
    j->frame_id = frame->id;
    if (read_payload(c, &j->arena, &channel_cleanup_resource, &own, in))
        (void)submit(j);
    else
        job_free(j);
}

static void on_frame(struct channel *c, struct arena *a, const struct channel_frame *frame)
{
    static const struct {
        const char *type;
        enum cleanup_operation operation;
    } operations[] = {{"cleanup.ack.v1", CLEANUP_ACK},
                      {"cleanup.release.v1", CLEANUP_RELEASE},
                      {"cleanup.renew.v1", CLEANUP_RENEW}};

    if (c->phase == CONNECTED && strcmp(frame->type, "worker.hello.v1") == 0) {
        on_hello(c, frame);
        return;
    }
    if (c->phase != CONNECTED && strcmp(frame->type, "worker.heartbeat.v1") == 0) {
        on_heartbeat(c, a, frame);
        return;
    }
    for (size_t i = 0; i < COUNT(operations) && c->phase != CONNECTED; i++)
        if (strcmp(frame->type, operations[i].type) == 0) {
            on_operation(c, frame, operations[i].operation);
            return;
        }
    websocket_close(c->ws, CLOSE_PROTOCOL);
}

static void on_text(struct websocket *ws, const char *text, size_t len)
{
    struct channel *c = websocket_state(ws);
    struct arena a = {0};
    struct channel_frame frame;
    struct err e;
    const char *copy = arena_strndup(&a, text, len);

    if (json_decode_text(&a, &channel_frame_resource, copy, len, &frame, &e) == ERR_OK)
        on_frame(c, &a, &frame);
    else
        websocket_close(ws, CLOSE_PROTOCOL);
    arena_reset(&a);
}

static void on_gone(struct websocket *ws)
{
    struct channel *c = websocket_state(ws);

    c->ws = NULL;
    if (c->at) {
        *c->at = c->next;
        if (c->next)
            c->next->at = c->at;
    }
    c->at = NULL;
    channel_release(c);
}

const struct websocket_kind worker_channel_socket = {
    .on_open = on_open, .on_text = on_text, .on_gone = on_gone, .needs_subprotocol = true};

/* ---- all channels ---- */

/* Changes that were not heard of, and messages whose holder let the time go by. */
static void on_time(uv_timer_t *timer)
{
    struct worker_channels *all = timer->data;
    struct channel *next;

    for (struct channel *c = all->first; c; c = next) {
        next = c->next;
        c->pending++; /* a full lane closes the connection */
        take_cleanup(c);
        if (c->ws)
            look_now(c);
        c->pending--;
        channel_release(c);
    }
}

struct worker_channels *worker_channels_start(struct server *server)
{
    struct worker_channels *all = calloc(1, sizeof(*all));

    if (!all)
        abort();
    all->server = server;
    uv_timer_init(&server->loop, &all->timer);
    all->timer.data = all;
    uv_timer_start(&all->timer, on_time, LOOK_EVERY_MS, LOOK_EVERY_MS);
    uv_unref((uv_handle_t *)&all->timer);
    return all;
}

void worker_channels_stop(struct worker_channels *all)
{
    free(all);
}

struct wake {
    struct loop_call call;
    struct server *server;
    char pool[]; /* empty: any */
};

static void on_wake(struct loop_call *call)
{
    struct wake *wake = (struct wake *)call;
    struct channel *next;

    for (struct channel *c = wake->server->worker_channels->first; c; c = next) {
        next = c->next;
        if (!*wake->pool || strcmp(c->pool, wake->pool) == 0)
            look_now(c); /* last: it may end the connection */
    }
    free(wake);
}

static void wake_here(struct server *server, const char *pool)
{
    size_t size = pool ? strlen(pool) + 1 : 1;
    struct wake *wake = calloc(1, sizeof(*wake) + size);

    if (!wake)
        abort();
    wake->call.run = on_wake;
    wake->server = server;
    if (pool)
        memcpy(wake->pool, pool, size);
    loop_call(server->loop_calls, &wake->call);
}

void worker_channels_wake(struct server *server, const char *pool)
{
    wake_here(server, pool);
    notify_send(server->notify, "pool", pool ? pool : "");
}

void worker_channels_heard(struct server *server, const char *rest)
{
    wake_here(server, rest);
}
