/* JSON Schemas as pydantic 1 wrote them, made to mean what was meant. */
#include <string.h>

#include "server/model/job_template.h"
#include "shared/json/write.h"

enum { SCHEMA_MAX_BYTES = 8 << 20 };

struct reread {
    struct arena *arena;
    struct schema_reading how;
    struct buf *out;
};

static void copy(const struct reread *r, struct val v);

static bool is(const struct val_iter *it, const char *key)
{
    return val_equals(it->key, key, strlen(key));
}

static void copy_key(const struct reread *r, struct val key)
{
    write_key(r->out, val_string(r->arena, key, NULL));
}

static bool is_required(struct val required, const char *name)
{
    for (struct val_iter it = val_each(required); val_next(&it);)
        if (val_equals(it.value, name, strlen(name)))
            return true;
    return false;
}

/* Where nothing else is to be done: only `required` goes, if it is to be ignored. */
static void copy(const struct reread *r, struct val v)
{
    enum doc_type type = val_type(v);

    if (type == DOC_OBJECT) {
        write_object(r->out);
        for (struct val_iter it = val_each(v); val_next(&it);) {
            if (r->how.ignore_required && is(&it, "required"))
                continue;
            copy_key(r, it.key);
            copy(r, it.value);
        }
        write_end_object(r->out);
    } else if (type == DOC_ARRAY) {
        write_array(r->out);
        for (struct val_iter it = val_each(v); val_next(&it);)
            copy(r, it.value);
        write_end_array(r->out);
    } else {
        val_write(r->out, v);
    }
}

static void copy_properties(const struct reread *r, struct val properties, struct val required);

static void write_nullable(const struct reread *r, struct val type)
{
    write_key(r->out, "anyOf");
    write_array(r->out);
    write_object(r->out);
    write_key(r->out, "type");
    val_write(r->out, type);
    write_end_object(r->out);
    write_raw(r->out, RAW("{\"type\":\"null\"}"));
    write_end_array(r->out);
}

static void copy_property(const struct reread *r, struct val schema, bool required)
{
    struct val type = val_get(schema, "type");
    bool has_default = val_type(val_get(schema, "default")) != DOC_NONE;
    bool nullable = !required && val_type(type) != DOC_NONE && !val_equals(type, "null", 4) &&
                    (!has_default || r->how.null_with_default);
    bool tuple = val_count(val_get(schema, "items")) &&
                 val_type(val_get(schema, "items")) == DOC_ARRAY &&
                 !val_count(val_get(schema, "prefixItems"));

    if (val_type(schema) != DOC_OBJECT) {
        copy(r, schema);
        return;
    }
    write_object(r->out);
    for (struct val_iter it = val_each(schema); val_next(&it);) {
        if ((nullable && (is(&it, "type") || is(&it, "anyOf"))) ||
            (r->how.ignore_required && is(&it, "required")))
            continue;
        bool properties = is(&it, "properties");
        if (tuple && is(&it, "items"))
            write_key(r->out, "prefixItems");
        else
            copy_key(r, it.key);
        if (properties)
            copy_properties(r, it.value, val_get(schema, "required"));
        else
            copy(r, it.value);
    }
    if (nullable)
        write_nullable(r, type);
    write_end_object(r->out);
}

static void copy_properties(const struct reread *r, struct val properties, struct val required)
{
    write_object(r->out);
    for (struct val_iter it = val_each(properties); val_next(&it);) {
        const char *name = val_string(r->arena, it.key, NULL);
        write_key(r->out, name);
        copy_property(r, it.value, is_required(required, name));
    }
    write_end_object(r->out);
}

/* An object with properties: the root, or a definition. */
static void copy_object(const struct reread *r, struct val schema);

/* A block may be given by reference instead of by value. */
static void copy_definition(const struct reread *r, struct val definition)
{
    bool block = val_type(val_get(definition, "block_type_slug")) != DOC_NONE;

    if (!block) {
        copy_object(r, definition);
        return;
    }
    write_object(r->out);
    write_key(r->out, "oneOf");
    write_array(r->out);
    copy_object(r, definition);
    write_raw(r->out,
              RAW("{\"type\":\"object\",\"properties\":{\"$ref\":{\"oneOf\":[{\"type\":\"string\"},"
                  "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"},"
                  "\"minProperties\":1}]}},\"required\":[\"$ref\"]}"));
    write_end_array(r->out);
    write_end_object(r->out);
}

static void copy_object(const struct reread *r, struct val schema)
{
    if (val_type(schema) != DOC_OBJECT) {
        copy(r, schema);
        return;
    }
    write_object(r->out);
    for (struct val_iter it = val_each(schema); val_next(&it);) {
        if (r->how.ignore_required && is(&it, "required"))
            continue;
        copy_key(r, it.key);
        if (is(&it, "properties") && r->how.preprocess) {
            copy_properties(r, it.value, val_get(schema, "required"));
        } else if (is(&it, "definitions") && r->how.preprocess) {
            write_object(r->out);
            for (struct val_iter d = val_each(it.value); val_next(&d);) {
                copy_key(r, d.key);
                copy_definition(r, d.value);
            }
            write_end_object(r->out);
        } else {
            copy(r, it.value);
        }
    }
    write_end_object(r->out);
}

bool schema_reread(struct arena *a, struct val schema, struct schema_reading how, struct doc *out)
{
    struct buf b = {.max_bytes = SCHEMA_MAX_BYTES};
    const struct reread r = {a, how, &b};
    struct doc_error bad;

    copy_object(&r, schema);
    const char *text = arena_strndup(a, b.len ? b.bytes : "", b.len);
    size_t len = b.len;
    bool full = b.full;
    buf_free(&b);
    return !full && doc_parse(a, text, len, out, &bad);
}
