#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/db.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"

const char *rows_text(const struct rows *r, int row, int column)
{
    return PQgetisnull(r->result, row, column) ? NULL : PQgetvalue(r->result, row, column);
}

size_t rows_len(const struct rows *r, int row, int column)
{
    return (size_t)PQgetlength(r->result, row, column);
}

int64_t rows_i64(const struct rows *r, int row, int column)
{
    return strtoll(PQgetvalue(r->result, row, column), NULL, 10);
}

double rows_f64(const struct rows *r, int row, int column)
{
    return strtod(PQgetvalue(r->result, row, column), NULL);
}

bool rows_bool(const struct rows *r, int row, int column)
{
    return PQgetvalue(r->result, row, column)[0] == 't';
}

int64_t rows_time(const struct rows *r, int row, int column)
{
    int64_t us;
    if (PQgetisnull(r->result, row, column) ||
        !time_parse(PQgetvalue(r->result, row, column), rows_len(r, row, column), &us))
        return TIME_NONE;
    return us;
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
