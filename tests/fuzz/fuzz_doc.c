/* Properties: a refusal has a reason and a place inside the text; raw slices lie inside the text;
 * what is written reads back the same and is written the same again. */
#include <stdlib.h>
#include <string.h>

#include "shared/json/doc.h"
#include "shared/json/write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void walk(struct arena *a, struct val v, const char *text, size_t size)
{
    struct raw raw = val_raw(v);
    size_t len, seen = 0;
    double d;

    require(raw.text >= text && raw.len > 0 && raw.text + raw.len <= text + size);
    if (val_type(v) == DOC_STRING) {
        const char *s = val_string(a, v, &len);
        require(len <= raw.len && val_equals(v, s, len) && val_length(v) <= len);
    }
    if (val_type(v) == DOC_INT || val_type(v) == DOC_FLOAT)
        require(val_double(v, &d));
    for (struct val_iter it = val_each(v); val_next(&it); seen++)
        walk(a, it.value, text, size);
    require(seen == val_count(v));
}

/* A string that the writer makes reads back as it was, if it was UTF-8. */
static void rewrite_string(struct arena *a, struct val v)
{
    size_t len, again_len;
    const char *s = val_string(a, v, &len);
    struct buf b = {.max_bytes = 8 << 20};
    struct doc again;
    struct doc_error error;

    write_string_n(&b, s, len);
    require(doc_parse(a, b.bytes, b.len, &again, &error));
    const char *t = val_string(a, doc_root(&again), &again_len);
    if (val_storable(v))
        require(len == again_len && memcmp(s, t, len) == 0);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct arena arena = {0};
    struct buf once = {.max_bytes = 1 << 20}, twice = {.max_bytes = 1 << 20};
    struct doc doc, again;
    struct doc_error error;

    if (!doc_parse(&arena, text, size, &doc, &error)) {
        require(error.reason && error.reason[0] && error.offset <= size &&
                error.chars <= error.offset);
        arena_reset(&arena);
        return 0;
    }
    walk(&arena, doc_root(&doc), text, size);
    if (val_type(doc_root(&doc)) == DOC_STRING)
        rewrite_string(&arena, doc_root(&doc));
    val_write(&once, doc_root(&doc));
    require(once.len <= size && doc_parse(&arena, once.bytes, once.len, &again, &error));
    require(again.count == doc.count);
    val_write(&twice, doc_root(&again));
    require(once.len == twice.len && memcmp(once.bytes, twice.bytes, once.len) == 0);
    buf_free(&once);
    buf_free(&twice);
    arena_reset(&arena);
    return 0;
}
