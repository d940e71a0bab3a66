/* UPDATE statements out of what a client gave: every member that was there becomes `column = $n`.
 */
#pragma once
#include "server/db/filter.h"

/* The member at `f` of a decoded struct as a parameter text; NULL is SQL NULL. */
const char *field_param(struct work *w, const struct field *f, const void *object);

/* Appends "UPDATE table SET a = $1, b = $2, updated = now()"; the caller appends WHERE. */
void sql_update(struct sql *s, const char *table, const struct resource *r, const void *in);

/* Appends "INSERT INTO table (a, b, ...) VALUES ($1, $2, ...)" with all members that have a column,
 * preceded by `extra` columns with their values. */
struct extra_column {
    const char *column, *value;
};
void sql_insert(struct sql *s, const char *table, const struct resource *r, const void *in,
                const struct extra_column *extra, size_t extra_count);
