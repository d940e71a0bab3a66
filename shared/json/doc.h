/* A strict, read-only JSON document over borrowed text: one pass, one array of nodes.
 *
 * Accepts what Python's json.loads() accepts, without NaN and Infinity: lone surrogates in escapes
 * are kept, of duplicate keys the last counts, numbers keep their exact text.  Invalid UTF-8 is
 * refused.
 *
 * Borrows: the text, as long as the document is used.   Memory: nodes in the arena, 16 bytes each.
 * Thread: any, once parsed.   Source: RFC 8259; messages are those of Python's json module. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/buf.h"
#include "shared/json/value.h"

enum { DOC_DEPTH_MAX = 200, DOC_BYTES_MAX = 64 << 20 };

enum doc_type {
    DOC_NONE, /* no such member or item */
    DOC_NULL,
    DOC_FALSE,
    DOC_TRUE,
    DOC_INT,   /* digits only; may be longer than 64 bits */
    DOC_FLOAT, /* with a fraction or an exponent */
    DOC_STRING,
    DOC_ARRAY,
    DOC_OBJECT,
};

struct doc_node;

struct doc {
    const char *text;
    struct doc_node *nodes;
    uint32_t count;
};

struct doc_error {
    const char *reason; /* `Expecting value`, ... */
    size_t offset;      /* in bytes */
    size_t chars;       /* the same place, counted in characters as Python does */
    bool unreadable;    /* not UTF-8, too deep or too large: Prefect answers 400 and not 422 */
};

/* A value of a document: a handle, passed by value.  {0} is DOC_NONE. */
struct val {
    const struct doc *doc;
    uint32_t node;
};

/* *out_doc must outlive all handles. */
MUST_CHECK bool doc_parse(struct arena *a, const char *text, size_t len, struct doc *out_doc,
                          struct doc_error *out_error);

struct val doc_root(const struct doc *d);

enum doc_type val_type(struct val v);
/* Members of an object, items of an array, else 0. */
size_t val_count(struct val v);
/* The member with that key (the last one, if there are several), else DOC_NONE. */
struct val val_get(struct val object, const char *key);

/* for (struct val_iter it = val_each(v); val_next(&it);) ... it.key (objects), it.value, it.index
 * Members come as written, also those that a later duplicate overrides. */
struct val_iter {
    struct val key, value;
    size_t index;
    uint32_t next, end;
    bool object;
};
struct val_iter val_each(struct val container);
bool val_next(struct val_iter *it);

/* The text of the value as written, with the quotes of strings. */
struct raw val_raw(struct val v);
/* Unescaped, with a final zero; lone surrogates become three bytes each.  NULL unless a string. */
const char *val_string(struct arena *a, struct val v, size_t *out_len);
/* Whether the string equals text, without unescaping into memory where possible. */
bool val_equals(struct val string, const char *text, size_t len);
/* Python's `not value`: absent, null, false, zero or empty. */
bool val_is_falsy(struct val v);
/* Characters of a string, as Python's len() counts. */
size_t val_length(struct val string);
/* False for strings with U+0000 or a lone surrogate, which PostgreSQL cannot store; looks into
 * objects and arrays. */
bool val_storable(struct val v);
/* DOC_INT that fits. */
MUST_CHECK bool val_int64(struct val v, int64_t *out);
/* DOC_INT or DOC_FLOAT; may be infinite. */
MUST_CHECK bool val_double(struct val v, double *out);

/* Appends the value without blanks between tokens. */
void val_write(struct buf *b, struct val v);
