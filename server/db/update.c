#include "server/db/update.h"

#include <math.h>
#include <string.h>

#include "server/db/params.h"
#include "shared/base/clock.h"

static const char *enum_text(const struct field *f, int value)
{
    for (const struct enum_name *n = f->names; n->name; n++)
        if (n->value == value)
            return n->name;
    return NULL;
}

static const char *encoded(struct work *w, const struct field *f, const void *at)
{
    struct buf b = {.max_bytes = 16 << 20};
    json_encode(&b, f->of, at);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

const char *field_param(struct work *w, const struct field *f, const void *object)
{
    const void *at = (const char *)object + f->offset;

    switch (f->kind) {
    case FIELD_STR:
        return *(const char *const *)at;
    case FIELD_INT:
        return param_int(w, *(const int64_t *)at);
    case FIELD_NUM:
        return isnan(*(const double *)at) ? NULL : param_f64(w, *(const double *)at);
    case FIELD_BOOL:
        return param_bool(*(const bool *)at);
    case FIELD_TRI:
        return *(const enum tri *)at == TRI_NONE ? NULL
                                                 : param_bool(*(const enum tri *)at == TRI_TRUE);
    case FIELD_ENUM:
        return enum_text(f, *(const int *)at);
    case FIELD_UUID:
        return param_uuid(w, *(const struct uuid *)at);
    case FIELD_TIME:
        return param_time(w, *(const int64_t *)at);
    case FIELD_DURATION:
        return *(const int64_t *)at == TIME_NONE ? NULL
                                                 : param_f64(w, (double)*(const int64_t *)at / 1e6);
    case FIELD_STRS:
        return param_strings(w, *(const struct strings *)at);
    case FIELD_JSON:
    case FIELD_DICT:
    case FIELD_LABELS:
        return ((const struct raw *)at)->text;
    case FIELD_OBJECT:
        return *(void *const *)at ? encoded(w, f, *(void *const *)at) : NULL;
    default:
        return NULL; /* lists of objects have tables of their own */
    }
}

void sql_update(struct sql *s, const char *table, const struct resource *r, const void *in)
{
    const struct given *given = (const void *)((const char *)in + r->given_offset);

    sql_add(s, "UPDATE ");
    sql_add(s, table);
    sql_add(s, " SET updated = now()");
    for (size_t i = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        const char *column = f->column ? f->column : f->name;
        if (!*column || given_at(*given, f->offset) == GIVEN_ABSENT)
            continue;
        sql_add(s, ", ");
        sql_add(s, column);
        sql_add(s, " = ");
        sql_param(s, field_param(s->work, f, in));
    }
}

static bool has_column(const struct field *f)
{
    return !f->column || *f->column;
}

void sql_insert(struct sql *s, const char *table, const struct resource *r, const void *in,
                const struct extra_column *extra, size_t extra_count)
{
    const char *comma = "";

    sql_add(s, arena_printf(&s->work->arena, "INSERT INTO %s (", table));
    for (size_t i = 0; i < extra_count; i++, comma = ", ")
        sql_add(s, arena_printf(&s->work->arena, "%s%s", comma, extra[i].column));
    for (size_t i = 0; i < r->count; i++) {
        if (!has_column(&r->fields[i]))
            continue;
        sql_add(s, comma);
        sql_add(s, r->fields[i].column ? r->fields[i].column : r->fields[i].name);
        comma = ", ";
    }
    sql_add(s, ") VALUES (");
    comma = "";
    for (size_t i = 0; i < extra_count; i++, comma = ", ") {
        sql_add(s, comma);
        sql_param(s, extra[i].value);
    }
    for (size_t i = 0; i < r->count; i++) {
        if (!has_column(&r->fields[i]))
            continue;
        sql_add(s, comma);
        sql_param(s, field_param(s->work, &r->fields[i], in));
        comma = ", ";
    }
    sql_add(s, ")");
}
