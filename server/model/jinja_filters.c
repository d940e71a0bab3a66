/* Filters on lists and values of any kind. */
#include "server/model/jinja_filters.h"

#include <stdlib.h>
#include <string.h>

static const struct jinja_value undefined;

struct jinja_value jinja_take(struct interpreter *in, struct buf *b)
{
    struct jinja_value v =
        jinja_text_n(arena_strndup(in->arena, b->len ? b->bytes : "", b->len), b->len);
    if (b->full)
        jinja_fail(in, "OverflowError", "the text is too long");
    buf_free(b);
    return v;
}

/* `a.b.0` of an item, or the item itself. */
static struct jinja_value member(struct interpreter *in, struct jinja_value item,
                                 struct jinja_value path)
{
    if (path.kind == JINJA_INT)
        return jinja_item(in, item, path);
    if (path.kind != JINJA_STRING)
        return item;
    char *copy = arena_strndup(in->arena, path.text, path.len), *rest = copy;
    for (char *part; (part = strsep(&rest, ".")) && !in->reason;) {
        char *end;
        long long index = strtoll(part, &end, 10);
        item = *part && !*end ? jinja_item(in, item, jinja_int(index))
                              : jinja_attribute(in, item, part);
    }
    return item;
}

static struct jinja_value f_default(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    struct jinja_value otherwise = jinja_arg(args, 0, "default_value");
    bool falsy = jinja_truth(in->arena, jinja_arg(args, 1, "boolean"));

    if (otherwise.kind == JINJA_UNDEFINED)
        otherwise = jinja_text("");
    return v.kind == JINJA_UNDEFINED || (falsy && !jinja_truth(in->arena, v)) ? otherwise : v;
}

static struct jinja_value f_length(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    (void)args;
    return jinja_int((int64_t)jinja_iterate(in, v).list->count);
}

static struct jinja_value f_list(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena);

    (void)args;
    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1); i++)
        jinja_append(in->arena, &out, items.list->items[i]);
    return out;
}

static struct jinja_value f_first(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v);
    (void)args;
    return items.list->count ? items.list->items[0] : undefined;
}

static struct jinja_value f_last(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v);
    (void)args;
    return items.list->count ? items.list->items[items.list->count - 1] : undefined;
}

static struct jinja_value f_join(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    struct jinja_value by = jinja_to_text(in->arena, jinja_arg(args, 0, "d"));
    struct jinja_value path = jinja_arg(args, 1, "attribute"), items = jinja_iterate(in, v);
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1) && !b.full; i++) {
        if (i)
            buf_add(&b, by.text, by.len);
        jinja_write(in->arena, &b, member(in, items.list->items[i], path));
    }
    return jinja_take(in, &b);
}

static struct jinja_value f_reverse(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena);

    for (size_t i = items.list->count; i-- && jinja_spend(in, 1);)
        jinja_append(in->arena, &out, items.list->items[i]);
    if (v.kind != JINJA_STRING)
        return out;
    struct jinja_value empty = jinja_text("");
    (void)args;
    return f_join(in, out, &(struct arguments){&empty, 1, jinja_dict(in->arena)});
}

static struct jinja_value folded(struct interpreter *in, struct jinja_value v, bool keep_case)
{
    if (v.kind != JINJA_STRING || keep_case)
        return v;
    return jinja_filter(in, "lower", v, &(struct arguments){.named = jinja_dict(in->arena)});
}

/* A stable merge sort; `keys` are sorted along. */
static void sort(struct interpreter *in, struct jinja_pair *pairs, struct jinja_pair *spare,
                 size_t count, bool down)
{
    size_t half = count / 2, i = 0, k = half, n = 0;
    int order = 0;

    if (count < 2 || !jinja_spend(in, count))
        return;
    sort(in, pairs, spare, half, down);
    sort(in, pairs + half, spare, count - half, down);
    while (i < half && k < count && !in->reason) {
        if (!jinja_order(in->arena, pairs[i].key, pairs[k].key, &order))
            jinja_fail(in, "TypeError", "'<' not supported between instances of '%s' and '%s'",
                       jinja_type(&pairs[k].key), jinja_type(&pairs[i].key));
        spare[n++] = (down ? order >= 0 : order <= 0) ? pairs[i++] : pairs[k++];
    }
    while (i < half)
        spare[n++] = pairs[i++];
    while (k < count)
        spare[n++] = pairs[k++];
    memcpy(pairs, spare, count * sizeof(*pairs));
}

static struct jinja_value sorted(struct interpreter *in, struct jinja_value v,
                                 struct jinja_value path, bool down, bool keep_case)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena);
    size_t count = items.list->count;
    struct jinja_pair *pairs = arena_array(in->arena, struct jinja_pair, count * 2 + 2);

    for (size_t i = 0; i < count && jinja_spend(in, 1); i++)
        pairs[i] = (struct jinja_pair){
            folded(in, member(in, items.list->items[i], path), keep_case), items.list->items[i]};
    if (!in->reason)
        sort(in, pairs, pairs + count + 1, count, down);
    for (size_t i = 0; i < count && !in->reason; i++)
        jinja_append(in->arena, &out, pairs[i].value);
    return out;
}

static struct jinja_value f_sort(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    return sorted(in, v, jinja_arg(args, 2, "attribute"),
                  jinja_truth(in->arena, jinja_arg(args, 0, "reverse")),
                  jinja_truth(in->arena, jinja_arg(args, 1, "case_sensitive")));
}

static struct jinja_value f_items(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    struct jinja_value out = jinja_list(in->arena);

    (void)args;
    v = jinja_plain(in->arena, v);
    if (v.kind != JINJA_DICT && v.kind != JINJA_UNDEFINED)
        return jinja_fail(in, "TypeError", "Can only get item pairs from a mapping."), out;
    for (size_t i = 0; v.kind == JINJA_DICT && i < v.dict->count && jinja_spend(in, 2); i++) {
        struct jinja_value pair = jinja_list(in->arena);
        pair.kind = JINJA_TUPLE;
        jinja_append(in->arena, &pair, v.dict->pairs[i].key);
        jinja_append(in->arena, &pair, v.dict->pairs[i].value);
        jinja_append(in->arena, &out, pair);
    }
    return out;
}

static struct jinja_value f_dictsort(struct interpreter *in, struct jinja_value v,
                                     const struct arguments *args)
{
    struct jinja_value by = jinja_arg(args, 1, "by");
    bool values = by.kind == JINJA_STRING && !strcmp(by.text, "value");

    return sorted(in, f_items(in, v, args), jinja_int(values),
                  jinja_truth(in->arena, jinja_arg(args, 2, "reverse")),
                  jinja_truth(in->arena, jinja_arg(args, 0, "case_sensitive")));
}

static struct jinja_value extreme(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args, bool max)
{
    struct jinja_value all = sorted(in, v, jinja_arg(args, 1, "attribute"), max,
                                    jinja_truth(in->arena, jinja_arg(args, 0, "case_sensitive")));
    return !in->reason && all.list->count ? all.list->items[0] : undefined;
}

static struct jinja_value f_min(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    return extreme(in, v, args, false);
}

static struct jinja_value f_max(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    return extreme(in, v, args, true);
}

static struct jinja_value f_sum(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    struct jinja_value path = jinja_arg(args, 0, "attribute"), out = jinja_arg(args, 1, "start");
    struct jinja_value items = jinja_iterate(in, v);

    if (out.kind == JINJA_UNDEFINED)
        out = jinja_int(0);
    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1); i++)
        out = jinja_binary(in, "+", out, member(in, items.list->items[i], path));
    return out;
}

static struct jinja_value f_unique(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v), seen = jinja_list(in->arena);
    struct jinja_value out = jinja_list(in->arena), path = jinja_arg(args, 1, "attribute");
    bool keep = jinja_truth(in->arena, jinja_arg(args, 0, "case_sensitive"));

    for (size_t i = 0; i < items.list->count; i++) {
        struct jinja_value key = folded(in, member(in, items.list->items[i], path), keep);
        size_t k = 0;
        if (!jinja_spend(in, 1 + seen.list->count))
            break;
        while (k < seen.list->count && !jinja_equal(in->arena, seen.list->items[k], key))
            k++;
        if (k < seen.list->count)
            continue;
        jinja_append(in->arena, &seen, key);
        jinja_append(in->arena, &out, items.list->items[i]);
    }
    return out;
}

static struct arguments rest_of(struct interpreter *in, const struct arguments *args, size_t from)
{
    if (args->count <= from)
        return (struct arguments){.named = jinja_dict(in->arena)};
    return (struct arguments){args->items + from, args->count - from, jinja_dict(in->arena)};
}

static struct jinja_value f_map(struct interpreter *in, struct jinja_value v,
                                const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena);
    struct jinja_value path = jinja_arg(args, SIZE_MAX, "attribute");
    struct jinja_value otherwise = jinja_arg(args, SIZE_MAX, "default");
    struct jinja_value name = jinja_arg(args, 0, NULL);
    struct arguments rest = rest_of(in, args, 1);

    if (path.kind == JINJA_UNDEFINED && name.kind != JINJA_STRING)
        return jinja_fail(in, "FilterArgumentError", "map requires a filter argument"), out;
    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1); i++) {
        struct jinja_value item = items.list->items[i];
        item = path.kind != JINJA_UNDEFINED ? member(in, item, path)
                                            : jinja_filter(in, name.text, item, &rest);
        jinja_append(in->arena, &out, item.kind == JINJA_UNDEFINED ? otherwise : item);
    }
    return out;
}

/* select, reject, selectattr and rejectattr. */
static struct jinja_value selected(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args, bool keep, bool by_member)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena);
    struct jinja_value path = by_member ? jinja_arg(args, 0, NULL) : undefined;
    struct jinja_value test = jinja_arg(args, by_member, NULL);
    struct arguments rest = rest_of(in, args, by_member + 1);

    for (size_t i = 0; i < items.list->count && jinja_spend(in, 1); i++) {
        struct jinja_value item = member(in, items.list->items[i], path);
        bool yes = test.kind == JINJA_STRING ? jinja_test(in, test.text, item, &rest)
                                             : jinja_truth(in->arena, item);
        if (yes == keep)
            jinja_append(in->arena, &out, items.list->items[i]);
    }
    return out;
}

#define SELECTION(name, keep, by_member)                                                           \
    static struct jinja_value f_##name(struct interpreter *in, struct jinja_value v,               \
                                       const struct arguments *args)                               \
    {                                                                                              \
        return selected(in, v, args, keep, by_member);                                             \
    }
SELECTION(select, true, false)
SELECTION(reject, false, false)
SELECTION(selectattr, true, true)
SELECTION(rejectattr, false, true)

static struct jinja_value f_batch(struct interpreter *in, struct jinja_value v,
                                  const struct arguments *args)
{
    struct jinja_value items = jinja_iterate(in, v), out = jinja_list(in->arena), row = undefined;
    struct jinja_value fill = jinja_arg(args, 1, "fill_with");
    int64_t size = jinja_arg_int(args, 0, "linecount", 1);

    for (size_t i = 0; i < items.list->count && size > 0 && jinja_spend(in, 1); i++) {
        if (i % (size_t)size == 0) {
            row = jinja_list(in->arena);
            jinja_append(in->arena, &out, row);
        }
        jinja_append(in->arena, &row, items.list->items[i]);
    }
    if (row.kind == JINJA_LIST && fill.kind != JINJA_UNDEFINED && fill.kind != JINJA_NONE)
        while ((int64_t)row.list->count < size && jinja_spend(in, 1))
            jinja_append(in->arena, &row, fill);
    return out;
}

static struct jinja_value f_groupby(struct interpreter *in, struct jinja_value v,
                                    const struct arguments *args)
{
    struct jinja_value path = jinja_arg(args, 0, "attribute"), out = jinja_list(in->arena);
    struct jinja_value all = sorted(in, v, path, false, false), group = undefined;

    for (size_t i = 0; !in->reason && i < all.list->count && jinja_spend(in, 1); i++) {
        struct jinja_value key = member(in, all.list->items[i], path);
        if (group.kind == JINJA_UNDEFINED ||
            !jinja_equal(in->arena, *jinja_find_text(&group, "grouper"), key)) {
            group = jinja_dict(in->arena);
            group.dict->is_namespace = true;
            jinja_put(in->arena, &group, jinja_text("grouper"), key);
            jinja_put(in->arena, &group, jinja_text("list"), jinja_list(in->arena));
            jinja_append(in->arena, &out, group);
        }
        jinja_append(in->arena, jinja_find_text(&group, "list"), all.list->items[i]);
    }
    return out;
}

static struct jinja_value f_attr(struct interpreter *in, struct jinja_value v,
                                 const struct arguments *args)
{
    struct jinja_value name = jinja_to_text(in->arena, jinja_arg(args, 0, "name"));
    return jinja_attribute(in, v, name.text);
}

static struct jinja_value f_string(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    (void)args;
    return jinja_to_text(in->arena, v);
}

static struct jinja_value f_pprint(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    (void)args;
    jinja_write_repr(in->arena, &b, v);
    return jinja_take(in, &b);
}

static struct jinja_value f_tojson(struct interpreter *in, struct jinja_value v,
                                   const struct arguments *args)
{
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    int64_t indent = jinja_arg_int(args, 0, "indent", -1);

    if (v.kind == JINJA_UNDEFINED)
        return jinja_fail(in, "TypeError",
                          "Object of type ChainableUndefined is not JSON serializable");
    jinja_write_json(in->arena, &b, v, indent > 16 ? 16 : indent);
    return jinja_take(in, &b);
}

static const struct filter_row filters[] = {
    {"default", f_default},
    {"d", f_default},
    {"length", f_length},
    {"count", f_length},
    {"list", f_list},
    {"first", f_first},
    {"last", f_last},
    {"join", f_join},
    {"reverse", f_reverse},
    {"sort", f_sort},
    {"items", f_items},
    {"dictsort", f_dictsort},
    {"min", f_min},
    {"max", f_max},
    {"sum", f_sum},
    {"unique", f_unique},
    {"map", f_map},
    {"select", f_select},
    {"reject", f_reject},
    {"selectattr", f_selectattr},
    {"rejectattr", f_rejectattr},
    {"batch", f_batch},
    {"groupby", f_groupby},
    {"attr", f_attr},
    {"string", f_string},
    {"safe", f_string},
    {"pprint", f_pprint},
    {"tojson", f_tojson},
};

static filter_fn *find(const struct filter_row *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].call;
    return NULL;
}

struct jinja_value jinja_filter(struct interpreter *in, const char *name, struct jinja_value v,
                                const struct arguments *args)
{
    filter_fn *call = find(filters, COUNT(filters), name);

    if (!call)
        call = find(jinja_number_filters, jinja_number_filter_count, name);
    if (!call)
        call = find(jinja_text_filters, jinja_text_filter_count, name);
    if (!call)
        call = find(jinja_human_filters, jinja_human_filter_count, name);
    if (!call)
        return jinja_fail(in, "TemplateAssertionError", "No filter named '%s'.", name);
    if (in->reason || !jinja_spend(in, 1 + v.len / 64))
        return undefined;
    v = call(in, v, args);
    return in->reason ? undefined : v;
}
