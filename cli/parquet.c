#include "cli/parquet.h"

#include <stdlib.h>
#include <string.h>

/* Numbers of the format. */
enum { T_I32 = 5, T_I64 = 6, T_BINARY = 8, T_LIST = 9, T_STRUCT = 12 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, OPTIONAL_FIELD = 1, UTF8 = 0, VERSION_1 = 1 };

struct chunk {
    size_t offset, bytes;
};

/* ---- Thrift's compact protocol ---- */

static void put_byte(struct buf *b, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    buf_add(b, &one, 1);
}

static void put_varint(struct buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(b, (unsigned)(value & 0x7F) | 0x80);
    put_byte(b, (unsigned)value);
}

static void put_whole(struct buf *b, int64_t value)
{
    put_varint(b, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

/* `last` is the id of the struct's field before; ids grow by less than 16. */
static void put_field(struct buf *b, int *last, int id, int type)
{
    put_byte(b, (unsigned)((id - *last) << 4 | type));
    *last = id;
}

static void put_i32(struct buf *b, int *last, int id, int64_t value)
{
    put_field(b, last, id, T_I32);
    put_whole(b, value);
}

static void put_i64(struct buf *b, int *last, int id, size_t value)
{
    put_field(b, last, id, T_I64);
    put_whole(b, (int64_t)value);
}

static void put_text(struct buf *b, const char *text)
{
    put_varint(b, strlen(text));
    buf_add(b, text, strlen(text));
}

static void put_string(struct buf *b, int *last, int id, const char *text)
{
    put_field(b, last, id, T_BINARY);
    put_text(b, text);
}

static void put_list(struct buf *b, int *last, int id, int type, size_t count)
{
    put_field(b, last, id, T_LIST);
    put_byte(b, count < 15 ? (unsigned)(count << 4) | (unsigned)type : 0xF0u | (unsigned)type);
    if (count >= 15)
        put_varint(b, count);
}

static void put_end(struct buf *b)
{
    put_byte(b, 0);
}

/* ---- values ---- */

static void put_little(struct buf *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put_byte(b, (unsigned)(value >> 8 * i) & 0xFF);
}

static const json_t *value_at(const json_t *rows, size_t row, const char *name)
{
    const json_t *value = json_object_get(json_array_get(rows, row), name);
    return value && !json_is_null(value) ? value : NULL;
}

bool parquet_fits(const json_t *value, enum parquet_type type)
{
    return type == PARQUET_BOOL   ? json_is_boolean(value)
           : type == PARQUET_INT  ? json_is_integer(value)
           : type == PARQUET_REAL ? json_is_number(value)
                                  : json_is_string(value);
}

static void put_value(struct buf *b, const json_t *value, enum parquet_type type)
{
    double real = json_number_value(value);
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    if (type == PARQUET_INT)
        put_little(b, (uint64_t)json_integer_value(value), 8);
    else if (type == PARQUET_REAL)
        put_little(b, bits, 8);
    else {
        put_little(b, json_string_length(value), 4);
        buf_add(b, json_string_value(value), json_string_length(value));
    }
}

/* Runs of present and absent values, and their length before them. */
static void put_levels(struct buf *b, const json_t *rows, const char *name)
{
    struct buf runs = {.max_bytes = b->max_bytes};
    size_t count = json_array_size(rows);
    for (size_t i = 0, end; i < count; i = end) {
        bool there = value_at(rows, i, name) != NULL;
        for (end = i + 1; end < count && (value_at(rows, end, name) != NULL) == there;)
            end++;
        put_varint(&runs, (uint64_t)(end - i) << 1);
        put_byte(&runs, there);
    }
    put_little(b, runs.len, 4);
    buf_add(b, runs.bytes, runs.len);
    b->full |= runs.full;
    buf_free(&runs);
}

/* Eight to a byte, the lowest bit first. */
static void put_bools(struct buf *b, const json_t *rows, const char *name)
{
    unsigned byte = 0, bits = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = value_at(rows, i, name);
        if (!value)
            continue;
        byte |= (json_is_true(value) ? 1u : 0u) << bits;
        if (++bits == 8) {
            put_byte(b, byte);
            byte = bits = 0;
        }
    }
    if (bits)
        put_byte(b, byte);
}

static enum err_code put_page(struct buf *page, const json_t *rows, const struct parquet_column *c,
                              struct err *e)
{
    put_levels(page, rows, c->name);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = value_at(rows, i, c->name);
        if (value && !parquet_fits(value, c->type))
            return err_set(e, INVALID, "row %zu: `%s` is not of the type of its column", i,
                           c->name);
        if (value && c->type != PARQUET_BOOL)
            put_value(page, value, c->type);
    }
    if (c->type == PARQUET_BOOL)
        put_bools(page, rows, c->name);
    return ERR_OK;
}

static void put_page_head(struct buf *b, size_t bytes, size_t rows)
{
    int last = 0, inner = 0;
    put_i32(b, &last, 1, 0); /* a data page */
    put_i32(b, &last, 2, (int64_t)bytes);
    put_i32(b, &last, 3, (int64_t)bytes);
    put_field(b, &last, 5, T_STRUCT);
    put_i32(b, &inner, 1, (int64_t)rows);
    put_i32(b, &inner, 2, ENCODING_PLAIN);
    put_i32(b, &inner, 3, ENCODING_RLE);
    put_i32(b, &inner, 4, ENCODING_RLE);
    put_end(b);
    put_end(b);
}

static enum err_code put_column(struct buf *out, size_t start, const json_t *rows,
                                const struct parquet_column *c, struct chunk *chunk, struct err *e)
{
    struct buf page = {.max_bytes = out->max_bytes};
    enum err_code code = put_page(&page, rows, c, e);
    chunk->offset = out->len - start;
    put_page_head(out, page.len, json_array_size(rows));
    buf_add(out, page.bytes, page.len);
    out->full |= page.full;
    chunk->bytes = out->len - start - chunk->offset;
    buf_free(&page);
    return code;
}

/* ---- the footer ---- */

static void put_schema(struct buf *b, const struct parquet_column *columns, size_t count)
{
    int root = 0;
    put_string(b, &root, 4, "measurements");
    put_i32(b, &root, 5, (int64_t)count);
    put_end(b);
    for (size_t i = 0; i < count; i++) {
        int last = 0;
        put_i32(b, &last, 1, columns[i].type);
        put_i32(b, &last, 3, OPTIONAL_FIELD);
        put_string(b, &last, 4, columns[i].name);
        if (columns[i].type == PARQUET_TEXT)
            put_i32(b, &last, 6, UTF8);
        put_end(b);
    }
}

static void put_chunk(struct buf *b, const struct parquet_column *c, const struct chunk *chunk,
                      size_t rows)
{
    int last = 0, meta = 0;
    put_i64(b, &last, 2, chunk->offset);
    put_field(b, &last, 3, T_STRUCT);
    put_i32(b, &meta, 1, c->type);
    put_list(b, &meta, 2, T_I32, 2);
    put_whole(b, ENCODING_PLAIN);
    put_whole(b, ENCODING_RLE);
    put_list(b, &meta, 3, T_BINARY, 1);
    put_text(b, c->name);
    put_i32(b, &meta, 4, 0); /* not compressed */
    put_i64(b, &meta, 5, rows);
    put_i64(b, &meta, 6, chunk->bytes);
    put_i64(b, &meta, 7, chunk->bytes);
    put_i64(b, &meta, 9, chunk->offset);
    put_end(b);
    put_end(b);
}

static void put_footer(struct buf *b, const struct parquet_column *columns,
                       const struct chunk *chunks, size_t count, size_t rows)
{
    int last = 0, group = 0;
    size_t bytes = 0;
    put_i32(b, &last, 1, VERSION_1);
    put_list(b, &last, 2, T_STRUCT, count + 1);
    put_schema(b, columns, count);
    put_i64(b, &last, 3, rows);
    put_list(b, &last, 4, T_STRUCT, 1);
    put_list(b, &group, 1, T_STRUCT, count);
    for (size_t i = 0; i < count; i++) {
        put_chunk(b, &columns[i], &chunks[i], rows);
        bytes += chunks[i].bytes;
    }
    put_i64(b, &group, 2, bytes);
    put_i64(b, &group, 3, rows);
    put_end(b);
    put_string(b, &last, 6, "switchyard " VERSION);
    put_end(b);
}

enum err_code parquet_write(const json_t *rows, const struct parquet_column *columns, size_t count,
                            struct buf *out, struct err *e)
{
    size_t start = out->len;
    struct chunk *chunks = calloc(count, sizeof(*chunks));
    enum err_code code = chunks ? ERR_OK : err_set(e, INTERNAL, "no memory for %zu columns", count);
    buf_add(out, "PAR1", 4);
    for (size_t i = 0; !code && i < count; i++)
        code = put_column(out, start, rows, &columns[i], &chunks[i], e);
    size_t footer = out->len;
    if (!code)
        put_footer(out, columns, chunks, count, json_array_size(rows));
    put_little(out, out->len - footer, 4);
    buf_add(out, "PAR1", 4);
    free(chunks);
    if (!code && out->full)
        code = err_set(e, TOO_LARGE, "the table is larger than %zu bytes", out->max_bytes);
    return code;
}
