/* Appends JSON to a buffer, without a tree.
 *
 * Commas come by themselves: a value or key that follows a finished value gets one.  The writer
 * therefore looks at the last byte of the buffer and needs no state; what is in front of the
 * document in the same buffer must not end in a value (a line end is fine). Errors: none; buf.full
 * says that the ceiling was hit. */
#pragma once
#include "shared/base/buf.h"
#include "shared/json/value.h"

/* A comma between two values; none at the beginning of a container, after a key or at the start. */
void write_separator(struct buf *b);

void write_object(struct buf *b);
void write_end_object(struct buf *b);
void write_array(struct buf *b);
void write_end_array(struct buf *b);
void write_key(struct buf *b, const char *key);

void write_null(struct buf *b);
void write_bool(struct buf *b, bool value);
void write_int64(struct buf *b, int64_t value);
/* As Python prints it: shortest text that reads back equal, `90.0`, `1e-05`.  Not finite: null. */
void write_double(struct buf *b, double value);
/* NULL is null.  Bytes that are not UTF-8 become U+FFFD. */
void write_string(struct buf *b, const char *text);
void write_string_n(struct buf *b, const char *text, size_t len);
/* `"2024-01-01T00:00:00.123000Z"`; TIME_NONE is null. */
void write_time(struct buf *b, int64_t time_us);
/* Seconds as a float; TIME_NONE is null. */
void write_duration(struct buf *b, int64_t duration_us);
void write_uuid(struct buf *b, struct uuid id);
/* Text that is JSON already; NULL is null. */
void write_raw(struct buf *b, struct raw json);
