/* How values print: Python's str(), repr() and json.dumps(). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/model/jinja_value.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

enum { DEEPEST = 100, SORTED_MAX = 2000 };

#define SECOND_US INT64_C(1000000)
#define DAY_S     INT64_C(86400)

static void add(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

static void write_real(struct buf *b, double d)
{
    struct buf one = {.max_bytes = 64};

    write_double(&one, d);
    if (one.len == 4 && !memcmp(one.bytes, "null", 4))
        add(b, d != d ? "nan" : d > 0 ? "inf" : "-inf");
    else
        buf_add(b, one.bytes, one.len);
    buf_free(&one);
}

/* `2024-01-01 00:00:00.123000+00:00` */
static void write_moment(struct buf *b, int64_t us)
{
    char text[TIME_TEXT_BYTES];
    size_t len = time_format(us, text);

    for (size_t i = 0; i + 1 < len; i++)
        if (text[i] == 'T')
            text[i] = ' ';
    buf_add(b, text, len - 1);
    add(b, "+00:00");
}

/* `1 day, 2:03:04.000005` */
static void write_span(struct buf *b, int64_t us)
{
    int64_t seconds = us / SECOND_US, rest = us % SECOND_US;
    char text[80];

    if (rest < 0) {
        rest += SECOND_US;
        seconds--;
    }
    int64_t days = seconds / DAY_S, in_day = seconds % DAY_S;
    if (in_day < 0) {
        in_day += DAY_S;
        days--;
    }
    if (days) {
        snprintf(text, sizeof(text), "%" PRId64 " day%s, ", days,
                 days == 1 || days == -1 ? "" : "s");
        add(b, text);
    }
    snprintf(text, sizeof(text), "%" PRId64 ":%02d:%02d", in_day / 3600, (int)(in_day / 60 % 60),
             (int)(in_day % 60));
    add(b, text);
    if (rest) {
        snprintf(text, sizeof(text), ".%06d", (int)rest);
        add(b, text);
    }
}

static void write_quoted(struct buf *b, const char *text, size_t len)
{
    bool single = memchr(text, '\'', len), twice = memchr(text, '"', len);
    char quote = single && !twice ? '"' : '\'', hex[8];

    buf_add(b, &quote, 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        const char *escape = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (escape) {
            add(b, escape);
        } else if (c == '\\' || c == (unsigned char)quote) {
            buf_lit(b, "\\");
            buf_add(b, &text[i], 1);
        } else if (c < 32 || c == 127) {
            snprintf(hex, sizeof(hex), "\\x%02x", c);
            add(b, hex);
        } else {
            buf_add(b, &text[i], 1);
        }
    }
    buf_add(b, &quote, 1);
}

static void write_repr(struct arena *a, struct buf *b, struct jinja_value v, int depth);

static void write_items(struct arena *a, struct buf *b, struct jinja_value v, int depth)
{
    bool tuple = v.kind == JINJA_TUPLE;

    add(b, tuple ? "(" : "[");
    for (size_t i = 0; i < v.list->count && !b->full; i++) {
        if (i)
            add(b, ", ");
        write_repr(a, b, v.list->items[i], depth + 1);
    }
    add(b, tuple ? v.list->count == 1 ? ",)" : ")" : "]");
}

static void write_pairs(struct arena *a, struct buf *b, struct jinja_value v, int depth)
{
    add(b, "{");
    for (size_t i = 0; i < v.dict->count && !b->full; i++) {
        if (i)
            add(b, ", ");
        write_repr(a, b, v.dict->pairs[i].key, depth + 1);
        add(b, ": ");
        write_repr(a, b, v.dict->pairs[i].value, depth + 1);
    }
    add(b, "}");
}

static void write_scalar(struct buf *b, struct jinja_value v)
{
    char text[32];

    switch (v.kind) {
    case JINJA_NONE:
        add(b, "None");
        return;
    case JINJA_BOOL:
        add(b, v.flag ? "True" : "False");
        return;
    case JINJA_INT:
        snprintf(text, sizeof(text), "%" PRId64, v.number);
        add(b, text);
        return;
    case JINJA_FLOAT:
        write_real(b, v.real);
        return;
    case JINJA_TIME:
        write_moment(b, v.number);
        return;
    case JINJA_DURATION:
        write_span(b, v.number);
        return;
    case JINJA_FUNCTION:
        add(b, "<function ");
        buf_add(b, v.text, v.len);
        add(b, ">");
        return;
    default:
        return;
    }
}

static void write_repr(struct arena *a, struct buf *b, struct jinja_value v, int depth)
{
    v = jinja_plain(a, v);
    if (depth > DEEPEST)
        add(b, "...");
    else if (v.kind == JINJA_UNDEFINED)
        add(b, "Undefined");
    else if (v.kind == JINJA_STRING)
        write_quoted(b, v.text, v.len);
    else if (v.kind == JINJA_LIST || v.kind == JINJA_TUPLE)
        write_items(a, b, v, depth);
    else if (v.kind == JINJA_DICT)
        write_pairs(a, b, v, depth);
    else
        write_scalar(b, v);
}

void jinja_write_repr(struct arena *a, struct buf *b, struct jinja_value v)
{
    write_repr(a, b, v, 0);
}

void jinja_write(struct arena *a, struct buf *b, struct jinja_value v)
{
    v = jinja_plain(a, v);
    if (v.kind == JINJA_STRING)
        buf_add(b, v.text, v.len);
    else if (v.kind != JINJA_UNDEFINED)
        write_repr(a, b, v, 0);
}

/* ---- JSON ---- */

/* ASCII only, and safe in HTML. */
static void write_json_text(struct buf *b, const char *text, size_t len)
{
    struct buf one = {.max_bytes = len * 6 + 16};
    char hex[16];

    write_string_n(&one, text, len);
    for (size_t i = 0; i < one.len; i++) {
        unsigned char c = (unsigned char)one.bytes[i];
        uint32_t point = c;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        if (c < 128 && !strchr("<>&'", c)) {
            buf_add(b, &one.bytes[i], 1);
            continue;
        }
        if (more)
            point = c & (0x3fu >> more);
        for (; more && i + 1 < one.len; more--)
            point = point << 6 | ((unsigned char)one.bytes[++i] & 0x3f);
        if (point > 0xffff)
            snprintf(hex, sizeof(hex), "\\u%04x\\u%04x", 0xd800 + ((point - 0x10000) >> 10),
                     0xdc00 + ((point - 0x10000) & 0x3ff));
        else
            snprintf(hex, sizeof(hex), "\\u%04x", point);
        add(b, hex);
    }
    buf_free(&one);
}

struct json_style {
    struct arena *arena;
    int64_t indent; /* <0: one line */
};

static void write_json(const struct json_style *s, struct buf *b, struct jinja_value v, int depth);

static void write_gap(const struct json_style *s, struct buf *b, size_t index, int depth)
{
    if (index)
        add(b, s->indent < 0 ? ", " : ",");
    if (s->indent >= 0)
        add(b, "\n");
    for (int64_t i = 0; i < s->indent * depth && !b->full; i++)
        add(b, " ");
}

/* json.dumps(sort_keys=True), unless that were too much. */
static void write_json_dict(const struct json_style *s, struct buf *b, struct jinja_value v,
                            int depth)
{
    struct jinja_value sorted = v.dict->count > SORTED_MAX ? v : jinja_dict(s->arena);

    for (size_t i = 0; i < v.dict->count && sorted.dict != v.dict; i++) {
        struct jinja_pair p = v.dict->pairs[i];
        p.key = jinja_to_text(s->arena, p.key);
        jinja_put(s->arena, &sorted, p.key, p.value);
        struct jinja_pair *at = &sorted.dict->pairs[sorted.dict->count - 1];
        int order;
        for (; at > sorted.dict->pairs && jinja_order(s->arena, at[-1].key, p.key, &order) &&
               order > 0;
             at--)
            *at = at[-1];
        *at = p;
    }
    add(b, "{");
    for (size_t i = 0; i < sorted.dict->count && !b->full; i++) {
        write_gap(s, b, i, depth + 1);
        struct jinja_value key = jinja_to_text(s->arena, sorted.dict->pairs[i].key);
        write_json_text(b, key.text, key.len);
        add(b, ": ");
        write_json(s, b, sorted.dict->pairs[i].value, depth + 1);
    }
    if (v.dict->count && s->indent >= 0)
        write_gap(s, b, 0, depth);
    add(b, "}");
}

static void write_json(const struct json_style *s, struct buf *b, struct jinja_value v, int depth)
{
    struct buf iso = {.max_bytes = 64};

    v = jinja_plain(s->arena, v);
    if (v.kind == JINJA_STRING) {
        write_json_text(b, v.text, v.len);
    } else if (depth > DEEPEST || v.kind == JINJA_NONE || v.kind == JINJA_UNDEFINED) {
        add(b, "null");
    } else if (v.kind == JINJA_BOOL) {
        add(b, v.flag ? "true" : "false");
    } else if (v.kind == JINJA_LIST || v.kind == JINJA_TUPLE) {
        add(b, "[");
        for (size_t i = 0; i < v.list->count && !b->full; i++) {
            write_gap(s, b, i, depth + 1);
            write_json(s, b, v.list->items[i], depth + 1);
        }
        if (v.list->count && s->indent >= 0)
            write_gap(s, b, 0, depth);
        add(b, "]");
    } else if (v.kind == JINJA_DICT) {
        write_json_dict(s, b, v, depth);
    } else if (v.kind == JINJA_TIME) {
        write_time(&iso, v.number);
        buf_add(b, iso.bytes, iso.len);
    } else if (v.kind == JINJA_DURATION) {
        write_real(b, (double)v.number / 1e6);
    } else {
        write_scalar(b, v);
    }
    buf_free(&iso);
}

void jinja_write_json(struct arena *a, struct buf *b, struct jinja_value v, int64_t indent)
{
    write_json(&(struct json_style){a, indent}, b, v, 0);
}
