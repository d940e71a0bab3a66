#include <string.h>

#include "shared/json/codec.h"
#include "shared/json/write.h"

typedef void encode_fn(struct buf *b, const struct field *f, const void *at);

static void encode_str(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_string(b, *(const char *const *)at);
}

static void encode_int(struct buf *b, const struct field *f, const void *at)
{
    int64_t value = *(const int64_t *)at;

    if (value == INT_NONE && f->nullable)
        write_null(b);
    else
        write_int64(b, value);
}

static void encode_num(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_double(b, *(const double *)at);
}

static void encode_bool(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_bool(b, *(const bool *)at);
}

static void encode_tri(struct buf *b, const struct field *f, const void *at)
{
    enum tri value = *(const enum tri *)at;

    (void)f;
    if (value == TRI_NONE)
        write_null(b);
    else
        write_bool(b, value == TRI_TRUE);
}

static void encode_enum(struct buf *b, const struct field *f, const void *at)
{
    const struct enum_name *n = f->names;

    while (n->name && n->value != *(const int *)at)
        n++;
    write_string(b, n->name);
}

static void encode_uuid(struct buf *b, const struct field *f, const void *at)
{
    static const struct uuid none;

    if (f->nullable && memcmp(at, &none, sizeof(none)) == 0)
        write_null(b);
    else
        write_uuid(b, *(const struct uuid *)at);
}

static void encode_time(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_time(b, *(const int64_t *)at);
}

static void encode_duration(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_duration(b, *(const int64_t *)at);
}

static void encode_strs(struct buf *b, const struct field *f, const void *at)
{
    const struct strings *list = at;

    (void)f;
    if (!list->items) {
        write_null(b);
        return;
    }
    write_array(b);
    for (size_t i = 0; i < list->count; i++)
        write_string(b, list->items[i]);
    write_end_array(b);
}

static void encode_uuids(struct buf *b, const struct field *f, const void *at)
{
    const struct uuids *list = at;

    (void)f;
    if (!list->items) {
        write_null(b);
        return;
    }
    write_array(b);
    for (size_t i = 0; i < list->count; i++)
        write_uuid(b, list->items[i]);
    write_end_array(b);
}

static void encode_raw(struct buf *b, const struct field *f, const void *at)
{
    (void)f;
    write_raw(b, *(const struct raw *)at);
}

static void encode_object(struct buf *b, const struct field *f, const void *at)
{
    json_encode(b, f->of, *(const void *const *)at);
}

static void encode_list(struct buf *b, const struct field *f, const void *at)
{
    const char *items = *(const char *const *)at;
    const char *object = (const char *)at - f->offset;
    size_t count = *(const size_t *)(const void *)(object + f->count_offset);

    if (!items) {
        write_null(b);
        return;
    }
    write_array(b);
    for (size_t i = 0; i < count; i++)
        json_encode(b, f->of, items + i * f->of->size);
    write_end_array(b);
}

static encode_fn *const encoders[FIELD_KINDS] = {
    [FIELD_STR] = encode_str,           [FIELD_INT] = encode_int,
    [FIELD_NUM] = encode_num,           [FIELD_BOOL] = encode_bool,
    [FIELD_TRI] = encode_tri,           [FIELD_ENUM] = encode_enum,
    [FIELD_UUID] = encode_uuid,         [FIELD_TIME] = encode_time,
    [FIELD_DURATION] = encode_duration, [FIELD_STRS] = encode_strs,
    [FIELD_UUIDS] = encode_uuids,       [FIELD_JSON] = encode_raw,
    [FIELD_DICT] = encode_raw,          [FIELD_LABELS] = encode_raw,
    [FIELD_TEXTS] = encode_raw,         [FIELD_OBJECT] = encode_object,
    [FIELD_LIST] = encode_list,
};

void json_encode(struct buf *b, const struct resource *r, const void *object)
{
    if (!object) {
        write_null(b);
        return;
    }
    write_object(b);
    for (size_t i = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        if (f->writeonly)
            continue;
        write_key(b, f->name);
        encoders[f->kind](b, f, (const char *)object + f->offset);
    }
    write_end_object(b);
}

static bool is_default(const struct field *f, const char *text, size_t len)
{
    const char *def = f->def ? f->def : "null";
    return len == strlen(def) && memcmp(text, def, len) == 0;
}

void json_encode_sparse(struct buf *b, const struct resource *r, const void *object)
{
    write_object(b);
    for (size_t i = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        size_t before = b->len;
        write_key(b, f->name);
        size_t value = b->len;
        encoders[f->kind](b, f, (const char *)object + f->offset);
        if (is_default(f, b->bytes + value, b->len - value))
            b->len = before;
    }
    write_end_object(b);
}
