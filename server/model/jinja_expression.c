#include <stdio.h>
#include <string.h>

#include "server/model/jinja_parse.h"

static bool deeper(struct parser *p)
{
    if (++p->depth <= JINJA_DEPTH_MAX)
        return true;
    parser_fail(p, "the template nests too deeply");
    return false;
}

static struct node *pair(struct parser *p, enum node_kind kind, const char *name, struct node *one,
                         struct node *two)
{
    struct node *n = parser_node(p, kind);
    n->name = name;
    n->one = one;
    n->two = two;
    return n;
}

static struct node *constant(struct parser *p, struct jinja_value v)
{
    struct node *n = parser_node(p, NODE_CONST);
    n->value = v;
    return n;
}

static struct node *parse_list(struct parser *p)
{
    struct node *n = parser_node(p, NODE_LIST);

    parser_next(p);
    while (!p->failed && !parser_is(p, "]")) {
        if (n->items.count && !parser_expect(p, ","))
            return NULL;
        if (parser_is(p, "]"))
            break;
        parser_add(p, &n->items, parse_expression(p, true));
    }
    return parser_expect(p, "]") ? n : NULL;
}

static struct node *parse_dict(struct parser *p)
{
    struct node *n = parser_node(p, NODE_DICT);

    parser_next(p);
    while (!p->failed && !parser_is(p, "}")) {
        if (n->items.count && !parser_expect(p, ","))
            return NULL;
        if (parser_is(p, "}"))
            break;
        parser_add(p, &n->items, parse_expression(p, true));
        if (!parser_expect(p, ":"))
            return NULL;
        parser_add(p, &n->others, parse_expression(p, true));
    }
    return parser_expect(p, "}") ? n : NULL;
}

static struct node *parse_name(struct parser *p)
{
    static const struct {
        const char *name;
        enum jinja_kind kind;
        bool flag;
    } words[] = {{"true", JINJA_BOOL, true},   {"True", JINJA_BOOL, true},
                 {"false", JINJA_BOOL, false}, {"False", JINJA_BOOL, false},
                 {"none", JINJA_NONE, false},  {"None", JINJA_NONE, false}};
    const struct token *t = p->at;

    parser_next(p);
    for (size_t i = 0; i < COUNT(words); i++)
        if (!strcmp(t->text, words[i].name))
            return constant(p,
                            words[i].kind == JINJA_NONE ? jinja_none() : jinja_bool(words[i].flag));
    struct node *n = pair(p, NODE_NAME, t->text, NULL, NULL);
    n->line = t->line;
    parser_add(p, &p->template->names, n);
    return n;
}

static struct node *parse_strings(struct parser *p)
{
    struct buf b = {.max_bytes = JINJA_TEMPLATE_MAX_BYTES};

    for (; p->at->kind == TOKEN_STRING; parser_next(p)) /* neighbours are joined */
        buf_add(&b, p->at->text, p->at->len);
    struct jinja_value v =
        jinja_text_n(arena_strndup(p->arena, b.len ? b.bytes : "", b.len), b.len);
    buf_free(&b);
    return constant(p, v);
}

static struct node *parse_atom(struct parser *p)
{
    const struct token *t = p->at;

    switch (t->kind) {
    case TOKEN_NAME:
        return parse_name(p);
    case TOKEN_STRING:
        return parse_strings(p);
    case TOKEN_INT:
        parser_next(p);
        return constant(p, jinja_int(t->number));
    case TOKEN_FLOAT:
        parser_next(p);
        return constant(p, jinja_float(t->real));
    default:
        break;
    }
    if (parser_is(p, "[") || parser_is(p, "{"))
        return *t->text == '[' ? parse_list(p) : parse_dict(p);
    if (!parser_is(p, "("))
        return parser_fail(p, "unexpected '%s'", parser_describe(p));
    parser_next(p);
    struct node *n = parse_tuple(p, TUPLE_CHOICE | TUPLE_EMPTY_OK, NULL);
    return parser_expect(p, ")") ? n : NULL;
}

static struct node *parse_slice(struct parser *p, struct node *of)
{
    struct node *slice = parser_node(p, NODE_SLICE),
                **parts[] = {&slice->one, &slice->two, &slice->three};
    size_t at = 0;

    for (; at < 3; at++) {
        if (!parser_is(p, ":") && !parser_is(p, "]") && !parser_is(p, ","))
            *parts[at] = parse_expression(p, true);
        if (p->failed || !parser_skip(p, ":"))
            break;
    }
    return pair(p, NODE_ITEM, NULL, of, at ? slice : slice->one);
}

static struct node *parse_subscript(struct parser *p, struct node *of)
{
    bool dot = parser_is(p, ".");

    parser_next(p);
    if (dot) {
        const struct token *t = p->at;
        if (t->kind != TOKEN_NAME && t->kind != TOKEN_INT)
            return parser_fail(p, "expected name or number");
        parser_next(p);
        if (t->kind == TOKEN_NAME)
            return pair(p, NODE_ATTR, t->text, of, NULL);
        return pair(p, NODE_ITEM, NULL, of, constant(p, jinja_int(t->number)));
    }
    if (parser_is(p, "]"))
        return parser_fail(p, "expected subscript expression");
    struct node *n = parse_slice(p, of);
    return !p->failed && parser_expect(p, "]") ? n : NULL;
}

static struct node *parse_argument(struct parser *p)
{
    if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_OPERATOR &&
        !strcmp(p->at[1].text, "=")) {
        const char *name = p->at->text;
        parser_next(p);
        parser_next(p);
        return pair(p, NODE_KEYWORD, name, parse_expression(p, true), NULL);
    }
    bool star = parser_is(p, "*") || parser_is(p, "**");
    const char *name = star ? p->at->text : NULL;
    if (star)
        parser_next(p);
    struct node *n = parse_expression(p, true);
    return star ? pair(p, NODE_KEYWORD, name, n, NULL) : n;
}

static void parse_arguments(struct parser *p, struct node *call)
{
    bool first = true;

    if (!parser_expect(p, "("))
        return;
    for (; !p->failed && !parser_is(p, ")"); first = false) {
        if (!first && !parser_expect(p, ","))
            return;
        if (!first && parser_is(p, ")"))
            break;
        struct node *n = parse_argument(p);
        if (!p->failed && n->kind != NODE_KEYWORD && call->others.count) {
            parser_fail(p, "invalid syntax for function call expression");
            return;
        }
        parser_add(p, n && n->kind == NODE_KEYWORD ? &call->others : &call->items, n);
    }
    parser_expect(p, ")");
}

static struct node *parse_call(struct parser *p, struct node *of)
{
    struct node *n = pair(p, NODE_CALL, NULL, of, NULL);
    parse_arguments(p, n);
    return n;
}

static struct node *parse_postfix(struct parser *p, struct node *n)
{
    while (!p->failed) {
        if (parser_is(p, ".") || parser_is(p, "["))
            n = parse_subscript(p, n);
        else if (parser_is(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

static const char *dotted_name(struct parser *p)
{
    const char *name = p->at->text;

    if (!parser_expect_kind(p, TOKEN_NAME))
        return "";
    while (!p->failed && parser_skip(p, ".")) {
        name = arena_printf(p->arena, "%s.%s", name, p->at->text);
        parser_expect_kind(p, TOKEN_NAME);
    }
    return name;
}

struct node *parse_filters(struct parser *p, struct node *of, bool bare)
{
    while (!p->failed && (bare || parser_is(p, "|"))) {
        if (!bare)
            parser_next(p);
        bare = false;
        of = pair(p, NODE_FILTER, dotted_name(p), of, NULL);
        if (!p->failed && parser_is(p, "("))
            parse_arguments(p, of);
    }
    return of;
}

static bool starts_test_argument(const struct parser *p)
{
    enum token_kind k = p->at->kind;

    if (k == TOKEN_NAME)
        return !parser_is_name(p, "else") && !parser_is_name(p, "or") &&
               !parser_is_name(p, "and") && !parser_is_name(p, "is") && !parser_is_name(p, "if") &&
               !parser_is_name(p, "in") && !parser_is_name(p, "not");
    return k == TOKEN_STRING || k == TOKEN_INT || k == TOKEN_FLOAT || parser_is(p, "[") ||
           parser_is(p, "{");
}

static struct node *parse_test(struct parser *p, struct node *of)
{
    parser_next(p);
    bool negated = parser_skip_name(p, "not");
    struct node *n = pair(p, NODE_TEST, dotted_name(p), of, NULL);

    if (p->failed)
        return NULL;
    if (parser_is(p, "("))
        parse_arguments(p, n);
    else if (starts_test_argument(p))
        parser_add(p, &n->items, parse_postfix(p, parse_atom(p)));
    return negated ? pair(p, NODE_NOT, NULL, n, NULL) : n;
}

static struct node *parse_filter_expression(struct parser *p, struct node *n)
{
    while (!p->failed) {
        if (parser_is(p, "|"))
            n = parse_filters(p, n, false);
        else if (parser_is_name(p, "is"))
            n = parse_test(p, n);
        else if (parser_is(p, "("))
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

static struct node *parse_unary(struct parser *p, bool filters)
{
    struct node *n;

    if (!deeper(p))
        return NULL;
    if (parser_is(p, "-") || parser_is(p, "+")) {
        enum node_kind kind = parser_is(p, "-") ? NODE_NEGATE : NODE_PLUS;
        parser_next(p);
        n = pair(p, kind, NULL, parse_unary(p, false), NULL);
    } else {
        n = parse_atom(p);
    }
    if (!p->failed)
        n = parse_postfix(p, n);
    if (!p->failed && filters)
        n = parse_filter_expression(p, n);
    p->depth--;
    return n;
}

/* Operators that bind alike, from the loosest. */
static const char *const levels[][5] = {{"+", "-"}, {"~"}, {"*", "/", "//", "%"}, {"**"}};

static struct node *parse_math(struct parser *p, size_t level)
{
    struct node *n;

    if (level == COUNT(levels))
        return parse_unary(p, true);
    n = parse_math(p, level + 1);
    for (size_t i = 0; !p->failed && levels[level][i];) {
        if (!parser_is(p, levels[level][i])) {
            i++;
            continue;
        }
        parser_next(p);
        n = pair(p, NODE_BINARY, levels[level][i], n, parse_math(p, level + 1));
        i = 0;
    }
    return n;
}

static const char *take_comparison(struct parser *p)
{
    static const char *const operators[] = {"==", "!=", "<=", ">=", "<", ">"};

    for (size_t i = 0; i < COUNT(operators); i++)
        if (parser_skip(p, operators[i]))
            return operators[i];
    if (parser_skip_name(p, "in"))
        return "in";
    if (parser_is_name(p, "not") && p->at[1].kind == TOKEN_NAME && !strcmp(p->at[1].text, "in")) {
        parser_next(p);
        parser_next(p);
        return "not in";
    }
    return NULL;
}

static struct node *parse_compare(struct parser *p)
{
    struct node *n = parse_math(p, 0), *compare = NULL;
    const char *operator;

    while (!p->failed && (operator= take_comparison(p))) {
        if (!compare)
            compare = pair(p, NODE_COMPARE, NULL, n, NULL);
        parser_add(p, &compare->others, pair(p, NODE_NAME, operator, NULL, NULL));
        parser_add(p, &compare->items, parse_math(p, 0));
    }
    return compare ? compare : n;
}

static struct node *parse_not(struct parser *p)
{
    if (!parser_is_name(p, "not") || !deeper(p))
        return p->failed ? NULL : parse_compare(p);
    parser_next(p);
    struct node *n = pair(p, NODE_NOT, NULL, parse_not(p), NULL);
    p->depth--;
    return n;
}

static struct node *parse_and(struct parser *p)
{
    struct node *n = parse_not(p);
    while (!p->failed && parser_skip_name(p, "and"))
        n = pair(p, NODE_BINARY, "and", n, parse_not(p));
    return n;
}

static struct node *parse_or(struct parser *p)
{
    struct node *n = parse_and(p);
    while (!p->failed && parser_skip_name(p, "or"))
        n = pair(p, NODE_BINARY, "or", n, parse_and(p));
    return n;
}

struct node *parse_expression(struct parser *p, bool choice)
{
    struct node *n = deeper(p) ? parse_or(p) : NULL;

    while (choice && !p->failed && parser_skip_name(p, "if")) {
        struct node *whole = pair(p, NODE_CHOICE, NULL, n, parse_or(p));
        if (!p->failed && parser_skip_name(p, "else"))
            whole->three = parse_expression(p, true);
        n = whole;
    }
    p->depth--;
    return n;
}

static bool ends_tuple(const struct parser *p, const char *stop)
{
    return p->at->kind == TOKEN_PRINT_END || p->at->kind == TOKEN_BLOCK_END || parser_is(p, ")") ||
           (stop && parser_is_name(p, stop));
}

struct node *parse_tuple(struct parser *p, unsigned flags, const char *stop)
{
    struct node *n = parser_node(p, NODE_TUPLE);
    bool tuple = false;

    while (!p->failed && !ends_tuple(p, stop)) {
        parser_add(p, &n->items,
                   flags & TUPLE_SIMPLE ? parse_postfix(p, parse_atom(p))
                                        : parse_expression(p, flags & TUPLE_CHOICE));
        if (p->failed || !parser_skip(p, ","))
            break;
        tuple = true;
    }
    if (p->failed)
        return NULL;
    if (!tuple && n->items.count == 1)
        return n->items.items[0];
    if (!n->items.count && !(flags & TUPLE_EMPTY_OK))
        return parser_fail(p, "Expected an expression, got '%s'", parser_describe(p));
    return n;
}
