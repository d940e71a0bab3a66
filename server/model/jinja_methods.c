/* Methods of texts, dicts, lists and times that do not change them, and tests. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/model/jinja_internal.h"
#include "shared/base/clock.h"

static const struct jinja_value undefined;

typedef struct jinja_value method_fn(struct interpreter *in, const struct jinja_value *v,
                                     const struct arguments *args);

/* A text argument; NULL: it was not given, or is none. */
static const char *text_arg(const struct arguments *args, size_t i, const char *name)
{
    struct jinja_value v = jinja_arg(args, i, name);
    return v.kind == JINJA_STRING ? v.text : NULL;
}

/* Methods that are filters too. */
#define AS_FILTER(name)                                                                            \
    static struct jinja_value m_##name(struct interpreter *in, const struct jinja_value *v,        \
                                       const struct arguments *args)                               \
    {                                                                                              \
        return jinja_filter(in, #name, *v, args);                                                  \
    }
AS_FILTER(upper)
AS_FILTER(lower)
AS_FILTER(title)
AS_FILTER(capitalize)
AS_FILTER(replace)
AS_FILTER(center)

static struct jinja_value strip(const struct jinja_value *v, const struct arguments *args,
                                bool left, bool right)
{
    const char *set = text_arg(args, 0, NULL);
    const char *from = v->text, *to = v->text + v->len;

    if (!set)
        set = " \t\n\r\f\v";
    while (left && from < to && strchr(set, *from))
        from++;
    while (right && to > from && strchr(set, to[-1]))
        to--;
    return jinja_text_n(from, (size_t)(to - from));
}

static struct jinja_value m_strip(struct interpreter *in, const struct jinja_value *v,
                                  const struct arguments *args)
{
    (void)in;
    return strip(v, args, true, true);
}

static struct jinja_value m_lstrip(struct interpreter *in, const struct jinja_value *v,
                                   const struct arguments *args)
{
    (void)in;
    return strip(v, args, true, false);
}

static struct jinja_value m_rstrip(struct interpreter *in, const struct jinja_value *v,
                                   const struct arguments *args)
{
    (void)in;
    return strip(v, args, false, true);
}

static bool ends_with(const struct jinja_value *v, struct jinja_value what, bool front)
{
    if (what.kind == JINJA_TUPLE || what.kind == JINJA_LIST) {
        for (size_t i = 0; i < what.list->count; i++)
            if (ends_with(v, what.list->items[i], front))
                return true;
        return false;
    }
    return what.kind == JINJA_STRING && v->len >= what.len &&
           !memcmp(front ? v->text : v->text + v->len - what.len, what.text, what.len);
}

static struct jinja_value m_startswith(struct interpreter *in, const struct jinja_value *v,
                                       const struct arguments *args)
{
    (void)in;
    return jinja_bool(ends_with(v, jinja_arg(args, 0, NULL), true));
}

static struct jinja_value m_endswith(struct interpreter *in, const struct jinja_value *v,
                                     const struct arguments *args)
{
    (void)in;
    return jinja_bool(ends_with(v, jinja_arg(args, 0, NULL), false));
}

static struct jinja_value split_blanks(struct interpreter *in, const struct jinja_value *v,
                                       int64_t limit)
{
    struct jinja_value out = jinja_list(in->arena);
    const char *p = v->text, *end = p + v->len, *from;

    for (;;) {
        while (p < end && isspace((unsigned char)*p))
            p++;
        if (p == end)
            return out;
        from = p;
        if (limit >= 0 && (int64_t)out.list->count == limit)
            p = end;
        while (p < end && !isspace((unsigned char)*p))
            p++;
        jinja_append(in->arena, &out, jinja_text_n(from, (size_t)(p - from)));
    }
}

static struct jinja_value m_split(struct interpreter *in, const struct jinja_value *v,
                                  const struct arguments *args)
{
    const char *by = text_arg(args, 0, "sep"), *p = v->text, *end = p + v->len, *next;
    int64_t limit = jinja_arg_int(args, 1, "maxsplit", -1);
    struct jinja_value out = jinja_list(in->arena);

    if (!by)
        return split_blanks(in, v, limit);
    if (!*by)
        return jinja_fail(in, "ValueError", "empty separator");
    while ((limit < 0 || (int64_t)out.list->count < limit) && jinja_spend(in, 1) &&
           (next = memmem(p, (size_t)(end - p), by, strlen(by)))) {
        jinja_append(in->arena, &out, jinja_text_n(p, (size_t)(next - p)));
        p = next + strlen(by);
    }
    jinja_append(in->arena, &out, jinja_text_n(p, (size_t)(end - p)));
    return out;
}

static struct jinja_value m_splitlines(struct interpreter *in, const struct jinja_value *v,
                                       const struct arguments *args)
{
    struct jinja_value nl = jinja_text("\n"), trimmed = *v;

    (void)args;
    if (!v->len)
        return jinja_list(in->arena);
    trimmed.len -= v->text[v->len - 1] == '\n';
    return m_split(in, &trimmed, &(struct arguments){&nl, 1, jinja_dict(in->arena)});
}

static struct jinja_value m_join(struct interpreter *in, const struct jinja_value *v,
                                 const struct arguments *args)
{
    struct jinja_value by = *v;
    return jinja_filter(in, "join", jinja_arg(args, 0, NULL),
                        &(struct arguments){&by, 1, jinja_dict(in->arena)});
}

static struct jinja_value m_find(struct interpreter *in, const struct jinja_value *v,
                                 const struct arguments *args)
{
    const char *what = text_arg(args, 0, NULL);
    const char *at = what ? memmem(v->text, v->len, what, strlen(what)) : NULL;

    (void)in;
    return jinja_int(at ? at - v->text : -1);
}

static struct jinja_value m_count(struct interpreter *in, const struct jinja_value *v,
                                  const struct arguments *args)
{
    int64_t n = 0;

    if (v->kind != JINJA_STRING) {
        for (size_t i = 0; i < v->list->count; i++)
            n += jinja_equal(in->arena, v->list->items[i], jinja_arg(args, 0, NULL));
        return jinja_int(n);
    }
    const char *what = text_arg(args, 0, NULL), *p = v->text, *end = p + v->len;
    while (what && *what && (p = memmem(p, (size_t)(end - p), what, strlen(what)))) {
        p += strlen(what);
        n++;
    }
    return jinja_int(n);
}

static bool all(const struct jinja_value *v, int (*is)(int))
{
    for (size_t i = 0; i < v->len; i++)
        if (!is((unsigned char)v->text[i]))
            return false;
    return v->len;
}

static struct jinja_value m_isdigit(struct interpreter *in, const struct jinja_value *v,
                                    const struct arguments *args)
{
    (void)in, (void)args;
    return jinja_bool(all(v, isdigit));
}

static struct jinja_value m_isalpha(struct interpreter *in, const struct jinja_value *v,
                                    const struct arguments *args)
{
    (void)in, (void)args;
    return jinja_bool(all(v, isalpha));
}

/* `{}`, `{0}` and `{name}`, without format specifications. */
static struct jinja_value m_format(struct interpreter *in, const struct jinja_value *v,
                                   const struct arguments *args)
{
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    size_t next = 0;

    for (const char *p = v->text, *end = p + v->len; p < end && !in->reason; p++) {
        bool twice = p + 1 < end && p[1] == *p;
        const char *close = *p == '{' && !twice ? memchr(p, '}', (size_t)(end - p)) : NULL;
        if (!close) {
            buf_add(&b, p, 1);
            p += (*p == '{' || *p == '}') && twice;
            continue;
        }
        const char *name = arena_strndup(in->arena, p + 1, (size_t)(close - p - 1));
        bool number = isdigit((unsigned char)*name);
        size_t i = !*name ? next++ : number ? (size_t)strtoul(name, NULL, 10) : SIZE_MAX;
        struct jinja_value item = jinja_arg(args, i, number ? NULL : name);
        if (item.kind == JINJA_UNDEFINED && i != SIZE_MAX)
            jinja_fail(in, "IndexError",
                       "Replacement index %zu out of range for positional args tuple", i);
        else if (item.kind == JINJA_UNDEFINED)
            jinja_fail(in, "KeyError", "%s", name);
        jinja_write(in->arena, &b, item);
        p = close;
    }
    struct jinja_value out =
        jinja_text_n(arena_strndup(in->arena, b.len ? b.bytes : "", b.len), b.len);
    buf_free(&b);
    return out;
}

static struct jinja_value m_get(struct interpreter *in, const struct jinja_value *v,
                                const struct arguments *args)
{
    struct jinja_value key = jinja_arg(args, 0, "key"), otherwise = jinja_arg(args, 1, "default");
    struct jinja_value *found = jinja_find(v, &key);

    (void)in;
    return found ? *found : otherwise.kind == JINJA_UNDEFINED ? jinja_none() : otherwise;
}

static struct jinja_value m_keys(struct interpreter *in, const struct jinja_value *v,
                                 const struct arguments *args)
{
    (void)args;
    return jinja_iterate(in, *v);
}

static struct jinja_value m_values(struct interpreter *in, const struct jinja_value *v,
                                   const struct arguments *args)
{
    struct jinja_value out = jinja_list(in->arena);

    (void)args;
    for (size_t i = 0; i < v->dict->count; i++)
        jinja_append(in->arena, &out, v->dict->pairs[i].value);
    return out;
}

static struct jinja_value m_items(struct interpreter *in, const struct jinja_value *v,
                                  const struct arguments *args)
{
    (void)args;
    return jinja_filter(in, "items", *v, &(struct arguments){.named = jinja_dict(in->arena)});
}

static struct jinja_value m_isoformat(struct interpreter *in, const struct jinja_value *v,
                                      const struct arguments *args)
{
    char text[TIME_TEXT_BYTES];
    size_t len = time_format(v->number, text);

    (void)args;
    return jinja_text(arena_printf(in->arena, "%.*s+00:00", (int)len - 1, text));
}

static struct jinja_value m_timestamp(struct interpreter *in, const struct jinja_value *v,
                                      const struct arguments *args)
{
    (void)in, (void)args;
    return jinja_float((double)v->number / 1e6);
}

static struct jinja_value m_strftime(struct interpreter *in, const struct jinja_value *v,
                                     const struct arguments *args)
{
    const char *format = text_arg(args, 0, "format");
    int64_t rest = v->number % 1000000;
    time_t seconds = (time_t)((v->number - (rest < 0 ? rest + 1000000 : rest)) / 1000000);
    struct tm tm;
    char text[500];

    if (!format || strlen(format) > 100)
        return jinja_fail(in, "TypeError", "strftime() argument 1 must be a short str");
    gmtime_r(&seconds, &tm);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    text[strftime(text, sizeof(text), format, &tm)] = '\0';
#pragma GCC diagnostic pop
    return jinja_text(arena_printf(in->arena, "%s", text));
}

#define KIND(k) (1u << JINJA_##k)
static const struct {
    const char *name;
    unsigned kinds;
    method_fn *call;
} methods[] = {
    {"upper", KIND(STRING), m_upper},
    {"lower", KIND(STRING), m_lower},
    {"title", KIND(STRING), m_title},
    {"capitalize", KIND(STRING), m_capitalize},
    {"replace", KIND(STRING), m_replace},
    {"center", KIND(STRING), m_center},
    {"strip", KIND(STRING), m_strip},
    {"lstrip", KIND(STRING), m_lstrip},
    {"rstrip", KIND(STRING), m_rstrip},
    {"startswith", KIND(STRING), m_startswith},
    {"endswith", KIND(STRING), m_endswith},
    {"split", KIND(STRING), m_split},
    {"splitlines", KIND(STRING), m_splitlines},
    {"join", KIND(STRING), m_join},
    {"find", KIND(STRING), m_find},
    {"count", KIND(STRING) | KIND(LIST) | KIND(TUPLE), m_count},
    {"isdigit", KIND(STRING), m_isdigit},
    {"isalpha", KIND(STRING), m_isalpha},
    {"format", KIND(STRING), m_format},
    {"get", KIND(DICT), m_get},
    {"keys", KIND(DICT), m_keys},
    {"values", KIND(DICT), m_values},
    {"items", KIND(DICT), m_items},
    {"isoformat", KIND(TIME), m_isoformat},
    {"timestamp", KIND(TIME), m_timestamp},
    {"strftime", KIND(TIME), m_strftime},
    {"total_seconds", KIND(DURATION), m_timestamp},
};

static method_fn *find_method(const struct jinja_value *v, const char *name)
{
    for (size_t i = 0; i < COUNT(methods); i++)
        if (methods[i].kinds >> v->kind & 1 && !strcmp(methods[i].name, name))
            return methods[i].call;
    return NULL;
}

bool jinja_has_method(const struct jinja_value *v, const char *name)
{
    return find_method(v, name);
}

struct jinja_value jinja_method(struct interpreter *in, struct jinja_value of, const char *name,
                                const struct arguments *args)
{
    return jinja_spend(in, 1 + of.len / 64) ? find_method(&of, name)(in, &of, args) : undefined;
}

/* ---- tests ---- */

static bool test_kind(const char *name, const struct jinja_value *v, bool *out)
{
    static const struct {
        const char *name;
        unsigned kinds;
    } kinds[] = {
        {"none", KIND(NONE)},
        {"undefined", KIND(UNDEFINED)},
        {"string", KIND(STRING)},
        {"number", KIND(INT) | KIND(FLOAT) | KIND(BOOL)},
        {"integer", KIND(INT)},
        {"float", KIND(FLOAT)},
        {"boolean", KIND(BOOL)},
        {"mapping", KIND(DICT)},
        {"sequence", KIND(STRING) | KIND(LIST) | KIND(TUPLE) | KIND(DICT) | KIND(UNDEFINED)},
        {"iterable", KIND(STRING) | KIND(LIST) | KIND(TUPLE) | KIND(DICT) | KIND(UNDEFINED)},
        {"callable", KIND(FUNCTION)},
    };

    for (size_t i = 0; i < COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        *out = kinds[i].kinds >> v->kind & 1;
        return true;
    }
    return false;
}

static bool test_operator(struct interpreter *in, const char *name, struct jinja_value v,
                          const struct arguments *args, bool *out)
{
    static const char *const names[][2] = {
        {"eq", "=="}, {"equalto", "=="}, {"==", "=="}, {"ne", "!="},
        {"lt", "<"},  {"lessthan", "<"}, {"gt", ">"},  {"greaterthan", ">"},
        {"le", "<="}, {"ge", ">="},      {"in", "in"},
    };

    for (size_t i = 0; i < COUNT(names); i++) {
        if (strcmp(names[i][0], name) != 0)
            continue;
        *out = jinja_compare(in, names[i][1], v, jinja_arg(args, 0, NULL));
        return true;
    }
    return false;
}

static bool test_number(struct interpreter *in, const char *name, struct jinja_value v,
                        const struct arguments *args, bool *out)
{
    int64_t by = jinja_arg_int(args, 0, NULL, 2);
    bool even = !strcmp(name, "even"), odd = !strcmp(name, "odd");

    if (!even && !odd && strcmp(name, "divisibleby") != 0)
        return false;
    if (v.kind != JINJA_INT || !by)
        jinja_fail(in, "TypeError", "not all arguments converted during string formatting");
    else
        *out = odd ? v.number % 2 : by == -1 || !(v.number % (even ? 2 : by));
    return true;
}

bool jinja_test(struct interpreter *in, const char *name, struct jinja_value v,
                const struct arguments *args)
{
    struct jinja_value plain = jinja_plain(in->arena, v);
    bool yes = false;

    if (!strcmp(name, "defined"))
        return v.kind != JINJA_UNDEFINED;
    if (!strcmp(name, "true") || !strcmp(name, "false"))
        return v.kind == JINJA_BOOL && v.flag == (*name == 't');
    if (!strcmp(name, "sameas"))
        return jinja_equal(in->arena, v, jinja_arg(args, 0, NULL));
    if (!strcmp(name, "lower") || !strcmp(name, "upper")) {
        struct jinja_value text = jinja_to_text(in->arena, v);
        return jinja_equal(
            in->arena, text,
            jinja_filter(in, name, text, &(struct arguments){.named = jinja_dict(in->arena)}));
    }
    if (test_kind(name, &plain, &yes) || test_operator(in, name, v, args, &yes) ||
        test_number(in, name, v, args, &yes))
        return yes;
    return jinja_fail(in, "TemplateAssertionError", "No test named '%s'.", name).flag;
}
