/* Statements of templates, calls of functions and macros. */
#include <math.h>
#include <string.h>

#include "server/model/jinja_internal.h"

static const struct jinja_value undefined;

static void set(struct interpreter *in, const char *name, struct jinja_value v)
{
    jinja_put(in->arena, &in->frame->names, jinja_text(name), v);
}

static bool assign(struct interpreter *in, const struct node *target, struct jinja_value v)
{
    if (target->kind == NODE_NAME) {
        set(in, target->name, v);
        return true;
    }
    if (target->kind == NODE_ATTR) {
        struct jinja_value of = jinja_eval(in, target->one);
        if (of.kind != JINJA_DICT || !of.dict->is_namespace)
            return jinja_fail(in, "TemplateRuntimeError",
                              "cannot assign attribute on non-namespace object")
                .flag;
        jinja_put(in->arena, &of, jinja_text(target->name), v);
        return true;
    }
    struct jinja_value items = jinja_iterate(in, v);
    size_t want = target->items.count;
    if (in->reason)
        return false;
    if (items.list->count < want)
        jinja_fail(in, "ValueError", "not enough values to unpack (expected %zu, got %zu)", want,
                   items.list->count);
    else if (items.list->count > want)
        jinja_fail(in, "ValueError", "too many values to unpack (expected %zu)", want);
    for (size_t i = 0; i < want && !in->reason; i++)
        assign(in, target->items.items[i], items.list->items[i]);
    return !in->reason;
}

static void enter(struct interpreter *in, struct frame *f)
{
    *f = (struct frame){.outer = in->frame, .names = jinja_dict(in->arena)};
    in->frame = f;
}

static void leave(struct interpreter *in)
{
    in->frame = in->frame->outer;
}

/* ---- for ---- */

static struct jinja_value loop_of(struct interpreter *in, const struct jinja_list *items, size_t i,
                                  size_t depth)
{
    struct jinja_value loop = jinja_dict(in->arena);
    const struct {
        const char *name;
        struct jinja_value value;
    } members[] = {
        {"index", jinja_int((int64_t)i + 1)},
        {"index0", jinja_int((int64_t)i)},
        {"revindex", jinja_int((int64_t)(items->count - i))},
        {"revindex0", jinja_int((int64_t)(items->count - i) - 1)},
        {"first", jinja_bool(!i)},
        {"last", jinja_bool(i + 1 == items->count)},
        {"length", jinja_int((int64_t)items->count)},
        {"depth", jinja_int((int64_t)depth)},
        {"depth0", jinja_int((int64_t)depth - 1)},
        {"previtem", i ? items->items[i - 1] : undefined},
        {"nextitem", i + 1 < items->count ? items->items[i + 1] : undefined},
    };

    for (size_t k = 0; k < COUNT(members); k++)
        jinja_put(in->arena, &loop, jinja_text(members[k].name), members[k].value);
    loop.dict->is_namespace = true; /* its members come before the methods of dicts */
    return loop;
}

static struct jinja_value chosen(struct interpreter *in, const struct node *n,
                                 struct jinja_value items)
{
    struct jinja_value out = jinja_list(in->arena);
    struct frame f;

    enter(in, &f);
    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1); i++)
        if (assign(in, n->one, items.list->items[i]) &&
            jinja_truth(in->arena, jinja_eval(in, n->three)))
            jinja_append(in->arena, &out, items.list->items[i]);
    leave(in);
    return out;
}

static void run_for(struct interpreter *in, const struct node *n)
{
    struct jinja_value items = jinja_iterate(in, jinja_eval(in, n->two));

    if (n->name)
        jinja_fail(in, "TypeError", "recursive loops are not rendered here");
    if (!in->reason && n->three)
        items = chosen(in, n, items);
    if (!in->reason && !items.list->count)
        jinja_run(in, &n->others);
    for (size_t i = 0; !in->reason && i < items.list->count && jinja_spend(in, 20); i++) {
        struct frame f;
        enter(in, &f);
        set(in, "loop", loop_of(in, items.list, i, 1));
        if (assign(in, n->one, items.list->items[i]))
            jinja_run(in, &n->items);
        leave(in);
    }
}

/* ---- the others ---- */

struct jinja_value jinja_capture(struct interpreter *in, const struct nodes *list)
{
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES}, *outer = in->out;

    in->out = &b;
    jinja_run(in, list);
    in->out = outer;
    struct jinja_value v =
        jinja_text_n(arena_strndup(in->arena, b.len ? b.bytes : "", b.len), b.len);
    buf_free(&b);
    return v;
}

/* Filters that stand alone: their innermost one works on the text. */
static struct jinja_value filtered(struct interpreter *in, const struct node *n,
                                   struct jinja_value v)
{
    struct jinja_value args = jinja_list(in->arena);

    if (!n)
        return v;
    v = filtered(in, n->one, v);
    for (size_t i = 0; i < n->items.count && !in->reason; i++)
        jinja_append(in->arena, &args, jinja_eval(in, n->items.items[i]));
    struct arguments all = {args.list->items, args.list->count, jinja_dict(in->arena)};
    for (size_t i = 0; i < n->others.count && !in->reason; i++)
        jinja_put(in->arena, &all.named, jinja_text(n->others.items[i]->name),
                  jinja_eval(in, n->others.items[i]->one));
    return in->reason ? v : jinja_filter(in, n->name, v, &all);
}

static void print(struct interpreter *in, struct jinja_value v)
{
    if (!in->reason)
        jinja_write(in->arena, in->out, v);
    if (in->out->full)
        jinja_fail(in, "OverflowError", "the template prints too much");
}

static void run_set(struct interpreter *in, const struct node *n)
{
    struct frame f;

    if (!n->items.count) {
        assign(in, n->one, jinja_eval(in, n->two));
        return;
    }
    enter(in, &f);
    struct jinja_value v = filtered(in, n->two, jinja_capture(in, &n->items));
    leave(in);
    if (!in->reason)
        assign(in, n->one, v);
}

static void run_with(struct interpreter *in, const struct node *n)
{
    struct jinja_value values = jinja_list(in->arena);
    struct frame f;

    for (size_t i = 0; i < n->others.count && !in->reason; i++)
        jinja_append(in->arena, &values, jinja_eval(in, n->others.items[i]));
    enter(in, &f);
    for (size_t i = 0; i < values.list->count && !in->reason; i++)
        assign(in, n->targets.items[i], values.list->items[i]);
    jinja_run(in, &n->items);
    leave(in);
}

static void run_if(struct interpreter *in, const struct node *n)
{
    bool yes = jinja_truth(in->arena, jinja_eval(in, n->one));

    if (!in->reason)
        jinja_run(in, yes ? &n->items : &n->others);
}

static void run_filtered(struct interpreter *in, const struct node *n)
{
    struct frame f;

    enter(in, &f);
    struct jinja_value v = filtered(in, n->one, jinja_capture(in, &n->items));
    leave(in);
    print(in, v);
}

static void run_one(struct interpreter *in, const struct node *n)
{
    switch (n->kind) {
    case NODE_DATA:
        print(in, n->value);
        return;
    case NODE_PRINT:
        print(in, jinja_eval(in, n->one));
        return;
    case NODE_BODY:
        jinja_run(in, &n->items);
        return;
    case NODE_IF:
        run_if(in, n);
        return;
    case NODE_FOR:
        run_for(in, n);
        return;
    case NODE_SET:
        run_set(in, n);
        return;
    case NODE_WITH:
        run_with(in, n);
        return;
    case NODE_FILTERED:
        run_filtered(in, n);
        return;
    case NODE_MACRO:
        set(in, n->name,
            (struct jinja_value){
                .kind = JINJA_FUNCTION, .text = n->name, .len = strlen(n->name), .macro = n});
        return;
    default:
        jinja_fail(in, "TypeError", "no loader for this environment specified");
    }
}

bool jinja_run(struct interpreter *in, const struct nodes *list)
{
    if (++in->depth > 2 * JINJA_DEPTH_MAX)
        jinja_fail(in, "RecursionError", "maximum recursion depth exceeded");
    for (size_t i = 0; i < list->count && jinja_spend(in, 1); i++)
        run_one(in, list->items[i]);
    in->depth--;
    return !in->reason;
}

/* ---- calls ---- */

static struct jinja_value range(struct interpreter *in, const struct arguments *args)
{
    int64_t n[3] = {0, 0, 1};
    struct jinja_value out = jinja_list(in->arena);

    if (!args->count || args->count > 3)
        return jinja_fail(in, "TypeError", "range expected 1 to 3 arguments, got %zu", args->count);
    for (size_t i = 0; i < args->count; i++) {
        if (args->items[i].kind != JINJA_INT)
            return jinja_fail(in, "TypeError", "'%s' object cannot be interpreted as an integer",
                              jinja_type(&args->items[i]));
        n[args->count == 1 ? 1 : i] = args->items[i].number;
    }
    if (!n[2])
        return jinja_fail(in, "ValueError", "range() arg 3 must not be zero");
    for (int64_t i = n[0]; n[2] > 0 ? i < n[1] : i > n[1];) {
        if (out.list->count == JINJA_RANGE_MAX)
            return jinja_fail(in, "OverflowError",
                              "Range too big. The sandbox blocks ranges larger than "
                              "MAX_TEMPLATE_RANGE=%d.",
                              JINJA_RANGE_MAX);
        jinja_append(in->arena, &out, jinja_int(i));
        if (__builtin_add_overflow(i, n[2], &i))
            break;
    }
    return out;
}

static struct jinja_value new_dict(struct interpreter *in, const struct arguments *args,
                                   bool is_namespace)
{
    struct jinja_value out = jinja_dict(in->arena), from = undefined;

    if (args->count)
        from = jinja_plain(in->arena, args->items[0]);
    for (size_t i = 0; from.kind == JINJA_DICT && i < from.dict->count; i++)
        jinja_put(in->arena, &out, from.dict->pairs[i].key, from.dict->pairs[i].value);
    for (size_t i = 0; i < args->named.dict->count; i++)
        jinja_put(in->arena, &out, args->named.dict->pairs[i].key,
                  args->named.dict->pairs[i].value);
    out.dict->is_namespace = is_namespace;
    return out;
}

static struct jinja_value call_macro(struct interpreter *in, const struct node *n,
                                     const struct arguments *args)
{
    size_t first_default = n->targets.count - n->others.count;
    struct frame f, *caller = in->frame;

    while (in->frame->outer)
        in->frame = in->frame->outer; /* macros see what is global */
    enter(in, &f);
    for (size_t i = 0; i < n->targets.count && !in->reason; i++) {
        const char *name = n->targets.items[i]->name;
        struct jinja_value v = jinja_arg(args, i, name);
        if (v.kind == JINJA_UNDEFINED && i >= first_default)
            v = jinja_eval(in, n->others.items[i - first_default]);
        set(in, name, v);
    }
    struct jinja_value out = jinja_capture(in, &n->items);
    in->frame = caller;
    return out;
}

struct jinja_value jinja_call(struct interpreter *in, struct jinja_value f,
                              const struct arguments *args)
{
    if (f.kind == JINJA_UNDEFINED)
        return jinja_fail(in, "UndefinedError", "'%s' is undefined", f.text ? f.text : "");
    if (f.kind != JINJA_FUNCTION)
        return jinja_fail(in, "TypeError", "'%s' object is not callable", jinja_type(&f));
    if (f.self)
        return jinja_method(in, *(const struct jinja_value *)f.self, f.text, args);
    if (f.macro)
        return call_macro(in, f.macro, args);
    if (!strcmp(f.text, "range"))
        return range(in, args);
    return new_dict(in, args, !strcmp(f.text, "namespace"));
}

struct jinja_value jinja_arg(const struct arguments *args, size_t index, const char *name)
{
    if (index < args->count)
        return args->items[index];
    struct jinja_value *named =
        name && args->named.dict ? jinja_find_text(&args->named, name) : NULL;
    return named ? *named : undefined;
}

int64_t jinja_arg_int(const struct arguments *args, size_t index, const char *name,
                      int64_t otherwise)
{
    struct jinja_value v = jinja_arg(args, index, name);
    if (v.kind == JINJA_INT || v.kind == JINJA_BOOL)
        return v.number;
    return v.kind == JINJA_FLOAT && fabs(v.real) < 9e18 ? (int64_t)v.real : otherwise;
}

bool jinja_render(struct arena *a, const struct jinja_template *t, const struct jinja_scope *scope,
                  struct buf *out, const char **out_reason)
{
    struct interpreter in = {.arena = a, .scope = scope, .out = out};
    struct frame global;

    enter(&in, &global);
    jinja_run(&in, &t->root->items);
    *out_reason = in.reason;
    return !in.reason;
}
