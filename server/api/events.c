#include "server/api/events.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/loop_calls.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/events.h"
#include "shared/base/log.h"

/* Batches are cut by size as well, since a batch is parsed in one arena. */
enum { BATCH_MAX_BYTES = 4 << 20 };

/* A connection.  Lives until it is gone and nothing of it is in the lane. */
struct feed {
    struct websocket *ws; /* NULL when gone */
    size_t pending;
};

/* What waits in the lane: the events of a request, or one event of a socket. */
struct pending {
    struct lane_item item;
    struct loop_call call; /* sockets: back to the loop when stored */
    struct request *rq;    /* requests */
    struct feed *feed;     /* sockets */
    struct arena arena;    /* sockets: owns text and event */
    const struct event *events;
    size_t count;
    enum err_code rc;
};

/* ---- POST /events ---- */

static void answer(struct request *rq, const struct err *failed)
{
    if (failed) {
        rq->work.err = *failed;
        reply_error(rq);
    } else {
        (void)reply_empty(rq, 204);
    }
    request_finish(rq);
}

static struct event_limits limits_of(const struct server *s)
{
    const struct settings *set = &s->config.settings;

    return (struct event_limits){
        .name_chars = settings_int(set, SETTING_SERVER_EVENTS_MAXIMUM_EVENT_NAME_LENGTH),
        .labels = settings_int(set, SETTING_SERVER_EVENTS_MAXIMUM_LABELS_PER_RESOURCE),
        .related = settings_int(set, SETTING_SERVER_EVENTS_MAXIMUM_RELATED_RESOURCES),
        .bytes = settings_int(set, SETTING_SERVER_EVENTS_MAXIMUM_SIZE_BYTES),
    };
}

/* Leaves out what is too large. */
static enum err_code check_all(struct request *rq)
{
    struct event_limits limits = limits_of(rq->work.server);
    struct event *events = rq->in;
    size_t kept = 0;

    for (size_t i = 0; i < rq->in_count; i++) {
        struct loc at = {&loc_body, NULL, i};
        if (event_check(&limits, &events[i], &at, &rq->invalid) == ERR_OK &&
            event_fits(&limits, &events[i]))
            events[kept++] = events[i];
    }
    if (rq->invalid.count)
        return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
    rq->in_count = kept;
    return ERR_OK;
}

void events_create(struct request *rq)
{
    struct pending *p = arena_new(&rq->work.arena, struct pending);

    enum err_code rc = check_all(rq);
    *p = (struct pending){.rq = rq, .events = rq->in, .count = rq->in_count};
    if (!rc)
        rc = lane_submit(rq->work.server->events, &p->item, &rq->work.err);
    if (!rc)
        return;
    reply_error(rq);
    request_finish(rq);
}

/* ---- the socket ---- */

static void *on_open(struct websocket *ws)
{
    struct feed *feed = calloc(1, sizeof(*feed));
    if (!feed)
        abort();
    feed->ws = ws;
    return feed;
}

static void feed_release(struct feed *feed)
{
    if (!feed->ws && !feed->pending)
        free(feed);
}

static void pending_free(struct pending *p)
{
    arena_reset(&p->arena);
    free(p);
}

/* On the loop again: the event is durable, or the connection must end so that the client sends it
 * again. */
static void on_stored(struct loop_call *call)
{
    struct pending *p = (struct pending *)((char *)call - offsetof(struct pending, call));
    struct feed *feed = p->feed;

    /* Both may end the socket: on_gone() */
    if (feed->ws && p->rc)
        websocket_close(feed->ws, 1011, "the event could not be stored");
    if (feed->ws)
        websocket_release(feed->ws);
    feed->pending--;
    feed_release(feed);
    pending_free(p);
}

/* What no repetition would mend must not end the connection: the client would send it again and
 * again, and all behind it. */
static enum err_code read_event(const struct event_limits *limits, struct pending *p,
                                const char *text, size_t len, struct err *e)
{
    static const struct loc at = {NULL, "event", 0};
    struct invalid bad = {.arena = &p->arena};
    struct event *event = arena_new(&p->arena, struct event);
    struct doc *doc = arena_new(&p->arena, struct doc);
    struct doc_error syntax;

    if (!doc_parse(&p->arena, arena_strndup(&p->arena, text, len), len, doc, &syntax))
        return err_set(e, BAD_REQUEST, "not JSON: %s at %zu", syntax.reason, syntax.offset);
    if (json_decode(&event_resource, doc_root(doc), &at, event, &bad) != ERR_OK ||
        event_check(limits, event, &at, &bad) != ERR_OK)
        return err_set(e, INVALID, "%s", bad.first);
    if (!event_fits(limits, event))
        return err_set(e, INVALID, "an event of more than %lld bytes", (long long)limits->bytes);
    p->events = event;
    p->count = 1;
    return ERR_OK;
}

static void on_text(struct websocket *ws, const char *text, size_t len)
{
    struct feed *feed = websocket_state(ws);
    struct event_limits limits = limits_of(websocket_server(ws));
    struct err e = {0};
    struct pending *p = calloc(1, sizeof(*p));

    if (!p)
        abort();
    enum err_code rc = read_event(&limits, p, text, len, &e);
    if (rc) {
        log_warn("event_refused", KV_E(&e));
        pending_free(p);
        if (rc == ERR_BAD_REQUEST)
            websocket_close(ws, 1007, e.detail);
        return;
    }
    p->feed = feed;
    p->call.run = on_stored;
    if (lane_submit(websocket_server(ws)->events, &p->item, &e) != ERR_OK) {
        pending_free(p);
        websocket_close(ws, 1013, "the server is at its limit, try again");
        return;
    }
    feed->pending++;
    websocket_hold(ws);
}

static void on_gone(struct websocket *ws)
{
    struct feed *feed = websocket_state(ws);
    feed->ws = NULL;
    feed_release(feed);
}

const struct websocket_kind events_in_socket = {on_open, on_text, on_gone};

/* ---- the lane ---- */

static enum err_code store(struct work *w, struct pending **batch, size_t count)
{
    size_t total = 0, n = 0;

    for (size_t i = 0; i < count; i++)
        total += batch[i]->count;
    const struct event **events = arena_array(&w->arena, const struct event *, total);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < batch[i]->count; k++)
            events[n++] = &batch[i]->events[k];
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = events_store(w, events, n);
    return db_end(w, rc);
}

static void finish(struct work *w, struct pending *p, enum err_code rc)
{
    if (rc)
        log_warn("events_not_stored", KV_E(&w->err));
    if (p->rq) {
        answer(p->rq, rc ? &w->err : NULL);
        return;
    }
    p->rc = rc == ERR_INVALID ? ERR_OK : rc; /* it would be refused again */
    loop_call(w->server->loop_calls, &p->call);
}

/* How many of the batch fit into one transaction. */
static size_t cut(struct pending **batch, size_t count)
{
    size_t bytes = 0, i = 0;

    for (; i < count; i++) {
        for (size_t k = 0; k < batch[i]->count; k++)
            bytes += batch[i]->events[k].resource.len + batch[i]->events[k].related.len +
                     batch[i]->events[k].payload.len;
        if (bytes > BATCH_MAX_BYTES && i)
            break;
    }
    return i;
}

static void run_lane(struct work *w, struct lane_item **items, size_t count)
{
    struct pending **batch = (struct pending **)items; /* item is the first member */

    for (size_t n; count; batch += n, count -= n) {
        n = cut(batch, count);
        enum err_code rc = store(w, batch, n);
        for (size_t i = 0; i < n; i++)
            finish(w, batch[i], rc && n > 1 ? store(w, &batch[i], 1) : rc);
        arena_reset(&w->arena);
    }
}

const struct lane_kind events_lane = {"events", 512, 65536, run_lane};
