/* `parameters:` of a flow file to a JSON Schema.  Two forms: the schema itself, or a map from names
 * to schemas. */
#include <string.h>

#include "shared/flow/build.h"

static const char *const type_names[] = {"string", "integer", "number", "boolean",
                                         "array",  "object",  "null"};

/* Members of a schema; what they hold is kept as it is. */
static const struct {
    const char *name;
    unsigned types;
} members[] = {
    {"type", T_STRING | T_LIST},
    {"title", T_STRING},
    {"description", T_STRING},
    {"default", T_ANY},
    {"enum", T_LIST},
    {"minimum", T_NUMBER},
    {"maximum", T_NUMBER},
    {"exclusiveMinimum", T_NUMBER},
    {"exclusiveMaximum", T_NUMBER},
    {"minLength", T_INTEGER},
    {"maxLength", T_INTEGER},
    {"minItems", T_INTEGER},
    {"maxItems", T_INTEGER},
    {"items", T_MAP},
    {"properties", T_MAP},
    {"required", T_LIST | T_BOOLEAN},
    {"examples", T_LIST},
    {"format", T_STRING},
    {"position", T_INTEGER},
};

static json_t *build_schema(struct builder *b, const struct node *node, const char *name);

static void check_type_name(struct builder *b, const struct node *type)
{
    for (size_t i = 0; i < COUNT(type_names); i++)
        if (type->type == NODE_STRING && !strcmp(type->text, type_names[i]))
            return;
    const char *near = type->text ? nearest_name(type->text, type_names, COUNT(type_names)) : NULL;
    problem_at(
        b->problems, type,
        "unknown type `%s`, expected string, integer, number, boolean, array or object%s%s%s",
        type->text ? type->text : "", near ? "; did you mean `" : "", near ? near : "",
        near ? "`?" : "");
}

static json_t *build_properties(struct builder *b, const struct node *map)
{
    json_t *out = json_object();
    for (size_t i = 0; i < map->count; i++)
        json_object_set_new(out, map->members[i].key->text,
                            build_schema(b, map->members[i].value, map->members[i].key->text));
    return out;
}

static void check_required(struct builder *b, const struct node *schema, const struct node *list)
{
    const struct node *properties = node_get(schema, "properties");
    for (size_t i = 0; i < list->count; i++) {
        const struct node *name = list->members[i].value;
        if (name->type != NODE_STRING)
            problem_at(b->problems, name, "`required` holds %s, expected names of properties",
                       node_type_name(name->type));
        else if (!node_get(properties, name->text))
            problem_at(b->problems, name, "`%s` is required but is not among the properties",
                       name->text);
    }
}

static bool known_member(const char *name, unsigned *out_types)
{
    for (size_t i = 0; i < COUNT(members); i++)
        if (!strcmp(members[i].name, name)) {
            *out_types = members[i].types;
            return true;
        }
    return false;
}

static void unknown_member(struct builder *b, const struct node *key)
{
    const char *names[COUNT(members)];
    for (size_t i = 0; i < COUNT(members); i++)
        names[i] = members[i].name;
    const char *near = nearest_name(key->text, names, COUNT(names));
    problem_at(b->problems, key, "unknown key `%s` in a parameter's schema%s%s%s", key->text,
               near ? ", did you mean `" : ", expected type, default, enum, minimum, ...",
               near ? near : "", near ? "`?" : "");
}

static json_t *member_json(struct builder *b, const struct node *schema, const char *name,
                           const struct node *value)
{
    if (!strcmp(name, "properties"))
        return build_properties(b, value);
    if (!strcmp(name, "items"))
        return build_schema(b, value, "items");
    if (!strcmp(name, "required") && value->type == NODE_LIST)
        check_required(b, schema, value);
    if (!strcmp(name, "type") && value->type == NODE_STRING)
        check_type_name(b, value);
    for (size_t i = 0; !strcmp(name, "type") && value->type == NODE_LIST && i < value->count; i++)
        check_type_name(b, value->members[i].value);
    return node_json(value);
}

/* A parameter must accept its own default. */
static void check_default(struct builder *b, const struct node *node, const json_t *schema,
                          const char *name)
{
    const json_t *value = json_object_get(schema, "default");
    const struct node *at = node_get(node, "default");
    struct buf reasons = {.max_bytes = 400};
    if (value && at && !flow_schema_check(schema, value, name, &reasons))
        problem_at(b->problems, at, "the default of %.*s", (int)reasons.len, reasons.bytes);
    buf_free(&reasons);
}

static json_t *build_schema(struct builder *b, const struct node *node, const char *name)
{
    json_t *out = json_object();
    if (!check_node_type(b, node, T_MAP, name))
        return out;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->members[i].key, *value = node->members[i].value;
        unsigned types;
        if (!known_member(key->text, &types))
            unknown_member(b, key);
        else if (check_node_type(b, value, types, key->text))
            json_object_set_new(out, key->text, member_json(b, node, key->text, value));
    }
    check_default(b, node, out, name);
    return out;
}

/* `runs: 10` is a parameter with a default and its type. */
static json_t *schema_of_value(const struct node *value)
{
    const char *type = value->type == NODE_STRING    ? "string"
                       : value->type == NODE_INTEGER ? "integer"
                       : value->type == NODE_NUMBER  ? "number"
                       : value->type == NODE_BOOLEAN ? "boolean"
                                                     : "array";
    return json_pack("{s:s,s:o}", "type", type, "default", node_json(value));
}

/* Names to schemas; required is what has neither a default nor `required: false`. */
static json_t *short_form(struct builder *b, const struct node *node)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->members[i].key, *value = node->members[i].value;
        json_t *schema =
            value->type == NODE_MAP || value->type == NODE_NULL
                ? (value->type == NODE_MAP ? build_schema(b, value, key->text) : json_object())
                : schema_of_value(value);
        json_t *needed = json_object_get(schema, "required");
        bool optional = json_object_get(schema, "default") || json_is_false(needed);
        if (json_is_boolean(needed))
            json_object_del(schema, "required");
        if (!optional)
            json_array_append_new(required, json_string(key->text));
        json_object_set_new(properties, key->text, schema);
    }
    return json_pack("{s:s,s:s,s:o,s:o}", "title", "Parameters", "type", "object", "properties",
                     properties, "required", required);
}

static void finish(struct builder *b, const struct node *node, json_t *schema)
{
    json_t *properties = json_object_get(schema, "properties"), *sub;
    const struct node *names = node_get(node, "properties");
    const char *name;
    int position = 0;
    if (!names || names->type != NODE_MAP)
        names = node;
    for (size_t i = 0; names && names->type == NODE_MAP && i < names->count; i++)
        check_name(b, names->members[i].key, "parameter");
    json_object_foreach(properties, name, sub)
    {
        if (!json_object_get(sub, "title"))
            json_object_set_new(sub, "title", json_string(name));
        if (!json_object_get(sub, "position"))
            json_object_set_new(sub, "position", json_integer(position));
        position++;
    }
}

json_t *build_parameters(struct builder *b, const struct node *node)
{
    const struct node *properties = node_get(node, "properties");
    json_t *schema;
    if (!node) {
        schema = json_pack("{s:s,s:s,s:{}}", "title", "Parameters", "type", "object", "properties");
    } else if (properties && properties->type == NODE_MAP) {
        schema = build_schema(b, node, "parameters");
        json_object_set_new(schema, "title", json_string("Parameters"));
        json_object_set_new(schema, "type", json_string("object"));
    } else {
        schema = short_form(b, node);
    }
    finish(b, node, schema);
    return keep_json(b, schema);
}
