/* What happens, to the sockets that asked for it.
 *
 *   publisher (any thread):  broadcast_publish()  -> per subscriber: wanted? -> its queue
 *   loop thread:             on_news() -> subscriber_next() ... -> websocket_send()
 *
 * A queue that is full is emptied and its subscriber told that it lags: it has to be closed, its
 * client connects again and reads what it missed.  So memory is bounded by QUEUE_MAX_BYTES each.
 * Owns: the queues; a subscriber ends with subscriber_close(). */
#pragma once
#include "server/http/loop_calls.h"
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/base/uuid.h"

enum { SUBSCRIBER_QUEUE_MAX_BYTES = 8 << 20, SUBSCRIBERS_MAX = 1000 };

struct broadcast;
struct subscriber;

/* Something published.  `what` is the publisher's; the functions below know its type. */
struct broadcast_item {
    struct uuid id;
    const void *what;
};

struct broadcast_kind {
    /* The frame's text. */
    void (*write)(struct buf *b, const void *what);
    bool (*wants)(struct arena *scratch, const void *filter, const void *what);
};

struct broadcast *broadcast_start(struct server *server, const struct broadcast_kind *kind);
void broadcast_stop(struct broadcast *b);
/* Is anybody there?  For those who would have to prepare what they publish.  False for NULL. */
bool broadcast_wanted(struct broadcast *b);
/* Thread: any. */
void broadcast_publish(struct broadcast *b, const struct broadcast_item *items, size_t count);

/* Thread, from here on: the loop. */

/* Borrows the filter until subscriber_close().  NULL: there are too many. */
struct subscriber *subscriber_open(struct broadcast *b, const void *filter,
                                   void (*on_news)(void *owner), void *owner);
void subscriber_close(struct subscriber *s);
/* The oldest message that was not taken yet.  Valid until the next call. */
bool subscriber_next(struct subscriber *s, struct uuid *out_id, const char **out_text,
                     size_t *out_len);
bool subscriber_lags(struct subscriber *s);
