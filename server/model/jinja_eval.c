/* Expressions of templates. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/model/jinja_internal.h"
#include "shared/base/clock.h"

static const struct jinja_value undefined;

struct jinja_value jinja_fail(struct interpreter *in, const char *exception, const char *fmt, ...)
{
    char text[500];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (!in->reason)
        in->reason = jinja_exception(in->arena, exception, text);
    return undefined;
}

bool jinja_spend(struct interpreter *in, size_t steps)
{
    in->steps += (long)steps;
    if (in->steps > JINJA_STEPS_MAX || in->arena->used_bytes > ARENA_MAX_BYTES / 2)
        jinja_fail(in, "OverflowError", "the template needs too much work");
    return !in->reason;
}

/* ---- names and attributes ---- */

static struct jinja_value function_named(const char *name)
{
    return (struct jinja_value){.kind = JINJA_FUNCTION, .text = name, .len = strlen(name)};
}

static struct jinja_value look_up(struct interpreter *in, const char *name)
{
    static const char *const functions[] = {"range", "dict", "namespace"};
    struct jinja_value v = {.text = name};

    for (struct frame *f = in->frame; f; f = f->outer) {
        struct jinja_value *found = jinja_find_text(&f->names, name);
        if (found)
            return *found;
    }
    in->scope->get(in->scope->context, in->arena, name, &v);
    for (size_t i = 0; v.kind == JINJA_UNDEFINED && i < COUNT(functions); i++)
        if (!strcmp(functions[i], name))
            return function_named(functions[i]);
    if (v.kind == JINJA_UNDEFINED)
        v.text = name;
    return v;
}

static struct jinja_value bound(struct interpreter *in, struct jinja_value of, const char *name)
{
    struct jinja_value *self = arena_new(in->arena, struct jinja_value), f = function_named(name);

    *self = of;
    f.self = self;
    return f;
}

/* Parts of times and durations. */
static struct jinja_value part_of_time(const struct jinja_value *v, const char *name)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second"};
    char text[TIME_TEXT_BYTES];
    int parts[6] = {0};
    int64_t rest = v->number % 1000000;

    if (v->kind == JINJA_DURATION) {
        int64_t seconds = (v->number - (rest < 0 ? rest + 1000000 : rest)) / 1000000;
        int64_t in_day = ((seconds % 86400) + 86400) % 86400;
        if (!strcmp(name, "days"))
            return jinja_int((seconds - in_day) / 86400);
        return !strcmp(name, "seconds") ? jinja_int(in_day) : undefined;
    }
    time_format(v->number, text);
    (void)sscanf(text, "%d-%d-%dT%d:%d:%d", &parts[0], &parts[1], &parts[2], &parts[3], &parts[4],
                 &parts[5]);
    for (size_t i = 0; i < COUNT(names); i++)
        if (!strcmp(names[i], name))
            return jinja_int(parts[i]);
    return !strcmp(name, "microsecond") ? jinja_int(rest < 0 ? rest + 1000000 : rest) : undefined;
}

static struct jinja_value missing(struct interpreter *in, const struct jinja_value *of,
                                  const char *name)
{
    struct jinja_value v = {.text = name};

    if (of->kind == JINJA_UNDEFINED)
        v.text = of->text; /* the first of the chain is to blame */
    else if (of->kind == JINJA_DICT || of->kind == JINJA_OBJECT)
        v.text = arena_printf(in->arena, "%s object' has no attribute '%s", jinja_type(of), name);
    return v;
}

struct jinja_value jinja_attribute(struct interpreter *in, struct jinja_value of, const char *name)
{
    struct jinja_value v = undefined;

    if (*name == '_')
        return missing(in, &of, name);
    if (of.kind == JINJA_OBJECT) {
        of.class->get(in->arena, of.self, name, &v);
        if (v.kind != JINJA_UNDEFINED)
            return v;
    }
    if (of.kind == JINJA_TIME || of.kind == JINJA_DURATION) {
        v = part_of_time(&of, name);
        if (v.kind != JINJA_UNDEFINED)
            return v;
    }
    struct jinja_value plain = jinja_plain(in->arena, of);
    if (!(plain.kind == JINJA_DICT && plain.dict->is_namespace) && jinja_has_method(&plain, name))
        return bound(in, plain, name);
    struct jinja_value *item = plain.kind == JINJA_DICT ? jinja_find_text(&plain, name) : NULL;
    return item ? *item : missing(in, &of, name);
}

static bool index_in(int64_t *i, size_t count)
{
    if (*i < 0)
        *i += (int64_t)count;
    return *i >= 0 && *i < (int64_t)count;
}

/* The bytes of the characters from..to of UTF-8. */
static struct jinja_value characters(const struct jinja_value *v, size_t from, size_t to)
{
    size_t at = 0, chars = 0, start = v->len;

    for (; at < v->len; at++) {
        if (((unsigned char)v->text[at] & 0xc0) == 0x80)
            continue;
        if (chars == from)
            start = at;
        if (chars == to)
            break;
        chars++;
    }
    return start < at ? jinja_text_n(v->text + start, at - start) : jinja_text_n("", 0);
}

static size_t length_of(const struct jinja_value *v)
{
    size_t chars = 0;

    if (v->kind == JINJA_LIST || v->kind == JINJA_TUPLE)
        return v->list->count;
    if (v->kind == JINJA_DICT)
        return v->dict->count;
    for (size_t i = 0; v->kind == JINJA_STRING && i < v->len; i++)
        chars += ((unsigned char)v->text[i] & 0xc0) != 0x80;
    return chars;
}

struct jinja_value jinja_item(struct interpreter *in, struct jinja_value of, struct jinja_value key)
{
    struct jinja_value plain = jinja_plain(in->arena, of), *found;
    int64_t i = key.number;
    size_t count = length_of(&plain);

    if (plain.kind == JINJA_DICT && (found = jinja_find(&plain, &key)))
        return *found;
    if (key.kind == JINJA_INT && plain.kind != JINJA_DICT && index_in(&i, count))
        return plain.kind == JINJA_STRING ? characters(&plain, (size_t)i, (size_t)i + 1)
                                          : plain.list->items[i];
    if (key.kind == JINJA_STRING)
        return jinja_attribute(in, of, key.text);
    return missing(in, &of, "item");
}

static int64_t bound_of(struct interpreter *in, const struct node *n, int64_t otherwise,
                        size_t count)
{
    if (!n)
        return otherwise;
    struct jinja_value v = jinja_eval(in, n);
    if (v.kind == JINJA_NONE)
        return otherwise;
    int64_t i = v.kind == JINJA_INT || v.kind == JINJA_BOOL ? v.number : 0;
    if (i < 0)
        i += (int64_t)count;
    return i < 0 ? 0 : i > (int64_t)count ? (int64_t)count : i;
}

static struct jinja_value slice(struct interpreter *in, struct jinja_value of, const struct node *n)
{
    struct jinja_value plain = jinja_plain(in->arena, of), out = jinja_list(in->arena);
    size_t count = length_of(&plain);
    struct jinja_value step = n->three ? jinja_eval(in, n->three) : jinja_int(1);
    int64_t by = step.kind == JINJA_INT ? step.number : 1;
    int64_t from = bound_of(in, n->one, by < 0 ? (int64_t)count - 1 : 0, count);
    int64_t to = bound_of(in, n->two, by < 0 ? -1 : (int64_t)count, count);

    if (!by)
        return jinja_fail(in, "ValueError", "slice step cannot be zero");
    if (plain.kind == JINJA_STRING && by == 1)
        return characters(&plain, (size_t)from, (size_t)(to < from ? from : to));
    if (plain.kind == JINJA_STRING)
        plain = jinja_iterate(in, plain);
    if (plain.kind != JINJA_LIST && plain.kind != JINJA_TUPLE)
        return missing(in, &of, "slice");
    for (int64_t i = from; by > 0 ? i < to : i > to; i += by)
        if (i >= 0 && i < (int64_t)plain.list->count)
            jinja_append(in->arena, &out, plain.list->items[i]);
    return out;
}

struct jinja_value jinja_iterate(struct interpreter *in, struct jinja_value v)
{
    struct jinja_value out = jinja_list(in->arena);

    v = jinja_plain(in->arena, v);
    if (v.kind == JINJA_LIST || v.kind == JINJA_TUPLE)
        return v;
    if (v.kind == JINJA_DICT)
        for (size_t i = 0; i < v.dict->count; i++)
            jinja_append(in->arena, &out, v.dict->pairs[i].key);
    else if (v.kind == JINJA_STRING)
        for (size_t i = 0, n; i < v.len && jinja_spend(in, 1); i += n) {
            for (n = 1; i + n < v.len && ((unsigned char)v.text[i + n] & 0xc0) == 0x80; n++)
                ;
            jinja_append(in->arena, &out, jinja_text_n(arena_strndup(in->arena, v.text + i, n), n));
        }
    else if (v.kind != JINJA_UNDEFINED)
        return jinja_fail(in, "TypeError", "'%s' object is not iterable", jinja_type(&v)), out;
    return out;
}

/* ---- nodes ---- */

static void spread(struct interpreter *in, struct arguments *args, struct jinja_value *items,
                   const struct node *k)
{
    struct jinja_value v = jinja_eval(in, k->one);

    if (!strcmp(k->name, "**")) {
        v = jinja_plain(in->arena, v);
        for (size_t i = 0; v.kind == JINJA_DICT && i < v.dict->count; i++)
            jinja_put(in->arena, &args->named, v.dict->pairs[i].key, v.dict->pairs[i].value);
    } else if (!strcmp(k->name, "*")) {
        v = jinja_iterate(in, v);
        for (size_t i = 0; i < v.list->count; i++)
            jinja_append(in->arena, items, v.list->items[i]);
    } else {
        jinja_put(in->arena, &args->named, jinja_text(k->name), v);
    }
}

static struct arguments arguments_of(struct interpreter *in, const struct node *n)
{
    struct arguments args = {.named = jinja_dict(in->arena)};
    struct jinja_value items = jinja_list(in->arena);

    for (size_t i = 0; i < n->items.count && !in->reason; i++)
        jinja_append(in->arena, &items, jinja_eval(in, n->items.items[i]));
    for (size_t i = 0; i < n->others.count && !in->reason; i++)
        spread(in, &args, &items, n->others.items[i]);
    args.items = items.list->items;
    args.count = items.list->count;
    return args;
}

static struct jinja_value eval_items(struct interpreter *in, const struct node *n)
{
    struct jinja_value out = n->kind == NODE_DICT ? jinja_dict(in->arena) : jinja_list(in->arena);

    if (n->kind == NODE_TUPLE)
        out.kind = JINJA_TUPLE;
    for (size_t i = 0; i < n->items.count && jinja_spend(in, 1); i++) {
        struct jinja_value item = jinja_eval(in, n->items.items[i]);
        if (n->kind == NODE_DICT)
            jinja_put(in->arena, &out, item, jinja_eval(in, n->others.items[i]));
        else
            jinja_append(in->arena, &out, item);
    }
    return out;
}

static struct jinja_value eval_binary(struct interpreter *in, const struct node *n)
{
    struct jinja_value x = jinja_eval(in, n->one);

    if (!strcmp(n->name, "and"))
        return jinja_truth(in->arena, x) ? jinja_eval(in, n->two) : x;
    if (!strcmp(n->name, "or"))
        return jinja_truth(in->arena, x) ? x : jinja_eval(in, n->two);
    struct jinja_value y = jinja_eval(in, n->two);
    return in->reason ? undefined : jinja_binary(in, n->name, x, y);
}

static struct jinja_value eval_compare(struct interpreter *in, const struct node *n)
{
    struct jinja_value x = jinja_eval(in, n->one);

    for (size_t i = 0; i < n->items.count && !in->reason; i++) {
        struct jinja_value y = jinja_eval(in, n->items.items[i]);
        if (in->reason || !jinja_compare(in, n->others.items[i]->name, x, y))
            return jinja_bool(false);
        x = y;
    }
    return jinja_bool(true);
}

static struct jinja_value eval_sign(struct interpreter *in, const struct node *n)
{
    struct jinja_value v = jinja_eval(in, n->one);

    if (v.kind == JINJA_FLOAT)
        return jinja_float(n->kind == NODE_NEGATE ? -v.real : v.real);
    if (v.kind == JINJA_INT || v.kind == JINJA_BOOL)
        return jinja_binary(in, n->kind == NODE_NEGATE ? "-" : "+", jinja_int(0), v);
    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail(in, "UndefinedError", "'%s' is undefined", v.text);
    return jinja_fail(in, "TypeError", "bad operand type for unary -: '%s'", jinja_type(&v));
}

static struct jinja_value eval_call(struct interpreter *in, const struct node *n)
{
    struct jinja_value f = jinja_eval(in, n->one);
    struct arguments args = arguments_of(in, n);

    return in->reason ? undefined : jinja_call(in, f, &args);
}

static struct jinja_value eval_use(struct interpreter *in, const struct node *n)
{
    struct jinja_value v = jinja_eval(in, n->one);
    struct arguments args = arguments_of(in, n);

    if (in->reason)
        return undefined;
    return n->kind == NODE_FILTER ? jinja_filter(in, n->name, v, &args)
                                  : jinja_bool(jinja_test(in, n->name, v, &args));
}

static struct jinja_value eval_node(struct interpreter *in, const struct node *n)
{
    switch (n->kind) {
    case NODE_CONST:
        return n->value;
    case NODE_NAME:
        return look_up(in, n->name);
    case NODE_TUPLE:
    case NODE_LIST:
    case NODE_DICT:
        return eval_items(in, n);
    case NODE_ATTR:
        return jinja_attribute(in, jinja_eval(in, n->one), n->name);
    case NODE_ITEM: {
        struct jinja_value of = jinja_eval(in, n->one);
        return n->two->kind == NODE_SLICE ? slice(in, of, n->two)
                                          : jinja_item(in, of, jinja_eval(in, n->two));
    }
    case NODE_CALL:
        return eval_call(in, n);
    case NODE_FILTER:
    case NODE_TEST:
        return eval_use(in, n);
    case NODE_NOT:
        return jinja_bool(!jinja_truth(in->arena, jinja_eval(in, n->one)));
    case NODE_NEGATE:
    case NODE_PLUS:
        return eval_sign(in, n);
    case NODE_BINARY:
        return eval_binary(in, n);
    case NODE_COMPARE:
        return eval_compare(in, n);
    case NODE_CHOICE:
        if (jinja_truth(in->arena, jinja_eval(in, n->two)))
            return jinja_eval(in, n->one);
        return n->three ? jinja_eval(in, n->three) : undefined;
    default:
        return undefined;
    }
}

struct jinja_value jinja_eval(struct interpreter *in, const struct node *n)
{
    struct jinja_value v = undefined;

    if (in->depth > 2 * JINJA_DEPTH_MAX)
        return jinja_fail(in, "RecursionError", "maximum recursion depth exceeded");
    in->depth++;
    if (n && jinja_spend(in, 1))
        v = eval_node(in, n);
    in->depth--;
    return in->reason ? undefined : v;
}
