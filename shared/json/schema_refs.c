/* Names in schemas ($id, $anchor, $dynamicAnchor) and where a reference leads.
 *
 * Most schemas have no names, their references are JSON pointers.  So the names are collected only
 * when a reference or an $id asks for them: one walk over the schema and the documents beside it.
 */
#include <stdlib.h>
#include <string.h>

#include "shared/json/schema_check.h"
#include "shared/json/uri.h"

static const char standard[] = "https://json-schema.org/draft/2020-12/schema";
static const char validation[] = "https://json-schema.org/draft/2020-12/vocab/validation";

static bool is_same(struct val a, struct val b)
{
    return a.doc == b.doc && a.node == b.node;
}

/* The text of a string without a fragment; NULL when there is none. */
static const char *text_of(struct checker *c, struct val object, const char *key)
{
    const char *text = val_string(c->arena, val_get(object, key), NULL);

    return text && text[0] != '#' ? arena_strndup(c->arena, text, strcspn(text, "#")) : NULL;
}

/* Whether a schema for schemas leaves the validation vocabulary out. */
static bool is_lax(struct checker *c, struct val schema, bool outer)
{
    const char *uri = text_of(c, schema, "$schema");

    if (!uri)
        return outer;
    for (size_t i = 0; i < c->rules->document_count; i++) {
        struct val vocabulary = val_get(c->rules->documents[i].schema, "$vocabulary");
        if (strcmp(c->rules->documents[i].uri, uri) == 0)
            return vocabulary.doc && !val_get(vocabulary, validation).doc;
    }
    return false;
}

void schema_name_root(struct checker *c)
{
    const char *id = text_of(c, c->root, "$id");

    c->first = (struct schema_resource){
        .uri = id ? id : "", .root = c->root, .lax = is_lax(c, c->root, false)};
    c->first.alias = c->first.uri;
    c->resources = &c->first.next;
}

static struct schema_resource *add_resource(struct checker *c, const char *base, struct val root,
                                            bool lax)
{
    struct schema_resource *r = arena_new(c->arena, struct schema_resource);
    const char *id = text_of(c, root, "$id");

    *r = (struct schema_resource){.uri = id ? uri_resolve(c->arena, base, id) : base,
                                  .alias = base,
                                  .root = root,
                                  .lax = is_lax(c, root, lax)};
    *c->resources = r;
    c->resources = &r->next;
    return r;
}

static void add_anchor(struct checker *c, struct schema_resource *in, struct val schema,
                       const char *key)
{
    struct val name = val_get(schema, key);

    if (val_type(name) != DOC_STRING)
        return;
    struct anchor *anchor = arena_new(c->arena, struct anchor);
    *anchor = (struct anchor){in->anchors, name, schema, strcmp(key, "$dynamicAnchor") == 0};
    in->anchors = anchor;
}

static bool holds_schema(struct val key)
{
    static const char *const keywords[] = {
        "additionalProperties",  "propertyNames", "items", "contains", "unevaluatedItems",
        "unevaluatedProperties", "not",           "if",    "then",     "else",
        "contentSchema",         "allOf",         "anyOf", "oneOf",    "prefixItems",
    };

    for (size_t i = 0; i < COUNT(keywords); i++)
        if (val_equals(key, keywords[i], strlen(keywords[i])))
            return true;
    return false;
}

static bool maps_to_schemas(struct val key)
{
    static const char *const keywords[] = {
        "properties", "patternProperties", "dependentSchemas", "$defs", "definitions",
    };

    for (size_t i = 0; i < COUNT(keywords); i++)
        if (val_equals(key, keywords[i], strlen(keywords[i])))
            return true;
    return false;
}

static void name_parts(struct checker *c, struct schema_resource *in, struct val schema);

static void name_schema(struct checker *c, struct schema_resource *in, struct val schema)
{
    const char *id = text_of(c, schema, "$id");

    if (id)
        in = add_resource(c, in->uri, schema, in->lax);
    name_parts(c, in, schema);
}

/* A document is not deeper than DOC_DEPTH_MAX, so neither is the recursion. */
static void name_parts(struct checker *c, struct schema_resource *in, struct val schema)
{
    add_anchor(c, in, schema, "$anchor");
    add_anchor(c, in, schema, "$dynamicAnchor");
    for (struct val_iter it = val_each(schema); val_next(&it) && schema_step(c, 1);) {
        bool map = it.object && maps_to_schemas(it.key);
        if (!it.object || (!map && !holds_schema(it.key)))
            continue;
        if (!map && val_type(it.value) == DOC_OBJECT) {
            name_schema(c, in, it.value);
            continue;
        }
        for (struct val_iter part = val_each(it.value); val_next(&part);)
            if (val_type(part.value) == DOC_OBJECT)
                name_schema(c, in, part.value);
    }
}

static void collect_names(struct checker *c)
{
    if (c->named)
        return;
    c->named = true;
    name_parts(c, &c->first, c->root);
    for (size_t i = 0; i < c->rules->document_count; i++) {
        const struct schema_document *document = &c->rules->documents[i];
        struct schema_resource *r = add_resource(c, document->uri, document->schema, false);
        name_parts(c, r, document->schema);
    }
}

static const struct schema_resource *resource_named(struct checker *c, const char *uri)
{
    collect_names(c);
    for (const struct schema_resource *r = &c->first; r && schema_step(c, 1); r = r->next)
        if (strcmp(r->uri, uri) == 0 || strcmp(r->alias, uri) == 0)
            return r;
    if (c->meta || strcmp(uri, standard) != 0)
        return NULL;
    c->meta = true;
    struct schema_resource *r = add_resource(c, standard, schema_meta(c->arena, false), false);
    name_parts(c, r, r->root);
    return r;
}

static const struct schema_resource *resource_at(struct checker *c, struct val root)
{
    collect_names(c);
    for (const struct schema_resource *r = &c->first; r && schema_step(c, 1); r = r->next)
        if (is_same(r->root, root))
            return r;
    return NULL;
}

const struct scope *schema_scope(struct checker *c, const struct application *at,
                                 struct scope *room)
{
    bool inner = val_type(val_get(at->schema, "$id")) == DOC_STRING &&
                 !is_same(at->schema, at->scope->resource->root);
    const struct schema_resource *r = inner ? resource_at(c, at->schema) : NULL;

    if (!r)
        return at->scope;
    *room = (struct scope){at->scope, r};
    return room;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

/* The member of a $ref path, which is part of a URI: `%25` is a percent sign; then `~1` is a slash
 * and `~0` a tilde. */
static struct val follow(struct checker *c, struct val from, const char *part, size_t len)
{
    char *name = arena_strndup(c->arena, part, len), *to = name;

    for (const char *p = name; *p; p++) {
        bool escape = *p == '%' && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0;
        *to++ = (char)(escape ? hex_digit(p[1]) << 4 | hex_digit(p[2]) : *p);
        p += escape ? 2 : 0;
    }
    *to = '\0';
    to = name;
    for (const char *p = name; *p; p++) {
        bool tilde = *p == '~' && (p[1] == '0' || p[1] == '1');
        *to = *p;
        if (tilde && *++p == '1')
            *to = '/';
        to++;
    }
    *to = '\0';
    if (val_type(from) == DOC_OBJECT)
        return val_get(from, name);
    size_t index = (size_t)strtoul(name, NULL, 10);
    for (struct val_iter it = val_each(from); val_type(from) == DOC_ARRAY && val_next(&it);)
        if (it.index == index)
            return it.value;
    return (struct val){0};
}

struct target {
    const struct schema_resource *resource;
    const struct anchor *anchor; /* NULL: named by its place */
    struct val schema;
};

/* Whoever comes by an $id is in another resource from there on. */
static void follow_pointer(struct checker *c, const char *pointer, struct target *t)
{
    for (const char *part = pointer; *part && t->schema.doc;) {
        size_t len = strcspn(++part, "/");
        schema_step(c, 8 + val_count(t->schema) / 4);
        t->schema = follow(c, t->schema, part, len);
        part += len;
        bool named = val_type(val_get(t->schema, "$id")) == DOC_STRING;
        const struct schema_resource *r = named ? resource_at(c, t->schema) : NULL;
        t->resource = r ? r : t->resource;
    }
}

static const struct anchor *find_anchor(struct checker *c, const struct schema_resource *r,
                                        const char *name)
{
    collect_names(c);
    for (const struct anchor *anchor = r->anchors; anchor && schema_step(c, 1);
         anchor = anchor->next)
        if (val_equals(anchor->name, name, strlen(name)))
            return anchor;
    return NULL;
}

static struct target find_target(struct checker *c, const struct schema_resource *from,
                                 const char *text)
{
    size_t len = strcspn(text, "#");
    const char *fragment = text[len] ? text + len + 1 : "";
    struct target t = {.resource = from};

    if (len)
        t.resource =
            resource_named(c, uri_resolve(c->arena, from->uri, arena_strndup(c->arena, text, len)));
    if (!t.resource)
        return t;
    if (!*fragment || *fragment == '/') {
        t.schema = t.resource->root;
        follow_pointer(c, fragment, &t);
        return t;
    }
    t.anchor = find_anchor(c, t.resource, fragment);
    if (t.anchor)
        t.schema = t.anchor->schema;
    return t;
}

/* $dynamicRef: of the resources that led here, the outermost with that name has the say. */
static void find_outermost(struct checker *c, const struct scope *scope, const char *name,
                           struct target *t)
{
    for (; scope; scope = scope->outer) {
        const struct anchor *found = find_anchor(c, scope->resource, name);
        if (found && found->dynamic)
            *t = (struct target){scope->resource, found, found->schema};
    }
}

bool schema_target(struct checker *c, const struct application *at, struct val reference,
                   bool dynamic, struct scope *room, struct application *out)
{
    const char *text = val_string(c->arena, reference, NULL);
    struct target t = {0};

    if (text)
        t = find_target(c, at->scope->resource, text);
    if (dynamic && t.anchor && t.anchor->dynamic)
        find_outermost(c, at->scope, strchr(text, '#') + 1, &t);
    if (!t.schema.doc) {
        schema_stop(c, SCHEMA_REFERENCE,
                    arena_printf(c->arena, "Unresolvable: %.200s", text ? text : ""));
        return false;
    }
    *room = (struct scope){at->scope, t.resource};
    *out = (struct application){.schema = t.schema,
                                .instance = at->instance,
                                .place = at->place,
                                .scope = t.resource == at->scope->resource ? at->scope : room,
                                .depth = at->depth + 1};
    return true;
}
