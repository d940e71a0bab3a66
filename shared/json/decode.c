#include "shared/json/decode.h"

#include <math.h>
#include <string.h>

#include "shared/base/clock.h"
#include "shared/json/regex.h"
#include "shared/json/write.h"

/* An item of two bytes can become a struct of hundreds: a body that fits may still be too much. */
enum { FIELDS_MAX = 96, DECODE_MAX_BYTES = 32 << 20, ITEM_BYTES = 64 };

bool reading_fail(const struct reading *r, const char *type, const char *msg, const char *ctx)
{
    invalid_add(r->bad, r->at, type, msg, val_raw(r->v), ctx);
    return false;
}

const char *ctx_text(struct arena *a, const char *key, const char *text)
{
    struct buf b = {.max_bytes = 4096};

    write_object(&b);
    write_key(&b, key);
    write_string(&b, text);
    write_end_object(&b);
    const char *ctx = b.full ? NULL : arena_strndup(a, b.bytes, b.len);
    buf_free(&b);
    return ctx;
}

bool reading_refuse(const struct reading *r, const char *message)
{
    return reading_fail(r, "value_error", arena_printf(r->bad->arena, "Value error, %s", message),
                        "{\"error\":{}}");
}

/* False, with an error, when the arena should not take that much more; also when enough errors are
 * told. */
static bool has_room(const struct reading *r, size_t count, size_t bytes)
{
    size_t used = r->bad->arena->used_bytes;

    if (r->bad->count >= INVALID_LISTED_MAX)
        return false;
    if (used < DECODE_MAX_BYTES && count <= (DECODE_MAX_BYTES - used) / bytes)
        return true;
    return reading_fail(&(struct reading){r->f, {0}, r->at, r->bad}, "too_large",
                        "The request has more items than the server can take at once", NULL);
}

void field_set_none(const struct field *f, void *out)
{
    switch (f->kind) {
    case FIELD_INT:
    case FIELD_TIME:
    case FIELD_DURATION:
        *(int64_t *)out = INT_NONE;
        return;
    case FIELD_NUM:
        *(double *)out = NAN;
        return;
    case FIELD_TRI:
    case FIELD_ENUM:
        *(int *)out = -1;
        return;
    default: /* the object was zeroed */
        return;
    }
}

static bool check_length(const struct reading *r, size_t length)
{
    struct arena *a = r->bad->arena;
    const struct field *f = r->f;
    bool is_short = length < f->min_len;
    size_t limit = is_short ? f->min_len : f->max_len;

    if (!is_short && (!f->max_len || length <= f->max_len))
        return true;
    const char *word = is_short ? "least" : "most", *s = limit == 1 ? "" : "s";
    const char *key = is_short ? "min_length" : "max_length";
    if (f->kind == FIELD_STR)
        return reading_fail(
            r, is_short ? "string_too_short" : "string_too_long",
            arena_printf(a, "String should have at %s %zu character%s", word, limit, s),
            arena_printf(a, "{\"%s\":%zu}", key, limit));
    return reading_fail(
        r, is_short ? "too_short" : "too_long",
        arena_printf(a, "List should have at %s %zu item%s after validation, not %zu", word, limit,
                     s, length),
        arena_printf(a, "{\"field_type\":\"List\",\"%s\":%zu,\"actual_length\":%zu}", key, limit,
                     length));
}

static bool check_pattern(const struct reading *r, const char *text, size_t len)
{
    struct pattern *p = r->f->pattern;

    if (!p || regex_search(p, text, len) == REGEX_MATCH)
        return true;
    return reading_fail(r, "string_pattern_mismatch",
                        arena_printf(r->bad->arena, "String should match pattern '%s'", p->text),
                        ctx_text(r->bad->arena, "pattern", p->text));
}

/* Any string that the database can store. */
static bool read_text(const struct reading *r, const char **out, size_t *out_len)
{
    if (val_type(r->v) != DOC_STRING)
        return reading_fail(r, "string_type", "Input should be a valid string", NULL);
    const char *text = val_string(r->bad->arena, r->v, out_len);
    if (memchr(text, 0, *out_len))
        return reading_refuse(r, "a string cannot contain U+0000");
    if (!val_storable(r->v)) /* the input cannot be repeated, it is not Unicode */
        return reading_fail(
            &(struct reading){r->f, {0}, r->at, r->bad}, "string_unicode",
            "Input should be a valid string, unable to parse raw data as a unicode string", NULL);
    *out = text;
    return true;
}

static bool read_str(const struct reading *r, void *out)
{
    const char *text;
    size_t len;

    if (!read_text(r, &text, &len))
        return false;
    if ((r->f->min_len || r->f->max_len) && !check_length(r, val_length(r->v)))
        return false;
    if (!check_pattern(r, text, len))
        return false;
    *(const char **)out = text;
    return true;
}

static bool read_json(const struct reading *r, void *out)
{
    struct raw raw = val_raw(r->v);

    if (!val_storable(r->v))
        return reading_refuse(r, "JSON text cannot contain U+0000 or a lone surrogate");
    *(struct raw *)out = (struct raw){arena_strndup(r->bad->arena, raw.text, raw.len), raw.len};
    return true;
}

static bool read_dict(const struct reading *r, void *out)
{
    if (val_type(r->v) != DOC_OBJECT)
        return reading_fail(r, "dict_type", "Input should be a valid dictionary", NULL);
    return read_json(r, out);
}

/* A value that is none of bool, int, float and str is told once for each of them. */
static bool read_labels(const struct reading *r, void *out)
{
    static const struct {
        const char *branch, *type, *msg;
    } branches[] = {
        {"bool", "bool_type", "Input should be a valid boolean"},
        {"int", "int_type", "Input should be a valid integer"},
        {"float", "float_type", "Input should be a valid number"},
        {"str", "string_type", "Input should be a valid string"},
    };
    size_t before = r->bad->count;

    if (val_type(r->v) != DOC_OBJECT)
        return read_dict(r, out);
    for (struct val_iter it = val_each(r->v); val_next(&it) && has_room(r, 1, ITEM_BYTES);) {
        enum doc_type type = val_type(it.value);
        if (type != DOC_NULL && type != DOC_ARRAY && type != DOC_OBJECT)
            continue;
        struct loc member = {r->at, val_string(r->bad->arena, it.key, NULL), 0};
        for (size_t i = 0; i < COUNT(branches); i++) {
            struct loc branch = {&member, branches[i].branch, 0};
            invalid_add(r->bad, &branch, branches[i].type, branches[i].msg, val_raw(it.value),
                        NULL);
        }
    }
    return r->bad->count == before && read_json(r, out);
}

static bool read_texts(const struct reading *r, void *out)
{
    size_t before = r->bad->count, len;
    const char *text;

    if (val_type(r->v) != DOC_OBJECT)
        return read_dict(r, out);
    for (struct val_iter it = val_each(r->v); val_next(&it) && has_room(r, 1, ITEM_BYTES);) {
        struct loc member = {r->at, val_string(r->bad->arena, it.key, NULL), 0};
        read_text(&(struct reading){r->f, it.value, &member, r->bad}, &text, &len);
    }
    return r->bad->count == before && read_json(r, out);
}

static bool check_list(const struct reading *r)
{
    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "list_type", "Input should be a valid list", NULL);
    return check_length(r, val_count(r->v));
}

static bool read_strs(const struct reading *r, void *out)
{
    struct strings *list = out;
    size_t len, before = r->bad->count;

    if (!check_list(r) || !has_room(r, val_count(r->v) + 1, sizeof(*list->items)))
        return false;
    list->count = val_count(r->v);
    list->items = arena_array(r->bad->arena, const char *, list->count + 1);
    for (struct val_iter it = val_each(r->v); val_next(&it) && has_room(r, 1, ITEM_BYTES);) {
        struct loc at = {r->at, NULL, it.index};
        const struct reading item = {r->f, it.value, &at, r->bad};
        int value;
        if (r->f->names && !read_enum(&item, &value))
            continue;
        if (read_text(&item, &list->items[it.index], &len) && r->f->pattern)
            check_pattern(&item, list->items[it.index], len);
    }
    return r->bad->count == before;
}

bool read_set(const struct reading *r, void *out)
{
    struct strings *list = out;
    size_t kept = 0;

    if (val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "set_type", "Input should be a valid set", NULL);
    if (!read_strs(r, out))
        return false;
    for (size_t i = 0, k; i < list->count; i++) {
        for (k = 0; k < kept && strcmp(list->items[k], list->items[i]) != 0; k++)
            ;
        if (k == kept)
            list->items[kept++] = list->items[i];
    }
    list->count = kept;
    return true;
}

static bool read_uuids(const struct reading *r, void *out)
{
    struct uuids *list = out;
    size_t before = r->bad->count;

    if (!check_list(r) || !has_room(r, val_count(r->v) + 1, sizeof(*list->items)))
        return false;
    list->count = val_count(r->v);
    list->items = arena_array(r->bad->arena, struct uuid, list->count + 1);
    for (struct val_iter it = val_each(r->v); val_next(&it) && has_room(r, 1, ITEM_BYTES);) {
        struct loc at = {r->at, NULL, it.index};
        read_uuid(&(struct reading){r->f, it.value, &at, r->bad}, &list->items[it.index]);
    }
    return r->bad->count == before;
}

static bool read_members(const struct resource *res, const struct reading *r, char *out);

static bool read_object(const struct reading *r, void *out)
{
    char *object = arena_alloc(r->bad->arena, 1, r->f->of->size, _Alignof(max_align_t));

    *(void **)out = object;
    return read_members(r->f->of, r, object);
}

static bool read_list(const struct reading *r, void *out)
{
    const struct resource *of = r->f->of;
    size_t count = val_count(r->v), before = r->bad->count;

    if (of->sequence && val_type(r->v) == DOC_STRING)
        return reading_fail(r, "sequence_str",
                            "'str' instances are not allowed as a Sequence value",
                            "{\"type_name\":\"str\"}");
    if (of->sequence && val_type(r->v) != DOC_ARRAY)
        return reading_fail(r, "is_instance_of", "Input should be an instance of Sequence",
                            "{\"class\":\"Sequence\"}");
    if (!check_list(r) || !has_room(r, count + 1, of->size))
        return false;
    char *items = arena_alloc(r->bad->arena, count + 1, of->size, _Alignof(max_align_t));
    for (struct val_iter it = val_each(r->v);
         val_next(&it) && has_room(r, 1, of->size + ITEM_BYTES);) {
        struct loc at = {r->at, NULL, it.index};
        read_members(of, &(struct reading){r->f, it.value, &at, r->bad},
                     items + it.index * of->size);
    }
    *(void **)out = items;
    *(size_t *)((char *)out - r->f->offset + r->f->count_offset) = count;
    return r->bad->count == before;
}

read_fn *const readers[FIELD_KINDS] = {
    [FIELD_STR] = read_str,       [FIELD_INT] = read_int,       [FIELD_NUM] = read_num,
    [FIELD_BOOL] = read_bool,     [FIELD_TRI] = read_tri,       [FIELD_ENUM] = read_enum,
    [FIELD_UUID] = read_uuid,     [FIELD_TIME] = read_time,     [FIELD_DURATION] = read_duration,
    [FIELD_STRS] = read_strs,     [FIELD_UUIDS] = read_uuids,   [FIELD_JSON] = read_json,
    [FIELD_DICT] = read_dict,     [FIELD_LABELS] = read_labels, [FIELD_TEXTS] = read_texts,
    [FIELD_OBJECT] = read_object, [FIELD_LIST] = read_list,
};

static void read_value(const struct reading *r, void *out)
{
    bool (*read)(const struct reading *, void *) = r->f->read ? r->f->read : readers[r->f->kind];

    if (!read(r, out) || !r->f->check)
        return;
    const char *message = r->f->check(r->bad->arena, out);
    if (message)
        reading_refuse(r, message);
}

static void set_default(const struct reading *r, void *out)
{
    struct arena *a = r->bad->arena;
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    field_set_none(r->f, out);
    if (!r->f->def || strcmp(r->f->def, "null") == 0)
        return;
    if (!doc_parse(a, r->f->def, strlen(r->f->def), d, &error)) {
        reading_fail(r, "value_error", "Value error, the default of this row is not JSON", NULL);
        return;
    }
    read_value(&(struct reading){r->f, doc_root(d), r->at, r->bad}, out);
}

/* One row against the member with its name, if there is one. */
static enum given_state read_member(const struct resource *res, const struct reading *r,
                                    struct val object, void *out)
{
    enum doc_type type = val_type(r->v);

    if (type == DOC_NULL && (r->f->null_ignored || (res->extra && !r->f->nullable)))
        type = DOC_NONE; /* null for a parameter means its default */
    if (type == DOC_NONE && r->f->required && !r->bad->trusted) {
        struct raw input = res->extra ? (struct raw){0} : val_raw(object);
        invalid_add(r->bad, r->at, "missing", "Field required", input, NULL);
        return GIVEN_ABSENT;
    }
    if (type == DOC_NONE) {
        set_default(r, out);
        return GIVEN_ABSENT;
    }
    if (type == DOC_NULL && (r->f->nullable || r->bad->trusted)) {
        field_set_none(r->f, out);
        return GIVEN_NULL;
    }
    read_value(r, out);
    return GIVEN_VALUE;
}

/* The row for a key; clients send members mostly in the order of the rows, so the search starts at
 * *hint. */
static const struct field *find_field(const struct resource *res, struct val key, bool trusted,
                                      size_t *hint)
{
    for (size_t n = 0; n < res->count; n++) {
        size_t i = (*hint + n) % res->count;
        const struct field *f = &res->fields[i];
        if ((f->readonly && !trusted) || !val_equals(key, f->name, strlen(f->name)))
            continue;
        *hint = i + 1;
        return f;
    }
    return NULL;
}

static void refuse_extra(const struct resource *res, const struct reading *r)
{
    size_t hint = 0;

    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        if (find_field(res, it.key, r->bad->trusted, &hint))
            continue;
        if (!has_room(r, 1, ITEM_BYTES))
            return;
        struct loc at = {r->at, val_string(r->bad->arena, it.key, NULL), 0};
        invalid_add(r->bad, &at, "extra_forbidden", "Extra inputs are not permitted",
                    val_raw(it.value), NULL);
    }
}

/* FastAPI: parameters of a body that is not an object are all missing. */
static bool refuse_type(const struct resource *res, const struct reading *r)
{
    if (!res->extra)
        return reading_fail(r, "model_attributes_type",
                            "Input should be a valid dictionary or object to extract fields from",
                            NULL);
    for (size_t i = 0; i < res->count; i++) {
        struct loc at = {r->at, res->fields[i].name, 0};
        invalid_add(r->bad, &at, "missing", "Field required", (struct raw){0}, NULL);
    }
    return false;
}

/* What stands for row i: its own member, or that of an older name. */
static struct val found_for(const struct resource *res, const struct val *found, size_t i)
{
    const char *older = res->fields[i].falls_back_on;
    double number;

    if (!older || !val_is_falsy(found[i]))
        return found[i];
    for (size_t k = 0; k < res->count; k++)
        if (strcmp(res->fields[k].name, older) == 0 && val_type(found[k]) > DOC_NULL &&
            !(val_double(found[k], &number) && number == 0))
            return found[k];
    return found[i];
}

static bool read_members(const struct resource *res, const struct reading *r, char *out)
{
    struct val found[FIELDS_MAX] = {0};
    size_t before = r->bad->count, hint = 0, unknown = 0;
    bool empty = val_type(r->v) == DOC_NONE;

    if (res->count > FIELDS_MAX || (!empty && val_type(r->v) != DOC_OBJECT))
        return refuse_type(res, r);
    const char *message = res->check_before ? res->check_before(r->bad->arena, r->v) : NULL;
    if (message)
        return reading_refuse(r, message);
    for (struct val_iter it = val_each(r->v); val_next(&it);) {
        const struct field *f = find_field(res, it.key, r->bad->trusted, &hint);
        if (f)
            found[f - res->fields] = it.value;
        else
            unknown++;
    }
    uint8_t *given = arena_array(r->bad->arena, uint8_t, res->size);
    for (size_t i = 0; i < res->count; i++) {
        const struct field *f = &res->fields[i];
        struct loc at = {r->at, f->name, 0};
        struct reading member = {f, found_for(res, found, i), &at, r->bad};
        if (f->readonly && !r->bad->trusted)
            field_set_none(f, out + f->offset);
        else
            given[f->offset] = (uint8_t)read_member(res, &member, r->v, out + f->offset);
    }
    ((struct given *)(void *)(out + res->given_offset))->at = given;
    if (unknown && !res->extra && !res->lax && !r->bad->trusted)
        refuse_extra(res, r);
    if (r->bad->count == before && res->check)
        message = res->check(r->bad->arena, out);
    return message ? reading_refuse(r, message) : r->bad->count == before;
}

enum err_code json_decode(const struct resource *r, struct val v, const struct loc *at, void *out,
                          struct invalid *bad)
{
    bool empty = val_type(v) == DOC_NONE || val_type(v) == DOC_NULL;

    memset(out, 0, r->size);
    if (empty && !r->extra) {
        invalid_add(bad, at, "missing", "Field required", (struct raw){0}, NULL);
        return ERR_INVALID;
    }
    struct reading root = {NULL, empty ? (struct val){0} : v, at, bad};
    return read_members(r, &root, out) ? ERR_OK : ERR_INVALID;
}

enum err_code json_decode_list(const struct resource *r, struct val v, const struct loc *at,
                               void **out_items, size_t *out_count, struct invalid *bad)
{
    struct {
        void *items;
        size_t count;
    } list = {0};
    struct field f = {.kind = FIELD_LIST, .of = r, .count_offset = sizeof(void *)};

    if (val_type(v) == DOC_NONE || val_type(v) == DOC_NULL) {
        invalid_add(bad, at, "missing", "Field required", (struct raw){0}, NULL);
        return ERR_INVALID;
    }
    if (!read_list(&(struct reading){&f, v, at, bad}, &list))
        return ERR_INVALID;
    *out_items = list.items;
    *out_count = list.count;
    return ERR_OK;
}

enum err_code json_decode_text(struct arena *a, const struct resource *r, const char *text,
                               size_t len, void *out, struct err *e)
{
    struct invalid bad = {.arena = a};
    struct doc *d = arena_new(a, struct doc);
    struct doc_error error;

    if (!doc_parse(a, text, len, d, &error))
        return err_set(e, INVALID, "not JSON: %s, byte %zu", error.reason, error.offset);
    if (json_decode(r, doc_root(d), &loc_body, out, &bad))
        return err_set(e, INVALID, "%s", bad.first);
    return ERR_OK;
}
