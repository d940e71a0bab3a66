/* Parquet files: rows of one table, uncompressed, in one row group; DuckDB, pyarrow and others read
 * them.
 *
 *   "PAR1", per column a page {head, levels of presence, values}, the footer, its length, "PAR1"
 *
 * Values come from JSON objects; what is absent or null is null.  Thread: any.
 * Source: the format's own description (parquet.thrift, Encodings.md, Thrift's compact protocol).
 */
#pragma once
#include <jansson.h>

#include "shared/base/buf.h"
#include "shared/base/err.h"

enum parquet_type { PARQUET_BOOL = 0, PARQUET_INT = 2, PARQUET_REAL = 5, PARQUET_TEXT = 6 };

struct parquet_column {
    const char *name;
    enum parquet_type type;
};

/* A value of this column's type? */
bool parquet_fits(const json_t *value, enum parquet_type type);
/* rows: an array of objects.  `out` is appended to; TOO_LARGE when it is full.  INVALID: a value
 * that is not of its column's type. */
MUST_CHECK enum err_code parquet_write(const json_t *rows, const struct parquet_column *columns,
                                       size_t count, struct buf *out, struct err *e);
