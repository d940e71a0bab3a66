#include "server/db/columns.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"

static void separate(struct array *a)
{
    if (!a->text.max_bytes)
        a->text.max_bytes = COLUMN_MAX_BYTES;
    buf_add(&a->text, a->count++ ? "," : "{", 1);
}

void array_text(struct array *a, const char *value, size_t len)
{
    separate(a);
    if (!value) {
        buf_lit(&a->text, "NULL");
        return;
    }
    buf_lit(&a->text, "\"");
    const char *run = value, *end = value + len;
    for (const char *p = value; p < end; p++) {
        if (*p != '"' && *p != '\\')
            continue;
        buf_add(&a->text, run, (size_t)(p - run));
        buf_lit(&a->text, "\\");
        run = p;
    }
    buf_add(&a->text, run, (size_t)(end - run));
    buf_lit(&a->text, "\"");
}

void array_string(struct array *a, const char *value)
{
    array_text(a, value, value ? strlen(value) : 0);
}

void array_raw(struct array *a, struct raw value)
{
    array_text(a, value.text, value.len);
}

static void plain(struct array *a, const char *text, size_t len)
{
    separate(a);
    buf_add(&a->text, text, len);
}

/* ---- binary ---- */

/* OIDs of pg_type, fixed by PostgreSQL; the header of an array: dimensions, nulls, type, length,
 * lower bound. */
enum { BOOL_OID = 16, INT8_OID = 20, FLOAT8_OID = 701, TIMESTAMPTZ_OID = 1184, UUID_OID = 2950 };
enum { HEADER_BYTES = 20 };

/* PostgreSQL counts from 2000-01-01. */
static const int64_t epoch_us = INT64_C(946684800) * 1000000;

static void put_u32(char *at, uint32_t value)
{
    value = htobe32(value);
    memcpy(at, &value, sizeof(value));
}

static void element(struct array *a, unsigned type, const void *bytes, size_t len)
{
    char size[4];

    if (!a->count++) {
        static const char header[HEADER_BYTES];
        a->text.max_bytes = COLUMN_MAX_BYTES;
        a->type = type;
        buf_add(&a->text, header, sizeof(header));
    }
    put_u32(size, bytes ? (uint32_t)len : UINT32_MAX);
    buf_add(&a->text, size, sizeof(size));
    a->nulls |= !bytes;
    if (bytes)
        buf_add(&a->text, bytes, len);
}

static void element_u64(struct array *a, unsigned type, uint64_t value)
{
    value = htobe64(value);
    element(a, type, &value, sizeof(value));
}

static void finish_binary(struct array *a)
{
    if (a->text.full)
        return;
    put_u32(a->text.bytes, 1);
    put_u32(a->text.bytes + 4, a->nulls);
    put_u32(a->text.bytes + 8, a->type);
    put_u32(a->text.bytes + 12, (uint32_t)a->count);
    put_u32(a->text.bytes + 16, 1);
}

void arrays_binary(struct array *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        arrays[i].binary = true;
}

/* ---- either ---- */

void array_uuid(struct array *a, struct uuid id)
{
    static const struct uuid nil;
    char text[UUID_TEXT_BYTES];
    bool none = memcmp(&id, &nil, sizeof(id)) == 0;

    if (a->binary) {
        element(a, UUID_OID, none ? NULL : id.bytes, sizeof(id.bytes));
        return;
    }
    if (none) {
        plain(a, "NULL", 4);
        return;
    }
    uuid_format(id, text);
    plain(a, text, UUID_TEXT_BYTES - 1);
}

void array_time(struct array *a, int64_t time_us)
{
    char text[TIME_TEXT_BYTES];

    if (a->binary && time_us == TIME_NONE)
        element(a, TIMESTAMPTZ_OID, NULL, 0);
    else if (a->binary)
        element_u64(a, TIMESTAMPTZ_OID, (uint64_t)(time_us - epoch_us));
    else if (time_us == TIME_NONE)
        plain(a, "NULL", 4);
    else
        plain(a, text, time_format(time_us, text));
}

void array_int(struct array *a, int64_t value)
{
    char text[24];

    if (a->binary)
        element_u64(a, INT8_OID, (uint64_t)value);
    else
        plain(a, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void array_seconds(struct array *a, int64_t duration_us)
{
    char text[32];
    double seconds = (double)duration_us / 1e6;
    uint64_t bits;

    memcpy(&bits, &seconds, sizeof(bits));
    if (a->binary)
        element_u64(a, FLOAT8_OID, bits);
    else
        plain(a, text, (size_t)snprintf(text, sizeof(text), "%.6f", seconds));
}

void array_bool(struct array *a, bool value)
{
    if (a->binary)
        element(a, BOOL_OID, &(char){value ? 1 : 0}, 1);
    else
        plain(a, value ? "t" : "f", 1);
}

static void finish_literal(struct array *a)
{
    a->text.max_bytes = COLUMN_MAX_BYTES;
    if (!a->count)
        buf_lit(&a->text, "{");
    buf_add(&a->text, "}", 2);
}

enum err_code arrays_finish(struct work *w, struct array *arrays, size_t count,
                            const char **out_parameters)
{
    for (size_t i = 0; i < count; i++) {
        if (arrays[i].type)
            finish_binary(&arrays[i]);
        else
            finish_literal(&arrays[i]);
        if (arrays[i].text.full)
            return err_set(&w->err, INTERNAL, "a batch has more than %d bytes in a column",
                           COLUMN_MAX_BYTES);
        out_parameters[i] = arrays[i].text.bytes;
    }
    return ERR_OK;
}

void arrays_free(struct array *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_free(&arrays[i].text);
}

bool rows_have(const struct rows *ids, struct uuid id)
{
    char text[UUID_TEXT_BYTES];

    uuid_format(id, text);
    for (int i = 0; i < ids->count; i++)
        if (!strcmp(rows_text(ids, i, 0), text))
            return true;
    return false;
}
