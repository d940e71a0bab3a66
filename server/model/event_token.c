#include "server/model/event_token.h"

#include <string.h>

#include "shared/json/doc.h"
#include "shared/json/write.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum { TOKEN_MAX_BYTES = 1 << 20 };

static const char *encode(struct arena *a, const char *text, size_t len)
{
    char *out = arena_array(a, char, len * 4 / 3 + 4);
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        uint32_t bits = (uint32_t)(uint8_t)text[i] << 16;
        bits |= i + 1 < len ? (uint32_t)(uint8_t)text[i + 1] << 8 : 0;
        bits |= i + 2 < len ? (uint8_t)text[i + 2] : 0;
        for (size_t k = 0; k < 4 && i + k <= len; k++)
            out[n++] = digits[bits >> (18 - 6 * k) & 63];
    }
    return out;
}

/* NULL: a character that does not belong there. */
static const char *decode(struct arena *a, const char *text, size_t *out_len)
{
    size_t len = strlen(text), n = 0;
    char *out = arena_array(a, char, len + 1);
    uint32_t bits = 0;

    for (size_t i = 0; i < len; i++) {
        const char *at = strchr(digits, text[i]);
        if (!at)
            return NULL;
        bits = bits << 6 | (uint32_t)(at - digits);
        if (i % 4)
            out[n++] = (char)(bits >> (6 - 2 * (i % 4)) & 255);
    }
    *out_len = n;
    return out;
}

/* The numbers of a token. */
static const struct number {
    const char *key;
    size_t offset;
} numbers[] = {
    {"since", offsetof(struct event_token, since_us)},
    {"until", offsetof(struct event_token, until_us)},
    {"count", offsetof(struct event_token, total)},
    {"page_size", offsetof(struct event_token, page_size)},
    {"offset", offsetof(struct event_token, seen)},
    {"after", offsetof(struct event_token, after_us)},
};

static int64_t *number_of(struct event_token *token, const struct number *n)
{
    return (int64_t *)((char *)token + n->offset);
}

const char *event_token_write(struct arena *a, const struct event_token *token)
{
    struct buf b = {.max_bytes = TOKEN_MAX_BYTES};
    struct event_token copy = *token;

    write_object(&b);
    write_key(&b, "filter");
    write_raw(&b, token->filter);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        write_key(&b, numbers[i].key);
        write_int64(&b, *number_of(&copy, &numbers[i]));
    }
    write_key(&b, "id");
    write_uuid(&b, token->after);
    write_end_object(&b);
    const char *text = encode(a, b.bytes, b.len);
    buf_free(&b);
    return text;
}

bool event_token_read(struct arena *a, const char *text, struct event_token *out)
{
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;
    size_t len = 0;
    const char *json = strlen(text) > TOKEN_MAX_BYTES ? NULL : decode(a, text, &len);

    *out = (struct event_token){0};
    if (!json || !doc_parse(a, json, len, doc, &bad))
        return false;
    struct val root = doc_root(doc), filter = val_get(root, "filter");
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (!val_int64(val_get(root, numbers[i].key), number_of(out, &numbers[i])))
            return false;
    const char *id = val_string(a, val_get(root, "id"), NULL);
    if (val_type(filter) != DOC_NONE)
        out->filter = val_raw(filter);
    return id && uuid_parse(id, strlen(id), &out->after) && out->page_size >= 0 &&
           out->page_size <= EVENT_PAGE_MAX && out->seen >= 0 && out->total >= 0;
}
