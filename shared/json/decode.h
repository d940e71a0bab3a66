/* Between decode.c (objects, lists, texts) and scalars.c (numbers, times, ids). */
#pragma once
#include "shared/json/codec.h"

/* One value that is being read: where it stands and what to do with its errors. */
struct reading {
    const struct field *f;
    struct val v;
    const struct loc *at;
    struct invalid *bad;
};

/* Adds an error about the value; always false. */
bool reading_fail(const struct reading *r, const char *type, const char *msg, const char *ctx);
/* Adds a `value_error` with that message; always false. */
bool reading_refuse(const struct reading *r, const char *message);
/* Reads a member that may only have the names of its row, with the error of Python's Literal.  An
 * enum, or a string whose one name is its default. */
bool read_literal(const struct reading *r, void *out);
/* Reads a time; what is none is told as pydantic's own `datetime` does, not as Prefect's. */
bool read_plain_time(const struct reading *r, void *out);
/* Reads a list of strings as a set: each once. */
bool read_set(const struct reading *r, void *out);
/* `{"key": "text"}` in the arena. */
const char *ctx_text(struct arena *a, const char *key, const char *text);

typedef bool read_fn(const struct reading *r, void *out);
read_fn read_int, read_num, read_bool, read_tri, read_enum, read_uuid, read_time, read_duration;

/* One per kind. */
extern read_fn *const readers[FIELD_KINDS];

/* Why the text is not a UUID, in pydantic's words. */
const char *uuid_reason(struct arena *a, const char *text, size_t len);
/* The value of "not set" for the kind. */
void field_set_none(const struct field *f, void *out);
