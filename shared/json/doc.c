#include "shared/json/doc.h"

#include <stdlib.h>
#include <string.h>

#include "shared/json/node.h"

enum { NODES_MAX = 4 << 20, NO_NODE = INT32_MAX };

struct parser {
    const char *start, *at, *end;
    struct doc_node *nodes;
    uint32_t count, cap;
    uint32_t open; /* the innermost container that is not finished */
    uint32_t depth;
    struct doc_error *error;
};

static bool fail(struct parser *p, const char *at, const char *reason)
{
    size_t chars = 0;

    for (const char *c = p->start; c < at; c++)
        chars += ((unsigned char)*c & 0xc0) != 0x80;
    *p->error = (struct doc_error){reason, (size_t)(at - p->start), chars, false};
    return false;
}

static bool refuse(struct parser *p, const char *reason)
{
    fail(p, p->at, reason);
    p->error->unreadable = true;
    return false;
}

static bool grow(struct parser *p)
{
    uint32_t cap = p->cap * 2;

    if (cap > NODES_MAX)
        return refuse(p, "too many values");
    struct doc_node *grown = realloc(p->nodes, cap * sizeof(*grown));
    if (!grown)
        return refuse(p, "out of memory");
    p->nodes = grown;
    p->cap = cap;
    return true;
}

static struct doc_node *push(struct parser *p, enum doc_type type)
{
    if (p->count == p->cap && !grow(p))
        return NULL;
    struct doc_node *n = &p->nodes[p->count++];
    *n = (struct doc_node){.start = (uint32_t)(p->at - p->start), .type = type, .next = p->count};
    return n;
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r'))
        p->at++;
}

/* Length of the well-formed UTF-8 sequence at s that is not ASCII, or 0. */
static size_t utf8_sequence(const unsigned char *s, size_t left)
{
    unsigned char min = 0x80, max = 0xbf;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

    if (s[0] < 0xc2 || s[0] > 0xf4 || left < len)
        return 0;
    if (s[0] == 0xe0)
        min = 0xa0;
    else if (s[0] == 0xed)
        max = 0x9f;
    else if (s[0] == 0xf0)
        min = 0x90;
    else if (s[0] == 0xf4)
        max = 0x8f;
    if (s[1] < min || s[1] > max)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* Moves over bytes that need no look, eight at a time. */
static const char *skip_plain(const char *at, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;

    for (; end - at >= 8; at += 8) {
        uint64_t w;
        memcpy(&w, at, 8);
        uint64_t quote = w ^ (ones * '"'), slash = w ^ (ones * '\\');
        uint64_t special =
            ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((w - ones * 0x20) & ~w) | w;
        if (special & high)
            break;
    }
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    return at;
}

static int hex4(const char *s)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        char c = s[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* at stands on the u of an escape.  Returns the code unit or -1. */
static int unicode_escape(struct parser *p)
{
    int unit = p->end - p->at > 5 ? hex4(p->at + 1) : -1;

    if (unit < 0)
        return fail(p, p->at, "Invalid \\uXXXX escape"), -1;
    p->at += 5;
    return unit;
}

/* at stands on a backslash inside the string that began at `quote`. */
static bool escape(struct parser *p, const char *quote, unsigned *flags)
{
    const char *slash = p->at++;

    *flags |= NODE_ESCAPED;
    if (p->at == p->end)
        return fail(p, quote, "Unterminated string starting at");
    if (*p->at != 'u') {
        if (!strchr("\"\\/bfnrt", *p->at) || !*p->at)
            return fail(p, slash, "Invalid \\escape");
        p->at++;
        return true;
    }
    int unit = unicode_escape(p);
    if (unit < 0)
        return false;
    if (is_high(unit) && p->end - p->at > 6 && p->at[0] == '\\' && p->at[1] == 'u') {
        p->at++;
        int low = unicode_escape(p);
        if (low < 0)
            return false;
        if (is_low(low))
            return true;
        p->at -= 6;
    }
    if (unit == 0 || is_high(unit) || is_low(unit))
        *flags |= NODE_UNSTORABLE;
    return true;
}

static bool string(struct parser *p)
{
    const char *quote = p->at;
    unsigned flags = 0;
    struct doc_node *n = push(p, DOC_STRING);

    if (!n)
        return false;
    for (p->at++;;) {
        p->at = skip_plain(p->at, p->end);
        if (p->at == p->end)
            return fail(p, quote, "Unterminated string starting at");
        unsigned char c = (unsigned char)*p->at;
        if (c == '"')
            break;
        if (c == '\\') {
            if (!escape(p, quote, &flags))
                return false;
        } else if (c < 0x20) {
            return fail(p, p->at, "Invalid control character at");
        } else {
            size_t len = utf8_sequence((const unsigned char *)p->at, (size_t)(p->end - p->at));
            if (!len)
                return refuse(p, "not UTF-8");
            p->at += len;
        }
    }
    p->at++;
    n->end = (uint32_t)(p->at - p->start);
    n->flags = flags & 3;
    return true;
}

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* Takes the longest prefix that is a number, as Python does; what follows is somebody else's error.
 */
static bool number(struct parser *p)
{
    const char *at = p->at + (*p->at == '-');
    enum doc_type type = DOC_INT;

    const char *end = at < p->end && *at == '0' ? at + 1 : skip_digits(at, p->end);
    if (end == at)
        return fail(p, p->at, "Expecting value");
    if (p->end - end > 1 && *end == '.' && skip_digits(end + 1, p->end) > end + 1) {
        end = skip_digits(end + 1, p->end);
        type = DOC_FLOAT;
    }
    if (p->end - end > 1 && (*end | 0x20) == 'e') {
        const char *digits = end + 1 + (end[1] == '+' || end[1] == '-');
        if (skip_digits(digits, p->end) > digits) {
            end = skip_digits(digits, p->end);
            type = DOC_FLOAT;
        }
    }
    struct doc_node *n = push(p, type);
    if (!n)
        return false;
    p->at = end;
    n->end = (uint32_t)(end - p->start);
    return true;
}

static bool word(struct parser *p)
{
    static const struct {
        const char *text;
        size_t len;
        enum doc_type type;
    } words[] = {{"null", 4, DOC_NULL}, {"true", 4, DOC_TRUE}, {"false", 5, DOC_FALSE}};

    for (size_t i = 0; i < COUNT(words); i++) {
        if ((size_t)(p->end - p->at) < words[i].len ||
            memcmp(p->at, words[i].text, words[i].len) != 0)
            continue;
        struct doc_node *n = push(p, words[i].type);
        if (!n)
            return false;
        p->at += words[i].len;
        n->end = (uint32_t)(p->at - p->start);
        return true;
    }
    return fail(p, p->at, "Expecting value");
}

static bool open_container(struct parser *p)
{
    struct doc_node *n = push(p, *p->at == '{' ? DOC_OBJECT : DOC_ARRAY);

    if (!n)
        return false;
    if (++p->depth > DOC_DEPTH_MAX)
        return refuse(p, "nested too deeply");
    n->next = p->open;
    p->open = p->count - 1;
    p->at++;
    return true;
}

static void close_container(struct parser *p)
{
    struct doc_node *n = &p->nodes[p->open];

    p->at++;
    p->open = n->next;
    p->depth--;
    n->next = p->count;
    n->end = (uint32_t)(p->at - p->start);
}

/* `"key" :` */
static bool key(struct parser *p)
{
    if (p->at == p->end || *p->at != '"')
        return fail(p, p->at, "Expecting property name enclosed in double quotes");
    if (!string(p))
        return false;
    skip_blanks(p);
    if (p->at == p->end || *p->at != ':')
        return fail(p, p->at, "Expecting ':' delimiter");
    p->at++;
    return true;
}

/* One scalar, or the beginning of a container up to its first value.  *out_open: a value must
 * follow. */
/* NUL at the end. */
static char peek(const struct parser *p)
{
    if (p->at < p->end)
        return *p->at;
    return '\0';
}

static bool value(struct parser *p, bool *out_open)
{
    skip_blanks(p);
    char c = peek(p);

    if (p->open != NO_NODE)
        p->nodes[p->open].count++;
    *out_open = false;
    if (c == '"')
        return string(p);
    if (c == '-' || (c >= '0' && c <= '9'))
        return number(p);
    if (c != '{' && c != '[')
        return word(p);
    if (!open_container(p))
        return false;
    skip_blanks(p);
    if (p->at < p->end && *p->at == (c == '{' ? '}' : ']')) {
        close_container(p);
        return true;
    }
    *out_open = true;
    return c == '[' || key(p);
}

/* After a value: closes containers until another value follows or the root is done. */
static bool after_value(struct parser *p, bool *out_done)
{
    for (;;) {
        *out_done = p->open == NO_NODE;
        if (*out_done)
            return true;
        bool object = p->nodes[p->open].type == DOC_OBJECT;
        skip_blanks(p);
        char c = peek(p);
        if (c == ',') {
            p->at++;
            skip_blanks(p);
            return !object || key(p);
        }
        if (c != (object ? '}' : ']'))
            return fail(p, p->at, "Expecting ',' delimiter");
        close_container(p);
    }
}

static bool document(struct parser *p)
{
    bool open, done = false;

    while (!done) {
        if (!value(p, &open) || (!open && !after_value(p, &done)))
            return false;
    }
    skip_blanks(p);
    return p->at == p->end || fail(p, p->at, "Extra data");
}

bool doc_parse(struct arena *a, const char *text, size_t len, struct doc *out_doc,
               struct doc_error *out_error)
{
    if (!len)
        text = ""; /* an empty text may come without an address */
    struct parser p = {text, text, text + len, NULL, 0, 0, NO_NODE, 0, out_error};

    if (len > DOC_BYTES_MAX)
        return refuse(&p, "too long");
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        p.at += 3; /* Python skips a byte order mark */
    p.cap = (uint32_t)(len / 12) + 8;
    if (p.cap > NODES_MAX)
        p.cap = NODES_MAX;
    p.nodes = malloc(p.cap * sizeof(*p.nodes));
    if (!p.nodes)
        return refuse(&p, "out of memory");
    if (!document(&p)) {
        free(p.nodes);
        return false;
    }
    arena_defer(a, free, p.nodes);
    *out_doc = (struct doc){text, p.nodes, p.count};
    return true;
}
