/* A socket that sends what its client asked for: /events/out and /logs/out.
 *
 *   {"type":"filter","filter":{...},"backfill":true} -> subscribed -> stored ones, oldest first ->
 *   live ones
 *
 * Live messages that come while stored ones are sent wait in the subscriber's queue; what comes by
 * both ways is told once.  A client that does not keep up is closed with 1013 and reads what it
 * missed when it connects again.
 * Thread: the loop, but for what says otherwise. */
#pragma once
#include "server/db/lane.h"
#include "server/http/broadcast.h"
#include "server/http/websocket.h"
#include "shared/json/doc.h"

/* Stored messages, as a lane reads them. */
struct stream_page {
    struct buf texts;
    struct frame {
        struct uuid id;
        size_t begin, end; /* in texts */
    } * frames;
    size_t count;
    bool more;
};

struct stream_kind {
    /* Reads the client's filter into the arena; NULL: err says why. */
    void *(*read_filter)(struct arena *a, struct server *server, struct val v, struct err *e);
    /* NULL: what this server publishes, if it does. */
    struct broadcast *(*broadcast)(struct server *server);
    /* Reads what is stored behind the cursor, which it moves on.  Thread: a lane's.  NULL: nothing
     * is sent but what comes. */
    enum err_code (*read_page)(struct work *w, const void *filter, void *cursor,
                               struct stream_page *out);
    size_t cursor_bytes;
};

void *stream_open(struct websocket *ws, const struct stream_kind *kind);
void stream_text(struct websocket *ws, const char *text, size_t len);
void stream_drained(struct websocket *ws);
void stream_gone(struct websocket *ws);

/* What the lane of streams does; first member of whatever is submitted. */
struct stream_job {
    struct lane_item item;
    void (*run)(struct work *w, struct stream_job *job);
};
extern const struct lane_kind streams_lane;
