/* One row describes one member of a struct: how it looks in JSON, which column holds it, what
 * values it may have and what it means.  Decoding, validation, encoding, column lists, result rows
 * and the OpenAPI document all read the same rows.
 *
 *   struct tag {
 *       struct given given;
 *       struct uuid id;
 *       const char *name;
 *       int64_t created_us;
 *   };
 *   static const struct field tag_fields[] = {
 *       F_UUID(struct tag, id, F_READONLY, .doc = "Assigned by the server."),
 *       F_STR(struct tag, name, F_REQUIRED, F_LEN(1, 255), F_PATTERN("^[^/%&><]+$"), .doc = "..."),
 *       F_TIME(struct tag, created, F_READONLY, .doc = "When it was made."),
 *   };
 *   const struct resource tag_resource = RESOURCE(tag, tag_fields, .doc = "A tag.");
 */
#pragma once
#include "shared/base/arena.h"
#include "shared/json/value.h"

enum field_kind {
    FIELD_STR,      /* const char *, ends with a zero byte */
    FIELD_INT,      /* int64_t */
    FIELD_NUM,      /* double */
    FIELD_BOOL,     /* bool */
    FIELD_TRI,      /* enum tri: a bool that may be null */
    FIELD_ENUM,     /* an enum; -1 is null */
    FIELD_UUID,     /* struct uuid */
    FIELD_TIME,     /* int64_t member m_us: date-time */
    FIELD_DURATION, /* int64_t member m_us: seconds, ISO 8601 or HH:MM:SS */
    FIELD_STRS,     /* struct strings */
    FIELD_UUIDS,    /* struct uuids */
    FIELD_JSON,     /* struct raw: any JSON */
    FIELD_DICT,     /* struct raw: a JSON object */
    FIELD_LABELS,   /* struct raw: an object of bool, number or string values */
    FIELD_TEXTS,    /* struct raw: an object of strings */
    FIELD_OBJECT,   /* struct U *: described by U_resource */
    FIELD_LIST,     /* struct U * and size_t m_count: array of objects */
    FIELD_KINDS,
};

/* Whether a member was there and what it was: one byte per byte offset of the struct. */
enum given_state { GIVEN_ABSENT, GIVEN_NULL, GIVEN_VALUE };
struct given {
    const uint8_t *at; /* NULL in structs that were not decoded */
};
/* given(in, member): the client sent it, maybe as null; given_null(in, member): it sent null. */
#define given_state_of(object, member)                                                             \
    given_at((object)->given, offsetof(__typeof__(*(object)), member))
#define given(object, member)      (given_state_of(object, member) != GIVEN_ABSENT)
#define given_null(object, member) (given_state_of(object, member) == GIVEN_NULL)

static inline enum given_state given_at(struct given g, size_t offset)
{
    return g.at ? (enum given_state)g.at[offset] : GIVEN_ABSENT;
}

struct enum_name {
    const char *name;
    int value;
};

/* A regular expression, compiled at first use and kept. */
struct pattern {
    const char *text;
    _Atomic(void *) code;
};

struct resource;
struct reading;
struct val;

struct field {
    const char *name;   /* JSON member */
    const char *column; /* SQL: NULL is the name, "" is none, else an expression */
    const char *doc;    /* one sentence */
    const char *def;    /* JSON text that stands in for an absent member */
    enum field_kind kind;
    size_t offset, count_offset;
    bool required; /* must be present when a client sends the object */
    bool nullable;
    bool readonly;                    /* the server sets it: unknown in what clients send */
    bool inlined;                     /* FIELD_OBJECT: its columns stand among those of this row */
    bool sparse;                      /* FIELD_OBJECT: its column leaves out what is default */
    bool writeonly;                   /* clients send it: not in replies, not a column */
    bool unsaid;                      /* a null is left out of replies */
    bool has_min, has_max, above_min; /* above_min: greater than, not equal */
    double min, max;
    size_t min_len, max_len; /* characters or items; 0 is no limit */
    struct pattern *pattern;
    const struct enum_name *names; /* FIELD_ENUM, items of FIELD_STRS; ends with a NULL name */
    bool null_ignored;             /* null is taken for "not sent" */
    bool literal;                  /* FIELD_ENUM: errors say so */
    const struct resource *of;     /* FIELD_OBJECT, FIELD_LIST */
    /* An older member that is read where this one is absent or falsy, unless that is so too. */
    const char *falls_back_on;
    /* Reads the member instead of the reader of its kind (shared/json/decode.h). */
    bool (*read)(const struct reading *r, void *out);
    /* Looks at a decoded value; a message makes it a `value_error`, NULL accepts. */
    const char *(*check)(struct arena *a, const void *value);
};

struct resource {
    const char *name; /* of the schema: "FlowCreate" */
    const char *doc;
    size_t size; /* of the C struct */
    size_t given_offset;
    size_t count;
    const struct field *fields;
    bool extra; /* a body made of several parameters: unknown keys are ignored, null is the default
                 */
    bool lax;   /* unknown keys are ignored */
    bool sequence; /* lists of it are refused as Python's Sequence is */
    /* Looks at the object before its members are read; a message is the only error then. */
    const char *(*check_before)(struct arena *a, struct val object);
    /* Looks at the decoded object when its members are fine. */
    const char *(*check)(struct arena *a, const void *object);
};

/* Properties of a row. */
#define F_REQUIRED     .required = true
#define F_NULLABLE     .nullable = true
#define F_READONLY     .readonly = true
#define F_WRITEONLY    .writeonly = true
#define F_UNSAID       .unsaid = true
#define F_INLINED      .inlined = true
#define F_LITERAL      .literal = true
#define F_NULL_IGNORED .nullable = true, .null_ignored = true
#define F_SPARSE       .sparse = true
#define F_GE(n)        .has_min = true, .min = (n)
#define F_GT(n)        .has_min = true, .min = (n), .above_min = true
#define F_LE(n)        .has_max = true, .max = (n)
#define F_LEN(lo, hi)  .min_len = (lo), .max_len = (hi)
#define F_PATTERN(re)                                                                              \
    .pattern = &(struct pattern)                                                                   \
    {                                                                                              \
        .text = (re)                                                                               \
    }

/* Rows.  The _Generic makes a wrong C type a compile error. */
#define F_OFFSET(T, m, ctype) _Generic(((T *)0)->m, ctype : offsetof(T, m))
#define F_ROW(json, T, m, k, ctype, ...)                                                           \
    {                                                                                              \
        .name = json, .kind = k, .offset = F_OFFSET(T, m, ctype), __VA_ARGS__                      \
    }

#define F_STR(T, m, ...)      F_ROW(#m, T, m, FIELD_STR, const char *, __VA_ARGS__)
#define F_INT(T, m, ...)      F_ROW(#m, T, m, FIELD_INT, int64_t, __VA_ARGS__)
#define F_NUM(T, m, ...)      F_ROW(#m, T, m, FIELD_NUM, double, __VA_ARGS__)
#define F_BOOL(T, m, ...)     F_ROW(#m, T, m, FIELD_BOOL, bool, __VA_ARGS__)
#define F_TRI(T, m, ...)      F_ROW(#m, T, m, FIELD_TRI, enum tri, __VA_ARGS__)
#define F_UUID(T, m, ...)     F_ROW(#m, T, m, FIELD_UUID, struct uuid, __VA_ARGS__)
#define F_TIME(T, m, ...)     F_ROW(#m, T, m##_us, FIELD_TIME, int64_t, __VA_ARGS__)
#define F_DURATION(T, m, ...) F_ROW(#m, T, m##_us, FIELD_DURATION, int64_t, __VA_ARGS__)
#define F_STRS(T, m, ...)     F_ROW(#m, T, m, FIELD_STRS, struct strings, __VA_ARGS__)
#define F_UUIDS(T, m, ...)    F_ROW(#m, T, m, FIELD_UUIDS, struct uuids, __VA_ARGS__)
#define F_JSON(T, m, ...)     F_ROW(#m, T, m, FIELD_JSON, struct raw, __VA_ARGS__)
#define F_DICT(T, m, ...)     F_ROW(#m, T, m, FIELD_DICT, struct raw, __VA_ARGS__)
#define F_LABELS(T, m, ...)   F_ROW(#m, T, m, FIELD_LABELS, struct raw, __VA_ARGS__)
#define F_TEXTS(T, m, ...)    F_ROW(#m, T, m, FIELD_TEXTS, struct raw, __VA_ARGS__)
#define F_OBJECT(T, m, U, ...)                                                                     \
    F_ROW(#m, T, m, FIELD_OBJECT, struct U *, .of = &U##_resource, __VA_ARGS__)
#define F_LIST(T, m, U, ...)                                                                       \
    F_ROW(#m, T, m, FIELD_LIST, struct U *, .of = &U##_resource,                                   \
          .count_offset = F_OFFSET(T, m##_count, size_t), __VA_ARGS__)
#define F_ENUM(T, m, values, ...)                                                                  \
    {                                                                                              \
        .name = #m, .kind = FIELD_ENUM, .names = (values),                                         \
        .offset = offsetof(T, m) + 0 * sizeof(char[sizeof(((T *)0)->m) == sizeof(int) ? 1 : -1]),  \
        __VA_ARGS__                                                                                \
    }
/* For a JSON name that is not the C name (`default`, `$ref`), write F_ROW("default", ...) out. */

/* RESOURCE(tag, tag_fields, .doc = "A tag.") describes struct tag. */
#define RESOURCE(T, rows, ...) RESOURCE_NAMED(#T, T, rows, __VA_ARGS__)
#define RESOURCE_NAMED(schema_name, T, rows, ...)                                                  \
    {                                                                                              \
        .name = schema_name, .size = sizeof(struct T), .count = COUNT(rows), .fields = rows,       \
        .given_offset = F_OFFSET(struct T, given, struct given), __VA_ARGS__                       \
    }
