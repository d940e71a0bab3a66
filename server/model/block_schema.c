#include "server/model/block_schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/sha256.h"
#include "shared/json/write.h"

enum { TEXT_MAX_BYTES = 32 << 20 };

static const char prefix[] = "#/definitions/";

/* Definitions that something refers to, sorted. */
struct names {
    const char **items;
    size_t count, cap;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_name(struct arena *a, struct names *names, const char *name)
{
    if (names->count == names->cap) {
        const char **grown = arena_array(a, const char *, names->cap * 2 + 16);
        if (names->count)
            memcpy(grown, names->items, names->count * sizeof(*grown));
        names->items = grown;
        names->cap = names->cap * 2 + 16;
    }
    names->items[names->count++] = name;
}

/* Every string under a key "$ref", wherever it stands. */
static void collect_refs(struct arena *a, struct val v, struct names *names)
{
    for (struct val_iter it = val_each(v); val_next(&it);) {
        if (it.object && val_equals(it.key, "$ref", 4) && val_type(it.value) == DOC_STRING) {
            const char *ref = val_string(a, it.value, NULL);
            size_t skip = strncmp(ref, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;
            add_name(a, names, ref + skip);
        }
        collect_refs(a, it.value, names);
    }
}

static struct names referenced(struct arena *a, struct val fields)
{
    struct names names = {0};

    collect_refs(a, fields, &names);
    if (names.count)
        qsort(names.items, names.count, sizeof(*names.items), by_text);
    return names;
}

static bool is_kept(struct arena *a, const struct names *names, struct val key,
                    struct val definition)
{
    const char *name = val_string(a, key, NULL);
    enum doc_type slug = val_type(val_get(definition, "block_type_slug"));

    if (val_count(definition) == 0 || (slug != DOC_NONE && slug != DOC_NULL) || !names->count)
        return false;
    return bsearch(&name, names->items, names->count, sizeof(name), by_text) != NULL;
}

/* ---- canonical text: json.dumps(..., sort_keys=True) of Python ---- */

struct member {
    const char *key;
    struct val key_val, value;
};

static int by_key(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->value.node > y->value.node) - (x->value.node < y->value.node);
}

static void put(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

static void put_unit(struct buf *b, unsigned unit)
{
    char text[12];
    snprintf(text, sizeof(text), "\\u%04x", unit);
    put(b, text);
}

static unsigned decode_char(const unsigned char **at)
{
    const unsigned char *s = *at;
    size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    unsigned c = len == 1 ? s[0] : s[0] & (0x7fu >> len);

    for (size_t i = 1; i < len; i++)
        c = c << 6 | (s[i] & 0x3f);
    *at += len;
    return c;
}

static void put_string(struct buf *b, const char *text, size_t len)
{
    static const char escaped[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    const unsigned char *at = (const unsigned char *)text, *end = at + len;

    put(b, "\"");
    while (at < end) {
        unsigned c = decode_char(&at);
        const char *known = c && c < 0x80 ? strchr(escaped, (int)c) : NULL;
        char plain[3] = {'\\', (char)c, 0};
        if (known) {
            plain[1] = names[known - escaped];
            put(b, plain);
        } else if (c >= 0x20 && c < 0x7f) {
            put(b, plain + 1);
        } else if (c < 0x10000) {
            put_unit(b, c);
        } else {
            put_unit(b, 0xd800 + ((c - 0x10000) >> 10));
            put_unit(b, 0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    put(b, "\"");
}

static void put_scalar(struct buf *b, struct arena *a, struct val v)
{
    struct raw raw = val_raw(v);
    size_t len;
    double d;

    if (val_type(v) == DOC_STRING) {
        const char *text = val_string(a, v, &len);
        put_string(b, text, len);
    } else if (val_type(v) == DOC_FLOAT && val_double(v, &d)) {
        struct buf number = {.max_bytes = 64};
        write_double(&number, d);
        buf_add(b, number.bytes, number.len);
        buf_free(&number);
    } else {
        buf_add(b, raw.text, raw.len);
    }
}

struct canonical {
    struct arena *arena;
    struct buf *out;
    const struct names *names;
    struct val root;
};

static void put_value(const struct canonical *c, struct val v, bool in_list);

/* Whether the member of the object stays: `secret_fields` go outside of lists, definitions are
 * chosen. */
static bool stays(const struct canonical *c, struct val object, const struct member *m,
                  bool in_list)
{
    bool definitions = object.node == c->root.node && strcmp(m->key, "definitions") == 0;

    if (!in_list && strcmp(m->key, "secret_fields") == 0)
        return false;
    if (!definitions || val_type(m->value) != DOC_OBJECT || val_count(m->value) == 0)
        return true;
    for (struct val_iter it = val_each(m->value); val_next(&it);)
        if (is_kept(c->arena, c->names, it.key, it.value))
            return true;
    return false;
}

static void put_object(const struct canonical *c, struct val v, bool in_list)
{
    struct member *all = arena_array(c->arena, struct member, val_count(v) + 1);
    bool chosen = v.node == val_get(c->root, "definitions").node && v.node != c->root.node;
    size_t count = 0, put_count = 0;

    for (struct val_iter it = val_each(v); val_next(&it);)
        all[count++] = (struct member){val_string(c->arena, it.key, NULL), it.key, it.value};
    qsort(all, count, sizeof(*all), by_key);
    put(c->out, "{");
    for (size_t i = 0; i < count; i++) {
        bool overridden = i + 1 < count && strcmp(all[i].key, all[i + 1].key) == 0;
        if (overridden || !stays(c, v, &all[i], in_list))
            continue;
        if (chosen && !is_kept(c->arena, c->names, all[i].key_val, all[i].value))
            continue;
        put(c->out, put_count++ ? ", " : "");
        put_string(c->out, all[i].key, strlen(all[i].key));
        put(c->out, ": ");
        put_value(c, all[i].value, in_list);
    }
    put(c->out, "}");
}

static void put_value(const struct canonical *c, struct val v, bool in_list)
{
    if (val_type(v) == DOC_OBJECT) {
        put_object(c, v, in_list);
        return;
    }
    if (val_type(v) != DOC_ARRAY) {
        put_scalar(c->out, c->arena, v);
        return;
    }
    put(c->out, "[");
    for (struct val_iter it = val_each(v); val_next(&it);) {
        put(c->out, it.index ? ", " : "");
        put_value(c, it.value, true);
    }
    put(c->out, "]");
}

const char *block_schema_checksum(struct arena *a, struct val fields)
{
    struct names names = referenced(a, fields);
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};
    struct canonical c = {a, &b, &names, fields};
    char digits[SHA256_TEXT_BYTES];

    put(&b, "[[");
    put_value(&c, fields, false);
    put(&b, "], {}]");
    sha256_of(b.bytes, b.len, digits);
    buf_free(&b);
    return arena_printf(a, "sha256:%s", digits);
}

/* ---- parts ---- */

static struct raw finish(struct arena *a, struct buf *b)
{
    struct raw out = {arena_strndup(a, b->bytes, b->len), b->len};
    buf_free(b);
    return out;
}

struct raw block_schema_with(struct arena *a, struct val fields, struct val definitions)
{
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};

    write_object(&b);
    for (struct val_iter it = val_each(fields); val_next(&it);) {
        if (val_equals(it.key, "definitions", 11))
            continue;
        write_raw(&b, val_raw(it.key));
        buf_lit(&b, ":");
        write_raw(&b, val_raw(it.value));
    }
    if (val_count(definitions)) {
        write_key(&b, "definitions");
        write_raw(&b, val_raw(definitions));
    }
    write_end_object(&b);
    return finish(a, &b);
}

static void write_definitions(struct arena *a, struct buf *b, const struct names *names,
                              struct val definitions)
{
    bool any = false;

    for (struct val_iter it = val_each(definitions); val_next(&it);) {
        if (!is_kept(a, names, it.key, it.value))
            continue;
        if (!any) {
            write_key(b, "definitions");
            write_object(b);
        }
        any = true;
        write_raw(b, val_raw(it.key));
        buf_lit(b, ":");
        write_raw(b, val_raw(it.value));
    }
    if (any)
        write_end_object(b);
}

struct raw block_schema_stored(struct arena *a, struct val fields)
{
    struct names names = referenced(a, fields);
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};

    write_object(&b);
    for (struct val_iter it = val_each(fields); val_next(&it);) {
        if (val_equals(it.key, "definitions", 11) ||
            val_equals(it.key, "block_schema_references", 23))
            continue;
        write_raw(&b, val_raw(it.key));
        buf_lit(&b, ":");
        write_raw(&b, val_raw(it.value));
    }
    write_definitions(a, &b, &names, val_get(fields, "definitions"));
    write_end_object(&b);
    return finish(a, &b);
}

static bool read_reference(struct arena *a, const char *name, struct val v,
                           struct block_schema_reference *out)
{
    *out =
        (struct block_schema_reference){name, val_string(a, val_get(v, "block_type_slug"), NULL),
                                        val_string(a, val_get(v, "block_schema_checksum"), NULL)};
    return out->slug && out->checksum;
}

size_t block_schema_references(struct arena *a, struct val fields,
                               struct block_schema_reference *out)
{
    size_t count = 0;

    for (struct val_iter it = val_each(val_get(fields, "block_schema_references"));
         val_next(&it);) {
        const char *name = it.object ? val_string(a, it.key, NULL) : "";
        bool list = val_type(it.value) == DOC_ARRAY;
        struct val_iter each = list ? val_each(it.value) : (struct val_iter){.value = it.value};
        while (!list || val_next(&each)) {
            if (count == BLOCK_REFERENCES_MAX || !read_reference(a, name, each.value, &out[count]))
                return SIZE_MAX;
            count++;
            if (!list)
                break;
        }
    }
    return count;
}

struct val block_schema_definition(struct arena *a, struct val fields,
                                   const struct block_schema_reference *ref)
{
    struct val definitions = val_get(fields, "definitions");
    struct names names = {0};

    collect_refs(a, val_get(val_get(fields, "properties"), ref->name), &names);
    for (size_t i = 0; i < names.count; i++) {
        struct val definition = val_get(definitions, names.items[i]);
        if (names.count == 1 ||
            val_equals(val_get(definition, "block_type_slug"), ref->slug, strlen(ref->slug)))
            return definition;
    }
    return (struct val){0};
}
