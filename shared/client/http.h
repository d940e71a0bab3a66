/* HTTP/1.1 calls that block, for programs without a loop of their own.
 *
 * One client keeps its connection open between calls.  Replies 408, 429, 502 and 503 are sent again
 * with growing pauses (or after Retry-After), TRIES times at most; a server that cannot be reached
 * is tried again until `patience_ms` is used up.  Callers that create something send an idempotency
 * key.
 *
 * Owns:   its connection.  Borrows nothing; the strings in http_options are copied.
 * Errors: NETWORK and TIMEOUT (no reply: the text names the URL, what happened, what to do),
 * TOO_LARGE, IO (a file).  A reply of any status is not an error here; see rest.h. Thread: one
 * client per thread.  http_global_init() first, once per process. Source: for the retries:
 * prefect-api.md 0.3, Retry-After. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/err.h"

struct http_client;

struct http_options {
    const char *base_url; /* "http://127.0.0.1:4200/api", no slash at the end needed */
    const char *basic;    /* "user:password" or NULL */
    const char *bearer;   /* API key or NULL; wins over basic */
    const char *user_agent;
    int64_t timeout_ms;     /* one call without pauses; 0: 60 s */
    int64_t patience_ms;    /* how long an unreachable server is tried again */
    size_t max_reply_bytes; /* 0: 16 MiB */
};

struct http_request {
    const char *method, *path; /* path begins with '/', query included, escaped */
    const void *body;
    size_t body_len;
    const char *content_type; /* NULL: application/json */
    const char *send_file;    /* instead of body: this file, streamed */
    const char *save_file;    /* a 2xx reply goes here: written beside it, renamed when complete */
};

struct http_reply {
    int status;
    const char *body; /* in the arena, zero-terminated; empty with save_file and 2xx */
    size_t len;
};

MUST_CHECK bool http_global_init(void);

/* NULL: out of memory. */
struct http_client *http_client_new(const struct http_options *options);
void http_client_free(struct http_client *client);
void http_client_patience(struct http_client *client, int64_t patience_ms);
const char *http_client_url(const struct http_client *client);

MUST_CHECK enum err_code http_call(struct http_client *client, const struct http_request *request,
                                   struct arena *a, struct http_reply *out, struct err *e);

/* Percent-encodes everything but RFC 3986's unreserved characters. */
const char *http_escape(struct arena *a, const char *text);

DEFINE_CLEANUP(http_client_cleanup, struct http_client *, http_client_free)
