#include "server/model/block_data.h"

#include <string.h>

#include "shared/json/write.h"

static struct raw finish(struct arena *a, struct buf *b)
{
    struct raw out = {arena_strndup(a, b->bytes, b->len), b->len};
    buf_free(b);
    return out;
}

static void put_member(struct buf *b, struct val key, struct val value)
{
    write_raw(b, val_raw(key));
    buf_lit(b, ":");
    write_raw(b, val_raw(value));
}

struct raw block_data_split(struct arena *a, struct val data, struct block_reference *out,
                            size_t *out_count, const char **out_reason)
{
    struct buf b = {.max_bytes = BLOCK_DATA_MAX_BYTES};
    size_t len;

    *out_count = 0;
    write_object(&b);
    for (struct val_iter it = val_each(data); val_next(&it);) {
        struct val ref = val_get(it.value, "$ref"), id = val_get(ref, "block_document_id");
        if (val_type(ref) == DOC_NONE) {
            put_member(&b, it.key, it.value);
            continue;
        }
        struct block_reference *r = &out[(*out_count)++];
        const char *name = val_string(a, it.key, NULL), *text = val_string(a, id, &len);
        r->name = name;
        if (!text) {
            *out_reason = arena_printf(
                a, "Received block reference without a block_document_id in key %s", name);
        } else if (!uuid_parse(text, len, &r->id)) {
            *out_reason = arena_printf(a, "The block_document_id in key %s is not a UUID", name);
        } else {
            continue;
        }
        buf_free(&b);
        return (struct raw){0};
    }
    write_end_object(&b);
    return finish(a, &b);
}

/* Where a value stands, innermost first. */
struct path {
    const struct path *outer;
    struct val key;
    size_t depth; /* keys from the root to here */
};

static const struct path *ancestor(const struct path *p, size_t depth)
{
    while (p->depth > depth)
        p = p->outer;
    return p;
}

/* Whether the path is at or below `field`, "a.b" or "a.*". */
static bool is_below(const struct path *p, const char *field)
{
    size_t depth = 0;

    for (const char *part = field;; part++) {
        size_t len = strcspn(part, ".");
        if (len == 1 && *part == '*')
            return p->depth >= depth;
        if (p->depth < ++depth || !val_equals(ancestor(p, depth)->key, part, len))
            return false;
        part += len;
        if (!*part)
            return true;
    }
}

static bool is_secret(struct arena *a, const struct path *p, struct val secret_fields)
{
    for (struct val_iter it = val_each(secret_fields); val_next(&it);) {
        const char *field = val_string(a, it.value, NULL);
        if (field && is_below(p, field))
            return true;
    }
    return false;
}

static void obfuscate(struct arena *a, struct buf *b, struct val object, const struct path *outer,
                      struct val secrets)
{
    write_object(b);
    for (struct val_iter it = val_each(object); val_next(&it);) {
        struct path at = {outer, it.key, outer ? outer->depth + 1 : 1};
        write_raw(b, val_raw(it.key));
        buf_lit(b, ":");
        if (val_type(it.value) == DOC_OBJECT && val_count(it.value))
            obfuscate(a, b, it.value, &at, secrets);
        else if (val_type(it.value) != DOC_NULL && is_secret(a, &at, secrets))
            write_string(b, BLOCK_OBFUSCATED);
        else
            write_raw(b, val_raw(it.value));
    }
    write_end_object(b);
}

struct raw block_data_obfuscate(struct arena *a, struct val data, struct val secret_fields)
{
    struct buf b = {.max_bytes = 2 * BLOCK_DATA_MAX_BYTES};

    obfuscate(a, &b, data, NULL, secret_fields);
    return finish(a, &b);
}

struct change {
    struct arena *arena;
    struct buf *out;
    struct val secrets;
};

static struct val same_member(struct arena *a, struct val object, struct val key)
{
    return val_type(object) == DOC_OBJECT ? val_get(object, val_string(a, key, NULL))
                                          : (struct val){0};
}

static void put_changed(const struct change *c, struct val value, struct val now,
                        const struct path *at)
{
    if (val_type(value) != DOC_OBJECT || !val_count(value)) {
        bool kept = now.doc && val_equals(value, BLOCK_OBFUSCATED, sizeof(BLOCK_OBFUSCATED) - 1) &&
                    is_secret(c->arena, at, c->secrets);
        write_raw(c->out, val_raw(kept ? now : value));
        return;
    }
    write_object(c->out);
    for (struct val_iter it = val_each(value); val_next(&it);) {
        struct path inner = {at, it.key, at->depth + 1};
        write_raw(c->out, val_raw(it.key));
        buf_lit(c->out, ":");
        put_changed(c, it.value, same_member(c->arena, now, it.key), &inner);
    }
    write_end_object(c->out);
}

struct raw block_data_change(struct arena *a, struct val now, struct val change,
                             struct val secret_fields, bool merge)
{
    struct buf b = {.max_bytes = 2 * BLOCK_DATA_MAX_BYTES};
    struct change c = {a, &b, secret_fields};

    write_object(&b);
    for (struct val_iter it = val_each(now); merge && val_next(&it);)
        if (!same_member(a, change, it.key).doc)
            put_member(&b, it.key, it.value);
    for (struct val_iter it = val_each(change); val_next(&it);) {
        struct path at = {NULL, it.key, 1};
        write_raw(&b, val_raw(it.key));
        buf_lit(&b, ":");
        put_changed(&c, it.value, same_member(a, now, it.key), &at);
    }
    write_end_object(&b);
    return finish(a, &b);
}
