/* Downloads one file: blocking, for a thread.
 *
 * The file appears under its name when all of it is there and its SHA-256 is the expected one;
 * before that its bytes are in a neighbour, which is removed on failure.  What may pass by itself
 * (no connection, a broken one, 408, 429, 5xx) is tried `HTTP_GET_TRIES` times.
 *
 * Thread: any. */
#pragma once
#include <stdatomic.h>

#include "shared/base/err.h"
#include "shared/base/sha256.h"

enum { HTTP_GET_TRIES = 4, HTTP_REPLY_BYTES = 4096 };

struct http_get {
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; NULL: none */
    const char *path;           /* of the file */
    const char *sha256;         /* expected; NULL: any */
    int64_t max_bytes;
    double stall_s;               /* fails when less than 1 byte/s came for so long; 0: 30 s */
    const atomic_bool *cancelled; /* NULL: never */
    void (*progress)(void *ctx, double done_bytes, double total_bytes); /* NULL: none */
    /* Says why a status other than 200 came; `body` is its first 4 KB.  NULL: a general text. */
    enum err_code (*refused)(const struct http_get *get, int status, const char *body,
                             struct err *e);
    void *ctx;               /* of progress */
    const void *refused_ctx; /* for refused */
};

struct http_got {
    char sha256[SHA256_TEXT_BYTES];
    int64_t bytes;
    char etag[128]; /* without quotes; "" when there was none */
};

/* Errors: ERR_NETWORK, ERR_TIMEOUT, ERR_NOT_FOUND, ERR_AUTH, ERR_FORBIDDEN, ERR_TOO_LARGE,
 * ERR_INVALID (hash), ERR_IO, ERR_CANCELLED; the text names the URL without its query and without
 * user and password. */
MUST_CHECK enum err_code http_get(const struct http_get *get, struct http_got *out, struct err *e);

/* The same into memory: at most `size` - 1 bytes and a final zero; path and sha256 of `get` are not
 * used. */
MUST_CHECK enum err_code http_get_text(const struct http_get *get, char *out_text, size_t size,
                                       struct err *e);
