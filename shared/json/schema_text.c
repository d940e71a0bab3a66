/* The sentences of jsonschema, with values as Python's repr() prints them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/node.h"
#include "shared/json/schema_check.h"
#include "shared/json/write.h"

enum { TEXT_MAX_BYTES = 64 << 10 };

/* @i the value, @k the keyword's value, @x the property, @n a count, @v a word that agrees with it,
 * @e properties that are too many, @r the patterns, @s the schemas that fit, @m items beyond the
 * prefix, @l what is left. */
static const char *const sentences[] = {
    [WRONG_TYPE] = "@i is not of type @k",
    [WRONG_ENUM] = "@i is not one of @k",
    [WRONG_CONST] = "@k was expected",
    [WRONG_REQUIRED] = "@x is a required property",
    [WRONG_DEPENDENT] = "@x is a dependency of @k",
    [WRONG_FALSE] = "False schema does not allow @i",
    [WRONG_MINIMUM] = "@i is less than the minimum of @k",
    [WRONG_MAXIMUM] = "@i is greater than the maximum of @k",
    [WRONG_ABOVE] = "@i is less than or equal to the minimum of @k",
    [WRONG_BELOW] = "@i is greater than or equal to the maximum of @k",
    [WRONG_MULTIPLE] = "@i is not a multiple of @k",
    [WRONG_EMPTY] = "@i should be non-empty",
    [WRONG_SHORT] = "@i is too short",
    [WRONG_NOT_EMPTY] = "@i is expected to be empty",
    [WRONG_LONG] = "@i is too long",
    [WRONG_FEW] = "@i does not have enough properties",
    [WRONG_MANY] = "@i has too many properties",
    [WRONG_PATTERN] = "@i does not match @k",
    [WRONG_UNIQUE] = "@i has non-unique elements",
    [WRONG_EXTRA] = "Additional properties are not allowed (@e @v unexpected)",
    [WRONG_NO_PATTERN] = "@e @v not match any of the regexes: @r",
    [WRONG_ITEMS] = "Expected at most @n @v but found @m",
    [WRONG_CONTAINS] = "@i does not contain items matching the given schema",
    [WRONG_CONTAINS_FEW] =
        "Too few items match the given schema (expected at least @k but only @n matched)",
    [WRONG_CONTAINS_MANY] = "Too many items match the given schema (expected at most @k)",
    [WRONG_ANY] = "@i is not valid under any of the given schemas",
    [WRONG_EACH] = "@i is valid under each of @s",
    [WRONG_NOT] = "@i should not be valid under @k",
    [WRONG_LEFT_PROPERTIES] = "Unevaluated properties are not allowed (@l @v unexpected)",
    [WRONG_LEFT_UNFIT] =
        ("Unevaluated properties are not valid under the given schema (@l @v unevaluated and "
         "invalid)"), /* clang suspects a forgotten comma */
    [WRONG_LEFT_ITEMS] = "Unevaluated items are not allowed (@l @v unexpected)",
};

static void add(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

static void repr_string(struct buf *b, struct arena *a, struct val v)
{
    static const char names[] = "nrt\\", values[] = "\n\r\t\\";
    size_t len;
    const char *text = val_string(a, v, &len);
    char quote = memchr(text, '\'', len) && !memchr(text, '"', len) ? '"' : '\'';
    char escaped[8];

    buf_add(b, &quote, 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        const char *known = c ? strchr(values, c) : NULL;
        int n = 0;
        if (known)
            n = snprintf(escaped, sizeof(escaped), "\\%c", names[known - values]);
        else if (c == (unsigned char)quote)
            n = snprintf(escaped, sizeof(escaped), "\\%c", quote);
        else if (c < 0x20 || c == 0x7f)
            n = snprintf(escaped, sizeof(escaped), "\\x%02x", c);
        buf_add(b, n ? escaped : text + i, n ? (size_t)n : 1);
    }
    buf_add(b, &quote, 1);
}

static void repr_container(struct buf *b, struct arena *a, struct val v);

static void repr(struct buf *b, struct arena *a, struct val v)
{
    static const char *const words[] = {
        [DOC_NULL] = "None", [DOC_FALSE] = "False", [DOC_TRUE] = "True"};
    struct raw raw = val_raw(v);
    double d;

    switch (val_type(v)) {
    case DOC_NONE:
        return;
    case DOC_NULL:
    case DOC_FALSE:
    case DOC_TRUE:
        add(b, words[val_type(v)]);
        return;
    case DOC_INT:
        buf_add(b, raw.text, raw.len);
        return;
    case DOC_FLOAT: {
        struct buf number = {.max_bytes = 64};
        if (val_double(v, &d))
            write_double(&number, d);
        buf_add(b, number.bytes, number.len);
        buf_free(&number);
        return;
    }
    case DOC_STRING:
        repr_string(b, a, v);
        return;
    case DOC_ARRAY:
    case DOC_OBJECT:
        repr_container(b, a, v);
        return;
    }
}

static void repr_container(struct buf *b, struct arena *a, struct val v)
{
    bool object = val_type(v) == DOC_OBJECT;

    add(b, object ? "{" : "[");
    for (struct val_iter it = val_each(v); val_next(&it) && !b->full;) {
        if (it.index)
            add(b, ", ");
        if (object) {
            repr(b, a, it.key);
            add(b, ": ");
        }
        repr(b, a, it.value);
    }
    add(b, object ? "}" : "]");
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in quotes, sorted. */
static void add_sorted(struct buf *b, struct checker *c, const struct val *names, size_t count)
{
    const char **texts = arena_array(c->arena, const char *, count + 1);

    for (size_t i = 0; i < count; i++) {
        struct buf one = {.max_bytes = TEXT_MAX_BYTES};
        repr_string(&one, c->arena, names[i]);
        texts[i] = arena_strndup(c->arena, one.bytes, one.len);
        buf_free(&one);
    }
    qsort(texts, count, sizeof(*texts), by_text);
    for (size_t i = 0; i < count; i++) {
        add(b, i ? ", " : "");
        add(b, texts[i]);
    }
}

static void add_extras(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    struct val *names = arena_array(c->arena, struct val, w->count + 1);
    size_t count = 0;

    for (struct val_iter it = val_each(w->instance); val_next(&it);)
        if (count < w->count && schema_is_extra(c, w->schema, it.key))
            names[count++] = it.key;
    add_sorted(b, c, names, count);
}

static void add_patterns(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    struct val patterns = val_get(w->schema, "patternProperties");
    struct val *names = arena_array(c->arena, struct val, val_count(patterns) + 1);

    for (struct val_iter it = val_each(patterns); val_next(&it);)
        names[it.index] = it.key;
    add_sorted(b, c, names, val_count(patterns));
}

static void add_types(struct buf *b, struct checker *c, struct val types)
{
    if (val_type(types) != DOC_ARRAY)
        repr(b, c->arena, types);
    for (struct val_iter it = val_each(types); val_next(&it);) {
        add(b, it.index ? ", " : "");
        repr(b, c->arena, it.value);
    }
}

/* `2 extra: [3, 4]`; a single one stands without brackets. */
static void add_rest(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    size_t extra = val_count(w->instance) - w->count;

    add(b, arena_printf(c->arena, "%zu extra: %s", extra, extra == 1 ? "" : "["));
    for (struct val_iter it = val_each(w->instance); val_next(&it);) {
        if (it.index < w->count)
            continue;
        add(b, it.index > w->count ? ", " : "");
        repr(b, c->arena, it.value);
    }
    add(b, extra == 1 ? "" : "]");
}

static void add_matches(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    for (size_t i = 0; i < w->count; i++) {
        add(b, i ? ", " : "");
        repr(b, c->arena, w->matches[i]);
    }
}

static void add_left(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    if (w->what == WRONG_LEFT_PROPERTIES)
        add_sorted(b, c, w->matches, w->count);
    else
        add_matches(b, c, w);
}

static void add_instance(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    repr(b, c->arena, w->instance);
}

static void add_keyword(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    if (w->what == WRONG_TYPE)
        add_types(b, c, w->keyword);
    else
        repr(b, c->arena, w->keyword);
}

static void add_property(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    repr(b, c->arena, w->extra);
}

static void add_count(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    add(b, arena_printf(c->arena, "%zu", w->count));
}

static void add_verb(struct buf *b, struct checker *c, const struct wrong_value *w)
{
    static const char *const verbs[][2] = {{"were", "was"}, {"do", "does"}, {"items", "item"}};
    size_t row = w->what == WRONG_ITEMS ? 2 : w->what == WRONG_NO_PATTERN;

    (void)c;
    add(b, verbs[row][w->count == 1]);
}

static void (*const parts[])(struct buf *, struct checker *, const struct wrong_value *) = {
    ['i'] = add_instance, ['k'] = add_keyword, ['x'] = add_property, ['n'] = add_count,
    ['e'] = add_extras,   ['v'] = add_verb,    ['r'] = add_patterns, ['m'] = add_rest,
    ['s'] = add_matches,  ['l'] = add_left,
};

const char *schema_text(struct checker *c, const struct wrong_value *w)
{
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};

    for (const char *p = sentences[w->what]; *p; p++) {
        if (*p == '@')
            parts[(unsigned char)*++p](&b, c, w);
        else
            buf_add(&b, p, 1);
    }
    const char *text = arena_strndup(c->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

static bool is_plain(const char *name)
{
    if (!isalpha((unsigned char)*name))
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return !*name;
}

static void add_place(struct buf *b, struct checker *c, const struct place *place)
{
    if (!place)
        return;
    add_place(b, c, place->outer);
    const char *name = place->key.doc ? val_string(c->arena, place->key, NULL) : "";
    if (!b->len && !is_plain(name))
        add(b, "$"); /* jsonschema's paths begin with `$.`, which Prefect cuts off */
    if (!place->key.doc) {
        add(b, arena_printf(c->arena, "[%zu]", place->index));
        return;
    }
    if (!is_plain(name))
        add(b, arena_printf(c->arena, "['%s']", name));
    else
        add(b, arena_printf(c->arena, "%s%s", b->len ? "." : "", name));
}

const char *schema_path_text(struct checker *c, const struct place *place)
{
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};

    add_place(&b, c, place);
    const char *text = b.len ? arena_strndup(c->arena, b.bytes, b.len) : "";
    buf_free(&b);
    return text;
}
