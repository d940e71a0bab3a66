/* Between the files of the parser: statements (jinja_parse.c), expressions
 * (jinja_expression.c) and what both use (jinja_parser.c). */
#pragma once
#include "server/model/jinja_internal.h"

struct parser {
    struct arena *arena;
    const struct token *at;
    struct jinja_template *template;
    struct jinja_error *error;
    bool failed;
    int depth, loop_depth;
    const char *const *ends[JINJA_DEPTH_MAX]; /* tags that the open blocks wait for */
    const char *blocks[JINJA_DEPTH_MAX];      /* their names */
    size_t end_count, block_count;
};

/* Always NULL. */
struct node *parser_fail(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct node *parser_node(struct parser *p, enum node_kind kind);
void parser_add(struct parser *p, struct nodes *list, struct node *n);
void parser_next(struct parser *p);
/* An error of the text comes when it is reached. */
void parser_check(struct parser *p);
bool parser_is(const struct parser *p, const char *operator);
bool parser_is_name(const struct parser *p, const char *name);
/* Takes it when it is there. */
bool parser_skip(struct parser *p, const char *operator);
bool parser_skip_name(struct parser *p, const char *name);
/* Takes it or fails. */
bool parser_expect(struct parser *p, const char *operator);
bool parser_expect_kind(struct parser *p, enum token_kind kind);
/* Takes what is `there`, else fails: `what` was expected. */
bool parser_expected(struct parser *p, bool there, const char *what);
const char *parser_describe(const struct parser *p);

enum tuple_flags {
    TUPLE_CHOICE = 1,   /* `a if b else c` may stand in it */
    TUPLE_SIMPLE = 2,   /* names only, as targets */
    TUPLE_EMPTY_OK = 4, /* within parentheses */
};
/* One expression, or several with commas.  `stop`: a name that ends it; NULL: none. */
struct node *parse_tuple(struct parser *p, unsigned flags, const char *stop);
struct node *parse_expression(struct parser *p, bool choice);
/* `| f(x) | g`, or `f(x) | g` behind set and filter when `of` is NULL. */
struct node *parse_filters(struct parser *p, struct node *of, bool bare);
