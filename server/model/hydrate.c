#include "server/model/hydrate.h"

#include <string.h>

#include "server/model/jinja.h"
#include "shared/json/write.h"

static const char kind_key[] = "__prefect_kind";
enum { HYDRATED_MAX_BYTES = 8 << 20 };

enum outcome { VALUE, REMOVED, FAILED };

static enum outcome hydrate_value(struct hydration *h, struct val v, struct buf *out);

static enum outcome fail(struct hydration *h, const char *reason)
{
    h->reason = reason;
    return FAILED;
}

static enum outcome missing(struct hydration *h, const char *key)
{
    return fail(h, arena_printf(h->arena, "Missing '%s' key in __prefect object", key));
}

/* The hydrated value as text of its own; objects only, as everything else stands for itself. */
static enum outcome operand(struct hydration *h, struct val v, struct doc *out)
{
    struct buf b = {.max_bytes = HYDRATED_MAX_BYTES};
    struct doc_error bad;
    enum outcome result = VALUE;

    if (val_type(v) == DOC_OBJECT)
        result = hydrate_value(h, v, &b);
    else
        val_write(&b, v);
    const char *text = arena_strndup(h->arena, b.len ? b.bytes : "", b.len);
    size_t len = b.len;
    bool full = b.full;
    buf_free(&b);
    if (result != VALUE)
        return result;
    if (full || !doc_parse(h->arena, text, len, out, &bad))
        return fail(h, "the parameters are larger than the limit");
    return VALUE;
}

static enum outcome hydrate_none(struct hydration *h, struct val v, struct buf *out)
{
    struct val value = val_get(v, "value");

    return val_type(value) == DOC_NONE ? missing(h, "value") : hydrate_value(h, value, out);
}

/* Line and column as Python's json module prints them. */
static const char *syntax_reason(struct arena *a, const char *text, const struct doc_error *bad)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < bad->offset; i++) {
        column = text[i] == '\n' ? 1 : column + ((text[i] & 0xc0) != 0x80);
        line += text[i] == '\n';
    }
    return arena_printf(a, "Invalid JSON: %s: line %zu column %zu (char %zu)", bad->reason, line,
                        column, bad->chars);
}

static enum outcome hydrate_json(struct hydration *h, struct val v, struct buf *out)
{
    struct val value = val_get(v, "value");
    struct doc inner, parsed;
    struct doc_error bad;
    size_t len;

    if (val_type(value) == DOC_NONE)
        return REMOVED;
    enum outcome result = operand(h, value, &inner);
    if (result != VALUE)
        return result;
    const char *text = val_string(h->arena, doc_root(&inner), &len);
    if (!text) {
        val_write(out, doc_root(&inner));
        return VALUE;
    }
    if (!doc_parse(h->arena, text, len, &parsed, &bad))
        return fail(h, syntax_reason(h->arena, text, &bad));
    val_write(out, doc_root(&parsed));
    return VALUE;
}

static void know_nothing(void *context, struct arena *a, const char *name, struct jinja_value *out)
{
    (void)context, (void)a, (void)name, (void)out;
}

bool hydration_render(void *context, struct arena *a, const char *template, const char **out_text,
                      const char **out_reason)
{
    const struct jinja_scope scope = {.get = know_nothing};
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};
    struct jinja_template *t;
    struct jinja_error bad;
    const char *why = NULL;

    (void)context;
    if (!jinja_parse(a, template, strlen(template), &t, &bad) || !jinja_check_loops(a, t, &bad)) {
        *out_reason = bad.message;
        return false;
    }
    bool ok = jinja_render(a, t, &scope, &b, &why);
    *out_text = arena_strndup(a, b.len ? b.bytes : "", b.len);
    buf_free(&b);
    if (!ok)
        *out_reason =
            arena_printf(a, "Failed to render template due to the following error: %s", why);
    return ok;
}

static enum outcome hydrate_jinja(struct hydration *h, struct val v, struct buf *out)
{
    struct val value = val_get(v, "template");
    struct doc inner;
    const char *text, *reason;

    if (val_type(value) == DOC_NONE)
        return missing(h, "template");
    enum outcome result = operand(h, value, &inner);
    if (result != VALUE)
        return result;
    const char *template = val_string(h->arena, doc_root(&inner), NULL);
    if (!template)
        return fail(h, "Invalid jinja: the template must be a string");
    if (!h->render)
        return fail(h, "Invalid jinja: templates are not rendered here");
    if (!h->render(h->context, h->arena, template, &text, &reason))
        return fail(h, arena_printf(h->arena, "Invalid jinja: %s", reason));
    write_string(out, text);
    return VALUE;
}

static const struct hydration_variable *find(const struct hydration *h, const char *name)
{
    for (size_t i = 0; name && i < h->variable_count; i++)
        if (!strcmp(h->variables[i].name, name))
            return &h->variables[i];
    return NULL;
}

static enum outcome hydrate_variable(struct hydration *h, struct val v, struct buf *out)
{
    struct val value = val_get(v, "variable_name");
    struct doc inner;

    if (val_type(value) == DOC_NONE)
        return REMOVED;
    enum outcome result = operand(h, value, &inner);
    if (result != VALUE)
        return result;
    const char *name = val_string(h->arena, doc_root(&inner), NULL);
    const struct hydration_variable *variable = find(h, name);
    struct raw as_written = val_raw(doc_root(&inner));
    if (!variable)
        return fail(h, name ? arena_printf(h->arena, "Variable '%s' not found in workspace.", name)
                            : arena_printf(h->arena, "Variable '%.*s' not found in workspace.",
                                           (int)as_written.len, as_written.text));
    write_raw(out, variable->value);
    return VALUE;
}

static enum outcome hydrate_unknown(struct hydration *h, struct val v, struct buf *out)
{
    struct val value = val_get(v, "value");

    (void)h;
    if (val_type(value) == DOC_NONE)
        write_null(out);
    else
        val_write(out, value);
    return VALUE;
}

static const struct kind {
    const char *name;
    enum outcome (*hydrate)(struct hydration *h, struct val v, struct buf *out);
} kinds[] = {
    {"none", hydrate_none},
    {"json", hydrate_json},
    {"jinja", hydrate_jinja},
    {"workspace_variable", hydrate_variable},
};

static const char hole_kind[] = "hole";

static enum outcome write_hole(struct hydration *h, struct val kind, struct buf *out)
{
    bool later = val_equals(kind, "jinja", 5) && !h->render;

    write_object(out);
    write_key(out, kind_key);
    write_string(out, hole_kind);
    write_key(out, "reason");
    write_string(out, later && strncmp(h->reason, "Missing", 7) != 0 ? "" : h->reason);
    write_end_object(out);
    return VALUE;
}

const char *hydration_hole(struct arena *a, struct val v)
{
    if (val_type(v) != DOC_OBJECT ||
        !val_equals(val_get(v, kind_key), hole_kind, sizeof(hole_kind) - 1))
        return NULL;
    return val_string(a, val_get(v, "reason"), NULL);
}

static enum outcome hydrate_kind(struct hydration *h, struct val v, struct val name,
                                 struct buf *out)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (val_equals(name, kinds[i].name, strlen(kinds[i].name)))
            return kinds[i].hydrate(h, v, out);
    return hydrate_unknown(h, v, out);
}

/* Of duplicate keys the last counts. */
static bool is_overridden(struct val object, const struct val_iter *it, const char *key)
{
    return val_get(object, key).node != it->value.node;
}

static enum outcome hydrate_members(struct hydration *h, struct val v, struct buf *out)
{
    struct val_iter it = val_each(v);

    while (val_next(&it)) {
        size_t before = out->len;
        if (val_type(v) == DOC_OBJECT) {
            const char *key = val_string(h->arena, it.key, NULL);
            if (is_overridden(v, &it, key))
                continue;
            write_key(out, key);
        }
        enum outcome result = hydrate_value(h, it.value, out);
        if (result == FAILED)
            return FAILED;
        if (result == REMOVED)
            out->len = before;
    }
    return VALUE;
}

static enum outcome hydrate_value(struct hydration *h, struct val v, struct buf *out)
{
    enum doc_type type = val_type(v);
    struct val kind = type == DOC_OBJECT ? val_get(v, kind_key) : (struct val){0};

    if (val_type(kind) != DOC_NONE) {
        size_t before = out->len;
        enum outcome result = hydrate_kind(h, v, kind, out);
        if (result != FAILED || !h->lenient)
            return result;
        out->len = before;
        return write_hole(h, kind, out);
    }
    if (type != DOC_OBJECT && type != DOC_ARRAY) {
        val_write(out, v);
        return VALUE;
    }
    if (type == DOC_OBJECT)
        write_object(out);
    else
        write_array(out);
    enum outcome result = hydrate_members(h, v, out);
    if (type == DOC_OBJECT)
        write_end_object(out);
    else
        write_end_array(out);
    return result;
}

bool hydrate(struct hydration *h, struct val parameters, struct buf *out)
{
    enum outcome result = hydrate_value(h, parameters, out);

    if (result == REMOVED)
        buf_lit(out, "{}");
    return result != FAILED;
}

static void add_name(struct arena *a, const char *name, struct strings *names)
{
    const char **items = arena_array(a, const char *, names->count + 1);

    for (size_t i = 0; i < names->count; i++) {
        if (!strcmp(names->items[i], name))
            return;
        items[i] = names->items[i];
    }
    items[names->count] = name;
    *names = (struct strings){items, names->count + 1};
}

void hydration_needs(struct arena *a, struct val parameters, struct strings *names)
{
    enum doc_type type = val_type(parameters);

    if (type != DOC_OBJECT && type != DOC_ARRAY)
        return;
    if (type == DOC_OBJECT && val_equals(val_get(parameters, kind_key), "workspace_variable", 18)) {
        struct hydration h = {.arena = a};
        struct doc name;
        struct val given_name = val_get(parameters, "variable_name");
        bool known = val_type(given_name) != DOC_NONE && operand(&h, given_name, &name) == VALUE;
        const char *text = known ? val_string(a, doc_root(&name), NULL) : NULL;
        if (text)
            add_name(a, text, names);
    }
    for (struct val_iter it = val_each(parameters); val_next(&it);)
        hydration_needs(a, it.value, names);
}
