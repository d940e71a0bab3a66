/* JSON calls to a Switchyard or Prefect server: one line per call, refusals in words.
 *
 * Replies outside 2xx become errors: 401 AUTH, 403 FORBIDDEN, 404 NOT_FOUND, 409 CONFLICT, 400 and
 * 422 INVALID, others by what they mean; the text is the server's own, with the member at fault.
 * Values are released with the arena.  Thread: as http.h. */
#pragma once
#include "shared/client/http.h"

#include <jansson.h>

struct rest {
    struct http_client *http;
    struct arena *arena;
    struct err *err;
    int status; /* of the last reply: tells 200 (was there) from 201 (created) */
};

/* body may be NULL; it is released here.  out may be NULL.  An empty 2xx reply is JSON null. */
MUST_CHECK enum err_code rest_call(struct rest *rest, const char *method, const char *path,
                                   json_t *body, json_t **out);
MUST_CHECK enum err_code rest_get(struct rest *rest, const char *path, json_t **out);
MUST_CHECK enum err_code rest_post(struct rest *rest, const char *path, json_t *body, json_t **out);

/* Bytes or a file of this machine to a path of the server, and back. */
MUST_CHECK enum err_code rest_send_bytes(struct rest *rest, const char *path, const void *bytes,
                                         size_t len);
MUST_CHECK enum err_code rest_send_file(struct rest *rest, const char *path, const char *file);
MUST_CHECK enum err_code rest_save_file(struct rest *rest, const char *path, const char *file);
