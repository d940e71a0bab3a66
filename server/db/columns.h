/* Columns of many rows as parameters: `unnest($1::uuid[], $2::text[], ...)`.
 *
 * On hot paths uuid[], timestamptz[], bigint[], float8[] and boolean[] travel binary
 * (arrays_binary()): the database then parses nothing.  Source: array_recv() and the types' receive
 * functions of PostgreSQL. Memory: malloc'ed while it grows; parameters are valid until
 * arrays_free(). */
#pragma once
#include "server/db/db.h"
#include "shared/base/buf.h"
#include "shared/json/value.h"

enum { COLUMN_MAX_BYTES = 256 << 20 };

/* One array literal that grows. */
struct array {
    struct buf text;
    size_t count;
    unsigned type; /* of binary elements, a type's OID; 0: a literal */
    bool binary, nulls;
};

/* Elements other than texts and JSON will be binary; before the first is added, and for db_arrays()
 * only. */
void arrays_binary(struct array *arrays, size_t count);

void array_text(struct array *a, const char *value, size_t len); /* NULL value is SQL NULL */
void array_string(struct array *a, const char *value);
void array_raw(struct array *a, struct raw value);
void array_uuid(struct array *a, struct uuid id);  /* nil is NULL */
void array_time(struct array *a, int64_t time_us); /* TIME_NONE is NULL */
void array_int(struct array *a, int64_t value);
void array_seconds(struct array *a, int64_t duration_us);
void array_bool(struct array *a, bool value);

/* Ends the literals and lists them as parameters.  Errors: INTERNAL when one is too long. */
MUST_CHECK enum err_code arrays_finish(struct work *w, struct array *arrays, size_t count,
                                       const char **out_parameters);
void arrays_free(struct array *arrays, size_t count);

/* db_query() with an array per parameter.  Errors: also INTERNAL when one is too long. */
MUST_CHECK enum err_code db_arrays(struct work *w, enum query q, struct array *arrays,
                                   struct rows *out);

/* Is it among those that a statement gave back, one id a row? */
bool rows_have(const struct rows *ids, struct uuid id);
