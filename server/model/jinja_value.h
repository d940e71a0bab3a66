/* Values of templates: what Python's would be, as far as templates can tell.
 *
 * Borrows: texts and items live in the arena.   Thread: any. */
#pragma once
#include "shared/json/doc.h"

enum jinja_kind {
    JINJA_UNDEFINED, /* text: the name that is not known, for errors */
    JINJA_NONE,
    JINJA_BOOL,
    JINJA_INT,
    JINJA_FLOAT,
    JINJA_STRING,
    JINJA_LIST,
    JINJA_TUPLE,
    JINJA_DICT,
    JINJA_TIME,     /* microseconds since 1970, UTC */
    JINJA_DURATION, /* microseconds */
    JINJA_OBJECT,   /* of a class */
    JINJA_FUNCTION, /* a name to be called: range, namespace, a macro, a method */
};

struct jinja_value;

/* A kind of object that only its maker knows. */
struct jinja_class {
    /* An attribute; *out stays undefined when there is none. */
    void (*get)(struct arena *a, const void *self, const char *name, struct jinja_value *out);
    /* What it is as a dict or a text: for printing, loops, filters and its methods. */
    void (*plain)(struct arena *a, const void *self, struct jinja_value *out);
    /* Whether attributes come before the methods and items of the plain value, as ever; and the
     * link to its page, NULL: none. */
    const char *(*path)(struct arena *a, const void *self);
};

struct jinja_list {
    struct jinja_value *items;
    size_t count, room;
};

struct jinja_dict {
    struct jinja_pair *pairs;
    size_t count, room;
    bool is_namespace;
};

struct jinja_value {
    enum jinja_kind kind;
    bool flag;
    const char *text; /* strings; functions: their name */
    size_t len;
    union {
        int64_t number;
        double real;
        struct jinja_list *list;
        struct jinja_dict *dict;
        const struct jinja_class *class;
        const void *macro;
    };
    const void *self; /* of objects; of bound methods a struct jinja_value */
};

struct jinja_pair {
    struct jinja_value key, value;
};

struct jinja_value jinja_none(void);
struct jinja_value jinja_bool(bool flag);
struct jinja_value jinja_int(int64_t number);
struct jinja_value jinja_float(double real);
struct jinja_value jinja_text(const char *text); /* NULL is none */
struct jinja_value jinja_text_n(const char *text, size_t len);
struct jinja_value jinja_list(struct arena *a);
struct jinja_value jinja_dict(struct arena *a);
struct jinja_value jinja_object(const struct jinja_class *class, const void *self);
struct jinja_value jinja_time(int64_t us); /* TIME_NONE is none */
struct jinja_value jinja_duration(int64_t us);
struct jinja_value jinja_of_json(struct arena *a, struct val v);

void jinja_append(struct arena *a, struct jinja_value *list, struct jinja_value item);
void jinja_put(struct arena *a, struct jinja_value *dict, struct jinja_value key,
               struct jinja_value value);
/* NULL when there is none. */
struct jinja_value *jinja_find(const struct jinja_value *dict, const struct jinja_value *key);
struct jinja_value *jinja_find_text(const struct jinja_value *dict, const char *key);

/* The plain value of an object; others are themselves. */
struct jinja_value jinja_plain(struct arena *a, struct jinja_value v);
bool jinja_is_text(const struct jinja_value *v);
bool jinja_is_number(const struct jinja_value *v);
double jinja_number(const struct jinja_value *v);
bool jinja_truth(struct arena *a, struct jinja_value v);
bool jinja_equal(struct arena *a, struct jinja_value x, struct jinja_value y);
/* <0, 0, >0; false: the two cannot be ordered. */
MUST_CHECK bool jinja_order(struct arena *a, struct jinja_value x, struct jinja_value y, int *out);

/* str() and repr(). */
void jinja_write(struct arena *a, struct buf *b, struct jinja_value v);
void jinja_write_repr(struct arena *a, struct buf *b, struct jinja_value v);
struct jinja_value jinja_to_text(struct arena *a, struct jinja_value v);
/* json.dumps(): blanks behind `,` and `:`, and < > & ' as escapes. */
void jinja_write_json(struct arena *a, struct buf *b, struct jinja_value v, int64_t indent);
/* `Python's name of the type`, for errors. */
const char *jinja_type(const struct jinja_value *v);
/* `Name('text')` as Python prints an exception. */
const char *jinja_exception(struct arena *a, const char *name, const char *text);
