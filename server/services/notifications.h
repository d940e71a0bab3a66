/* Delivers what notification and webhook blocks send, with libcurl.
 *
 * A delivery is tried three times at most: again when there was no connection, or the reply was
 * 429, 502, 503 or 504.  Each try has a time-out.
 * Errors: NETWORK and TIMEOUT, in words for people, FORBIDDEN for private addresses; they tell the
 *         host, neither path nor secrets.
 * Thread: any, after notifications_init(). */
#pragma once
#include "server/model/notification.h"
#include "shared/base/err.h"

enum { DELIVERY_TRIES = 3, DELIVERY_REPLY_MAX = 64 << 10, REPLY_HEADERS_KEPT = 64 };

struct delivery_reply {
    int status; /* of HTTP; 250 for a mail */
    const char *body;
    struct delivery_header headers[REPLY_HEADERS_KEPT];
    size_t header_count;
};

/* Once, before threads start. */
MUST_CHECK bool notifications_init(void);
/* A status of 400 or more is an error too, unless d->any_status. */
MUST_CHECK enum err_code notification_deliver(struct arena *a, const struct delivery *d,
                                              struct delivery_reply *out, struct err *e);
