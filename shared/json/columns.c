/* Column texts as PostgreSQL prints them, to JSON and to structs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

enum { US_PER_S = 1000000 };

static bool has_column(const struct field *f)
{
    return !f->writeonly && !(f->column && !f->column[0]);
}

size_t columns_count(const struct resource *r)
{
    size_t count = 0;

    for (size_t i = 0; i < r->count; i++)
        count += r->fields[i].inlined ? columns_count(r->fields[i].of) : has_column(&r->fields[i]);
    return count;
}

int columns_index(const struct resource *r, const char *field)
{
    int at = 0;

    for (size_t i = 0; i < r->count && strcmp(r->fields[i].name, field) != 0; i++)
        at += (int)(r->fields[i].inlined ? columns_count(r->fields[i].of)
                                         : has_column(&r->fields[i]));
    return at;
}

void columns_list(struct buf *b, const struct resource *r, const char *table_alias)
{
    bool first = true;

    for (size_t i = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        if (!has_column(f))
            continue;
        if (!first)
            buf_lit(b, ", ");
        first = false;
        if (f->inlined) {
            columns_list(b, f->of, table_alias);
            continue;
        }
        if (f->column) {
            buf_add(b, f->column, strlen(f->column));
            continue;
        }
        if (table_alias) {
            buf_add(b, table_alias, strlen(table_alias));
            buf_lit(b, ".");
        }
        buf_add(b, f->name, strlen(f->name));
    }
}

/* Takes one element of `{a,"b \"c\"",NULL}`; *at stands after `{` or a comma.  NULL is told by
 * *out_null. */
static bool take_element(const char **at, const char *end, struct buf *out, bool *out_null)
{
    bool quoted = *at < end && **at == '"';

    out->len = 0;
    *at += quoted;
    while (*at < end && (quoted ? **at != '"' : **at != ',' && **at != '}')) {
        if (**at == '\\' && end - *at > 1)
            ++*at;
        buf_add(out, (*at)++, 1);
    }
    *at += quoted;
    *out_null = !quoted && out->len == 4 && memcmp(out->bytes, "NULL", 4) == 0;
    if (*at >= end || out->full)
        return false;
    return *(*at)++ == ',';
}

static void write_pg_array(struct buf *b, const struct column *c)
{
    const char *at = c->text + 1, *end = c->text + c->len;
    struct buf element = {.max_bytes = c->len + 1};
    bool more = at < end && *at != '}', null;

    write_array(b);
    while (more) {
        more = take_element(&at, end, &element, &null);
        if (null)
            write_null(b);
        else
            write_string_n(b, element.bytes ? element.bytes : "", element.len);
    }
    write_end_array(b);
    buf_free(&element);
}

static void write_text(struct buf *b, const struct column *c)
{
    write_string_n(b, c->text, c->len);
}

static void write_as_is(struct buf *b, const struct column *c)
{
    write_raw(b, (struct raw){c->text, c->len});
}

static void write_list(struct buf *b, const struct column *c)
{
    if (c->len && c->text[0] == '{')
        write_pg_array(b, c);
    else
        write_as_is(b, c);
}

static void write_number(struct buf *b, const struct column *c)
{
    if (memchr(c->text, 'N', c->len) || memchr(c->text, 'I', c->len)) {
        write_null(b); /* NaN, Infinity */
        return;
    }
    write_as_is(b, c);
    if (!memchr(c->text, '.', c->len) && !memchr(c->text, 'e', c->len))
        buf_lit(b, ".0");
}

static void write_boolean(struct buf *b, const struct column *c)
{
    write_bool(b, c->len && c->text[0] == 't');
}

/* `2024-01-01 00:00:00.123+00` to `"2024-01-01T00:00:00.123000Z"`, by moving characters: this is
 * the hottest conversion of list replies. */
static void write_timestamp(struct buf *b, const struct column *c)
{
    char text[32] = "\"";
    size_t fraction = c->len >= 22 ? c->len - 22 : 0; /* with its point */
    int64_t us;

    if (c->len >= 22 && c->len <= 29 && c->text[4] == '-' && c->text[10] == ' ' &&
        memcmp(c->text + c->len - 3, "+00", 3) == 0 && fraction != 1) {
        memcpy(text + 1, c->text, 19 + fraction);
        text[11] = 'T';
        size_t len = 20 + fraction;
        while (fraction && len < 27)
            text[len++] = '0';
        text[len++] = 'Z';
        text[len++] = '"';
        write_raw(b, (struct raw){text, len});
    } else if (time_parse(c->text, c->len, &us)) {
        write_time(b, us);
    } else {
        write_null(b); /* infinity */
    }
}

/* A number of seconds, or an interval as `1 day -02:03:04.5`. */
static bool parse_interval(const struct column *c, int64_t *out_us)
{
    int64_t days_us = 0, clock_us = 0;
    const char *at = c->text, *stop = c->text + c->len;
    const char *unit = memmem(at, c->len, "day", 3);
    char *end;

    if (!unit && !memchr(at, ':', c->len)) {
        double us = strtod(at, &end) * US_PER_S;
        if (end != stop || !(fabs(us) < 9e18))
            return false;
        *out_us = llrint(us);
        return true;
    }
    if (unit) {
        if (__builtin_mul_overflow(strtoll(at, NULL, 10), INT64_C(86400) * US_PER_S, &days_us))
            return false;
        at = memchr(unit, ' ', (size_t)(stop - unit));
        at = at ? at + 1 : stop;
    }
    if (at < stop && duration_parse(at, (size_t)(stop - at), &clock_us))
        return false;
    return !__builtin_add_overflow(days_us, clock_us, out_us);
}

static void write_interval(struct buf *b, const struct column *c)
{
    int64_t us;

    if (!memchr(c->text, ':', c->len) && !memchr(c->text, 'd', c->len))
        write_number(b, c);
    else
        write_duration(b, parse_interval(c, &us) ? us : TIME_NONE);
}

static void (*const writers[FIELD_KINDS])(struct buf *, const struct column *) = {
    [FIELD_STR] = write_text,     [FIELD_INT] = write_as_is,      [FIELD_NUM] = write_number,
    [FIELD_BOOL] = write_boolean, [FIELD_TRI] = write_boolean,    [FIELD_ENUM] = write_text,
    [FIELD_UUID] = write_text,    [FIELD_TIME] = write_timestamp, [FIELD_DURATION] = write_interval,
    [FIELD_STRS] = write_list,    [FIELD_UUIDS] = write_list,     [FIELD_JSON] = write_as_is,
    [FIELD_DICT] = write_as_is,   [FIELD_LABELS] = write_as_is,   [FIELD_TEXTS] = write_as_is,
    [FIELD_OBJECT] = write_as_is, [FIELD_LIST] = write_as_is,
};

/* Defaults come back. */
static void write_sparse(struct buf *b, const struct field *f, const struct column *c)
{
    struct arena a = {0};
    struct doc doc;
    struct doc_error bad;
    bool empty = c->len == 2 || !doc_parse(&a, c->text, c->len, &doc, &bad);
    struct val root = empty ? (struct val){0} : doc_root(&doc);

    write_object(b);
    for (size_t i = 0; i < f->of->count; i++) {
        const struct field *m = &f->of->fields[i];
        struct val v = empty ? root : val_get(root, m->name);
        const char *def = m->def ? m->def : "null";
        write_key(b, m->name);
        if (val_type(v) == DOC_NONE)
            write_raw(b, (struct raw){def, strlen(def)});
        else
            write_raw(b, val_raw(v));
    }
    write_end_object(b);
    arena_reset(&a);
}

/* The object is null when its first column is. */
static size_t encode_inlined(struct buf *b, const struct field *f, const struct column *columns)
{
    if (columns->text)
        json_encode_columns(b, f->of, columns);
    else
        write_null(b);
    return columns_count(f->of);
}

void json_encode_columns(struct buf *b, const struct resource *r, const struct column *columns)
{
    write_object(b);
    for (size_t i = 0, at = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        if (f->writeonly)
            continue;
        if (f->unsaid && !columns[at].text) {
            at++;
            continue;
        }
        write_key(b, f->name);
        if (f->inlined) {
            at += encode_inlined(b, f, &columns[at]);
            continue;
        }
        const struct column *c = has_column(f) ? &columns[at++] : NULL;
        if (c && c->text && f->sparse)
            write_sparse(b, f, c);
        else if (c && c->text)
            writers[f->kind](b, c);
        else
            write_raw(
                b, (struct raw){f->def && !c ? f->def : "null", f->def && !c ? strlen(f->def) : 4});
    }
    write_end_object(b);
}

static bool strings_from_pg(struct arena *a, const struct column *c, struct strings *out)
{
    const char *at = c->text + 1, *end = c->text + c->len;
    struct buf element = {.max_bytes = c->len + 1};
    bool more = at < end && *at != '}', null;

    out->items = arena_array(a, const char *, c->len);
    while (more) {
        more = take_element(&at, end, &element, &null);
        out->items[out->count++] =
            arena_strndup(a, element.bytes ? element.bytes : "", element.len);
    }
    buf_free(&element);
    return true;
}

static bool uuids_from_pg(struct arena *a, const struct column *c, struct uuids *out)
{
    struct strings texts = {0};

    if (!strings_from_pg(a, c, &texts))
        return false;
    out->items = arena_array(a, struct uuid, texts.count + 1);
    out->count = texts.count;
    for (size_t i = 0; i < texts.count; i++)
        if (!uuid_parse(texts.items[i], strlen(texts.items[i]), &out->items[i]))
            return false;
    return true;
}

/* Kinds whose column text is JSON: through the readers of requests, but with the server's own
 * members. */
static bool decode_json(struct arena *a, const struct field *f, const struct column *c, void *out)
{
    struct invalid bad = {.arena = a, .trusted = true};
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    if (!doc_parse(a, c->text, c->len, d, &error))
        return false;
    struct reading r = {f, doc_root(d), &loc_body, &bad};
    return readers[f->kind](&r, out);
}

static bool decode_enum(const struct field *f, const struct column *c, int *out)
{
    for (const struct enum_name *n = f->names; n->name; n++) {
        if (strlen(n->name) == c->len && memcmp(n->name, c->text, c->len) == 0) {
            *out = n->value;
            return true;
        }
    }
    return false;
}

static bool decode_column(struct arena *a, const struct field *f, const struct column *c, void *out)
{
    char *end = NULL;

    switch (f->kind) {
    case FIELD_STR:
        *(const char **)out = arena_strndup(a, c->text, c->len);
        return true;
    case FIELD_INT:
        *(int64_t *)out = strtoll(c->text, &end, 10);
        return end == c->text + c->len;
    case FIELD_NUM:
        *(double *)out = strtod(c->text, &end);
        return end == c->text + c->len;
    case FIELD_BOOL:
        *(bool *)out = c->text[0] == 't';
        return true;
    case FIELD_TRI:
        *(enum tri *)out = c->text[0] == 't' ? TRI_TRUE : TRI_FALSE;
        return true;
    case FIELD_ENUM:
        return decode_enum(f, c, out);
    case FIELD_UUID:
        return uuid_parse(c->text, c->len, out);
    case FIELD_TIME:
        return time_parse(c->text, c->len, out);
    case FIELD_DURATION:
        return parse_interval(c, out);
    case FIELD_STRS:
        return c->text[0] == '{' ? strings_from_pg(a, c, out) : decode_json(a, f, c, out);
    case FIELD_UUIDS:
        return c->text[0] == '{' ? uuids_from_pg(a, c, out) : decode_json(a, f, c, out);
    case FIELD_JSON:
    case FIELD_DICT:
    case FIELD_LABELS:
    case FIELD_TEXTS:
        *(struct raw *)out = (struct raw){arena_strndup(a, c->text, c->len), c->len};
        return true;
    default:
        return decode_json(a, f, c, out);
    }
}

static enum err_code decode_inlined(struct arena *a, const struct field *f,
                                    const struct column *columns, void **out, struct err *e)
{
    if (!columns->text)
        return ERR_OK;
    *out = arena_alloc(a, 1, f->of->size, _Alignof(max_align_t));
    return columns_decode(a, f->of, columns, *out, e);
}

enum err_code columns_decode(struct arena *a, const struct resource *r,
                             const struct column *columns, void *out, struct err *e)
{
    memset(out, 0, r->size);
    for (size_t i = 0, at = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        if (f->inlined) {
            void **object = (void **)(void *)((char *)out + f->offset);
            enum err_code rc = decode_inlined(a, f, &columns[at], object, e);
            if (rc)
                return rc;
            at += columns_count(f->of);
            continue;
        }
        const struct column *c = has_column(f) ? &columns[at++] : NULL;
        field_set_none(f, (char *)out + f->offset);
        if (c && c->text && !decode_column(a, f, c, (char *)out + f->offset))
            return err_set(e, INTERNAL, "%s.%s: column does not fit: %.100s", r->name, f->name,
                           c->text);
    }
    return ERR_OK;
}
