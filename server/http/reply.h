/* What handlers answer. */
#pragma once
#include "server/db/db.h"
#include "server/http/request.h"

/* 204, or any status without a body. */
enum err_code reply_empty(struct request *rq, int status);
/* A JSON text that is ready. */
enum err_code reply_text(struct request *rq, int status, const char *json);
/* One object: row `row` of rows whose columns are those of the resource, in its order. */
enum err_code reply_row(struct request *rq, int status, const struct resource *r,
                        const struct rows *rows, int row);
/* One more member of the object that was just written; NULL is null. */
void reply_add_string(struct request *rq, const char *key, const char *value);
/* An array of all rows. */
enum err_code reply_rows(struct request *rq, const struct resource *r, const struct rows *rows);
/* For bodies written by the caller into rq->reply.body. */
enum err_code reply_status(struct request *rq, int status);
void reply_header(struct request *rq, const char *name, const char *value);
/* From rq->work.err and rq->errors, in Prefect's shapes (docs/errors.md). */
void reply_error(struct request *rq);
