/* Parameters: the subset of JSON Schema that flows use, and values checked against it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/flow/flow.h"

static const struct {
    const char *name;
    enum { IS_NULL, IS_BOOLEAN, IS_INTEGER, IS_NUMBER, IS_STRING, IS_ARRAY, IS_OBJECT } is;
} json_types[] = {{"null", IS_NULL},     {"boolean", IS_BOOLEAN}, {"integer", IS_INTEGER},
                  {"number", IS_NUMBER}, {"string", IS_STRING},   {"array", IS_ARRAY},
                  {"object", IS_OBJECT}};

static bool has_type(const json_t *value, const char *type)
{
    for (size_t i = 0; i < COUNT(json_types); i++) {
        if (strcmp(json_types[i].name, type) != 0)
            continue;
        switch (json_types[i].is) {
        case IS_NULL:
            return json_is_null(value);
        case IS_BOOLEAN:
            return json_is_boolean(value);
        case IS_INTEGER:
            return json_is_integer(value);
        case IS_NUMBER:
            return json_is_number(value);
        case IS_STRING:
            return json_is_string(value);
        case IS_ARRAY:
            return json_is_array(value);
        case IS_OBJECT:
            return json_is_object(value);
        }
    }
    return false;
}

static void say(struct buf *out, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void say(struct buf *out, const char *name, const char *fmt, ...)
{
    char text[300];
    if (out->len)
        buf_lit(out, "; ");
    int n = snprintf(text, sizeof(text), "`%s` ", name);
    buf_add(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
    va_list args;
    va_start(args, fmt);
    n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    buf_add(out, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void short_text(const json_t *value, char *out, size_t size)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
    snprintf(out, size, "%s%s", text ? text : "?", text && strlen(text) >= size ? "..." : "");
    if (text && strlen(text) >= size)
        memcpy(out + size - 4, "...", 4);
    free(text);
}

static bool check_type(const json_t *schema, const json_t *value, const char *name, struct buf *out)
{
    const json_t *type = json_object_get(schema, "type");
    char shown[80];
    size_t i;
    json_t *one;
    if (!type || (json_is_string(type) && has_type(value, json_string_value(type))))
        return true;
    json_array_foreach(type, i, one) if (json_is_string(one) &&
                                         has_type(value, json_string_value(one))) return true;
    short_text(value, shown, sizeof(shown));
    if (json_is_string(type))
        say(out, name, "is %s, expected type %s", shown, json_string_value(type));
    else
        say(out, name, "is %s, expected one of the types of its schema", shown);
    return false;
}

static bool check_enum(const json_t *schema, const json_t *value, const char *name, struct buf *out)
{
    const json_t *choices = json_object_get(schema, "enum");
    char shown[80], expected[160];
    size_t i;
    json_t *one;
    if (!choices)
        return true;
    json_array_foreach(choices, i, one) if (json_equal(one, value)) return true;
    short_text(value, shown, sizeof(shown));
    short_text(choices, expected, sizeof(expected));
    say(out, name, "is %s, expected one of %s", shown, expected);
    return false;
}

static double size_of(const json_t *value, const char *kind)
{
    if (!strcmp(kind, "value"))
        return json_is_number(value) ? json_number_value(value) : NAN;
    if (!strcmp(kind, "characters"))
        return json_is_string(value) ? (double)json_string_length(value) : NAN;
    return json_is_array(value) ? (double)json_array_size(value) : NAN;
}

static bool check_limits(const json_t *schema, const json_t *value, const char *name,
                         struct buf *out)
{
    static const struct {
        const char *member, *kind, *unit;
        int sign; /* 1: at least, -1: at most */
        bool open;
    } limits[] = {
        {"minimum", "value", "", 1, false},
        {"maximum", "value", "", -1, false},
        {"exclusiveMinimum", "value", "", 1, true},
        {"exclusiveMaximum", "value", "", -1, true},
        {"minLength", "characters", " bytes", 1, false},
        {"maxLength", "characters", " bytes", -1, false},
        {"minItems", "items", " items", 1, false},
        {"maxItems", "items", " items", -1, false},
    };
    bool ok = true;
    for (size_t i = 0; i < COUNT(limits); i++) {
        const json_t *limit = json_object_get(schema, limits[i].member);
        double size = size_of(value, limits[i].kind), over;
        if (!limit || isnan(size))
            continue;
        over = (size - json_number_value(limit)) * limits[i].sign;
        if (over > 0 || (over >= 0 && !limits[i].open))
            continue;
        say(out, name, "is %.15g%s, expected %s %.15g%s", size, limits[i].unit,
            limits[i].open ? (limits[i].sign > 0 ? "more than" : "less than")
                           : (limits[i].sign > 0 ? "at least" : "at most"),
            json_number_value(limit), limits[i].unit);
        ok = false;
    }
    return ok;
}

static bool check_items(const json_t *schema, const json_t *value, const char *name,
                        struct buf *out)
{
    const json_t *items = json_object_get(schema, "items");
    bool ok = true;
    size_t i;
    json_t *one;
    if (!items || !json_is_array(value))
        return true;
    json_array_foreach(value, i, one)
    {
        char inner[200];
        snprintf(inner, sizeof(inner), "%s[%zu]", name, i);
        ok &= flow_schema_check(items, one, inner, out);
    }
    return ok;
}

static bool check_members(const json_t *schema, const json_t *value, const char *name,
                          struct buf *out)
{
    json_t *properties = json_object_get(schema, "properties"), *sub, *one;
    const char *key;
    bool ok = true;
    size_t i;
    if (!json_is_object(value))
        return true;
    json_object_foreach(properties, key, sub)
    {
        const json_t *member = json_object_get(value, key);
        char inner[200];
        snprintf(inner, sizeof(inner), "%s%s%s", name, name[0] ? "." : "", key);
        if (member)
            ok &= flow_schema_check(sub, member, inner, out);
    }
    json_array_foreach(json_object_get(schema, "required"), i, one)
    {
        if (json_object_get(value, json_string_value(one)))
            continue;
        char inner[200];
        snprintf(inner, sizeof(inner), "%s%s%s", name, name[0] ? "." : "", json_string_value(one));
        say(out, inner, "is missing");
        ok = false;
    }
    return ok;
}

bool flow_schema_check(const json_t *schema, const json_t *value, const char *name, struct buf *out)
{
    if (!check_type(schema, value, name, out))
        return false;
    bool ok = check_enum(schema, value, name, out);
    ok &= check_limits(schema, value, name, out);
    ok &= check_items(schema, value, name, out);
    ok &= check_members(schema, value, name, out);
    return ok;
}

static void check_unknown(const struct flow *flow, const json_t *given, struct buf *out)
{
    json_t *properties = json_object_get(flow->parameters, "properties"), *value, *sub;
    const char *key, *known;
    const char *names[64];
    size_t count = 0;
    json_object_foreach(properties, known, sub) if (count < COUNT(names)) names[count++] = known;
    json_object_foreach((json_t *)(uintptr_t)given, key, value)
    {
        if (json_object_get(properties, key))
            continue;
        const char *near = nearest_name(key, names, count);
        if (near)
            say(out, key, "is not a parameter of this flow, did you mean `%s`?", near);
        else
            say(out, key, "is not a parameter of this flow");
    }
}

enum err_code flow_parameters(const struct flow *flow, const json_t *given, json_t **out,
                              struct err *err)
{
    struct buf reasons = {.max_bytes = 4000};
    json_t *all = given ? json_copy((json_t *)(uintptr_t)given) : json_object(), *sub;
    const char *key;
    json_object_foreach(json_object_get(flow->parameters, "properties"), key, sub)
    {
        json_t *fallback = json_object_get(sub, "default");
        if (fallback && !json_object_get(all, key))
            json_object_set(all, key, fallback);
    }
    check_unknown(flow, all, &reasons);
    flow_schema_check(flow->parameters, all, "", &reasons);
    enum err_code code = ERR_OK;
    if (reasons.len)
        code = err_set(err, INVALID, "parameters: %.*s", (int)reasons.len, reasons.bytes);
    if (code)
        json_decref(all);
    else
        *out = all;
    buf_free(&reasons);
    return code;
}

static enum err_code get_parameter(void *ctx, const struct path *path, json_t **out,
                                   struct err *err)
{
    if (!path->segments[0].name || strcmp(path->segments[0].name, "parameters") != 0)
        return err_set(err, INVALID, "devices: there is no `%s` before the run", path->text);
    *out = json_incref(path_get(ctx, path, 1));
    return ERR_OK;
}

enum err_code flow_devices(const struct flow *flow, const json_t *parameters, json_t **out,
                           struct err *err)
{
    const struct lookup lookup = {get_parameter, NULL, (json_t *)(uintptr_t)parameters};
    json_t *devices = NULL;
    enum err_code code = ERR_OK;
    if (flow->devices)
        code = template_render(flow->devices, &lookup, &devices, err);
    if (!code)
        *out = devices ? devices : json_object();
    return code;
}

static bool wants(const json_t *schema, const char *type)
{
    const json_t *types = json_object_get(schema, "type");
    size_t i;
    json_t *one;
    if (json_is_string(types))
        return !strcmp(json_string_value(types), type);
    json_array_foreach(types, i, one) if (json_is_string(one) &&
                                          !strcmp(json_string_value(one), type)) return true;
    return false;
}

json_t *flow_parameter_value(const struct flow *flow, const char *name, const char *text)
{
    const json_t *schema = json_object_get(json_object_get(flow->parameters, "properties"), name);
    json_t *value = wants(schema, "string") ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);
    return value ? value : json_string(text);
}

bool flow_type_fits(enum flow_type type, const json_t *value)
{
    double seconds;
    switch (type) {
    case FLOW_STRING:
        return json_is_string(value);
    case FLOW_INTEGER:
        return json_is_integer(value);
    case FLOW_NUMBER:
        return json_is_number(value);
    case FLOW_BOOLEAN:
        return json_is_boolean(value);
    case FLOW_DURATION:
        return (json_is_number(value) && json_number_value(value) >= 0) ||
               (json_is_string(value) && flow_duration(json_string_value(value), &seconds));
    case FLOW_LIST:
        return json_is_array(value);
    case FLOW_MAP:
        return json_is_object(value);
    default:
        return true;
    }
}
