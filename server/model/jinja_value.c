#include "server/model/jinja_value.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "server/model/jinja.h"
#include "shared/base/clock.h"

enum { FIRST_ROOM = 8, LOOKED_UP = 1000 };

struct jinja_value jinja_none(void)
{
    return (struct jinja_value){.kind = JINJA_NONE};
}

struct jinja_value jinja_bool(bool flag)
{
    return (struct jinja_value){.kind = JINJA_BOOL, .flag = flag, .number = flag};
}

struct jinja_value jinja_int(int64_t number)
{
    return (struct jinja_value){.kind = JINJA_INT, .number = number};
}

struct jinja_value jinja_float(double real)
{
    return (struct jinja_value){.kind = JINJA_FLOAT, .real = real};
}

struct jinja_value jinja_text(const char *text)
{
    return text ? jinja_text_n(text, strlen(text)) : jinja_none();
}

struct jinja_value jinja_text_n(const char *text, size_t len)
{
    return (struct jinja_value){.kind = JINJA_STRING, .text = text, .len = len};
}

struct jinja_value jinja_list(struct arena *a)
{
    return (struct jinja_value){.kind = JINJA_LIST, .list = arena_new(a, struct jinja_list)};
}

struct jinja_value jinja_dict(struct arena *a)
{
    return (struct jinja_value){.kind = JINJA_DICT, .dict = arena_new(a, struct jinja_dict)};
}

struct jinja_value jinja_object(const struct jinja_class *class, const void *self)
{
    return (struct jinja_value){.kind = JINJA_OBJECT, .class = class, .self = self};
}

struct jinja_value jinja_time(int64_t us)
{
    return us == TIME_NONE ? jinja_none() : (struct jinja_value){.kind = JINJA_TIME, .number = us};
}

struct jinja_value jinja_duration(int64_t us)
{
    return us == TIME_NONE ? jinja_none()
                           : (struct jinja_value){.kind = JINJA_DURATION, .number = us};
}

void jinja_append(struct arena *a, struct jinja_value *list, struct jinja_value item)
{
    struct jinja_list *l = list->list;

    if (l->count == l->room) {
        size_t room = l->room ? l->room * 2 : FIRST_ROOM;
        struct jinja_value *items = arena_array(a, struct jinja_value, room);
        if (l->count)
            memcpy(items, l->items, l->count * sizeof(*items));
        l->items = items;
        l->room = room;
    }
    l->items[l->count++] = item;
}

static void push(struct arena *a, struct jinja_dict *d, struct jinja_value key,
                 struct jinja_value value)
{
    if (d->count == d->room) {
        size_t room = d->room ? d->room * 2 : FIRST_ROOM;
        struct jinja_pair *pairs = arena_array(a, struct jinja_pair, room);
        if (d->count)
            memcpy(pairs, d->pairs, d->count * sizeof(*pairs));
        d->pairs = pairs;
        d->room = room;
    }
    d->pairs[d->count++] = (struct jinja_pair){key, value};
}

void jinja_put(struct arena *a, struct jinja_value *dict, struct jinja_value key,
               struct jinja_value value)
{
    struct jinja_value *known = jinja_find(dict, &key);

    if (known)
        *known = value;
    else
        push(a, dict->dict, key, value);
}

struct jinja_value *jinja_find(const struct jinja_value *dict, const struct jinja_value *key)
{
    for (size_t i = 0; i < dict->dict->count; i++) {
        struct jinja_pair *p = &dict->dict->pairs[i];
        if (p->key.kind == JINJA_STRING && key->kind == JINJA_STRING
                ? p->key.len == key->len && !memcmp(p->key.text, key->text, key->len)
                : jinja_equal(NULL, p->key, *key))
            return &p->value;
    }
    return NULL;
}

struct jinja_value *jinja_find_text(const struct jinja_value *dict, const char *key)
{
    struct jinja_value k = jinja_text(key);
    return jinja_find(dict, &k);
}

static struct jinja_value of_number(struct val v)
{
    int64_t n;
    double d = 0;

    if (val_int64(v, &n))
        return jinja_int(n);
    return val_double(v, &d) ? jinja_float(d) : jinja_none();
}

struct jinja_value jinja_of_json(struct arena *a, struct val v)
{
    struct jinja_value out;
    size_t len;

    switch (val_type(v)) {
    case DOC_TRUE:
    case DOC_FALSE:
        return jinja_bool(val_type(v) == DOC_TRUE);
    case DOC_INT:
    case DOC_FLOAT:
        return of_number(v);
    case DOC_STRING: {
        const char *text = val_string(a, v, &len);
        return jinja_text_n(text, len);
    }
    case DOC_ARRAY:
        out = jinja_list(a);
        for (struct val_iter it = val_each(v); val_next(&it);)
            jinja_append(a, &out, jinja_of_json(a, it.value));
        return out;
    case DOC_OBJECT:
        out = jinja_dict(a);
        for (struct val_iter it = val_each(v); val_next(&it);) {
            struct jinja_value key = jinja_of_json(a, it.key), value = jinja_of_json(a, it.value);
            if (out.dict->count < LOOKED_UP) /* beyond that a repeated key stays there twice */
                jinja_put(a, &out, key, value);
            else
                push(a, out.dict, key, value);
        }
        return out;
    default:
        return jinja_none();
    }
}

struct jinja_value jinja_plain(struct arena *a, struct jinja_value v)
{
    struct jinja_value out = {0};

    if (v.kind != JINJA_OBJECT)
        return v;
    v.class->plain(a, v.self, &out);
    return out;
}

bool jinja_is_text(const struct jinja_value *v)
{
    return v->kind == JINJA_STRING;
}

bool jinja_is_number(const struct jinja_value *v)
{
    return v->kind == JINJA_INT || v->kind == JINJA_FLOAT || v->kind == JINJA_BOOL;
}

double jinja_number(const struct jinja_value *v)
{
    return v->kind == JINJA_FLOAT ? v->real : (double)v->number;
}

static bool is_list(const struct jinja_value *v)
{
    return v->kind == JINJA_LIST || v->kind == JINJA_TUPLE;
}

bool jinja_truth(struct arena *a, struct jinja_value v)
{
    v = jinja_plain(a, v);
    switch (v.kind) {
    case JINJA_UNDEFINED:
    case JINJA_NONE:
        return false;
    case JINJA_BOOL:
        return v.flag;
    case JINJA_FLOAT:
        return v.real != 0;
    case JINJA_INT:
    case JINJA_DURATION:
        return v.number != 0;
    case JINJA_STRING:
        return v.len;
    case JINJA_LIST:
    case JINJA_TUPLE:
        return v.list->count;
    case JINJA_DICT:
        return v.dict->count || v.dict->is_namespace;
    default:
        return true;
    }
}

static bool lists_equal(struct arena *a, const struct jinja_list *x, const struct jinja_list *y)
{
    for (size_t i = 0; i < x->count && x->count == y->count; i++)
        if (!jinja_equal(a, x->items[i], y->items[i]))
            return false;
    return x->count == y->count;
}

static bool dicts_equal(struct arena *a, struct jinja_value x, struct jinja_value y)
{
    for (size_t i = 0; i < x.dict->count && x.dict->count == y.dict->count; i++) {
        struct jinja_value *other = jinja_find(&y, &x.dict->pairs[i].key);
        if (!other || !jinja_equal(a, x.dict->pairs[i].value, *other))
            return false;
    }
    return x.dict->count == y.dict->count;
}

bool jinja_equal(struct arena *a, struct jinja_value x, struct jinja_value y)
{
    if (a) {
        x = jinja_plain(a, x);
        y = jinja_plain(a, y);
    }
    if (jinja_is_number(&x) && jinja_is_number(&y))
        return x.kind != JINJA_FLOAT && y.kind != JINJA_FLOAT
                   ? x.number == y.number
                   : jinja_number(&x) == jinja_number(&y);
    if (x.kind != y.kind)
        return false;
    switch (x.kind) {
    case JINJA_STRING:
        return x.len == y.len && !memcmp(x.text, y.text, x.len);
    case JINJA_LIST:
    case JINJA_TUPLE:
        return lists_equal(a, x.list, y.list);
    case JINJA_DICT:
        return dicts_equal(a, x, y);
    case JINJA_TIME:
    case JINJA_DURATION:
        return x.number == y.number;
    case JINJA_OBJECT:
        return x.self == y.self;
    default:
        return x.kind == JINJA_NONE || x.kind == JINJA_UNDEFINED;
    }
}

bool jinja_order(struct arena *a, struct jinja_value x, struct jinja_value y, int *out)
{
    x = jinja_plain(a, x);
    y = jinja_plain(a, y);
    if (jinja_is_number(&x) && jinja_is_number(&y)) {
        double p = jinja_number(&x), q = jinja_number(&y);
        *out = (p > q) - (p < q);
        return true;
    }
    if (x.kind == JINJA_STRING && y.kind == JINJA_STRING) {
        size_t n = x.len < y.len ? x.len : y.len;
        int order = n ? memcmp(x.text, y.text, n) : 0;
        *out = order ? order : (x.len > y.len) - (x.len < y.len);
        return true;
    }
    if (x.kind == y.kind && (x.kind == JINJA_TIME || x.kind == JINJA_DURATION)) {
        *out = (x.number > y.number) - (x.number < y.number);
        return true;
    }
    if (!is_list(&x) || x.kind != y.kind)
        return false;
    for (size_t i = 0; i < x.list->count && i < y.list->count; i++)
        if (!jinja_equal(a, x.list->items[i], y.list->items[i]))
            return jinja_order(a, x.list->items[i], y.list->items[i], out);
    *out = (x.list->count > y.list->count) - (x.list->count < y.list->count);
    return true;
}

struct jinja_value jinja_to_text(struct arena *a, struct jinja_value v)
{
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    if (v.kind == JINJA_STRING)
        return v;
    jinja_write(a, &b, v);
    struct jinja_value out = jinja_text_n(arena_strndup(a, b.len ? b.bytes : "", b.len), b.len);
    buf_free(&b);
    return out;
}

const char *jinja_type(const struct jinja_value *v)
{
    static const char *const names[] = {
        [JINJA_UNDEFINED] = "ChainableUndefined",
        [JINJA_NONE] = "NoneType",
        [JINJA_BOOL] = "bool",
        [JINJA_INT] = "int",
        [JINJA_FLOAT] = "float",
        [JINJA_STRING] = "str",
        [JINJA_LIST] = "list",
        [JINJA_TUPLE] = "tuple",
        [JINJA_DICT] = "dict",
        [JINJA_TIME] = "DateTime",
        [JINJA_DURATION] = "datetime.timedelta",
        [JINJA_OBJECT] = "object",
        [JINJA_FUNCTION] = "function",
    };
    return names[v->kind];
}

const char *jinja_exception(struct arena *a, const char *name, const char *text)
{
    struct buf b = {.max_bytes = 4096};

    jinja_write_repr(a, &b, jinja_text(text));
    const char *out = arena_printf(a, "%s(%.*s)", name, (int)b.len, b.len ? b.bytes : "");
    buf_free(&b);
    return out;
}
