/* The API as a table (server/routes.c): look-up, 404, 405 with Allow, authorization, decoding,
 * metrics, OpenAPI and the docs page read it.
 *
 * Patterns: "/flows/{id:uuid}" matches only a UUID (else 404, as in Prefect); "{name}" any segment.
 * Paths are below /api unless they start with "//" (then at the root).  A slash at the end does not
 * matter, in the pattern or in the request. */
#pragma once
#include "server/http/request.h"

enum scope {
    SCOPE_API,  /* needs the auth string when there is one */
    SCOPE_OPEN, /* health, ready, the dashboard */
};

struct route {
    enum method method;
    const char *path;
    handler_fn *handle;
    /* Instead of handle: runs on the loop, must not block, must lead to request_finish(). */
    void (*submit)(struct request *rq);
    const struct websocket_kind *socket; /* instead of both: UPGRADE */
    const struct resource *body;         /* decoded before the handler runs; NULL: none or raw */
    const struct resource *reply;        /* for OpenAPI and the strict check in tests */
    const char *doc;
    unsigned flags; /* enum route_flag */
    enum scope scope;
};

enum route_flag {
    BODY_OPTIONAL = 1 << 0, /* an empty body is {} */
    BODY_LIST = 1 << 1,     /* an array of route->body; rq->in is struct json_list */
    BODY_RAW = 1 << 2,      /* any text, rq->body */
    BODY_FILE = 1 << 3,     /* rq->body_fd, no limit but the disk */
    REPLY_LIST = 1 << 4,
    NO_VERSION_CHECK = 1 << 5,
    NOT_IN_OPENAPI = 1 << 6,
    UPGRADE = 1 << 7,  /* a WebSocket, see `socket` */
    BODY_DOC = 1 << 8, /* parsed into rq->doc, not decoded; may be empty */
};

extern const struct route routes[];
extern const size_t route_count;

void routes_index(void); /* once, at start */
/* Sets rq->route, rq->params and rq->ids.  NOT_FOUND, or METHOD with *out_allow filled. */
MUST_CHECK enum err_code route_find(struct request *rq, const char **out_allow);

/* Counters per route, for /metrics. */
void route_count_reply(const struct route *route, int status, int64_t took_us);
