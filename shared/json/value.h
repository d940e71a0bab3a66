/* C types of JSON members that C itself does not have.  Not set (null) is in the value: a NULL
 * pointer, TRI_NONE, INT_NONE, TIME_NONE, NAN for a double, -1 for an enum, all zeros for a uuid.
 */
#pragma once
#include "shared/base/base.h"
#include "shared/base/uuid.h"

#define INT_NONE INT64_MIN

enum tri { TRI_NONE = -1, TRI_FALSE, TRI_TRUE };

/* A piece of JSON text.  What json_decode() gives ends with a zero byte, so it can go to libpq. */
struct raw {
    const char *text;
    size_t len;
};

/* items is NULL when the list is null, not when it is empty. */
struct strings {
    const char **items;
    size_t count;
};

struct uuids {
    struct uuid *items;
    size_t count;
};

#define RAW(literal) ((struct raw){(literal), sizeof(literal) - 1})

/* Bytes of valid JSON when it is written, no blanks or needless escapes; `ascii`: with `\uXXXX`
 * for whatever is not ASCII. */
size_t raw_compact_len(struct raw json, bool ascii);
