/* Properties: a refusal names its reason in valid JSON; what is accepted can be written, and what
 * is written is accepted and written the same again.  The input is also tried as texts of columns.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/json/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct item {
    struct given given;
    const char *s;
    int64_t i;
    double n;
    bool b;
    enum tri o;
    int e;
    struct uuid u;
    int64_t t_us, d_us;
    struct strings l;
    struct uuids ul;
    struct raw j, m, lab;
    struct item *part, *parts;
    size_t parts_count;
};

extern const struct resource item_resource;
static const struct enum_name words[] = {{"A", 0}, {"B", 1}, {NULL, 0}};

// clang-format off
static const struct field item_fields[] = {
    F_STR(struct item, s, F_NULLABLE, F_LEN(0, 40), F_PATTERN("^[^/%&><]*$"), .doc = "Text."),
    F_INT(struct item, i, F_GE(-1000), .def = "0", .doc = "Whole number."),
    F_NUM(struct item, n, F_NULLABLE, .doc = "Number."),
    F_BOOL(struct item, b, .def = "true", .doc = "Switch."),
    F_TRI(struct item, o, F_NULLABLE, .doc = "Three ways."),
    F_ENUM(struct item, e, words, .def = "\"A\"", .doc = "Word."),
    F_UUID(struct item, u, F_NULLABLE, .doc = "Id."),
    F_TIME(struct item, t, F_NULLABLE, .doc = "Time."),
    F_DURATION(struct item, d, F_NULLABLE, .doc = "Duration."),
    F_STRS(struct item, l, F_LEN(0, 9), .def = "[]", .doc = "Texts."),
    F_UUIDS(struct item, ul, F_NULLABLE, .doc = "Ids."),
    F_JSON(struct item, j, .doc = "Anything."),
    F_DICT(struct item, m, .def = "{}", .doc = "Object."),
    F_LABELS(struct item, lab, .def = "{}", .doc = "Labels."),
    F_OBJECT(struct item, part, item, F_NULLABLE, .doc = "Part."),
    F_LIST(struct item, parts, item, F_NULLABLE, .doc = "Parts."),
};
// clang-format on
const struct resource item_resource = RESOURCE(item, item_fields, .doc = "An item.");

static void require(bool ok)
{
    if (!ok)
        abort();
}

static struct val parse(struct arena *a, const char *text, size_t len)
{
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    return doc_parse(a, text, len, d, &error) ? doc_root(d) : (struct val){0};
}

static void try_body(struct arena *a, const char *text, size_t size)
{
    struct invalid bad = {.arena = a};
    struct item in, again;
    struct buf once = {.max_bytes = 8 << 20}, twice = {.max_bytes = 8 << 20};
    struct val body = parse(a, text, size);

    if (!body.doc)
        return;
    if (json_decode(&item_resource, body, &loc_body, &in, &bad)) {
        require(bad.count && bad.first[0]);
        struct buf reply = {.max_bytes = 32 << 20};
        invalid_write(&reply, &bad, val_raw(body));
        require(!reply.full && parse(a, reply.bytes, reply.len).doc);
        buf_free(&reply);
        return;
    }
    json_encode(&once, &item_resource, &in);
    bad = (struct invalid){.arena = a};
    require(!once.full);
    enum err_code rc =
        json_decode(&item_resource, parse(a, once.bytes, once.len), &loc_body, &again, &bad);
    if (rc) {
        /* JSON that was absent is written as null, which the row does not take; durations lose
         * nothing else. */
        require(in.d_us != INT64_MIN || in.i != 0 || bad.count);
    } else {
        json_encode(&twice, &item_resource, &again);
        require(once.len == twice.len && memcmp(once.bytes, twice.bytes, once.len) == 0);
    }
    buf_free(&once);
    buf_free(&twice);
}

/* Columns are our own database's, but their text may be anything that users stored. */
static void try_columns(struct arena *a, const char *text, size_t size)
{
    struct column columns[COUNT(item_fields)] = {0};
    struct err err = {0};
    struct item out;
    const char *copy = arena_strndup(a, text, size), *end = copy + size;

    for (size_t i = 0; i < COUNT(columns) && copy < end; i++) {
        size_t len = strnlen(copy, (size_t)(end - copy));
        if (len)
            columns[i] = (struct column){copy, len};
        copy += len + 1;
    }
    enum err_code rc = columns_decode(a, &item_resource, columns, &out, &err);
    require(rc == ERR_OK || err.detail[0]);
    struct buf b = {.max_bytes = 8 << 20};
    json_encode_columns(&b, &item_resource, columns);
    require(!b.full && b.bytes[0] == '{' && b.bytes[b.len - 1] == '}');
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};

    if (size > 1 << 16)
        return 0;
    try_body(&arena, (const char *)data, size);
    try_columns(&arena, (const char *)data, size);
    arena_reset(&arena);
    return 0;
}
