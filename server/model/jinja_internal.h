/* Between the files of the template engine: tokens, the tree, the interpreter. */
#pragma once
#include "server/model/jinja.h"

/* ---- tokens ---- */

enum token_kind {
    TOKEN_EOF,
    TOKEN_DATA,
    TOKEN_PRINT_BEGIN,
    TOKEN_PRINT_END,
    TOKEN_BLOCK_BEGIN,
    TOKEN_BLOCK_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_OPERATOR, /* text: `==` */
    TOKEN_ERROR,    /* text: what is wrong */
};

struct token {
    enum token_kind kind;
    int line;
    const char *text; /* unescaped, with a final zero */
    size_t len;
    int64_t number;
    double real;
};

/* All tokens, the last one EOF or ERROR. */
struct token *jinja_lex(struct arena *a, const char *text, size_t len);

/* ---- the tree ---- */

enum node_kind {
    NODE_DATA,     /* value */
    NODE_PRINT,    /* one */
    NODE_BODY,     /* items */
    NODE_IF,       /* one ? items : others */
    NODE_FOR,      /* one: target, two: list, three: condition; items, others (else) */
    NODE_SET,      /* one: target, two: value; or items with two: filters or NULL */
    NODE_WITH,     /* targets, others: values; items */
    NODE_FILTERED, /* one: filters; items */
    NODE_MACRO,    /* name, targets: parameters, others: their defaults at the end; items */
    NODE_REFUSED,  /* name: a statement that is not rendered */
    NODE_CONST,    /* value */
    NODE_NAME,     /* name */
    NODE_TUPLE,    /* items */
    NODE_LIST,
    NODE_DICT,    /* items: keys, others: values */
    NODE_ATTR,    /* one . name */
    NODE_ITEM,    /* one [ two ] */
    NODE_SLICE,   /* one : two : three, each may be NULL */
    NODE_CALL,    /* one ( items, keywords in others ) */
    NODE_KEYWORD, /* name = one */
    NODE_FILTER,  /* one | name ( items ); one is NULL in filter blocks */
    NODE_TEST,    /* one is name ( items ) */
    NODE_NOT,
    NODE_NEGATE,
    NODE_PLUS,
    NODE_BINARY,  /* one name two: + - * / // % ** ~ and or */
    NODE_COMPARE, /* one, then items compared by the operators in others (NODE_NAME) */
    NODE_CHOICE,  /* one if two else three */
};

struct nodes {
    struct node **items;
    size_t count, room;
};

struct node {
    enum node_kind kind;
    int line;
    const char *name;
    struct jinja_value value;
    struct node *one, *two, *three;
    struct nodes items, others, targets;
};

struct jinja_template {
    struct node *root;
    struct nodes names; /* all NODE_NAME that are read */
    int loops, loop_depth;
};

/* ---- the interpreter ---- */

struct frame {
    struct frame *outer;
    struct jinja_value names; /* a dict */
    bool closed;              /* a macro: what is set outside later is not seen */
};

struct interpreter {
    struct arena *arena;
    const struct jinja_scope *scope;
    struct frame *frame;
    struct buf *out;
    const char *reason; /* set: rendering has failed */
    int depth;
    long steps;
};

struct arguments {
    struct jinja_value *items;
    size_t count;
    struct jinja_value named; /* a dict */
};

/* Sets the reason, unless there is one; undefined. */
struct jinja_value jinja_fail(struct interpreter *in, const char *exception, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
/* False, with a reason, when too much was done. */
bool jinja_spend(struct interpreter *in, size_t steps);
struct jinja_value jinja_eval(struct interpreter *in, const struct node *n);
/* An attribute or an item. */
struct jinja_value jinja_attribute(struct interpreter *in, struct jinja_value of, const char *name);
struct jinja_value jinja_item(struct interpreter *in, struct jinja_value of,
                              struct jinja_value key);
struct jinja_value jinja_call(struct interpreter *in, struct jinja_value f,
                              const struct arguments *args);
/* The items of a list, the keys of a dict, the characters of a text. */
struct jinja_value jinja_iterate(struct interpreter *in, struct jinja_value v);
struct jinja_value jinja_filter(struct interpreter *in, const char *name, struct jinja_value v,
                                const struct arguments *args);
bool jinja_test(struct interpreter *in, const char *name, struct jinja_value v,
                const struct arguments *args);
struct jinja_value jinja_method(struct interpreter *in, struct jinja_value of, const char *name,
                                const struct arguments *args);
bool jinja_has_method(const struct jinja_value *v, const char *name);
struct jinja_value jinja_binary(struct interpreter *in, const char *operator, struct jinja_value x,
                                struct jinja_value y);
bool jinja_compare(struct interpreter *in, const char *operator, struct jinja_value x,
                   struct jinja_value y);
/* Renders statements; false: it has failed. */
bool jinja_run(struct interpreter *in, const struct nodes *list);
/* `list` is one, or the nodes of a macro: what they print, as a text. */
struct jinja_value jinja_capture(struct interpreter *in, const struct nodes *list);
/* The argument at that place or of that name; undefined: it was not given. */
struct jinja_value jinja_arg(const struct arguments *args, size_t index, const char *name);
int64_t jinja_arg_int(const struct arguments *args, size_t index, const char *name,
                      int64_t otherwise);
