#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/doc.h"
#include "shared/json/node.h"
#include "shared/json/write.h"

static const struct doc_node *node(struct val v)
{
    return v.doc ? &v.doc->nodes[v.node] : NULL;
}

struct val doc_root(const struct doc *d)
{
    return (struct val){d->count ? d : NULL, 0};
}

enum doc_type val_type(struct val v)
{
    return v.doc ? (enum doc_type)node(v)->type : DOC_NONE;
}

size_t val_count(struct val v)
{
    return v.doc ? node(v)->count : 0;
}

struct raw val_raw(struct val v)
{
    const struct doc_node *n = node(v);

    if (!n)
        return (struct raw){NULL, 0};
    return (struct raw){v.doc->text + n->start, n->end - n->start};
}

struct val_iter val_each(struct val container)
{
    enum doc_type type = val_type(container);

    if (type != DOC_ARRAY && type != DOC_OBJECT)
        return (struct val_iter){0};
    return (struct val_iter){
        .value = {container.doc, 0},
        .index = SIZE_MAX,
        .next = container.node + 1,
        .end = node(container)->next,
        .object = type == DOC_OBJECT,
    };
}

bool val_next(struct val_iter *it)
{
    if (it->next >= it->end)
        return false;
    if (it->object) {
        it->key = (struct val){it->value.doc, it->next};
        it->next++;
    }
    it->value.node = it->next;
    it->next = node(it->value)->next;
    it->index++;
    return true;
}

struct val val_get(struct val object, const char *key)
{
    struct val found = {0};
    size_t len = strlen(key);

    if (val_type(object) != DOC_OBJECT)
        return found;
    for (struct val_iter it = val_each(object); val_next(&it);)
        if (val_equals(it.key, key, len))
            found = it.value;
    return found;
}

static int unit_at(const char *digits)
{
    char text[5] = {digits[0], digits[1], digits[2], digits[3], 0};
    return (int)strtol(text, NULL, 16);
}

static int encode_utf8(int c, char out[static 4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* at stands on the u; a low surrogate that follows a high one is taken with it. */
static int take_unicode(const char **at, char out[static 4])
{
    int c = unit_at(*at + 1);

    *at += 5;
    if (c >= 0xd800 && c <= 0xdbff && (*at)[0] == '\\' && (*at)[1] == 'u') {
        int low = unit_at(*at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at += 6;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return encode_utf8(c, out);
}

int node_take_char(const char **at, char out_bytes[static 4])
{
    static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
    unsigned char c = (unsigned char)**at;

    if (c != '\\') {
        int len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        memcpy(out_bytes, *at, (size_t)len);
        *at += len;
        return len;
    }
    ++*at;
    if (**at == 'u')
        return take_unicode(at, out_bytes);
    const char *name = strchr(names, **at);
    out_bytes[0] = **at;
    if (name)
        out_bytes[0] = values[name - names];
    ++*at;
    return 1;
}

const char *val_string(struct arena *a, struct val v, size_t *out_len)
{
    struct raw raw = val_raw(v);

    if (val_type(v) != DOC_STRING)
        return NULL;
    const char *at = raw.text + 1, *end = raw.text + raw.len - 1;
    if (!(node(v)->flags & NODE_ESCAPED)) {
        if (out_len)
            *out_len = raw.len - 2;
        return arena_strndup(a, at, raw.len - 2);
    }
    char *out = arena_array(a, char, raw.len), *to = out;
    while (at < end) {
        char bytes[4];
        int len = node_take_char(&at, bytes);
        memcpy(to, bytes, (size_t)len);
        to += len;
    }
    *to = '\0';
    if (out_len)
        *out_len = (size_t)(to - out);
    return out;
}

bool val_equals(struct val string, const char *text, size_t len)
{
    struct raw raw = val_raw(string);

    if (val_type(string) != DOC_STRING)
        return false;
    if (!(node(string)->flags & NODE_ESCAPED))
        return raw.len - 2 == len && memcmp(raw.text + 1, text, len) == 0;
    const char *at = raw.text + 1, *end = raw.text + raw.len - 1;
    size_t done = 0;
    while (at < end) {
        char bytes[4];
        size_t n = (size_t)node_take_char(&at, bytes);
        if (n > len - done || memcmp(bytes, text + done, n) != 0)
            return false;
        done += n;
    }
    return done == len;
}

size_t val_length(struct val string)
{
    struct raw raw = val_raw(string);
    size_t length = 0;

    if (val_type(string) != DOC_STRING)
        return 0;
    for (const char *at = raw.text + 1, *end = raw.text + raw.len - 1; at < end; length++) {
        char bytes[4];
        node_take_char(&at, bytes);
    }
    return length;
}

bool val_storable(struct val v)
{
    if (!v.doc)
        return true;
    /* The nodes of a container's content follow it, so no recursion is needed. */
    for (uint32_t i = v.node; i < node(v)->next; i++)
        if (v.doc->nodes[i].flags & NODE_UNSTORABLE)
            return false;
    return true;
}

bool val_int64(struct val v, int64_t *out)
{
    struct raw raw = val_raw(v);
    int64_t n = 0;

    if (val_type(v) != DOC_INT || !raw.len)
        return false;
    bool minus = raw.text[0] == '-';
    for (size_t i = minus; i < raw.len; i++) {
        int digit = raw.text[i] - '0';
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, minus ? -digit : digit, &n))
            return false;
    }
    *out = n;
    return true;
}

bool val_double(struct val v, double *out)
{
    struct raw raw = val_raw(v);
    char small[64], *text = small;

    if (val_type(v) != DOC_INT && val_type(v) != DOC_FLOAT)
        return false;
    if (raw.len >= sizeof(small)) {
        text = malloc(raw.len + 1);
        if (!text)
            return false;
    }
    memcpy(text, raw.text, raw.len);
    text[raw.len] = '\0';
    *out = strtod(text, NULL);
    if (text != small)
        free(text);
    return true;
}

void val_write(struct buf *b, struct val v)
{
    struct raw raw = val_raw(v);
    const char *run = raw.text;
    bool quoted = false;

    if (!raw.text)
        return;
    const char *end = raw.text + raw.len;
    write_separator(b);
    for (const char *at = raw.text; at < end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted && *at == '\\')
            at++;
        else if (!quoted && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) {
            buf_add(b, run, (size_t)(at - run));
            run = at + 1;
        }
    }
    buf_add(b, run, (size_t)(end - run));
}

bool val_is_falsy(struct val v)
{
    enum doc_type type = val_type(v);
    double number;

    if (type == DOC_ARRAY || type == DOC_OBJECT)
        return val_count(v) == 0;
    if (val_double(v, &number))
        return number == 0;
    return type == DOC_NONE || type == DOC_NULL || type == DOC_FALSE || val_equals(v, "", 0);
}
