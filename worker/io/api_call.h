/* Requests to the server's API: blocking, for a thread.
 *
 * What may pass by itself (no connection, a broken one, 408, 429, 502, 503, 504) is tried again for
 * about two minutes, so that a restart of the server fails nothing.
 *
 * Errors: NETWORK (no answer), CANCELLED, TOO_LARGE (the answer), INVALID (the answer is no JSON),
 * or what the status says; the text names method, path and the server's reason. Thread: any. */
#pragma once
#include <jansson.h>
#include <stdatomic.h>

#include "shared/base/buf.h"
#include "shared/base/err.h"

struct api {
    const char *url;              /* "http://host:port/api" */
    const char *authorization;    /* NULL: none */
    const atomic_bool *cancelled; /* NULL: never */
};

/* Posts JSON; *out is the answer and the caller's to release. */
MUST_CHECK enum err_code api_post(const struct api *api, const char *path, const json_t *body,
                                  size_t reply_max_bytes, json_t **out, struct err *e);

/* Gets JSON; *out as above. */
MUST_CHECK enum err_code api_get(const struct api *api, const char *path, size_t reply_max_bytes,
                                 json_t **out, struct err *e);

/* Puts bytes as they are; the answer's text is not looked at. */
MUST_CHECK enum err_code api_put(const struct api *api, const char *path, const struct buf *bytes,
                                 struct err *e);
