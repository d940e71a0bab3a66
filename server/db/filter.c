#include "server/db/filter.h"

#include <stdlib.h>
#include <string.h>

#include "server/db/filter_rows.h"
#include "server/db/params.h"

/* ---- rows -> resources ---- */

static const struct enum_name operators[] = {{"and_", 0}, {"or_", 1}, {NULL, 0}};
static const struct enum_name state_types[] = {
    {"SCHEDULED", 0}, {"PENDING", 0}, {"RUNNING", 0}, {"COMPLETED", 0},  {"FAILED", 0},
    {"CANCELLED", 0}, {"CRASHED", 0}, {"PAUSED", 0},  {"CANCELLING", 0}, {NULL, 0}};

struct resource filter_resources[FILTER_TARGETS];

/* A resource under construction. */
struct draft {
    struct field fields[FILTER_SLOTS_MAX + 1];
    const struct filter_leaf *leaves[FILTER_SLOTS_MAX + 1]; /* NULL: an object of its own */
    size_t count;
};

static size_t slot_offset(size_t slot, size_t member)
{
    return offsetof(struct filter_node, slots) + slot * sizeof(struct filter_slot) + member;
}

static struct field leaf_field(const struct filter_leaf *leaf, const char *name, size_t slot)
{
    static const struct {
        enum field_kind kind;
        size_t member;
    } storage[] = {
        [LEAF_UUIDS] = {FIELD_UUIDS, offsetof(struct filter_slot, uuids)},
        [LEAF_NOT_UUIDS] = {FIELD_UUIDS, offsetof(struct filter_slot, uuids)},
        [LEAF_TEXTS] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_NOT_TEXTS] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_TYPES] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_NOT_TYPES] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_LIKE] = {FIELD_STR, offsetof(struct filter_slot, text)},
        [LEAF_TEXT] = {FIELD_STR, offsetof(struct filter_slot, text)},
        [LEAF_SEARCH] = {FIELD_STR, offsetof(struct filter_slot, text)},
        [LEAF_PREFIXES] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_TAGS_ALL] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_TAGS_ANY] = {FIELD_STRS, offsetof(struct filter_slot, strings)},
        [LEAF_TAGS_EMPTY] = {FIELD_TRI, offsetof(struct filter_slot, flag)},
        [LEAF_IS_NULL] = {FIELD_TRI, offsetof(struct filter_slot, flag)},
        [LEAF_NULL_UNLESS_ANY] = {FIELD_TRI, offsetof(struct filter_slot, flag)},
        [LEAF_TRUTH] = {FIELD_TRI, offsetof(struct filter_slot, flag)},
        [LEAF_BEFORE] = {FIELD_TIME, offsetof(struct filter_slot, time_us)},
        [LEAF_AFTER] = {FIELD_TIME, offsetof(struct filter_slot, time_us)},
        [LEAF_GE] = {FIELD_INT, offsetof(struct filter_slot, number)},
        [LEAF_LE] = {FIELD_INT, offsetof(struct filter_slot, number)},
        [LEAF_REAL_GE] = {FIELD_NUM, offsetof(struct filter_slot, real)},
        [LEAF_REAL_LE] = {FIELD_NUM, offsetof(struct filter_slot, real)},
        [LEAF_IGNORED] = {FIELD_INT, offsetof(struct filter_slot, number)},
        [LEAF_IGNORED_FLAG] = {FIELD_TRI, offsetof(struct filter_slot, flag)},
    };
    struct field f = {.name = name,
                      .kind = storage[leaf->kind].kind,
                      .nullable = true,
                      .names = leaf->names,
                      .offset = slot_offset(slot, storage[leaf->kind].member)};
    if (leaf->kind == LEAF_TYPES || leaf->kind == LEAF_NOT_TYPES)
        f.names = state_types;
    if (leaf->kind == LEAF_SEARCH) {
        f.nullable = false;
        f.required = true;
        f.max_len = TEXT_QUERY_MAX_CHARS;
    }
    return f;
}

static struct resource *new_resource(void)
{
    struct resource *r = calloc(1, sizeof(*r));
    if (!r)
        abort();
    return r;
}

/* The field of that name, with a resource of its own; made when it is missing. */
static struct resource *child(struct resource *r, const char *name, size_t len)
{
    struct draft *d = (struct draft *)(uintptr_t)r->fields;

    for (size_t i = 0; i < d->count; i++)
        if (strlen(d->fields[i].name) == len && memcmp(d->fields[i].name, name, len) == 0)
            return (struct resource *)(uintptr_t)d->fields[i].of;
    struct draft *inner = calloc(1, sizeof(*inner));
    struct resource *of = new_resource();
    char *copy = strndup(name, len);
    if (!inner || !copy || d->count == FILTER_SLOTS_MAX)
        abort();
    *of = (struct resource){.name = copy,
                            .size = sizeof(struct filter_node),
                            .given_offset = offsetof(struct filter_node, given),
                            .fields = inner->fields};
    d->fields[d->count] =
        (struct field){.name = copy,
                       .kind = FIELD_OBJECT,
                       .nullable = true,
                       .of = of,
                       .offset = slot_offset(d->count, offsetof(struct filter_slot, node))};
    r->count = ++d->count;
    return of;
}

static void add_leaf(struct resource *r, const struct filter_leaf *leaf)
{
    const char *at = leaf->path;

    for (const char *dot; (dot = strchr(at, '.')); at = dot + 1)
        r = child(r, at, (size_t)(dot - at));
    struct draft *d = (struct draft *)(uintptr_t)r->fields;
    if (d->count == FILTER_SLOTS_MAX)
        abort();
    if (strcmp(at, "operator") == 0) {
        d->fields[d->count] = (struct field){.name = "operator",
                                             .kind = FIELD_ENUM,
                                             .names = operators,
                                             .def = "\"and_\"",
                                             .offset = offsetof(struct filter_node, operator)};
    } else {
        d->fields[d->count] = leaf_field(leaf, at, d->count);
        d->leaves[d->count] = leaf;
    }
    r->count = ++d->count;
}

void filters_build(void)
{
    for (size_t t = 0; t < FILTER_TARGETS; t++) {
        struct draft *d = calloc(1, sizeof(*d));
        if (!d)
            abort();
        filter_resources[t] = (struct resource){.name = filter_sets[t].name,
                                                .size = sizeof(struct filter_node),
                                                .given_offset = offsetof(struct filter_node, given),
                                                .fields = d->fields};
        for (size_t i = 0; i < filter_sets[t].count; i++)
            add_leaf(&filter_resources[t], &filter_sets[t].leaves[i]);
    }
}

/* ---- values -> SQL ---- */

void sql_begin(struct sql *s, struct work *w)
{
    s->work = w;
    s->text = (struct buf){.max_bytes = SQL_MAX_BYTES};
    s->count = 0;
}

void sql_add(struct sql *s, const char *text)
{
    buf_add(&s->text, text, strlen(text));
}

void sql_param(struct sql *s, const char *value)
{
    if (s->count == DB_PARAMETERS_MAX) {
        s->text.full = true;
        return;
    }
    s->parameters[s->count++] = value;
    sql_add(s, arena_printf(&s->work->arena, "$%zu", s->count));
}

enum err_code sql_run(struct sql *s, struct rows *out)
{
    enum err_code rc;

    buf_add(&s->text, "", 1);
    if (s->text.full)
        rc = err_set(&s->work->err, INVALID, "the filter is too long: at most %d parameters",
                     DB_PARAMETERS_MAX);
    else
        rc = db_query_text(s->work, s->text.bytes, s->count, s->parameters, out);
    buf_free(&s->text);
    return rc;
}

static bool is_ascii(const struct strings *words)
{
    for (size_t i = 0; i < words->count; i++)
        for (const char *c = words->items[i]; *c; c++)
            if (*c & 0x80)
                return false;
    return true;
}

void sql_text_search(struct sql *s, const char *text, const struct text_query *q)
{
    const struct {
        const struct strings *words;
        const char *before, *after;
    } rows[] = {{&q->any, " AND EXISTS (", " > 0)"},
                {&q->all, " AND NOT EXISTS (", " = 0)"},
                {&q->none, " AND NOT EXISTS (", " > 0)"}};

    /* The text of a row is put together and lowered once, whatever is looked for in it; for ASCII
     * words only its ASCII letters.  That and strpos() take a tenth of the time of a plain ILIKE.
     */
    bool ascii = is_ascii(&q->any) && is_ascii(&q->all) && is_ascii(&q->none);
    sql_add(s, "EXISTS (SELECT FROM (SELECT lower((");
    sql_add(s, text);
    sql_add(s, ascii ? ") COLLATE \"C\"" : ")");
    sql_add(s, ") OFFSET 0) searched(t) WHERE true");
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!rows[i].words->count)
            continue;
        sql_add(s, rows[i].before);
        sql_add(s, "SELECT FROM unnest(");
        sql_param(s, param_text_array(s->work, *rows[i].words));
        sql_add(s, "::text[]) w WHERE strpos(t, lower(w))");
        sql_add(s, rows[i].after);
    }
    sql_add(s, ")");
}

enum value_kind {
    VALUE_UUIDS,
    VALUE_TEXTS,
    VALUE_TAGS,
    VALUE_TEXT,
    VALUE_FLAG,
    VALUE_TIME,
    VALUE_NUMBER,
    VALUE_REAL
};

/* How a leaf looks in SQL: before, column, between, parameter, after. */
static const struct leaf_form {
    const char *before, *between, *after;
    enum value_kind value;
    const char *one_between, *one_after; /* for a list of one: keeps the order of an index */
} forms[] = {
    [LEAF_UUIDS] = {"", " = ANY(", "::uuid[])", VALUE_UUIDS, " = ", "::uuid"},
    [LEAF_NOT_UUIDS] = {"", " <> ALL(", "::uuid[])", VALUE_UUIDS},
    [LEAF_TEXTS] = {"", " = ANY(", "::text[])", VALUE_TEXTS, " = ", "::text"},
    [LEAF_TYPES] = {"", " = ANY(", "::text[])", VALUE_TEXTS, " = ", "::text"},
    [LEAF_NOT_TEXTS] = {"", " <> ALL(", "::text[])", VALUE_TEXTS},
    [LEAF_NOT_TYPES] = {"", " <> ALL(", "::text[])", VALUE_TEXTS},
    [LEAF_LIKE] = {"", " ILIKE '%' || ", "::text || '%'", VALUE_TEXT},
    [LEAF_TEXT] = {"", " = ", "::text", VALUE_TEXT},
    [LEAF_PREFIXES] = {"", " ^@ ANY(", "::text[])", VALUE_TEXTS},
    [LEAF_TAGS_ALL] = {"", " @> ", "::jsonb", VALUE_TAGS},
    [LEAF_TAGS_ANY] = {"", " ?| ", "::text[]", VALUE_TEXTS},
    [LEAF_TAGS_EMPTY] = {"(", " = '[]') = ", "::boolean", VALUE_FLAG},
    [LEAF_IS_NULL] = {"(", " IS NULL) = ", "::boolean", VALUE_FLAG},
    [LEAF_NULL_UNLESS_ANY] = {"(", " IS NULL) = ", "::boolean", VALUE_FLAG},
    [LEAF_TRUTH] = {"(", ") = ", "::boolean", VALUE_FLAG},
    [LEAF_BEFORE] = {"", " <= ", "::timestamptz", VALUE_TIME},
    [LEAF_AFTER] = {"", " >= ", "::timestamptz", VALUE_TIME},
    [LEAF_GE] = {"", " >= ", "::bigint", VALUE_NUMBER},
    [LEAF_LE] = {"", " <= ", "::bigint", VALUE_NUMBER},
    [LEAF_REAL_GE] = {"", " >= ", "::float8", VALUE_REAL},
    [LEAF_REAL_LE] = {"", " <= ", "::float8", VALUE_REAL},
};

static const char *value_of(struct work *w, enum value_kind kind, const struct filter_slot *v,
                            bool one)
{
    switch (kind) {
    case VALUE_UUIDS:
        return one ? param_uuid(w, v->uuids.items[0]) : param_uuid_array(w, v->uuids);
    case VALUE_TEXTS:
        return one ? v->strings.items[0] : param_text_array(w, v->strings);
    case VALUE_TAGS:
        return param_strings(w, v->strings);
    case VALUE_TEXT:
        return v->text;
    case VALUE_FLAG:
        return v->flag == TRI_NONE ? NULL : param_bool(v->flag == TRI_TRUE);
    case VALUE_TIME:
        return param_time(w, v->time_us);
    case VALUE_NUMBER:
        return param_i64(w, v->number);
    case VALUE_REAL:
        return param_f64(w, v->real);
    }
    return NULL;
}

/* An empty list of what is not wanted, and what is accepted without effect. */
static bool restricts(const struct filter_leaf *leaf, const struct filter_slot *v)
{
    switch (leaf->kind) {
    case LEAF_NOT_UUIDS:
        return v->uuids.count > 0;
    case LEAF_NOT_TEXTS:
    case LEAF_NOT_TYPES:
        return v->strings.count > 0;
    case LEAF_IGNORED:
    case LEAF_IGNORED_FLAG:
        return false;
    default:
        return true;
    }
}

/* One leaf with its value.  Returns false for a leaf that does not restrict anything. */
static bool put_leaf(struct sql *s, const struct filter_leaf *leaf, const struct filter_slot *v,
                     const char *joint)
{
    if (!restricts(leaf, v))
        return false;
    if (leaf->kind == LEAF_SEARCH) {
        struct text_query q;
        text_query_parse(&s->work->arena, v->text, &q);
        sql_add(s, joint);
        sql_text_search(s, leaf->column, &q);
        return true;
    }
    const struct leaf_form *f = &forms[leaf->kind];
    bool one = f->one_between && (f->value == VALUE_UUIDS ? v->uuids.count : v->strings.count) == 1;
    sql_add(s, joint);
    if (leaf->kind == LEAF_TAGS_ALL && v->strings.count) /* the index has no rows without tags */
        sql_add(s, arena_printf(&s->work->arena, "%s <> '[]' AND ", leaf->column));
    sql_add(s, f->before);
    sql_add(s, leaf->column);
    sql_add(s, one ? f->one_between : f->between);
    sql_param(s, value_of(s->work, f->value, v, one));
    sql_add(s, one ? f->one_after : f->after);
    return true;
}

/* any_ and is_null_ of a task run's flow run: true says it alone, any_ comes before false, which
 * is the default. */
static void put_null_unless_any(struct sql *s, const struct resource *r,
                                const struct filter_node *n)
{
    const struct draft *d = (const struct draft *)(const void *)r->fields;
    size_t last = r->count - 1, any = last - 1;
    enum given_state state = given_at(n->given, r->fields[last].offset);
    const char *column = d->leaves[last]->column;

    if (state == GIVEN_VALUE && n->slots[last].flag == TRI_TRUE)
        sql_add(s, arena_printf(&s->work->arena, "(%s IS NULL)", column));
    else if (given_at(n->given, r->fields[any].offset) == GIVEN_VALUE)
        (void)put_leaf(s, d->leaves[any], &n->slots[any], "");
    else
        sql_add(s, state == GIVEN_NULL ? "(true)"
                                       : arena_printf(&s->work->arena, "(%s IS NOT NULL)", column));
}

static bool is_null_unless_any(const struct resource *r)
{
    const struct draft *d = (const struct draft *)(const void *)r->fields;

    return r->count && d->leaves[r->count - 1] &&
           d->leaves[r->count - 1]->kind == LEAF_NULL_UNLESS_ANY;
}

/* "(a AND b)", or "(true)" when nothing in it restricts. */
static void put_node(struct sql *s, const struct resource *r, const struct filter_node *n)
{
    const struct draft *d = (const struct draft *)(const void *)r->fields;
    const char *joint = "";

    sql_add(s, "(");
    for (size_t i = 0; i < r->count; i++) {
        const struct field *f = &r->fields[i];
        if (given_at(n->given, f->offset) != GIVEN_VALUE || f->kind == FIELD_ENUM)
            continue;
        bool added = true;
        if (d->leaves[i]) {
            added = put_leaf(s, d->leaves[i], &n->slots[i], joint);
        } else {
            sql_add(s, joint);
            if (is_null_unless_any(f->of))
                put_null_unless_any(s, f->of, n->slots[i].node);
            else
                put_node(s, f->of, n->slots[i].node);
        }
        if (added)
            joint = n->operator? " OR " : " AND ";
    }
    if (!*joint)
        sql_add(s, "true");
    sql_add(s, ")");
}

void filter_compile(struct sql *s, enum filter_target from, enum filter_target target,
                    const struct filter_node *filter)
{
    if (!filter)
        return;
    if (from == target) {
        sql_add(s, " AND ");
        put_node(s, &filter_resources[target], filter);
        return;
    }
    const char *exists = filter_exists(from, target);
    if (!exists)
        return;
    sql_add(s, " AND EXISTS (SELECT 1 FROM ");
    sql_add(s, exists);
    sql_add(s, " AND ");
    put_node(s, &filter_resources[target], filter);
    sql_add(s, ")");
}
