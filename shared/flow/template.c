#include "shared/flow/template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool in_path(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '[' || c == ']' ||
           c == '$';
}

static bool add_segment(struct path *p, struct segment segment)
{
    if (p->count == PATH_SEGMENTS_MAX)
        return false;
    p->segments[p->count++] = segment;
    return true;
}

/* "[12]" at s: its length, 0 if it is none. */
static size_t take_index(const char *s, const char *end, size_t *out)
{
    size_t value = 0, n = 1;
    while (s + n < end && isdigit((unsigned char)s[n]) && n < 8)
        value = value * 10 + (size_t)(s[n++] - '0');
    if (n == 1 || s + n >= end || s[n] != ']')
        return 0;
    *out = value;
    return n + 1;
}

bool path_parse(struct arena *arena, const char *text, size_t len, struct path *out)
{
    struct path p = {.text = arena_strndup(arena, text, len)};
    const char *s = p.text, *end = s + len;
    while (s < end) {
        size_t name_len = strcspn(s, ".[");
        if (!name_len || memchr(s, ']', name_len))
            return false;
        if (!add_segment(&p, (struct segment){arena_strndup(arena, s, name_len), 0}))
            return false;
        for (s += name_len; *s == '[';) {
            size_t index, n = take_index(s, end, &index);
            if (!n || !add_segment(&p, (struct segment){NULL, index}))
                return false;
            s += n;
        }
        if (*s == '.' && s + 1 < end)
            s++;
        else if (s < end)
            return false;
    }
    if (!p.count)
        return false;
    *out = p;
    return true;
}

json_t *path_get(json_t *value, const struct path *path, size_t from)
{
    for (size_t i = from; value && i < path->count; i++) {
        const struct segment *s = &path->segments[i];
        value = s->name ? json_object_get(value, s->name) : json_array_get(value, s->index);
    }
    return value;
}

/* ---- parts ---- */

/* `{{ path }}` at s; false when the braces are not closed. */
static bool take_placeholder(const char *s, struct part *out, const char **out_end)
{
    const char *close = strstr(s + 2, "}}");
    if (!close)
        return false;
    const char *first = s + 2, *last = close;
    while (first < last && *first == ' ')
        first++;
    while (last > first && last[-1] == ' ')
        last--;
    *out = (struct part){PART_PLACEHOLDER, first, (size_t)(last - first)};
    for (const char *c = first; c < last; c++)
        if (!in_path(*c))
            out->kind = PART_MALFORMED;
    if (first == last)
        out->kind = PART_MALFORMED;
    if (out->kind == PART_MALFORMED)
        *out = (struct part){PART_MALFORMED, s, (size_t)(close + 2 - s)};
    *out_end = close + 2;
    return true;
}

bool template_next(const char **at, struct part *out)
{
    const char *s = *at;
    if (!*s)
        return false;
    if (s[0] == '{' && s[1] == '{' && take_placeholder(s, out, at))
        return true;
    bool escaped = !strncmp(s, "\\{{", 3);
    if (escaped)
        s++;
    const char *end = strstr(s + (s[0] == '{' && s[1] == '{' ? 2 : 1), "{{");
    if (escaped || !end)
        end = escaped ? s + 2 : s + strlen(s);
    else if (end > s && end[-1] == '\\')
        end--;
    *out = (struct part){PART_TEXT, s, (size_t)(end - s)};
    *at = end;
    return true;
}

bool template_exact(const char *text, struct part *out)
{
    const char *at = text;
    struct part part;
    if (!template_next(&at, &part) || part.kind != PART_PLACEHOLDER || *at)
        return false;
    *out = part;
    return true;
}

void template_visit(const struct node *node, const struct part_visitor *visitor)
{
    struct part part;
    if (node->type == NODE_STRING) {
        for (const char *at = node->text; template_next(&at, &part);)
            if (part.kind != PART_TEXT)
                visitor->visit(visitor->ctx, node, &part);
    } else if (node->type == NODE_LIST || node->type == NODE_MAP) {
        for (size_t i = 0; i < node->count; i++)
            template_visit(node->members[i].value, visitor);
    }
}

/* ---- rendering ---- */

static void put_text(struct buf *out, const json_t *value)
{
    if (json_is_string(value)) {
        buf_add(out, json_string_value(value), json_string_length(value));
    } else if (!json_is_null(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15));
        if (text)
            buf_add(out, text, strlen(text));
        free(text);
    }
}

static enum err_code get_part(const struct part *part, const struct lookup *lookup, json_t **out,
                              struct err *err)
{
    struct arena arena = {0};
    struct path path;
    enum err_code code;
    if (part->kind != PART_PLACEHOLDER || !path_parse(&arena, part->text, part->len, &path))
        code = err_set(err, INVALID, "`%.*s` is not a placeholder", (int)part->len, part->text);
    else
        code = lookup->get(lookup->ctx, &path, out, err);
    arena_reset(&arena);
    return code;
}

static enum err_code render_text(const char *text, const struct lookup *lookup, json_t **out,
                                 struct err *err)
{
    struct buf buf = {.max_bytes = TEMPLATE_TEXT_BYTES};
    struct part part;
    enum err_code code = ERR_OK;
    while (!code && template_next(&text, &part)) {
        if (part.kind == PART_TEXT) {
            buf_add(&buf, part.text, part.len);
            continue;
        }
        json_t *value = NULL;
        code = get_part(&part, lookup, &value, err);
        if (!code && value)
            put_text(&buf, value);
        json_decref(value);
    }
    if (!code && buf.full)
        code =
            err_set(err, TOO_LARGE, "a text with its placeholders filled in is larger than 1 MB");
    if (!code)
        *out = json_stringn(buf.bytes ? buf.bytes : "", buf.len);
    buf_free(&buf);
    return code;
}

static enum err_code render_members(const struct node *node, const struct lookup *lookup,
                                    json_t **out, struct err *err)
{
    json_t *result = node->type == NODE_LIST ? json_array() : json_object();
    for (size_t i = 0; i < node->count; i++) {
        json_t *value = NULL;
        enum err_code code = template_render(node->members[i].value, lookup, &value, err);
        if (code) {
            json_decref(result);
            return code;
        }
        if (value && node->type == NODE_LIST)
            json_array_append_new(result, value);
        else if (value)
            json_object_set_new(result, node->members[i].key->text, value);
    }
    *out = result;
    return ERR_OK;
}

enum err_code template_render(const struct node *node, const struct lookup *lookup, json_t **out,
                              struct err *err)
{
    struct part part;
    if (node->type == NODE_LIST || node->type == NODE_MAP)
        return render_members(node, lookup, out, err);
    if (node->type != NODE_STRING) {
        *out = node_json(node);
        return ERR_OK;
    }
    if (template_exact(node->text, &part))
        return get_part(&part, lookup, out, err);
    return render_text(node->text, lookup, out, err);
}
