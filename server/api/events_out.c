#include "server/api/events_out.h"

#include <stdlib.h>

#include "server/api/stream.h"
#include "server/server.h"
#include "server/store/event_query.h"
#include "server/store/events.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

/* A page is cut by size as well. */
enum { PAGE_MAX_BYTES = 4 << 20, FRAMES_MAX_BYTES = 16 << 20 };

static const struct settings *settings(const struct server *s)
{
    return &s->config.settings;
}

static void *read_filter(struct arena *a, struct server *server, struct val v, struct err *e)
{
    static const struct loc at = {NULL, "filter", 0};
    struct event_filter *f = arena_new(a, struct event_filter);
    struct invalid bad = {.arena = a};
    int64_t now_us = clock_now_us();
    int64_t oldest_us =
        now_us - settings_us(settings(server), SETTING_SERVER_EVENTS_MAXIMUM_WEBSOCKET_BACKFILL);

    if (event_filter_decode(v, &at, now_us, f, &bad) != ERR_OK) {
        (void)err_set(e, INVALID, "%s", bad.first);
        return NULL;
    }
    if (f->since_us < oldest_us)
        f->since_us = oldest_us;
    f->ascending = true;
    f->distinct = false;
    return f;
}

static struct broadcast *broadcast_of(struct server *server)
{
    return settings_bool(settings(server), SETTING_SERVER_EVENTS_STREAM_OUT_ENABLED)
               ? server->event_broadcast
               : NULL;
}

static void write_frame(struct buf *b, const struct stored_event *e)
{
    write_object(b);
    write_key(b, "type");
    write_string(b, "event");
    write_key(b, "event");
    event_write(b, &e->event, e->received_us);
    write_end_object(b);
}

static enum err_code read_page(struct work *w, const void *filter, void *cursor,
                               struct stream_page *out)
{
    struct event_cursor *after = cursor;
    struct stored_events events;
    int64_t limit =
        settings_int(settings(w->server), SETTING_SERVER_EVENTS_WEBSOCKET_BACKFILL_PAGE_SIZE);
    enum err_code rc = events_page(w, filter, *after, limit, &events);

    if (rc)
        return rc;
    *out = (struct stream_page){.texts = {.max_bytes = FRAMES_MAX_BYTES},
                                .frames = calloc(events.count + 1, sizeof(struct frame))};
    if (!out->frames)
        abort();
    for (size_t i = 0; i < events.count && out->texts.len < PAGE_MAX_BYTES; i++) {
        const struct event *e = &events.items[i].event;
        struct frame *frame = &out->frames[out->count++];
        if (out->texts.len) /* else the writer puts a comma in front of the next document */
            buf_add(&out->texts, "\n", 1);
        *frame = (struct frame){.id = e->id, .begin = out->texts.len};
        write_frame(&out->texts, &events.items[i]);
        frame->end = out->texts.len;
        *after = (struct event_cursor){e->occurred_us, e->id};
    }
    out->more = out->count < events.count || (int64_t)events.count == limit;
    return ERR_OK;
}

static const struct stream_kind kind = {read_filter, broadcast_of, read_page,
                                        sizeof(struct event_cursor)};

static void *on_open(struct websocket *ws)
{
    return stream_open(ws, &kind);
}

const struct websocket_kind events_out_socket = {on_open, stream_text, stream_gone, stream_drained};

/* ---- what is published: struct published_event ---- */

static void write_published(struct buf *b, const void *what)
{
    write_frame(b, &((const struct published_event *)what)->stored);
}

static bool wants(struct arena *scratch, const void *filter, const void *what)
{
    return event_filter_match(scratch, filter, &((const struct published_event *)what)->view);
}

const struct broadcast_kind events_broadcast = {write_published, wants};
