#include "server/model/variable.h"

#include <string.h>

#include "shared/json/decode.h"

enum { NAME_MAX_CHARS = 255, VALUE_MAX_BYTES = 5000 };

static const char *check_name(struct arena *a, const void *value)
{
    const char *name = *(const char *const *)value;

    (void)a;
    if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_")])
        return "Variable name must only contain lowercase letters, numbers, and dashes or "
               "underscores.";
    return NULL;
}

/* The length is told as that of any value with a length. */
static bool read_name(const struct reading *r, void *out)
{
    size_t chars = val_type(r->v) == DOC_STRING ? val_length(r->v) : 0;
    struct arena *a = r->bad->arena;

    if (chars <= NAME_MAX_CHARS)
        return readers[FIELD_STR](r, out);
    return reading_fail(
        r, "too_long",
        arena_printf(a, "Value should have at most %d items after validation, not %zu",
                     NAME_MAX_CHARS, chars),
        arena_printf(a, "{\"field_type\":\"Value\",\"max_length\":%d,\"actual_length\":%zu}",
                     NAME_MAX_CHARS, chars));
}

static const char *check_value(struct arena *a, const void *value)
{
    (void)a;
    if (raw_compact_len(*(const struct raw *)value, false) > VALUE_MAX_BYTES)
        return "Variable value must be less than 5000 characters";
    return NULL;
}

/* clang-format off */
static const struct field variable_fields[] = {
    F_UUID(struct variable, id, .doc = "Assigned by the server."),
    F_TIME(struct variable, created, F_NULLABLE, .doc = "When the variable was made."),
    F_TIME(struct variable, updated, F_NULLABLE, .doc = "When the variable was last changed."),
    F_STR(struct variable, name, .doc = "Unique among variables."),
    F_JSON(struct variable, value, F_NULLABLE, .doc = "Any JSON."),
    F_STRS(struct variable, tags, .doc = "For filters."),
};
const struct resource variable_resource = RESOURCE_NAMED("Variable", variable, variable_fields);

static const struct field variable_create_fields[] = {
    F_STR(struct variable_create, name, F_REQUIRED, .read = read_name, .check = check_name, .doc = "Unique among variables."),
    F_JSON(struct variable_create, value, F_REQUIRED, .check = check_value, .doc = "Any JSON of at most 5000 characters."),
    F_STRS(struct variable_create, tags, .def = "[]", .doc = "For filters."),
};
const struct resource variable_create_resource = RESOURCE_NAMED("VariableCreate", variable_create, variable_create_fields);

static const struct field variable_update_fields[] = {
    F_STR(struct variable_update, name, F_NULLABLE, .read = read_name, .check = check_name, .doc = "Unique among variables."),
    F_JSON(struct variable_update, value, .check = check_value, .doc = "Any JSON of at most 5000 characters."),
    F_STRS(struct variable_update, tags, F_NULLABLE, .doc = "For filters."),
};
const struct resource variable_update_resource = RESOURCE_NAMED("VariableUpdate", variable_update, variable_update_fields);
/* clang-format on */
