/* HTTP requests on the loop: libcurl's multi interface driven by libuv.
 *
 * A request is tried until it got an answer that is not worth another try, or `tries` are used up.
 * Worth another try: no connection, a broken one, a time-out, 408, 429, 502, 503, 504.  The pause
 * doubles from 0.1 s to 10 s and is drawn at random from its upper half; Retry-After (seconds)
 * wins, up to a minute.
 *
 * Owns:   nothing of the caller's; url, headers and body are borrowed until `done` or
 * http_cancel(). Order:  `done` is called exactly once, never inside http_send(), and not at all
 * after http_cancel(). Thread: the loop thread. */
#pragma once
#include <uv.h>

#include "shared/base/err.h"

struct http;
struct http_call;

struct http_reply {
    int status;       /* 0: no answer, see err */
    const char *body; /* len bytes and a final zero; gone after `done` */
    size_t len;
    const struct err *err; /* set when status is 0, or when the answer was too large */
};

typedef void http_done_fn(void *ctx, const struct http_reply *reply);

struct http_request {
    const char *method; /* "GET", "POST", ... */
    const char *url;
    const char *content_type; /* NULL: application/json when there is a body */
    const char *body;         /* NULL: none */
    size_t body_len;
    size_t reply_max_bytes;
    int64_t timeout_ms; /* of each try */
    int tries;          /* 0: until cancelled */
    http_done_fn *done;
    void *ctx;
};

/* `authorization` (may be NULL) is sent with each request and copied.  NULL: out of memory. */
struct http *http_new(uv_loop_t *loop, const char *authorization);

/* Cancels what is open.  The memory goes when the loop has closed the handles. */
void http_free(struct http *h);

/* NULL: out of memory; `done` is not called then. */
struct http_call *http_send(struct http *h, const struct http_request *rq);

/* Harmless with NULL.  The call is gone afterwards. */
void http_cancel(struct http_call *call);

/* The pause before try number `tries_used` + 1.  For tests. */
int64_t http_pause_ms(int tries_used, int64_t retry_after_s, uint32_t random);
