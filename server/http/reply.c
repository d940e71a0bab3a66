#include "server/http/reply.h"

#include <string.h>

#include "server/http/route.h"
#include "shared/base/log.h"
#include "shared/json/write.h"

enum err_code reply_status(struct request *rq, int status)
{
    if (rq->reply.body.full)
        return err_set(&rq->work.err, INTERNAL, "the reply is larger than %d bytes",
                       REPLY_MAX_BYTES);
    rq->reply.status = status;
    return ERR_OK;
}

enum err_code reply_empty(struct request *rq, int status)
{
    rq->reply.body.len = 0;
    return reply_status(rq, status);
}

enum err_code reply_text(struct request *rq, int status, const char *json)
{
    buf_add(&rq->reply.body, json, strlen(json));
    return reply_status(rq, status);
}

static void put_row(struct request *rq, const struct resource *r, const struct rows *rows, int row)
{
    struct column columns[DB_PARAMETERS_MAX];

    for (int i = 0; i < rows->columns; i++)
        columns[i] = (struct column){rows_text(rows, row, i), rows_len(rows, row, i)};
    json_encode_columns(&rq->reply.body, r, columns);
}

enum err_code reply_row(struct request *rq, int status, const struct resource *r,
                        const struct rows *rows, int row)
{
    put_row(rq, r, rows, row);
    return reply_status(rq, status);
}

void reply_add_string(struct request *rq, const char *key, const char *value)
{
    struct buf *b = &rq->reply.body;

    if (b->full || !b->len)
        return;
    b->len--; /* the brace */
    write_key(b, key);
    write_string(b, value);
    write_end_object(b);
}

enum err_code reply_rows(struct request *rq, const struct resource *r, const struct rows *rows)
{
    write_array(&rq->reply.body);
    for (int i = 0; i < rows->count; i++)
        put_row(rq, r, rows, i);
    write_end_array(&rq->reply.body);
    return reply_status(rq, 200);
}

void reply_header(struct request *rq, const char *name, const char *value)
{
    struct reply *r = &rq->reply;
    if (r->header_count < REPLY_HEADERS_MAX)
        r->headers[r->header_count++] = (struct header){name, value};
}

/* 5xx tell the client little and the log everything. */
static const char *public_text(const struct err *e)
{
    switch (err_infos[e->code].http_status) {
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return e->detail;
    }
}

/* What came, as it is repeated in a refusal: text that is not JSON as a string. */
static struct raw body_shown(struct request *rq)
{
    struct buf text = {.max_bytes = REPLY_MAX_BYTES};

    if (!rq->route->body && !(rq->route->flags & BODY_DOC))
        return RAW("null");
    if (rq->doc.count)
        return val_raw(doc_root(&rq->doc));
    if (!rq->body.len)
        return (struct raw){NULL, 0};
    write_string_n(&text, rq->body.bytes, rq->body.len);
    struct raw shown = {text.full ? NULL : arena_strndup(&rq->work.arena, text.bytes, text.len),
                        text.full ? 0 : text.len};
    buf_free(&text);
    return shown;
}

void reply_error(struct request *rq)
{
    const struct err *e = &rq->work.err;
    int status = err_infos[e->code].http_status;
    struct buf *b = &rq->reply.body;

    b->len = 0;
    b->full = false;
    rq->reply.content_type = NULL;
    rq->reply.status = status;
    if (rq->invalid.list) {
        invalid_write(b, &rq->invalid, body_shown(rq));
        return;
    }
    if (status >= 500)
        log_warn("request_failed", KV_S("path", rq->path), KV_E(e));
    if (err_infos[e->code].retry && status == 503)
        reply_header(rq, "Retry-After", "1");
    write_object(b);
    write_key(b, e->object_level || status >= 500 ? "exception_message" : "detail");
    write_string(b, public_text(e));
    write_end_object(b);
}
