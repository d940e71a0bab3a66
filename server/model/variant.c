#include "server/model/variant.h"

#include <string.h>

static const struct field *type_row(const struct resource *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->fields[i].name, "type"))
            return &r->fields[i];
    return NULL;
}

const struct variant *variant_find(const struct variant *variants, size_t count, struct val type)
{
    for (size_t i = 0; i < count; i++) {
        const struct field *f = type_row(variants[i].of);
        if (f && f->def && val_equals(type, f->def + 1, strlen(f->def) - 2))
            return &variants[i];
    }
    return NULL;
}

/* How many members were there; SIZE_MAX: the value does not fit. */
static size_t try_one(const struct reading *r, const struct variant *v, struct invalid *bad,
                      void **out)
{
    const struct resource *of = v->of;
    struct loc at = {r->at, v->name, 0};
    size_t given = 0;

    *bad = (struct invalid){.arena = r->bad->arena, .trusted = r->bad->trusted};
    if (val_type(r->v) != DOC_OBJECT) {
        invalid_add(bad, &at, "model_attributes_type",
                    "Input should be a valid dictionary or object to extract fields from",
                    val_raw(r->v), NULL);
        return SIZE_MAX;
    }
    char *value = arena_alloc(bad->arena, 1, of->size, _Alignof(max_align_t));
    if (json_decode(of, r->v, &at, value, bad))
        return SIZE_MAX;
    const uint8_t *there = ((const struct given *)(const void *)(value + of->given_offset))->at;
    for (size_t i = 0; i < of->count; i++)
        given += there[of->fields[i].offset] != GIVEN_ABSENT;
    *out = value;
    return given;
}

bool variant_read(const struct reading *r, const struct variant *variants, size_t count,
                  const struct variant **out, void **out_value)
{
    struct invalid *bads = arena_array(r->bad->arena, struct invalid, count);
    const struct variant *told = variant_find(variants, count, val_get(r->v, "type"));
    size_t best = 0;
    void *value = NULL;

    /* Only one variant has that type: the others need not be tried when it fits. */
    *out = told && try_one(r, told, &bads[0], out_value) != SIZE_MAX ? told : NULL;
    if (*out)
        return true;
    for (size_t i = 0; i < count; i++) {
        size_t given = try_one(r, &variants[i], &bads[i], &value);
        if (given == SIZE_MAX || (*out && given <= best))
            continue;
        best = given;
        *out = &variants[i];
        *out_value = value;
    }
    for (size_t i = 0; i < count && !*out; i++)
        invalid_join(r->bad, &bads[i]);
    return *out;
}
