/* Operators of templates, with Python's meaning. */
#include <math.h>
#include <string.h>

#include "server/model/jinja_internal.h"

static const struct jinja_value undefined;

static struct jinja_value joined(struct interpreter *in, struct jinja_value x, struct jinja_value y)
{
    size_t len = x.len + y.len;

    if (len > JINJA_OUTPUT_MAX_BYTES || !jinja_spend(in, 1 + len / 64))
        return jinja_fail(in, "OverflowError", "the text is too long");
    char *text = arena_array(in->arena, char, len + 1);
    if (x.len)
        memcpy(text, x.text, x.len);
    if (y.len)
        memcpy(text + x.len, y.text, y.len);
    return jinja_text_n(text, len);
}

static struct jinja_value repeated(struct interpreter *in, struct jinja_value x, int64_t times)
{
    struct jinja_value out = x.kind == JINJA_STRING ? jinja_text_n("", 0) : jinja_list(in->arena);
    size_t each = x.kind == JINJA_STRING ? x.len : x.list->count;

    if (times > 0 && each && times > JINJA_OUTPUT_MAX_BYTES / (int64_t)each / 16)
        return jinja_fail(in, "OverflowError", "the result is too long");
    for (int64_t i = 0; i < times && jinja_spend(in, 1 + each); i++) {
        if (x.kind == JINJA_STRING)
            out = joined(in, out, x);
        else
            for (size_t k = 0; k < each; k++)
                jinja_append(in->arena, &out, x.list->items[k]);
    }
    return out;
}

static struct jinja_value whole(struct interpreter *in, char operator, int64_t x, int64_t y)
{
    int64_t r = 0;
    bool over = false;

    if ((operator== '/' || operator== '%') && (!y || (x == INT64_MIN && y == -1)))
        return jinja_fail(in, "ZeroDivisionError", "integer division or modulo by zero");
    if (operator== '+')
        over = __builtin_add_overflow(x, y, &r);
    else if (operator== '-')
        over = __builtin_sub_overflow(x, y, &r);
    else if (operator== '*')
        over = __builtin_mul_overflow(x, y, &r);
    else if (operator== '/') /* rounds down */
        r = x / y - (x % y && (x < 0) != (y < 0));
    else
        r = x % y + (x % y && (x < 0) != (y < 0) ? y : 0);
    return over ? jinja_fail(in, "OverflowError", "the number is too large") : jinja_int(r);
}

static struct jinja_value power(struct interpreter *in, struct jinja_value x, struct jinja_value y)
{
    if (x.kind == JINJA_FLOAT || y.kind == JINJA_FLOAT || y.number < 0)
        return jinja_float(pow(jinja_number(&x), jinja_number(&y)));
    struct jinja_value r = jinja_int(1);
    for (int64_t i = 0; i < y.number && !in->reason && jinja_spend(in, 1); i++)
        r = whole(in, '*', r.number, x.number);
    return r;
}

static struct jinja_value arithmetic(struct interpreter *in, const char *operator,
                                     struct jinja_value x, struct jinja_value y)
{
    double p = jinja_number(&x), q = jinja_number(&y);
    bool real = x.kind == JINJA_FLOAT || y.kind == JINJA_FLOAT;

    if (!strcmp(operator, "**"))
        return power(in, x, y);
    if (!strcmp(operator, "/") || (real && (operator[0] == '/' || operator[0] == '%'))) {
        if (q == 0)
            return jinja_fail(in, "ZeroDivisionError", "division by zero");
        if (operator[0] == '%')
            return jinja_float(p - q * floor(p / q));
        return jinja_float(operator[1] ? floor(p / q) : p / q);
    }
    if (!real)
        return whole(in, operator[0], x.number, y.number);
    return jinja_float(operator[0] == '+' ? p + q : operator[0] == '-' ? p - q : p * q);
}

static struct jinja_value of_moments(const char *operator, struct jinja_value x,
                                     struct jinja_value y)
{
    bool minus = operator[0] == '-' && !operator[1], plus = operator[0] == '+';
    int64_t n = minus ? x.number - y.number : x.number + y.number;

    if (!minus && !plus)
        return undefined;
    if (x.kind == JINJA_TIME && y.kind == JINJA_TIME)
        return minus ? jinja_duration(n) : undefined;
    if (y.kind == JINJA_TIME)
        return minus ? undefined : jinja_time(n);
    return x.kind == JINJA_TIME ? jinja_time(n) : jinja_duration(n);
}

static bool is_moment(const struct jinja_value *v)
{
    return v->kind == JINJA_TIME || v->kind == JINJA_DURATION;
}

static struct jinja_value lists_joined(struct interpreter *in, struct jinja_value x,
                                       struct jinja_value y)
{
    struct jinja_value out = jinja_list(in->arena);

    out.kind = x.kind;
    for (size_t i = 0; i < x.list->count && jinja_spend(in, 1); i++)
        jinja_append(in->arena, &out, x.list->items[i]);
    for (size_t i = 0; i < y.list->count && jinja_spend(in, 1); i++)
        jinja_append(in->arena, &out, y.list->items[i]);
    return out;
}

struct jinja_value jinja_binary(struct interpreter *in, const char *operator, struct jinja_value x,
                                struct jinja_value y)
{
    struct jinja_value out = undefined;
    bool add = !strcmp(operator, "+"), times = !strcmp(operator, "*");

    if (!strcmp(operator, "~"))
        return joined(in, jinja_to_text(in->arena, x), jinja_to_text(in->arena, y));
    x = jinja_plain(in->arena, x);
    y = jinja_plain(in->arena, y);
    bool list = x.kind == JINJA_LIST || x.kind == JINJA_TUPLE;
    if (x.kind == JINJA_UNDEFINED || y.kind == JINJA_UNDEFINED)
        return jinja_fail(in, "UndefinedError", "'%s' is undefined",
                          x.kind == JINJA_UNDEFINED ? x.text : y.text);
    if (jinja_is_number(&x) && jinja_is_number(&y))
        return arithmetic(in, operator, x, y);
    if (x.kind == JINJA_STRING && !strcmp(operator, "%")) {
        struct jinja_value args = y.kind == JINJA_TUPLE ? y : jinja_list(in->arena);
        if (y.kind != JINJA_TUPLE)
            jinja_append(in->arena, &args, y);
        return jinja_filter(
            in, "format", x,
            &(struct arguments){args.list->items, args.list->count, jinja_dict(in->arena)});
    }
    if (add && x.kind == JINJA_STRING && y.kind == JINJA_STRING)
        return joined(in, x, y);
    if (add && list && x.kind == y.kind)
        return lists_joined(in, x, y);
    if (times && (x.kind == JINJA_STRING || list) && y.kind == JINJA_INT)
        return repeated(in, x, y.number);
    if (is_moment(&x) && is_moment(&y))
        out = of_moments(operator, x, y);
    if (add && x.kind == JINJA_STRING)
        return jinja_fail(in, "TypeError", "can only concatenate str (not \"%s\") to str",
                          jinja_type(&y));
    if (out.kind == JINJA_UNDEFINED)
        return jinja_fail(in, "TypeError",
                          "unsupported operand type(s) for %s: '%s' and '%s'", operator,
                          jinja_type(&x), jinja_type(&y));
    return out;
}

static bool contains(struct interpreter *in, struct jinja_value item, struct jinja_value of)
{
    of = jinja_plain(in->arena, of);
    if (of.kind == JINJA_DICT)
        return jinja_find(&of, &item);
    if (of.kind == JINJA_STRING) {
        if (item.kind != JINJA_STRING)
            return jinja_fail(in, "TypeError",
                              "'in <string>' requires string as left operand, not "
                              "%s",
                              jinja_type(&item))
                .flag;
        return !item.len || memmem(of.text, of.len, item.text, item.len);
    }
    struct jinja_value list = jinja_iterate(in, of);
    for (size_t i = 0; i < list.list->count && jinja_spend(in, 1); i++)
        if (jinja_equal(in->arena, list.list->items[i], item))
            return true;
    return false;
}

bool jinja_compare(struct interpreter *in, const char *operator, struct jinja_value x,
                   struct jinja_value y)
{
    int order = 0;

    if (!strcmp(operator, "in") || !strcmp(operator, "not in"))
        return contains(in, x, y) == (*operator== 'i');
    if (!strcmp(operator, "==") || !strcmp(operator, "!="))
        return jinja_equal(in->arena, x, y) == (*operator== '=');
    if (!jinja_order(in->arena, x, y, &order)) {
        jinja_fail(in, "TypeError",
                   "'%s' not supported between instances of '%s' and '%s'", operator,
                   jinja_type(&x), jinja_type(&y));
        return false;
    }
    bool or_equal = operator[1] == '=';
    return (*operator== '<' ? order < 0 : order> 0) || (or_equal && !order);
}
