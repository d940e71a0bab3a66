/* The token of a page of events: what was asked for, frozen, and where the page begins.  Opaque to
 * clients: base64url of JSON.
 *
 * Thread: any. */
#pragma once
#include "shared/base/arena.h"
#include "shared/json/value.h"

enum { EVENT_PAGE_MAX = 50 };

struct event_token {
    struct raw filter; /* as the client wrote it; TEXT null for none */
    int64_t since_us, until_us;
    int64_t total, page_size, seen;
    int64_t after_us; /* the last event of the page before */
    struct uuid after;
};

const char *event_token_write(struct arena *a, const struct event_token *token);
/* False: not a token of ours. */
MUST_CHECK bool event_token_read(struct arena *a, const char *text, struct event_token *out);
