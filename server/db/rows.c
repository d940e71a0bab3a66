#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/db.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"

/* OID of pg_type, fixed by PostgreSQL; its binary form begins with a version. */
enum { JSONB_OID = 3802 };

/* PostgreSQL counts from 2000-01-01. */
static const int64_t epoch_us = INT64_C(946684800) * 1000000;

static bool is_binary(const struct rows *r, int column)
{
    return PQfformat(r->result, column) == 1;
}

static bool has_version(const struct rows *r, int column)
{
    return is_binary(r, column) && PQftype(r->result, column) == JSONB_OID;
}

/* Binary integers, floats and times: big endian, of their size. */
static uint64_t read_binary(const struct rows *r, int row, int column)
{
    const unsigned char *p = (const unsigned char *)PQgetvalue(r->result, row, column);
    int len = PQgetlength(r->result, row, column);
    uint64_t n = 0;

    for (int i = 0; i < len; i++)
        n = n << 8 | p[i];
    return n;
}

const char *rows_text(const struct rows *r, int row, int column)
{
    return PQgetisnull(r->result, row, column)
               ? NULL
               : PQgetvalue(r->result, row, column) + has_version(r, column);
}

size_t rows_len(const struct rows *r, int row, int column)
{
    int len = PQgetlength(r->result, row, column);
    return (size_t)len - (len && has_version(r, column));
}

bool rows_set(struct rows *r, int row, int column, const char *text)
{
    return PQsetvalue(r->result, row, column, (char *)(uintptr_t)text, (int)strlen(text));
}

int64_t rows_i64(const struct rows *r, int row, int column)
{
    if (is_binary(r, column))
        return (int64_t)read_binary(r, row, column);
    return strtoll(PQgetvalue(r->result, row, column), NULL, 10);
}

double rows_f64(const struct rows *r, int row, int column)
{
    if (!is_binary(r, column))
        return strtod(PQgetvalue(r->result, row, column), NULL);
    uint64_t bits = read_binary(r, row, column);
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

bool rows_bool(const struct rows *r, int row, int column)
{
    char yes = is_binary(r, column) ? 1 : 't';
    return PQgetvalue(r->result, row, column)[0] == yes;
}

int64_t rows_time(const struct rows *r, int row, int column)
{
    int64_t us;
    if (PQgetisnull(r->result, row, column))
        return TIME_NONE;
    if (is_binary(r, column))
        return (int64_t)read_binary(r, row, column) + epoch_us;
    if (!time_parse(PQgetvalue(r->result, row, column), rows_len(r, row, column), &us))
        return TIME_NONE;
    return us;
}

struct uuid rows_uuid(const struct rows *r, int row, int column)
{
    struct uuid id = {{0}};
    const char *value = PQgetvalue(r->result, row, column);
    size_t len = rows_len(r, row, column);

    if (is_binary(r, column) && len == sizeof(id.bytes))
        memcpy(id.bytes, value, sizeof(id.bytes));
    else if (!uuid_parse(value, len, &id))
        return (struct uuid){{0}};
    return id;
}

const char *param_i64(struct work *w, int64_t value)
{
    return arena_printf(&w->arena, "%" PRId64, value);
}

const char *param_f64(struct work *w, double value)
{
    return arena_printf(&w->arena, "%.17g", value);
}

const char *param_time(struct work *w, int64_t time_us)
{
    if (time_us == TIME_NONE)
        return NULL;
    char *text = arena_array(&w->arena, char, TIME_TEXT_BYTES);
    time_format(time_us, text);
    return text;
}

static char *put_item(char *p, const char *item)
{
    if (!item)
        return stpcpy(p, "NULL");
    *p++ = '"';
    for (; *item; item++) {
        if (*item == '"' || *item == '\\')
            *p++ = '\\';
        *p++ = *item;
    }
    *p++ = '"';
    return p;
}

const char *param_array(struct work *w, const char *const *items, size_t count)
{
    size_t need = 3;
    for (size_t i = 0; i < count; i++)
        need += items[i] ? 2 * strlen(items[i]) + 3 : 5;
    char *text = arena_array(&w->arena, char, need), *p = text;

    *p++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i)
            *p++ = ',';
        p = put_item(p, items[i]);
    }
    *p++ = '}';
    *p = '\0';
    return text;
}
