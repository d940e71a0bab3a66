/* One HTTP request, from headers to last byte sent.
 *
 * Owned by the listener.  Between hand-over and request_finish() one executor thread or one lane
 * has it alone; nobody else looks at it then.
 *
 *   READING -> WORKING -> READY        WORKING <-> PARKED (long poll) */
#pragma once
#include "server/db/lane.h"
#include "server/work.h"
#include "shared/base/buf.h"
#include "shared/base/uuid.h"
#include "shared/json/codec.h"

enum method { GET, POST, PUT, PATCH, DELETE, METHOD_COUNT };
extern const char *const method_names[METHOD_COUNT];
enum {
    PATH_PARAMS_MAX = 4,
    BODY_MAX_BYTES = 16 << 20,
    REPLY_MAX_BYTES = 64 << 20,
    REPLY_HEADERS_MAX = 6,
};

struct route;

struct header {
    const char *name, *value;
};

struct reply {
    int status;
    const char *content_type; /* NULL: application/json */
    struct buf body;
    struct header headers[REPLY_HEADERS_MAX];
    size_t header_count;
    int file_fd; /* sent instead of the body, -1: none; closed by the listener */
    uint64_t file_bytes;
};

struct request {
    struct work work;
    const struct route *route;
    enum method method;
    const char *path;                    /* as sent, escapes kept */
    const char *params[PATH_PARAMS_MAX]; /* {id} and friends, decoded, in path order */
    struct uuid ids[PATH_PARAMS_MAX];    /* the same where the pattern says {x:uuid} */
    struct buf body;
    int body_fd; /* route->body_to_file: the body as an unlinked file, -1 otherwise */
    uint64_t body_bytes;
    struct doc doc;  /* the parsed body */
    void *in;        /* decoded body: the struct of route->body, or an array of them (BODY_LIST) */
    size_t in_count; /* items of the array */
    struct invalid invalid; /* what decoding refused */
    struct reply reply;
    int64_t started_us;
    struct request *next; /* executor queue or parking list */
    void *connection;     /* the listener's business */
    uint64_t parked_on;   /* see parking.h */
    uint64_t parked_seen;
    int64_t parked_until_us;
    struct lane *parked_lane;
    struct lane_item parked; /* in it */
    bool parks;
    bool accepts_gzip;
    enum { REQUEST_READING, REQUEST_WORKING, REQUEST_READY } phase;
};

/* Runs on an executor thread with rq->work.db and may block; the reply is sent when it returns.  An
 * error code becomes the error reply of rq->work.err. */
typedef enum err_code handler_fn(struct request *rq);

/* The decoded body. */
#define request_in(rq, T) ((const T *)(rq)->in)

/* NULL when absent.  Borrows: valid until the reply is sent. */
const char *request_header(struct request *rq, const char *name);
/* "http://host:port": where the client reaches this server. */
const char *request_origin(struct request *rq);
/* Decoded; the last one when it is repeated, NULL when absent. */
const char *request_query(struct request *rq, const char *name);
bool request_query_bool(struct request *rq, const char *name);
/* The whole query by the rows of a resource; refused in Prefect's words, as a body is. */
MUST_CHECK enum err_code request_decode_query(struct request *rq, const struct resource *r,
                                              void *out);
/* The same for the path's parameters that its pattern takes as they are. */
MUST_CHECK enum err_code request_decode_path(struct request *rq, const struct resource *r,
                                             void *out);

/* Parses and decodes the body as the route says; the last of the checks that precede a handler.
 * Thread: whoever has the request. */
MUST_CHECK enum err_code request_decode(struct request *rq);

/* Gives a finished request back to the loop.  Thread: any. */
void request_finish(struct request *rq);
