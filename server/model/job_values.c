#include "server/model/job_values.h"

#include <stdlib.h>
#include <string.h>

#include "shared/json/write.h"

enum { JOB_MAX_BYTES = 8 << 20 };
static const char blocks_prefix[] = "prefect.blocks.", variables_prefix[] = "prefect.variables.";

/* ---- placeholders in a text ---- */

struct piece {
    const char *text; /* up to the placeholder, or the rest */
    size_t len;
    const char *name; /* of the placeholder behind it; NULL at the end */
};

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_.-[]$", c)) || (unsigned char)c >= 0x80;
}

/* Moves *at behind the piece. */
static struct piece next_piece(struct arena *a, const char **at)
{
    struct piece piece = {.text = *at};

    for (const char *open = *at; (open = strstr(open, "{{")) != NULL; open += 2) {
        const char *name = open + 2 + strspn(open + 2, " \t\r\n");
        const char *end = name;
        while (is_name_character(*end))
            end++;
        const char *close = end + strspn(end, " \t\r\n");
        if (end == name || strncmp(close, "}}", 2) != 0)
            continue;
        piece.len = (size_t)(open - piece.text);
        piece.name = arena_strndup(a, name, (size_t)(end - name));
        *at = close + 2;
        return piece;
    }
    piece.len = strlen(*at);
    *at += piece.len;
    return piece;
}

/* `a.b[0].c` below a value. */
static struct val value_at(struct arena *a, struct val v, const char *path)
{
    while (*path && val_type(v) != DOC_NONE) {
        size_t len = strcspn(path, ".[");
        if (len)
            v = val_get(v, arena_strndup(a, path, len));
        path += len;
        if (*path == '[') {
            size_t index = strtoul(path + 1, NULL, 10);
            struct val_iter it = val_each(v);
            v = (struct val){0};
            while (!it.object && val_next(&it))
                if (it.index == index)
                    v = it.value;
            path += strcspn(path, "]");
        }
        path += *path == ']';
        path += *path == '.';
    }
    return v;
}

/* ---- what a placeholder stands for ---- */

/* One of the two passes: job variables first, blocks and variables afterwards. */
struct pass {
    struct job_values *job;
    struct val values;
    bool references;
    enum err_code rc;
};

static void fail(struct pass *p, const char *reason)
{
    p->job->reason = reason;
    p->rc = ERR_INVALID;
}

static struct val find(struct pass *p, const struct job_reference *what)
{
    struct val found = {0};

    if (!p->rc)
        p->rc = p->job->find(p->job->ctx, what, &found);
    return p->rc ? (struct val){0} : found;
}

/* Data whose only member is `value` stands for that. */
static struct val plain_data(struct val data)
{
    struct val value = val_get(data, "value");
    return val_count(data) == 1 && val_type(value) != DOC_NONE ? value : data;
}

/* TYPE.NAME or TYPE.NAME.PATH */
static struct val find_block(struct pass *p, const char *rest)
{
    struct arena *a = p->job->arena;
    size_t type_len = strcspn(rest, ".");
    const char *name = rest + type_len + (rest[type_len] == '.');
    size_t name_len = strcspn(name, ".");
    const char *path = name + name_len + (name[name_len] == '.');
    struct job_reference what = {.block_type = arena_strndup(a, rest, type_len),
                                 .name = arena_strndup(a, name, name_len)};

    struct val data = find(p, &what);
    if (p->rc)
        return data;
    struct val v = value_at(a, plain_data(data), path);
    if (val_type(v) == DOC_NONE)
        v = value_at(a, data, path);
    if (val_type(data) == DOC_NONE)
        fail(p, arena_printf(a, "there is no block \"%s\" of type \"%s\"", what.name,
                             what.block_type));
    else if (val_type(v) == DOC_NONE)
        fail(p, arena_printf(a, "block \"%s\" of type \"%s\" has no \"%s\"", what.name,
                             what.block_type, path));
    return v;
}

/* False: not a placeholder of this pass. */
static bool stands_for(struct pass *p, const char *name, struct val *out)
{
    size_t blocks = sizeof(blocks_prefix) - 1, variables = sizeof(variables_prefix) - 1;
    bool block = strncmp(name, blocks_prefix, blocks) == 0;
    bool variable = strncmp(name, variables_prefix, variables) == 0;

    if (*name == '$' || p->references != (block || variable))
        return false;
    if (block)
        *out = find_block(p, name + blocks);
    else if (variable)
        *out = find(p, &(struct job_reference){.name = name + variables});
    else
        *out = value_at(p->job->arena, p->values, name);
    return true;
}

/* ---- filling ---- */

/* As Python's str() of it. */
static void add_as_text(struct pass *p, struct val v, const char *name, struct buf *b)
{
    static const char *const words[] = {
        [DOC_NULL] = "None", [DOC_FALSE] = "False", [DOC_TRUE] = "True"};
    enum doc_type type = val_type(v);
    size_t len;

    if (type == DOC_STRING) {
        const char *text = val_string(p->job->arena, v, &len);
        buf_add(b, text, len);
    } else if (type == DOC_NULL || type == DOC_FALSE || type == DOC_TRUE)
        buf_add(b, words[type], strlen(words[type]));
    else if (type == DOC_OBJECT && p->references)
        fail(p, arena_printf(p->job->arena, "{{ %s }} is an object and cannot be part of a text",
                             name));
    else if (type != DOC_NONE)
        buf_add(b, val_raw(v).text, val_raw(v).len);
}

/* False: the text is exactly one placeholder that has no value. */
static bool fill_text(struct pass *p, struct val v, struct buf *out)
{
    struct arena *a = p->job->arena;
    const char *text = val_string(a, v, NULL), *at = text;
    struct buf b = {.max_bytes = JOB_MAX_BYTES};
    struct val value;

    while (!p->rc && *at) {
        struct piece piece = next_piece(a, &at);
        buf_add(&b, piece.text, piece.len);
        if (!piece.name)
            break;
        if (!stands_for(p, piece.name, &value)) {
            buf_add(&b, piece.text + piece.len, (size_t)(at - piece.text) - piece.len);
            continue;
        }
        if (piece.text == text && !piece.len && !*at) {
            bool empty = val_type(value) == DOC_NONE;
            if (!empty)
                val_write(out, value);
            else if (p->references)
                write_string(out, "");
            buf_free(&b);
            return !empty || p->references;
        }
        add_as_text(p, value, piece.name, &b);
    }
    write_string_n(out, b.len ? b.bytes : "", b.len);
    out->full = out->full || b.full;
    buf_free(&b);
    return true;
}

/* {"$ref": {"block_document_id": ID}} */
static bool fill_reference(struct pass *p, struct val v, struct buf *out)
{
    struct val id = val_get(val_get(v, "$ref"), "block_document_id");

    if (!p->references || val_type(id) != DOC_STRING)
        return false;
    struct job_reference what = {.block_id = val_string(p->job->arena, id, NULL)};
    struct val data = find(p, &what);
    if (!p->rc && val_type(data) == DOC_NONE)
        fail(p, arena_printf(p->job->arena, "there is no block with the id %s", what.block_id));
    if (!p->rc)
        val_write(out, data);
    return true;
}

static bool fill(struct pass *p, struct val v, struct buf *out);

static void fill_member(struct pass *p, const struct val_iter *it, struct buf *out)
{
    size_t before = out->len;

    if (it->object)
        write_key(out, val_string(p->job->arena, it->key, NULL));
    if (!fill(p, it->value, out))
        out->len = before;
}

/* False: there is no value. */
static bool fill(struct pass *p, struct val v, struct buf *out)
{
    enum doc_type type = val_type(v);

    if (p->rc)
        return false;
    if (type == DOC_STRING)
        return fill_text(p, v, out);
    if (type != DOC_OBJECT && type != DOC_ARRAY) {
        val_write(out, v);
        return true;
    }
    if (type == DOC_OBJECT && fill_reference(p, v, out))
        return true;
    (type == DOC_OBJECT ? write_object : write_array)(out);
    for (struct val_iter it = val_each(v); val_next(&it);)
        fill_member(p, &it, out);
    (type == DOC_OBJECT ? write_end_object : write_end_array)(out);
    return true;
}

/* ---- the job ---- */

static void fill_missing(struct pass *p, struct val from, struct val there, struct buf *out)
{
    for (struct val_iter it = val_each(from); val_next(&it);) {
        const char *key = val_string(p->job->arena, it.key, NULL);
        if (val_type(val_get(there, key)) != DOC_NONE)
            continue;
        write_key(out, key);
        val_write(out, it.value);
    }
}

/* An environment that the template spells out is below that of the job variables. */
static void fill_env(struct pass *p, struct val configured, struct buf *out)
{
    struct val given = val_get(p->values, "env");

    write_key(out, "env");
    write_object(out);
    for (struct val_iter it = val_each(configured); val_next(&it);)
        if (val_type(val_get(given, val_string(p->job->arena, it.key, NULL))) == DOC_NONE)
            fill_member(p, &it, out);
    fill_missing(p, given, (struct val){0}, out);
    write_end_object(out);
}

static void fill_configuration(struct pass *p, struct val configuration, struct buf *out)
{
    write_object(out);
    for (struct val_iter it = val_each(configuration); it.object && val_next(&it);) {
        if (val_equals(it.key, "env", 3) && val_type(it.value) == DOC_OBJECT)
            fill_env(p, it.value, out);
        else
            fill_member(p, &it, out);
    }
    fill_missing(p, p->values, configuration, out);
    write_end_object(out);
}

static struct val take_text(struct pass *p, struct buf *b)
{
    struct doc *doc = arena_new(p->job->arena, struct doc);
    const char *text = arena_strndup(p->job->arena, b->len ? b->bytes : "", b->len);
    struct doc_error bad;
    bool good = !b->full && doc_parse(p->job->arena, text, b->len, doc, &bad);

    buf_free(b);
    if (!good && !p->rc)
        fail(p, "the job is larger than the limit");
    return p->rc ? (struct val){0} : doc_root(doc);
}

enum err_code job_fill(struct job_values *j, struct val configuration, struct val variables,
                       struct buf *out)
{
    struct pass values = {.job = j, .values = variables};
    struct pass references = {.job = j, .references = true};
    struct buf b = {.max_bytes = JOB_MAX_BYTES};

    j->reason = NULL;
    fill_configuration(&values, configuration, &b);
    struct val job = take_text(&values, &b);
    if (values.rc)
        return values.rc;
    fill(&references, job, out);
    return references.rc;
}
