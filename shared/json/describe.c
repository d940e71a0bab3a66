/* Rows to JSON Schema, for the OpenAPI document. */
#include <stdio.h>
#include <string.h>

#include "shared/json/codec.h"
#include "shared/json/write.h"

static void member(struct buf *b, const char *key, const char *text)
{
    write_key(b, key);
    write_string(b, text);
}

static void write_ref(struct buf *b, const struct resource *of)
{
    char path[128];

    snprintf(path, sizeof(path), "#/components/schemas/%.80s", of->name);
    write_object(b);
    member(b, "$ref", path);
    write_end_object(b);
}

static void write_names(struct buf *b, const struct enum_name *names)
{
    write_key(b, "enum");
    write_array(b);
    for (const struct enum_name *n = names; n->name; n++)
        write_string(b, n->name);
    write_end_array(b);
}

static void write_limit(struct buf *b, const char *key, double value)
{
    write_key(b, key);
    if (value == (double)(int64_t)value)
        write_int64(b, (int64_t)value);
    else
        write_double(b, value);
}

static void write_constraints(struct buf *b, const struct field *f)
{
    bool text = f->kind == FIELD_STR;

    if (f->min_len)
        write_limit(b, text ? "minLength" : "minItems", (double)f->min_len);
    if (f->max_len)
        write_limit(b, text ? "maxLength" : "maxItems", (double)f->max_len);
    if (f->has_min)
        write_limit(b, f->above_min ? "exclusiveMinimum" : "minimum", f->min);
    if (f->has_max)
        write_limit(b, "maximum", f->max);
    if (f->pattern && text)
        member(b, "pattern", f->pattern->text);
}

static void write_items(struct buf *b, const char *format)
{
    write_key(b, "items");
    write_object(b);
    member(b, "type", "string");
    if (format)
        member(b, "format", format);
    write_end_object(b);
}

static void write_type(struct buf *b, const struct field *f)
{
    static const struct {
        const char *type, *format;
    } types[FIELD_KINDS] = {
        [FIELD_STR] = {"string", NULL},      [FIELD_INT] = {"integer", NULL},
        [FIELD_NUM] = {"number", NULL},      [FIELD_BOOL] = {"boolean", NULL},
        [FIELD_TRI] = {"boolean", NULL},     [FIELD_ENUM] = {"string", NULL},
        [FIELD_UUID] = {"string", "uuid"},   [FIELD_TIME] = {"string", "date-time"},
        [FIELD_DURATION] = {"number", NULL}, [FIELD_STRS] = {"array", NULL},
        [FIELD_UUIDS] = {"array", NULL},     [FIELD_DICT] = {"object", NULL},
        [FIELD_LABELS] = {"object", NULL},   [FIELD_TEXTS] = {"object", NULL},
        [FIELD_LIST] = {"array", NULL},
    };

    if (f->kind == FIELD_OBJECT) {
        write_ref(b, f->of);
        return;
    }
    write_object(b);
    if (types[f->kind].type)
        member(b, "type", types[f->kind].type);
    if (types[f->kind].format)
        member(b, "format", types[f->kind].format);
    if (f->kind == FIELD_ENUM)
        write_names(b, f->names);
    if (f->kind == FIELD_STRS || f->kind == FIELD_UUIDS)
        write_items(b, f->kind == FIELD_UUIDS ? "uuid" : NULL);
    if (f->kind == FIELD_LIST) {
        write_key(b, "items");
        write_ref(b, f->of);
    }
    if (f->kind == FIELD_DICT)
        write_raw(b, RAW("\"additionalProperties\":true"));
    if (f->kind == FIELD_LABELS)
        write_raw(b, RAW("\"additionalProperties\":{\"anyOf\":[{\"type\":\"boolean\"},{\"type\":"
                         "\"integer\"},"
                         "{\"type\":\"number\"},{\"type\":\"string\"}]}"));
    if (f->kind == FIELD_TEXTS)
        write_raw(b, RAW("\"additionalProperties\":{\"type\":\"string\"}"));
    write_constraints(b, f);
    write_end_object(b);
}

/* `{"anyOf": [TYPE, null], "title": ..., "description": ..., "default": ...}` */
static void write_property(struct buf *b, const struct field *f)
{
    write_object(b);
    write_key(b, f->nullable ? "anyOf" : "allOf");
    write_array(b);
    write_type(b, f);
    if (f->nullable)
        write_raw(b, RAW("{\"type\":\"null\"}"));
    write_end_array(b);
    if (f->doc)
        member(b, "description", f->doc);
    if (f->def) {
        write_key(b, "default");
        write_raw(b, (struct raw){f->def, strlen(f->def)});
    }
    if (f->readonly)
        write_raw(b, RAW("\"readOnly\":true"));
    write_end_object(b);
}

static bool is_shown(const struct field *f, enum schema_side side)
{
    return side == SCHEMA_INPUT ? !f->readonly : !f->writeonly;
}

void json_schema_of_resource(struct buf *b, const struct resource *r, enum schema_side side)
{
    write_object(b);
    member(b, "type", "object");
    member(b, "title", r->name);
    if (r->doc)
        member(b, "description", r->doc);
    write_key(b, "properties");
    write_object(b);
    for (size_t i = 0; i < r->count; i++) {
        if (!is_shown(&r->fields[i], side))
            continue;
        write_key(b, r->fields[i].name);
        write_property(b, &r->fields[i]);
    }
    write_end_object(b);
    write_key(b, "required");
    write_array(b);
    for (size_t i = 0; i < r->count; i++)
        if (is_shown(&r->fields[i], side) && (r->fields[i].required || side == SCHEMA_OUTPUT))
            write_string(b, r->fields[i].name);
    write_end_array(b);
    if (side == SCHEMA_INPUT && !r->extra && !r->lax)
        write_raw(b, RAW("\"additionalProperties\":false"));
    write_end_object(b);
}
