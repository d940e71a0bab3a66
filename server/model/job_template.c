#include "server/model/job_template.h"

#include <string.h>

#include "shared/json/schema.h"
#include "shared/json/write.h"

enum { VARIABLES_MAX_BYTES = 8 << 20, LAYERS_MAX = 4 };

/* ---- placeholders ---- */

struct names {
    struct arena *arena;
    struct val declared; /* `properties` */
    struct strings undeclared;
};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("_.-[]$", c) || (unsigned char)c >= 0x80;
}

static void note(struct names *n, const char *name)
{
    struct strings *list = &n->undeclared;
    const char **items = arena_array(n->arena, const char *, list->count + 1);

    if (val_type(val_get(n->declared, name)) != DOC_NONE)
        return;
    for (size_t i = 0; i < list->count; i++) {
        if (!strcmp(list->items[i], name))
            return;
        items[i] = list->items[i];
    }
    items[list->count] = name;
    *list = (struct strings){items, list->count + 1};
}

/* Every `{{ name }}` of a text. */
static void note_text(struct names *n, const char *text)
{
    for (const char *at = text; (at = strstr(at, "{{")) != NULL;) {
        const char *name = at + 2 + strspn(at + 2, " \t\r\n");
        const char *end = name;
        at += 2;
        while (*end && is_name_character(*end))
            end++;
        const char *close = end + strspn(end, " \t\r\n");
        if (end == name || strncmp(close, "}}", 2) != 0)
            continue;
        note(n, arena_strndup(n->arena, name, (size_t)(end - name)));
        at = close + 2;
    }
}

static void note_value(struct names *n, struct val v)
{
    if (val_type(v) == DOC_STRING)
        note_text(n, val_string(n->arena, v, NULL));
    for (struct val_iter it = val_each(v); val_next(&it);) {
        if (it.object)
            note_text(n, val_string(n->arena, it.key, NULL));
        note_value(n, it.value);
    }
}

static const char *join(const struct names *n)
{
    const char *list = "";

    for (size_t i = 0; i < n->undeclared.count; i++)
        list = arena_printf(n->arena, "%s%s%s", list, i ? " ," : "", n->undeclared.items[i]);
    return list;
}

const char *job_template_check(struct arena *a, struct val template)
{
    struct val configuration = val_get(template, "job_configuration");
    struct val variables = val_get(template, "variables");
    struct names n = {.arena = a, .declared = val_get(variables, "properties")};

    if (!val_count(template))
        return NULL;
    if (val_type(configuration) != DOC_OBJECT || !val_count(configuration) ||
        val_type(variables) != DOC_OBJECT || !val_count(variables))
        return "The `base_job_template` must contain both a `job_configuration` key and a "
               "`variables` key.";
    for (struct val_iter it = val_each(configuration); val_next(&it);)
        note_value(&n, it.value);
    if (!n.undeclared.count)
        return NULL;
    return arena_printf(a,
                        "The variables specified in the job configuration template must be present "
                        "as properties in the variables schema. Your job configuration uses the "
                        "following undeclared variable(s): %s.",
                        join(&n));
}

/* ---- variables ---- */

static bool is_block_reference(struct val v)
{
    return val_type(v) == DOC_OBJECT && val_type(val_get(v, "$ref")) != DOC_NONE;
}

/* {name: value} */
static struct val single(struct arena *a, const char *name, struct val value, struct doc *out)
{
    struct buf b = {.max_bytes = VARIABLES_MAX_BYTES};
    struct doc_error bad;

    write_object(&b);
    write_key(&b, name);
    val_write(&b, value);
    write_end_object(&b);
    const char *text = arena_strndup(a, b.bytes, b.len);
    bool ok = doc_parse(a, text, b.len, out, &bad);
    buf_free(&b);
    return ok ? doc_root(out) : (struct val){0};
}

struct merge {
    struct arena *arena;
    const struct val *layers;
    size_t layer_count;
    bool defaults_do_not_fit;
};

static bool is_given(const struct merge *m, size_t from, const char *name)
{
    for (size_t i = from; i < m->layer_count; i++)
        if (val_type(val_get(m->layers[i], name)) != DOC_NONE)
            return true;
    return false;
}

static void write_member(struct buf *b, const char *name, struct val value)
{
    write_key(b, name);
    val_write(b, value);
}

static bool default_fits(struct arena *a, struct val schema, const char *name, struct val value)
{
    const struct schema_rules rules = {.ignore_required = true};
    struct schema_error error;
    struct doc one;

    return schema_check_as(a, schema, &rules, single(a, name, value, &one), &error);
}

/* Defaults first.  One that names a block is not looked into: the block is data of its own. */
static void write_defaults(struct merge *m, struct val schema, bool check, struct buf *b)
{
    for (struct val_iter it = val_each(val_get(schema, "properties")); val_next(&it);) {
        struct val value = val_get(it.value, "default");
        const char *name = val_string(m->arena, it.key, NULL);
        if (val_type(value) == DOC_NONE || is_block_reference(value))
            continue;
        if (check && !default_fits(m->arena, schema, name, value))
            m->defaults_do_not_fit = true;
        else if (!is_given(m, 0, name))
            write_member(b, name, value);
    }
}

static bool merge_variables(struct merge *m, struct val schema, bool check_defaults,
                            struct doc *out)
{
    struct buf b = {.max_bytes = VARIABLES_MAX_BYTES};
    struct doc_error bad;

    write_object(&b);
    write_defaults(m, schema, check_defaults, &b);
    for (size_t i = 0; i < m->layer_count; i++)
        for (struct val_iter it = val_each(m->layers[i]); val_next(&it);) {
            const char *name = val_string(m->arena, it.key, NULL);
            if (!is_given(m, i + 1, name))
                write_member(&b, name, it.value);
        }
    write_end_object(&b);
    const char *text = arena_strndup(m->arena, b.bytes, b.len);
    bool ok = !b.full && doc_parse(m->arena, text, b.len, out, &bad);
    buf_free(&b);
    return ok;
}

const char *job_variables_check(struct arena *a, struct val template, enum job_check check,
                                const struct val *layers, size_t layer_count)
{
    struct val schema = val_get(template, "variables");
    struct merge m = {.arena = a, .layers = layers, .layer_count = layer_count};
    struct schema_rules rules = {.prefect = true, .null_for_defaults = true};
    struct schema_error error;
    struct doc variables;

    if (!val_count(schema))
        return NULL;
    if (!schema_valid(a, schema, &error))
        return arena_printf(a, "Invalid schema: %s", error.message);
    if (!merge_variables(&m, schema, check != JOB_POOL, &variables))
        return "the job variables are larger than the limit";
    rules.ignore_required = check != JOB_RUN || m.defaults_do_not_fit;
    if (schema_check_as(a, schema, &rules, doc_root(&variables), &error))
        return NULL;
    return schema_error_text(a, &error);
}
