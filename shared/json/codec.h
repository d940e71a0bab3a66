/* JSON <-> C structs and database columns <-> JSON, driven by the rows of field.h.
 *
 * Decoding accepts and refuses exactly what pydantic 2 does in lax mode, with its words: all errors
 * are collected, in the order of the rows, then the unknown keys in the order of the text.
 * Memory: everything decoded lives in the arena of `struct invalid`, which is not filled beyond its
 * half. Thread: any.   Source: pydantic 2.13 and FastAPI 0.141, as Prefect 3.9.1 runs them. */
#pragma once
#include "shared/base/err.h"
#include "shared/json/doc.h"
#include "shared/json/field.h"

enum { INVALID_LISTED_MAX = 100 };

/* What is wrong with a request, as it will be told. */
struct invalid {
    struct arena *arena;
    bool trusted; /* what is read is our own output: readonly members count, unknown ones do not */
    size_t count; /* of errors; reading stops soon after INVALID_LISTED_MAX */
    char first[240];  /* `body.name: Field required`, for logs and terminals */
    struct buf *list; /* JSON objects separated by commas; NULL when there are none */
};

/* Where a value stands.  Links live on the stack, innermost first. */
struct loc {
    const struct loc *outer;
    const char *key; /* NULL: an index */
    size_t index;
};
extern const struct loc loc_body; /* "body" */

/* Appends one error.  ctx is JSON text or NULL; so is `at`, for an error of the whole. */
void invalid_add(struct invalid *bad, const struct loc *at, const char *type, const char *msg,
                 struct raw input, const char *ctx);
/* Appends all errors of `other`. */
void invalid_join(struct invalid *bad, const struct invalid *other);
/* FastAPI's error for text that doc_parse() refused; not for err->unreadable. */
void invalid_syntax(struct invalid *bad, const struct doc_error *err);
/* The body of Prefect's 422 reply. */
void invalid_write(struct buf *b, const struct invalid *bad, struct raw request_body);

/* Reads one object into *out (of r->size bytes).  DOC_NONE and null stand for an empty body.
 * `at` names the root: &loc_body, or {.key = "query"}.
 * ERR_INVALID: bad->list says why, *out is not complete. */
MUST_CHECK enum err_code json_decode(const struct resource *r, struct val v, const struct loc *at,
                                     void *out, struct invalid *bad);
/* The same for a body that is an array of objects. */
MUST_CHECK enum err_code json_decode_list(const struct resource *r, struct val v,
                                          const struct loc *at, void **out_items, size_t *out_count,
                                          struct invalid *bad);
/* Parses and decodes an object in text; the first error goes to e. */
MUST_CHECK enum err_code json_decode_text(struct arena *a, const struct resource *r,
                                          const char *text, size_t len, void *out, struct err *e);

/* Appends the object; writeonly members are left out. */
void json_encode(struct buf *b, const struct resource *r, const void *object);

/* Only the members that differ from their defaults (`def`, else null); see field.sparse. */
void json_encode_sparse(struct buf *b, const struct resource *r, const void *object);

/* One column of a result row, as PostgreSQL prints it with TimeZone=UTC; NULL text is SQL NULL. */
struct column {
    const char *text;
    size_t len;
};
/* `f.id, f.name, ...` for SELECT, in the order that the functions below expect. */
void columns_list(struct buf *b, const struct resource *r, const char *table_alias);
size_t columns_count(const struct resource *r);
/* The number of a field's column, 0 and up; the field exists and has one. */
int columns_index(const struct resource *r, const char *field);
/* Result row to JSON, without a struct in between. */
void json_encode_columns(struct buf *b, const struct resource *r, const struct column *columns);
/* Result row to struct.  A text that does not fit its row is a bug in the query: ERR_INTERNAL. */
MUST_CHECK enum err_code columns_decode(struct arena *a, const struct resource *r,
                                        const struct column *columns, void *out, struct err *e);

/* Seconds, in numbers or ISO 8601 or clock form.  NULL when fine, else the reason in pydantic's
 * words. */
const char *duration_parse(const char *text, size_t len, int64_t *out_us);

/* JSON Schema of the object as clients see it (output) or send it (input), for OpenAPI: nested
 * resources are
 * `#/components/schemas/NAME`. */
enum schema_side { SCHEMA_INPUT, SCHEMA_OUTPUT };
void json_schema_of_resource(struct buf *b, const struct resource *r, enum schema_side side);
