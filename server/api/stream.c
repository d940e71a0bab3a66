#include "server/api/stream.h"

#include <stdlib.h>
#include <string.h>

#include "server/model/recent_ids.h"
#include "server/server.h"
#include "shared/base/log.h"

struct stream {
    struct stream_job job; /* while a page is read; first member */
    struct loop_call call; /* and comes back */
    struct server *server;
    struct websocket *ws; /* NULL: gone */
    const struct stream_kind *kind;
    struct arena arena; /* filter, cursor */
    void *filter, *cursor;
    struct subscriber *subscriber;
    struct recent_ids *told;
    struct stream_page page;
    enum err_code rc; /* of the page */
    bool reading;     /* a lane has it */
    bool filling;     /* stored messages come first */
    bool sending;     /* somebody further up the stack uses it */
};

static void page_free(struct stream_page *page)
{
    buf_free(&page->texts);
    free(page->frames);
    *page = (struct stream_page){0};
}

static void release(struct stream *s)
{
    if (s->ws || s->reading || s->sending)
        return;
    page_free(&s->page);
    recent_ids_free(s->told);
    arena_reset(&s->arena);
    free(s);
}

void *stream_open(struct websocket *ws, const struct stream_kind *kind)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->server = websocket_server(ws);
    s->ws = ws;
    s->kind = kind;
    return s;
}

void stream_gone(struct websocket *ws)
{
    struct stream *s = websocket_state(ws);

    subscriber_close(s->subscriber);
    s->subscriber = NULL;
    s->ws = NULL;
    release(s);
}

static void close_with(struct stream *s, uint16_t code, const char *reason)
{
    if (s->ws)
        websocket_close(s->ws, code, reason);
}

/* A send may end the connection; false then. */
static bool tell(struct stream *s, struct uuid id, const char *text, size_t len)
{
    if (recent_ids_add(s->told, id))
        websocket_send(s->ws, text, len);
    return s->ws != NULL;
}

static void send_live(struct stream *s)
{
    struct uuid id;
    const char *text;
    size_t len;

    if (subscriber_lags(s->subscriber)) {
        log_warn("stream_lags", KV_S("closed", "1013"));
        close_with(s, 1013, "you read too slowly and missed messages: connect again");
        return;
    }
    while (!websocket_crowded(s->ws) && subscriber_next(s->subscriber, &id, &text, &len))
        if (!tell(s, id, text, len))
            return;
}

static void on_page(struct loop_call *call);

/* Thread: the lane's. */
static void run_page(struct work *w, struct stream_job *job)
{
    struct stream *s = (struct stream *)job;

    s->rc = s->kind->read_page(w, s->filter, s->cursor, &s->page);
    if (s->rc)
        log_warn("stream_page", KV_E(&w->err));
    loop_call(w->server->loop_calls, &s->call);
}

static void read_page(struct stream *s)
{
    struct err e;

    s->reading = true;
    s->job.run = run_page;
    s->call.run = on_page;
    if (lane_submit(s->server->streams, &s->job.item, &e) == ERR_OK)
        return;
    s->reading = false;
    close_with(s, 1013, "the server is at its limit, try again");
}

/* Stored messages, page by page and no faster than the client reads; then live ones. */
static void go_on(struct stream *s)
{
    if (s->sending || !s->ws)
        return;
    s->sending = true;
    if (s->filling && !s->reading && !websocket_crowded(s->ws))
        read_page(s);
    else if (!s->filling && s->subscriber)
        send_live(s);
    s->sending = false;
    release(s);
}

static void on_news(void *owner)
{
    struct stream *s = owner;
    if (!s->filling)
        go_on(s);
}

void stream_drained(struct websocket *ws)
{
    go_on(websocket_state(ws));
}

static void on_page(struct loop_call *call)
{
    struct stream *s = (struct stream *)((char *)call - offsetof(struct stream, call));
    struct stream_page *page = &s->page;

    s->reading = false;
    s->sending = true;
    for (size_t i = 0; i < page->count && s->ws; i++)
        (void)tell(s, page->frames[i].id, page->texts.bytes + page->frames[i].begin,
                   page->frames[i].end - page->frames[i].begin);
    s->filling = page->more;
    page_free(page);
    if (s->rc)
        close_with(s, 1011, "what is stored could not be read, try again");
    s->sending = false;
    if (s->ws)
        go_on(s);
    else
        release(s);
}

static void run_lane(struct work *w, struct lane_item **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct stream_job *job = (struct stream_job *)items[i]; /* item is the first member */
        job->run(w, job);
        arena_reset(&w->arena);
    }
}

const struct lane_kind streams_lane = {"streams", 8, 2 * SUBSCRIBERS_MAX, run_lane};

/* ---- the filter ---- */

static void subscribe(struct stream *s, bool backfill)
{
    struct broadcast *b = s->kind->broadcast(s->server);

    s->told = recent_ids_new();
    if (!b)
        return; /* nothing will come, as with Prefect */
    s->subscriber = subscriber_open(b, s->filter, on_news, s);
    if (!s->subscriber) {
        close_with(s, 1013, "too many subscribers, try again");
        return;
    }
    if (!s->kind->read_page || !backfill)
        return;
    s->cursor = arena_alloc(&s->arena, 1, s->kind->cursor_bytes, _Alignof(max_align_t));
    s->filling = true;
    go_on(s);
}

void stream_text(struct websocket *ws, const char *text, size_t len)
{
    struct stream *s = websocket_state(ws);
    struct doc *doc = arena_new(&s->arena, struct doc);
    struct doc_error bad;
    struct err e = {0};

    if (s->filter)
        return;
    bool json = doc_parse(&s->arena, arena_strndup(&s->arena, text, len), len, doc, &bad);
    struct val root = json ? doc_root(doc) : (struct val){0};
    if (!val_equals(val_get(root, "type"), "filter", strlen("filter"))) {
        close_with(s, 1002, "Expected 'filter' message");
        return;
    }
    struct val filter = val_get(root, "filter");
    if (val_type(filter) == DOC_NONE) {
        close_with(s, 1002, "Invalid filter: 'filter'");
        return;
    }
    s->filter = s->kind->read_filter(&s->arena, s->server, filter, &e);
    if (s->filter)
        subscribe(s, val_type(val_get(root, "backfill")) != DOC_FALSE);
    else
        close_with(s, 1002, arena_printf(&s->arena, "Invalid filter: %s", e.detail));
}
