/* What both files of the parser use: the tokens one after the other, nodes, errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/model/jinja_parse.h"

struct node *parser_fail(struct parser *p, const char *fmt, ...)
{
    char text[1000];
    va_list args;

    if (p->failed)
        return NULL;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    p->failed = true;
    *p->error = (struct jinja_error){p->at->line, arena_printf(p->arena, "%s", text)};
    return NULL;
}

struct node *parser_node(struct parser *p, enum node_kind kind)
{
    struct node *n = arena_new(p->arena, struct node);
    n->kind = kind;
    n->line = p->at->line;
    return n;
}

void parser_add(struct parser *p, struct nodes *list, struct node *n)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 4;
        struct node **items = arena_array(p->arena, struct node *, room);
        if (list->count)
            memcpy(items, list->items, list->count * sizeof(struct node *));
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = n;
}

void parser_check(struct parser *p)
{
    if (p->at->kind == TOKEN_ERROR)
        parser_fail(p, "%s", p->at->text);
}

void parser_next(struct parser *p)
{
    if (p->at->kind != TOKEN_EOF && p->at->kind != TOKEN_ERROR)
        p->at++;
    parser_check(p);
}

bool parser_is(const struct parser *p, const char *operator)
{
    return p->at->kind == TOKEN_OPERATOR && !strcmp(p->at->text, operator);
}

bool parser_is_name(const struct parser *p, const char *name)
{
    return p->at->kind == TOKEN_NAME && !strcmp(p->at->text, name);
}

bool parser_skip(struct parser *p, const char *operator)
{
    bool there = parser_is(p, operator);
    if (there)
        parser_next(p);
    return there;
}

bool parser_skip_name(struct parser *p, const char *name)
{
    bool there = parser_is_name(p, name);
    if (there)
        parser_next(p);
    return there;
}

static const char *describe_kind(enum token_kind kind)
{
    static const char *const texts[] = {
        [TOKEN_EOF] = "end of template",
        [TOKEN_DATA] = "template data / text",
        [TOKEN_PRINT_BEGIN] = "begin of print statement",
        [TOKEN_PRINT_END] = "end of print statement",
        [TOKEN_BLOCK_BEGIN] = "begin of statement block",
        [TOKEN_BLOCK_END] = "end of statement block",
        [TOKEN_NAME] = "name",
        [TOKEN_STRING] = "string",
        [TOKEN_INT] = "integer",
        [TOKEN_FLOAT] = "float",
        [TOKEN_OPERATOR] = "operator",
        [TOKEN_ERROR] = "error",
    };
    return texts[kind];
}

const char *parser_describe(const struct parser *p)
{
    bool own = p->at->kind == TOKEN_NAME || p->at->kind == TOKEN_OPERATOR;
    return own ? p->at->text : describe_kind(p->at->kind);
}

bool parser_expected(struct parser *p, bool there, const char *what)
{
    if (p->failed)
        return false;
    if (there)
        parser_next(p);
    else if (p->at->kind == TOKEN_EOF)
        parser_fail(p, "unexpected end of template, expected '%s'.", what);
    else
        parser_fail(p, "expected token '%s', got '%s'", what, parser_describe(p));
    return there && !p->failed;
}

bool parser_expect(struct parser *p, const char *operator)
{
    return parser_expected(p, !p->failed && parser_is(p, operator), operator);
}

bool parser_expect_kind(struct parser *p, enum token_kind kind)
{
    return parser_expected(p, !p->failed && p->at->kind == kind, describe_kind(kind));
}
