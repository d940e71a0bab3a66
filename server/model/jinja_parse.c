#include <string.h>

#include "server/model/jinja_parse.h"

/* ---- blocks ---- */

/* Ends of blocks, as the error about a missing one lists them. */
static const char *const ends_for[] = {"endfor", "else", NULL};
static const char *const ends_for_else[] = {"endfor", NULL};
static const char *const ends_if[] = {"elif", "else", "endif", NULL};
static const char *const ends_else[] = {"endif", NULL};

static struct node *parse_body(struct parser *p, const char *const *ends);

static const char *looking_for(struct parser *p, const char *const *ends)
{
    const char *text = "";
    for (; *ends; ends++)
        text = arena_printf(p->arena, "%s%s'%s'", text, *text ? " or " : "", *ends);
    return text;
}

/* NULL name: the template has ended. */
static void fail_tag(struct parser *p, const char *name)
{
    const char *text = name ? arena_printf(p->arena, "Encountered unknown tag '%s'.", name)
                            : "Unexpected end of template.";
    bool misplaced = false;

    for (size_t i = 0; i < p->end_count; i++)
        for (const char *const *end = p->ends[i]; name && *end; end++)
            misplaced |= strcmp(*end, name) == 0;
    if (p->end_count)
        text = arena_printf(p->arena, "%s %s%s.", text,
                            misplaced ? "You probably made a nesting mistake. Jinja is expecting "
                                        "this tag, but currently looking for "
                                      : "Jinja was looking for the following tags: ",
                            looking_for(p, p->ends[p->end_count - 1]));
    if (p->block_count)
        text = arena_printf(p->arena, "%s The innermost block that needs to be closed is '%s'.",
                            text, p->blocks[p->block_count - 1]);
    parser_fail(p, "%s", text);
}

/* Behind the opening tag: its end, then everything up to one of `ends`, which is at p->at. */
static struct node *parse_block(struct parser *p, const char *const *ends)
{
    parser_skip(p, ":");
    if (!parser_expect_kind(p, TOKEN_BLOCK_END))
        return NULL;
    struct node *body = parse_body(p, ends);
    if (p->failed || p->at->kind != TOKEN_EOF)
        return body;
    if (p->end_count < JINJA_DEPTH_MAX)
        p->ends[p->end_count++] = ends;
    fail_tag(p, NULL);
    return NULL;
}

static struct node *parse_target(struct parser *p, bool tuple, const char *stop)
{
    struct node *n;
    size_t names = p->template->names.count;

    if (!tuple) {
        n = parser_node(p, NODE_NAME);
        n->name = p->at->text;
        return parser_expect_kind(p, TOKEN_NAME) ? n : NULL;
    }
    n = parse_tuple(p, TUPLE_SIMPLE, stop);
    if (p->failed)
        return NULL;
    bool dotted = n->kind == NODE_ATTR && n->one->kind == NODE_NAME;
    if (!dotted)
        p->template->names.count = names; /* they are set, not read */
    for (size_t i = 0; n->kind == NODE_TUPLE && i < n->items.count; i++)
        if (n->items.items[i]->kind != NODE_NAME && n->items.items[i]->kind != NODE_TUPLE)
            return parser_fail(p, "can't assign to 'tuple'");
    if (n->kind == NODE_CONST || (n->kind != NODE_NAME && n->kind != NODE_TUPLE && !dotted))
        return parser_fail(p, "can't assign to '%s'",
                           n->kind == NODE_CONST  ? "const"
                           : n->kind == NODE_CALL ? "call"
                           : n->kind == NODE_ITEM ? "getitem"
                                                  : "expression");
    return n;
}

static struct node *parse_for(struct parser *p)
{
    struct node *n = parser_node(p, NODE_FOR);

    parser_next(p);
    p->template->loops++;
    if (++p->loop_depth > p->template->loop_depth)
        p->template->loop_depth = p->loop_depth;
    n->one = parse_target(p, true, "in");
    if (!p->failed && !parser_skip_name(p, "in"))
        return parser_expected(p, false, "in"), NULL;
    n->two = p->failed ? NULL : parse_tuple(p, 0, "recursive");
    if (!p->failed && parser_skip_name(p, "if"))
        n->three = parse_expression(p, true);
    if (!p->failed && parser_skip_name(p, "recursive"))
        n->name = "recursive";
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends_for));
    if (!p->failed && parser_skip_name(p, "else"))
        parser_add(p, &n->others, parse_block(p, ends_for_else));
    parser_next(p);
    p->loop_depth--;
    return n;
}

static struct node *parse_if(struct parser *p)
{
    struct node *n = parser_node(p, NODE_IF), *last = n;

    parser_next(p);
    while (!p->failed) {
        last->one = parse_tuple(p, 0, NULL);
        if (p->failed)
            return NULL;
        parser_add(p, &last->items, parse_block(p, ends_if));
        if (p->failed || !parser_skip_name(p, "elif"))
            break;
        struct node *next = parser_node(p, NODE_IF);
        parser_add(p, &last->others, next);
        last = next;
    }
    if (!p->failed && parser_skip_name(p, "else"))
        parser_add(p, &last->others, parse_block(p, ends_else));
    parser_next(p);
    return n;
}

static struct node *parse_set(struct parser *p)
{
    static const char *const ends[] = {"endset", NULL};
    struct node *n = parser_node(p, NODE_SET);

    parser_next(p);
    n->one = parse_target(p, true, NULL);
    if (p->failed)
        return NULL;
    if (parser_skip(p, "=")) {
        n->two = parse_tuple(p, TUPLE_CHOICE, NULL);
        return n;
    }
    n->two = parse_filters(p, NULL, false);
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends));
    parser_next(p);
    return n;
}

static struct node *parse_with(struct parser *p)
{
    static const char *const ends[] = {"endwith", NULL};
    struct node *n = parser_node(p, NODE_WITH);

    parser_next(p);
    while (!p->failed && p->at->kind != TOKEN_BLOCK_END) {
        if (n->targets.count && !parser_expect(p, ","))
            return NULL;
        parser_add(p, &n->targets, parse_target(p, false, NULL));
        if (p->failed || !parser_expect(p, "="))
            return NULL;
        parser_add(p, &n->others, parse_expression(p, true));
    }
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends));
    parser_next(p);
    return n;
}

static struct node *parse_filter_block(struct parser *p)
{
    static const char *const ends[] = {"endfilter", NULL};
    struct node *n = parser_node(p, NODE_FILTERED);

    parser_next(p);
    n->one = parse_filters(p, NULL, true);
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends));
    parser_next(p);
    return n;
}

static void parse_parameters(struct parser *p, struct node *n)
{
    if (!parser_expect(p, "("))
        return;
    while (!p->failed && !parser_is(p, ")")) {
        if (n->targets.count && !parser_expect(p, ","))
            return;
        parser_add(p, &n->targets, parse_target(p, false, NULL));
        if (!p->failed && parser_skip(p, "="))
            parser_add(p, &n->others, parse_expression(p, true));
        else if (n->others.count)
            parser_fail(p, "non-default argument follows default argument");
    }
    parser_expect(p, ")");
}

static struct node *parse_macro(struct parser *p)
{
    static const char *const ends[] = {"endmacro", NULL};
    struct node *n = parser_node(p, NODE_MACRO);

    parser_next(p);
    n->name = p->at->text;
    if (parser_expect_kind(p, TOKEN_NAME))
        parse_parameters(p, n);
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends));
    parser_next(p);
    return n;
}

static struct node *parse_print(struct parser *p)
{
    struct node *n = parser_node(p, NODE_BODY);

    parser_next(p);
    while (!p->failed && p->at->kind != TOKEN_BLOCK_END) {
        struct node *print = parser_node(p, NODE_PRINT);
        if (n->items.count && !parser_expect(p, ","))
            return NULL;
        print->one = parse_expression(p, true);
        parser_add(p, &n->items, print);
    }
    return n;
}

static void skip_to_end(struct parser *p)
{
    while (!p->failed && p->at->kind != TOKEN_BLOCK_END && p->at->kind != TOKEN_EOF)
        parser_next(p);
}

/* Statements about other templates, and call blocks: they parse but do not render. */
static struct node *parse_refused(struct parser *p)
{
    static const char *const ends[] = {"endcall", NULL};
    struct node *n = parser_node(p, NODE_REFUSED);

    n->name = p->at->text;
    parser_next(p);
    if (strcmp(n->name, "call") != 0) {
        if (p->at->kind == TOKEN_BLOCK_END)
            return parser_fail(p, "unexpected 'end of statement block'");
        skip_to_end(p);
        return n;
    }
    if (parser_is(p, "("))
        parse_parameters(p, n);
    if (!p->failed)
        n->one = parse_expression(p, true);
    if (!p->failed && n->one->kind != NODE_CALL)
        return parser_fail(p, "expected call");
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, ends));
    parser_next(p);
    return n;
}

/* `{% block x %}` and `{% autoescape true %}`: just what is in them. */
static struct node *parse_plain_block(struct parser *p)
{
    static const char *const ends_block[] = {"endblock", NULL};
    static const char *const ends_escape[] = {"endautoescape", NULL};
    struct node *n = parser_node(p, NODE_BODY);
    bool block = parser_is_name(p, "block");

    parser_next(p);
    if (block && parser_expect_kind(p, TOKEN_NAME))
        (void)(parser_skip_name(p, "scoped"), parser_skip_name(p, "required"));
    else if (!block)
        parse_expression(p, true);
    if (!p->failed)
        parser_add(p, &n->items, parse_block(p, block ? ends_block : ends_escape));
    parser_next(p);
    if (block && !p->failed && p->at->kind == TOKEN_NAME)
        parser_next(p); /* {% endblock x %} */
    return n;
}

static struct node *parse_statement(struct parser *p)
{
    static const struct {
        const char *name;
        struct node *(*parse)(struct parser *p);
    } statements[] = {
        {"for", parse_for},         {"if", parse_if},
        {"set", parse_set},         {"with", parse_with},
        {"macro", parse_macro},     {"filter", parse_filter_block},
        {"print", parse_print},     {"block", parse_plain_block},
        {"call", parse_refused},    {"autoescape", parse_plain_block},
        {"include", parse_refused}, {"import", parse_refused},
        {"from", parse_refused},    {"extends", parse_refused},
    };

    if (p->at->kind != TOKEN_NAME)
        return parser_fail(p, "tag name expected");
    if (p->block_count == JINJA_DEPTH_MAX)
        return parser_fail(p, "the template nests too deeply");
    for (size_t i = 0; i < COUNT(statements); i++) {
        if (!parser_is_name(p, statements[i].name))
            continue;
        p->blocks[p->block_count++] = statements[i].name;
        struct node *n = statements[i].parse(p);
        p->block_count--;
        return n;
    }
    fail_tag(p, p->at->text);
    return NULL;
}

static bool at_end(const struct parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (parser_is_name(p, *ends))
            return true;
    return false;
}

static void parse_one(struct parser *p, struct node *body)
{
    struct node *n = parser_node(p, p->at->kind == TOKEN_DATA ? NODE_DATA : NODE_PRINT);

    if (p->at->kind == TOKEN_DATA) {
        n->value = jinja_text_n(p->at->text, p->at->len);
        parser_next(p);
    } else if (p->at->kind == TOKEN_PRINT_BEGIN) {
        parser_next(p);
        n->one = p->failed ? NULL : parse_tuple(p, TUPLE_CHOICE, NULL);
        parser_expect_kind(p, TOKEN_PRINT_END);
    } else {
        n = p->failed ? NULL : parse_statement(p);
        parser_expect_kind(p, TOKEN_BLOCK_END);
    }
    parser_add(p, &body->items, n);
}

/* Up to the end of the template, or to one of the tags, whose name is then at p->at. */
static struct node *parse_body(struct parser *p, const char *const *ends)
{
    struct node *body = parser_node(p, NODE_BODY);

    if (ends && p->end_count == JINJA_DEPTH_MAX)
        return parser_fail(p, "the template nests too deeply");
    if (ends)
        p->ends[p->end_count++] = ends;
    while (!p->failed && p->at->kind != TOKEN_EOF) {
        if (p->at->kind == TOKEN_BLOCK_BEGIN) {
            parser_next(p);
            if (!p->failed && at_end(p, ends))
                break;
        }
        parse_one(p, body);
    }
    p->end_count -= ends != NULL;
    return body;
}

bool jinja_parse(struct arena *a, const char *text, size_t len, struct jinja_template **out,
                 struct jinja_error *out_error)
{
    struct jinja_template *t = arena_new(a, struct jinja_template);
    struct parser p = {.arena = a, .template = t, .error = out_error};

    *out_error = (struct jinja_error){1, NULL};
    if (len > JINJA_TEMPLATE_MAX_BYTES) {
        out_error->message = "the template is too large";
        return false;
    }
    p.at = jinja_lex(a, text, len);
    parser_check(&p);
    t->root = parse_body(&p, NULL);
    *out = t;
    return !p.failed;
}

bool jinja_check_loops(struct arena *a, const struct jinja_template *t,
                       struct jinja_error *out_error)
{
    out_error->line = 0;
    if (t->loops > JINJA_LOOPS_MAX)
        out_error->message = arena_printf(
            a, "Contains %d for loops. Templates can contain no more than %d for loops.", t->loops,
            JINJA_LOOPS_MAX);
    else if (t->loop_depth > JINJA_LOOP_DEPTH_MAX)
        out_error->message =
            arena_printf(a,
                         "Contains nested for loops at a depth of %d. Templates can nest for loops "
                         "no more than %d loops deep.",
                         t->loop_depth, JINJA_LOOP_DEPTH_MAX);
    else
        return true;
    return false;
}

bool jinja_uses(const struct jinja_template *t, const char *name)
{
    for (size_t i = 0; i < t->names.count; i++)
        if (!strcmp(t->names.items[i]->name, name))
            return true;
    return false;
}
