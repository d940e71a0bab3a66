#include "shared/flow/expr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum expr_kind { E_VALUE, E_LIST, E_PATH, E_CALL, E_NOT, E_AND, E_OR, E_COMPARE };
enum compare { EQ, NE, LE, GE, LT, GT, IN };

static const struct {
    const char *text;
    enum compare op;
} comparisons[] = {{"==", EQ}, {"!=", NE}, {"<=", LE}, {">=", GE},
                   {"<", LT},  {">", GT},  {"in", IN}};

static const char *const functions[] = {"success", "failure", "always", "cancelled"};

struct expr {
    enum expr_kind kind;
    enum compare op;
    struct expr *left, *right, *next; /* next: items of a list start at left */
    const struct node *node;
    const char *text; /* of a path or a function */
    size_t len;
    json_t *value;
};

struct parser {
    struct arena *arena;
    struct problems *problems;
    const struct node *node;
    const char *at;
    int depth;
    bool failed;
};

static struct expr *parse_or(struct parser *p);

static void skip_blanks(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
}

static struct expr *fail(struct parser *p, const char *expected)
{
    if (!p->failed && *p->at)
        problem_in(p->problems, p->node, p->at, "`when` cannot be understood here, expected %s",
                   *p->at == '=' ? "`==`" : expected);
    else if (!p->failed)
        problem_at(p->problems, p->node, "`when` ends too early, expected %s", expected);
    p->failed = true;
    return NULL;
}

static struct expr *make(struct parser *p, enum expr_kind kind, struct expr *left,
                         struct expr *right)
{
    struct expr *e = arena_new(p->arena, struct expr);
    e->kind = kind;
    e->left = left;
    e->right = right;
    e->node = p->node;
    return e;
}

static void release_json(void *value)
{
    json_decref(value);
}

static struct expr *make_value(struct parser *p, json_t *value)
{
    struct expr *e = make(p, E_VALUE, NULL, NULL);
    e->value = value ? value : json_null();
    arena_defer(p->arena, release_json, e->value);
    return e;
}

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || strchr("_.-[]$", c);
}

static bool take(struct parser *p, const char *token)
{
    skip_blanks(p);
    size_t len = strlen(token);
    if (strncmp(p->at, token, len) != 0)
        return false;
    if (isalpha((unsigned char)token[0]) && p->at[len] && word_char(p->at[len]))
        return false;
    p->at += len;
    return true;
}

static struct expr *parse_text(struct parser *p)
{
    char quote = *p->at;
    const char *end = strchr(p->at + 1, quote);
    if (!end)
        return fail(p, "the closing quote");
    struct expr *e = make_value(p, json_stringn(p->at + 1, (size_t)(end - p->at - 1)));
    p->at = end + 1;
    return e;
}

static struct expr *parse_number(struct parser *p)
{
    size_t len = strspn(p->at, "+-0123456789.eE");
    char *text = arena_strndup(p->arena, p->at + (*p->at == '+'), len - (*p->at == '+'));
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!value)
        return fail(p, "a number");
    p->at += len;
    return make_value(p, value);
}

static struct expr *parse_list(struct parser *p)
{
    struct expr *list = make(p, E_LIST, NULL, NULL), **tail = &list->left;
    while (!take(p, "]")) {
        if (list->left && !take(p, ","))
            return fail(p, "`,` or `]`");
        if (!(*tail = parse_or(p)))
            return NULL;
        tail = &(*tail)->next;
    }
    return list;
}

static struct expr *parse_call(struct parser *p, const char *name, size_t len)
{
    for (size_t i = 0; i < COUNT(functions); i++) {
        if (strlen(functions[i]) != len || strncmp(functions[i], name, len) != 0)
            continue;
        if (!take(p, "(") || !take(p, ")"))
            return fail(p, "`()`");
        struct expr *e = make(p, E_CALL, NULL, NULL);
        e->text = functions[i];
        return e;
    }
    p->at = name;
    return fail(p, "success(), failure(), always() or cancelled()");
}

/* A bracket belongs to the path only as an index, `files[2]`; else it closes a list. */
static size_t path_len(const char *s)
{
    size_t n = 0;
    while (s[n] && s[n] != ']' && word_char(s[n])) {
        size_t digits = s[n] == '[' ? strspn(s + n + 1, "0123456789") : 0;
        if (s[n] == '[' && (!digits || s[n + 1 + digits] != ']'))
            break;
        n += s[n] == '[' ? digits + 2 : 1;
    }
    return n;
}

static struct expr *parse_word(struct parser *p)
{
    static const char *const constants[] = {"true", "false", "null"};
    for (size_t i = 0; i < COUNT(constants); i++)
        if (take(p, constants[i]))
            return make_value(p, json_loads(constants[i], JSON_DECODE_ANY, NULL));
    const char *start = p->at;
    size_t len = path_len(start);
    p->at += len;
    if (!len)
        return fail(p, "a value");
    skip_blanks(p);
    if (*p->at == '(')
        return parse_call(p, start, len);
    struct expr *e = make(p, E_PATH, NULL, NULL);
    e->text = start;
    e->len = len;
    return e;
}

static struct expr *parse_value(struct parser *p)
{
    skip_blanks(p);
    if (take(p, "(")) {
        struct expr *e = parse_or(p);
        return !e || take(p, ")") ? e : fail(p, "`)`");
    }
    if (take(p, "{{")) {
        skip_blanks(p);
        struct expr *e = parse_word(p);
        return !e || take(p, "}}") ? e : fail(p, "`}}`");
    }
    if (take(p, "["))
        return parse_list(p);
    if (*p->at == '\'' || *p->at == '"')
        return parse_text(p);
    if (isdigit((unsigned char)*p->at) || *p->at == '-' || *p->at == '+')
        return parse_number(p);
    return parse_word(p);
}

static struct expr *parse_compare(struct parser *p)
{
    struct expr *left = parse_value(p);
    if (left && take(p, "not")) {
        if (!take(p, "in"))
            return fail(p, "`in`");
        struct expr *in = make(p, E_COMPARE, left, parse_value(p));
        in->op = IN;
        return in->right ? make(p, E_NOT, in, NULL) : NULL;
    }
    for (size_t i = 0; left && i < COUNT(comparisons); i++) {
        if (!take(p, comparisons[i].text))
            continue;
        struct expr *e = make(p, E_COMPARE, left, parse_value(p));
        e->op = comparisons[i].op;
        return e->right ? e : NULL;
    }
    return left;
}

static struct expr *parse_not(struct parser *p)
{
    if (++p->depth > EXPR_DEPTH_MAX)
        return fail(p, "fewer levels");
    struct expr *e;
    if (take(p, "not")) {
        struct expr *of = parse_not(p);
        e = of ? make(p, E_NOT, of, NULL) : NULL;
    } else {
        e = parse_compare(p);
    }
    p->depth--;
    return e;
}

static struct expr *parse_and(struct parser *p)
{
    struct expr *e = parse_not(p);
    while (e && take(p, "and")) {
        struct expr *right = parse_not(p);
        e = right ? make(p, E_AND, e, right) : NULL;
    }
    return e;
}

static struct expr *parse_or(struct parser *p)
{
    struct expr *e = parse_and(p);
    while (e && take(p, "or")) {
        struct expr *right = parse_and(p);
        e = right ? make(p, E_OR, e, right) : NULL;
    }
    return e;
}

struct expr *expr_parse(struct arena *arena, const struct node *node, struct problems *problems)
{
    struct parser p = {.arena = arena, .problems = problems, .node = node, .at = node->text};
    if (node->type == NODE_BOOLEAN)
        return make_value(&p, json_boolean(node->flag));
    if (node->type != NODE_STRING || strlen(node->text) > EXPR_BYTES) {
        problem_at(problems, node, "`when` is %s, expected an expression of at most %d characters",
                   node_type_name(node->type), EXPR_BYTES);
        return NULL;
    }
    struct expr *e = parse_or(&p);
    skip_blanks(&p);
    if (e && *p.at)
        return fail(&p, "the end, or `and`, `or`, or a comparison");
    return e;
}

bool expr_has_status(const struct expr *e)
{
    if (!e)
        return false;
    return e->kind == E_CALL || expr_has_status(e->left) || expr_has_status(e->right) ||
           expr_has_status(e->next);
}

void expr_visit(const struct expr *e, const struct part_visitor *visitor)
{
    if (!e)
        return;
    if (e->kind == E_PATH) {
        struct part part = {PART_PLACEHOLDER, e->text, e->len};
        visitor->visit(visitor->ctx, e->node, &part);
    }
    expr_visit(e->left, visitor);
    expr_visit(e->right, visitor);
    expr_visit(e->next, visitor);
}

/* ---- evaluation ---- */

static bool truth(const json_t *v)
{
    if (json_is_number(v))
        return json_number_value(v) != 0;
    if (json_is_string(v))
        return json_string_length(v) != 0;
    return json_is_true(v) || json_array_size(v) || json_object_size(v);
}

static bool equal(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b))
        return json_integer_value(a) == json_integer_value(b);
    if (json_is_number(a) && json_is_number(b))
        return !(json_number_value(a) < json_number_value(b)) &&
               !(json_number_value(a) > json_number_value(b));
    return json_equal(a, b);
}

static bool contains(const json_t *in, const json_t *what)
{
    size_t i;
    json_t *item;
    if (json_is_string(in) && json_is_string(what))
        return strstr(json_string_value(in), json_string_value(what)) != NULL;
    if (json_is_object(in) && json_is_string(what))
        return json_object_get(in, json_string_value(what)) != NULL;
    json_array_foreach(in, i, item) if (equal(item, what)) return true;
    return false;
}

static enum err_code compare(const struct expr *e, const json_t *a, const json_t *b, bool *out,
                             struct err *err)
{
    int order;
    if (e->op == EQ || e->op == NE || e->op == IN) {
        *out = e->op == IN ? contains(b, a) : equal(a, b) == (e->op == EQ);
        return ERR_OK;
    }
    if (json_is_number(a) && json_is_number(b))
        order = equal(a, b) ? 0 : json_number_value(a) < json_number_value(b) ? -1 : 1;
    else if (json_is_string(a) && json_is_string(b))
        order = strcmp(json_string_value(a), json_string_value(b));
    else
        return err_set(err, INVALID,
                       "`when` compares by size what is neither two numbers nor two texts");
    *out = e->op == LT   ? order < 0
           : e->op == LE ? order <= 0
           : e->op == GT ? order > 0
                         : order >= 0;
    return ERR_OK;
}

static enum err_code get(const struct expr *e, const struct lookup *lookup, json_t **out,
                         struct err *err);

static enum err_code get_path(const struct expr *e, const struct lookup *lookup, json_t **out,
                              struct err *err)
{
    struct arena arena = {0};
    struct path path;
    json_t *value = NULL;
    enum err_code code;
    if (path_parse(&arena, e->text, e->len, &path))
        code = lookup->get(lookup->ctx, &path, &value, err);
    else
        code = err_set(err, INVALID, "`%.*s` is not a path", (int)e->len, e->text);
    arena_reset(&arena);
    if (!code)
        *out = value ? value : json_null();
    return code;
}

static enum err_code get_list(const struct expr *e, const struct lookup *lookup, json_t **out,
                              struct err *err)
{
    json_t *list = json_array();
    for (const struct expr *i = e->left; i; i = i->next) {
        json_t *value;
        enum err_code code = get(i, lookup, &value, err);
        if (code) {
            json_decref(list);
            return code;
        }
        json_array_append_new(list, value);
    }
    *out = list;
    return ERR_OK;
}

static enum err_code get_comparison(const struct expr *e, const struct lookup *lookup, json_t **out,
                                    struct err *err)
{
    json_t *left, *right;
    bool holds = false;
    enum err_code code = get(e->left, lookup, &left, err);
    if (code)
        return code;
    code = get(e->right, lookup, &right, err);
    if (!code) {
        code = compare(e, left, right, &holds, err);
        json_decref(right);
    }
    json_decref(left);
    if (!code)
        *out = json_boolean(holds);
    return code;
}

/* `and` and `or` give truth, not the operand, and leave out what cannot matter. */
static enum err_code get_logic(const struct expr *e, const struct lookup *lookup, json_t **out,
                               struct err *err)
{
    bool left;
    enum err_code code = expr_true(e->left, lookup, &left, err);
    if (code)
        return code;
    bool result = e->kind == E_NOT ? !left : left;
    if ((e->kind == E_AND && left) || (e->kind == E_OR && !left)) {
        code = expr_true(e->right, lookup, &result, err);
        if (code)
            return code;
    }
    *out = json_boolean(result);
    return ERR_OK;
}

static enum err_code get(const struct expr *e, const struct lookup *lookup, json_t **out,
                         struct err *err)
{
    switch (e->kind) {
    case E_VALUE:
        *out = json_incref(e->value);
        return ERR_OK;
    case E_LIST:
        return get_list(e, lookup, out, err);
    case E_PATH:
        return get_path(e, lookup, out, err);
    case E_CALL:
        *out = json_boolean(lookup->status(lookup->ctx, e->text));
        return ERR_OK;
    case E_COMPARE:
        return get_comparison(e, lookup, out, err);
    case E_NOT:
    case E_AND:
    case E_OR:
        break;
    }
    return get_logic(e, lookup, out, err);
}

enum err_code expr_true(const struct expr *e, const struct lookup *lookup, bool *out,
                        struct err *err)
{
    json_t *value;
    enum err_code code = get(e, lookup, &value, err);
    if (code)
        return code;
    *out = truth(value);
    json_decref(value);
    return ERR_OK;
}
