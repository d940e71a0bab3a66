/* Keywords about single values: types, numbers, strings, lengths; and equality. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/schema_check.h"

static bool is_number(struct val v)
{
    return val_type(v) == DOC_INT || val_type(v) == DOC_FLOAT;
}

static bool is_whole(struct val v)
{
    double d;
    return val_type(v) == DOC_INT ||
           (val_type(v) == DOC_FLOAT && val_double(v, &d) && d == rint(d));
}

double schema_number(struct val v, double otherwise)
{
    double d;
    return val_double(v, &d) ? d : otherwise;
}

/* Negative, zero, positive; exact for whole numbers of 64 bits. */
static int compare_numbers(struct val a, struct val b)
{
    int64_t m, n;

    if (val_int64(a, &m) && val_int64(b, &n))
        return (m > n) - (m < n);
    double x = schema_number(a, 0), y = schema_number(b, 0);
    return (x > y) - (x < y);
}

bool schema_is_type(struct val v, struct val name)
{
    static const struct {
        const char *name;
        enum doc_type one, other;
    } types[] = {
        {"string", DOC_STRING, DOC_STRING}, {"object", DOC_OBJECT, DOC_OBJECT},
        {"array", DOC_ARRAY, DOC_ARRAY},    {"number", DOC_INT, DOC_FLOAT},
        {"boolean", DOC_TRUE, DOC_FALSE},   {"null", DOC_NULL, DOC_NULL},
    };

    if (val_equals(name, "integer", 7))
        return is_whole(v);
    for (size_t i = 0; i < COUNT(types); i++)
        if (val_equals(name, types[i].name, strlen(types[i].name)))
            return val_type(v) == types[i].one || val_type(v) == types[i].other;
    return false;
}

bool schema_has_type(struct val v, struct val types)
{
    if (val_type(types) == DOC_STRING)
        return schema_is_type(v, types);
    for (struct val_iter it = val_each(types); val_next(&it);)
        if (schema_is_type(v, it.value))
            return true;
    return false;
}

struct entry {
    const char *key;
    struct val value;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->key, y->key);

    return order ? order : (x->value.node > y->value.node) - (x->value.node < y->value.node);
}

/* The members sorted by key; of duplicates the last.  Returns how many. */
static size_t sorted_members(struct arena *a, struct val object, struct entry **out)
{
    struct entry *all = arena_array(a, struct entry, val_count(object) + 1);
    size_t count = 0, kept = 0;

    for (struct val_iter it = val_each(object); val_next(&it); count++)
        all[count] = (struct entry){val_string(a, it.key, NULL), it.value};
    qsort(all, count, sizeof(*all), by_key);
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || strcmp(all[i].key, all[i + 1].key) != 0)
            all[kept++] = all[i];
    *out = all;
    return kept;
}

static bool equal_objects(struct arena *a, struct val one, struct val two)
{
    struct entry *x, *y;
    size_t count = sorted_members(a, one, &x);

    if (count != sorted_members(a, two, &y))
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(x[i].key, y[i].key) != 0 || !schema_equal(a, x[i].value, y[i].value))
            return false;
    return true;
}

bool schema_equal(struct arena *a, struct val one, struct val two)
{
    size_t len;

    if (is_number(one) && is_number(two)) {
        struct raw x = val_raw(one), y = val_raw(two);
        return (x.len == y.len && memcmp(x.text, y.text, x.len) == 0) ||
               compare_numbers(one, two) == 0;
    }
    if (val_type(one) != val_type(two))
        return false;
    if (val_type(one) == DOC_STRING) {
        const char *text = val_string(a, two, &len);
        return val_equals(one, text, len);
    }
    if (val_type(one) != DOC_ARRAY && val_type(one) != DOC_OBJECT)
        return true;
    if (val_type(one) == DOC_OBJECT)
        return equal_objects(a, one, two);
    if (val_count(one) != val_count(two))
        return false;
    struct val_iter i = val_each(one), j = val_each(two);
    while (val_next(&i) && val_next(&j))
        if (!schema_equal(a, i.value, j.value))
            return false;
    return true;
}

bool schema_same(struct checker *c, struct val one, struct val two)
{
    /* A value has at least one byte per four steps of comparing it. */
    return schema_step(c, 1 + val_raw(one).len / 16) && schema_equal(c->arena, one, two);
}

void schema_check_type(struct checker *c, const struct application *at, struct val types,
                       struct wrongs *out)
{
    if (!schema_has_type(at->instance, types))
        schema_wrong(c, at, WRONG_TYPE, types, out);
}

void schema_check_enum(struct checker *c, const struct application *at, struct val values,
                       struct wrongs *out)
{
    for (struct val_iter it = val_each(values); val_next(&it);)
        if (schema_same(c, it.value, at->instance))
            return;
    schema_wrong(c, at, WRONG_ENUM, values, out);
}

void schema_check_const(struct checker *c, const struct application *at, struct val value,
                        struct wrongs *out)
{
    if (!schema_same(c, value, at->instance))
        schema_wrong(c, at, WRONG_CONST, value, out);
}

void schema_check_minimum(struct checker *c, const struct application *at, struct val limit,
                          struct wrongs *out)
{
    if (is_number(at->instance) && compare_numbers(at->instance, limit) < 0)
        schema_wrong(c, at, WRONG_MINIMUM, limit, out);
}

void schema_check_maximum(struct checker *c, const struct application *at, struct val limit,
                          struct wrongs *out)
{
    if (is_number(at->instance) && compare_numbers(at->instance, limit) > 0)
        schema_wrong(c, at, WRONG_MAXIMUM, limit, out);
}

void schema_check_above(struct checker *c, const struct application *at, struct val limit,
                        struct wrongs *out)
{
    if (is_number(at->instance) && compare_numbers(at->instance, limit) <= 0)
        schema_wrong(c, at, WRONG_ABOVE, limit, out);
}

void schema_check_below(struct checker *c, const struct application *at, struct val limit,
                        struct wrongs *out)
{
    if (is_number(at->instance) && compare_numbers(at->instance, limit) >= 0)
        schema_wrong(c, at, WRONG_BELOW, limit, out);
}

void schema_check_multiple(struct checker *c, const struct application *at, struct val unit,
                           struct wrongs *out)
{
    int64_t n, by;
    bool ok;

    if (!is_number(at->instance) || schema_number(unit, 0) == 0)
        return;
    if (val_int64(at->instance, &n) && val_int64(unit, &by)) {
        ok = by == -1 || n % by == 0;
    } else if (val_type(unit) == DOC_FLOAT) {
        double quotient = schema_number(at->instance, 0) / schema_number(unit, 1);
        ok = isinf(quotient) ? fmod(schema_number(at->instance, 0), schema_number(unit, 1)) == 0
                             : quotient == rint(quotient);
    } else {
        ok = fmod(schema_number(at->instance, 0), schema_number(unit, 1)) == 0;
    }
    if (!ok)
        schema_wrong(c, at, WRONG_MULTIPLE, unit, out);
}

static void check_least(struct checker *c, const struct application *at, struct val limit,
                        enum wrong few, struct wrongs *out)
{
    bool string = val_type(at->instance) == DOC_STRING;
    size_t length = string ? val_length(at->instance) : val_count(at->instance);

    if ((double)length < schema_number(limit, 0))
        schema_wrong(c, at, schema_number(limit, 0) == 1 ? WRONG_EMPTY : few, limit, out);
}

static void check_most(struct checker *c, const struct application *at, struct val limit,
                       enum wrong many, struct wrongs *out)
{
    bool string = val_type(at->instance) == DOC_STRING;
    size_t length = string ? val_length(at->instance) : val_count(at->instance);

    if ((double)length > schema_number(limit, INFINITY))
        schema_wrong(c, at, schema_number(limit, 1) == 0 ? WRONG_NOT_EMPTY : many, limit, out);
}

void schema_check_min_length(struct checker *c, const struct application *at, struct val limit,
                             struct wrongs *out)
{
    if (val_type(at->instance) == DOC_STRING)
        check_least(c, at, limit, WRONG_SHORT, out);
}

void schema_check_max_length(struct checker *c, const struct application *at, struct val limit,
                             struct wrongs *out)
{
    if (val_type(at->instance) == DOC_STRING)
        check_most(c, at, limit, WRONG_LONG, out);
}

void schema_check_min_items(struct checker *c, const struct application *at, struct val limit,
                            struct wrongs *out)
{
    if (val_type(at->instance) == DOC_ARRAY)
        check_least(c, at, limit, WRONG_SHORT, out);
}

void schema_check_max_items(struct checker *c, const struct application *at, struct val limit,
                            struct wrongs *out)
{
    if (val_type(at->instance) == DOC_ARRAY)
        check_most(c, at, limit, WRONG_LONG, out);
}

void schema_check_min_properties(struct checker *c, const struct application *at, struct val limit,
                                 struct wrongs *out)
{
    if (val_type(at->instance) == DOC_OBJECT)
        check_least(c, at, limit, WRONG_FEW, out);
}

void schema_check_max_properties(struct checker *c, const struct application *at, struct val limit,
                                 struct wrongs *out)
{
    if (val_type(at->instance) == DOC_OBJECT)
        check_most(c, at, limit, WRONG_MANY, out);
}

void schema_check_pattern(struct checker *c, const struct application *at, struct val pattern,
                          struct wrongs *out)
{
    if (val_type(at->instance) == DOC_STRING && !schema_matches(c, pattern, at->instance))
        schema_wrong(c, at, WRONG_PATTERN, pattern, out);
}
