#include "server/db/filter.h"

#include <stdlib.h>
#include <string.h>

#include "server/db/filter_rows.h"
#include "server/db/params.h"

/* --- rows -> resources --------------------------------------------------------------------------- */

static const struct enum_name operators[] = {{"and_", 0}, {"or_", 1}, {NULL, 0}};
static const struct enum_name state_types[] = {{"SCHEDULED", 0}, {"PENDING", 0}, {"RUNNING", 0},   {"COMPLETED", 0},
                                               {"FAILED", 0},    {"CANCELLED", 0}, {"CRASHED", 0}, {"PAUSED", 0},
                                               {"CANCELLING", 0}, {NULL, 0}};

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

static const char *check_state_types(struct arena *a, const void *value)
{
    const struct strings *list = value;

    for (size_t i = 0; i < list->count; i++) {
        const struct enum_name *n = state_types;
        while (n->name && strcmp(n->name, list->items[i]) != 0)
            n++;
        if (!n->name)
            return arena_printf(a, "'%s' is not a state type", list->items[i]);
    }
    return NULL;
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
        [LEAF_IGNORED] = {FIELD_JSON, offsetof(struct filter_slot, strings)},
    };
    struct field f = {.name = name, .kind = storage[leaf->kind].kind, .nullable = true,
                      .offset = slot_offset(slot, storage[leaf->kind].member)};
    if (leaf->kind == LEAF_TYPES || leaf->kind == LEAF_NOT_TYPES)
        f.check = check_state_types;
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
    *of = (struct resource){.name = copy, .size = sizeof(struct filter_node), .given_offset = offsetof(struct filter_node, given),
                            .fields = inner->fields};
    d->fields[d->count] = (struct field){.name = copy, .kind = FIELD_OBJECT, .nullable = true, .of = of,
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
        d->fields[d->count] = (struct field){.name = "operator", .kind = FIELD_ENUM, .names = operators, .def = "\"and_\"",
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
        filter_resources[t] = (struct resource){.name = filter_sets[t].name, .size = sizeof(struct filter_node),
                                                .given_offset = offsetof(struct filter_node, given), .fields = d->fields};
        for (size_t i = 0; i < filter_sets[t].count; i++)
            add_leaf(&filter_resources[t], &filter_sets[t].leaves[i]);
    }
}

/* --- values -> SQL ------------------------------------------------------------------------------- */

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
        rc = err_set(&s->work->err, INVALID, "the filter is too long: at most %d parameters", DB_PARAMETERS_MAX);
    else
        rc = db_query_text(s->work, s->text.bytes, s->count, s->parameters, out);
    buf_free(&s->text);
    return rc;
}

/* `column`, parameter, text behind it. */
static void put(struct sql *s, const char *before, const char *column, const char *between, const char *value, const char *after)
{
    sql_add(s, before);
    sql_add(s, column);
    sql_add(s, between);
    sql_param(s, value);
    sql_add(s, after);
}

/* One leaf with its value.  Returns false for a leaf that does not restrict anything. */
static bool put_leaf(struct sql *s, const struct filter_leaf *leaf, const struct filter_slot *v, const char *joint)
{
    struct work *w = s->work;
    const char *flag = v->flag == TRI_NONE ? NULL : param_bool(v->flag == TRI_TRUE);
    const char *column = leaf->column;

    if ((leaf->kind == LEAF_NOT_UUIDS && !v->uuids.count) || leaf->kind == LEAF_IGNORED ||
        ((leaf->kind == LEAF_NOT_TEXTS || leaf->kind == LEAF_NOT_TYPES) && !v->strings.count))
        return false;
    sql_add(s, joint);
    switch (leaf->kind) {
    case LEAF_UUIDS:
        if (v->uuids.count == 1) /* one value keeps the order of an index */
            put(s, "", column, " = ", param_uuid(w, v->uuids.items[0]), "::uuid");
        else
            put(s, "", column, " = ANY(", param_uuid_array(w, v->uuids), "::uuid[])");
        break;
    case LEAF_NOT_UUIDS: put(s, "", column, " <> ALL(", param_uuid_array(w, v->uuids), "::uuid[])"); break;
    case LEAF_TEXTS: case LEAF_TYPES:
        if (v->strings.count == 1)
            put(s, "", column, " = ", v->strings.items[0], "::text");
        else
            put(s, "", column, " = ANY(", param_text_array(w, v->strings), "::text[])");
        break;
    case LEAF_NOT_TEXTS: case LEAF_NOT_TYPES: put(s, "", column, " <> ALL(", param_text_array(w, v->strings), "::text[])"); break;
    case LEAF_LIKE: put(s, "", column, " ILIKE '%' || ", v->text, "::text || '%'"); break;
    case LEAF_TEXT: put(s, "", column, " = ", v->text, "::text"); break;
    case LEAF_PREFIXES: put(s, "EXISTS (SELECT 1 FROM unnest(", "", "", param_text_array(w, v->strings), "::text[]) p WHERE starts_with("); sql_add(s, column); sql_add(s, ", p))"); break;
    case LEAF_TAGS_ALL: put(s, "", column, " @> ", param_strings(w, v->strings), "::jsonb"); break;
    case LEAF_TAGS_ANY: put(s, "", column, " ?| ", param_text_array(w, v->strings), "::text[]"); break;
    case LEAF_TAGS_EMPTY: put(s, "(", column, " = '[]') = ", flag, "::boolean"); break;
    case LEAF_IS_NULL: case LEAF_NULL_UNLESS_ANY: put(s, "(", column, " IS NULL) = ", flag, "::boolean"); break;
    case LEAF_TRUTH: put(s, "(", column, ") = ", flag, "::boolean"); break;
    case LEAF_BEFORE: put(s, "", column, " <= ", param_time(w, v->time_us), "::timestamptz"); break;
    case LEAF_AFTER: put(s, "", column, " >= ", param_time(w, v->time_us), "::timestamptz"); break;
    case LEAF_GE: put(s, "", column, " >= ", param_i64(w, v->number), "::bigint"); break;
    case LEAF_LE: put(s, "", column, " <= ", param_i64(w, v->number), "::bigint"); break;
    case LEAF_IGNORED: break;
    }
    return true;
}

/* "(a AND b)", or "(true)" when nothing in it restricts. */
static void put_node(struct sql *s, const struct resource *r, const struct filter_node *n)
{
    const struct draft *d = (const struct draft *)(const void *)r->fields;
    const char *joint = "";
    bool any_given = false;

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
            put_node(s, f->of, n->slots[i].node);
        }
        any_given = true;
        if (added)
            joint = n->operator ? " OR " : " AND ";
    }
    if (!any_given && r->count && d->leaves[r->count - 1] && d->leaves[r->count - 1]->kind == LEAF_NULL_UNLESS_ANY)
        sql_add(s, arena_printf(&s->work->arena, "%s IS NOT NULL", d->leaves[r->count - 1]->column));
    else if (!*joint)
        sql_add(s, "true");
    sql_add(s, ")");
}

void filter_compile(struct sql *s, enum filter_target from, enum filter_target target, const struct filter_node *filter)
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
