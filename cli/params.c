#include "cli/params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 200, MAX_NAME = 120, FILE_BLOCK = 1 << 16 };

static json_t *typed_value(const char *text, size_t len)
{
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    return value ? value : json_stringn(text, len);
}

static enum err_code split_pair(struct err *e, const char *text, const char *what,
                                char key[MAX_KEY], const char **out_value)
{
    const char *equals = strchr(text, '=');
    size_t len = equals ? (size_t)(equals - text) : 0;

    if (len == 0 || len >= MAX_KEY)
        return err_set(e, INVALID, "`%.80s` is not %s", text, what);
    memcpy(key, text, len);
    key[len] = '\0';
    *out_value = equals + 1;
    return ERR_OK;
}

enum err_code param_set(struct err *e, const char *text, json_t *into)
{
    char key[MAX_KEY];
    const char *value = "";

    enum err_code code = split_pair(e, text, "a parameter: expected KEY=VALUE", key, &value);
    if (code)
        return code;
    json_t *typed = typed_value(value, strlen(value));
    if (!typed)
        return err_set(e, INVALID, "the value of %.80s is not UTF-8", key);
    json_object_set_new(into, key, typed);
    return ERR_OK;
}

/* Length of the first item of a list. */
static size_t item_length(const char *text)
{
    int depth = 0;
    bool quoted = false;
    size_t i;

    for (i = 0; text[i]; i++) {
        char c = text[i];
        if (quoted && c == '\\' && text[i + 1])
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && strchr("[{", c))
            depth++;
        else if (!quoted && strchr("]}", c))
            depth--;
        else if (c == ',' && !quoted && depth <= 0)
            break;
    }
    return i;
}

struct axis {
    const char *key;
    json_t *values, *seen; /* seen: their JSON */
};

static enum err_code axis_value(struct err *e, struct axis *x, const char *text, size_t len)
{
    json_t *typed = len ? typed_value(text, len) : NULL;

    if (!typed)
        return err_set(e, INVALID, "--matrix %.80s has an empty value", x->key);
    json_array_append_new(x->values, typed);
    char *json = json_dumps(typed, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    bool twice = !json || json_object_get(x->seen, json);
    if (json)
        json_object_set_new(x->seen, json, json_true());
    free(json);
    return twice ? err_set(e, INVALID, "--matrix %.80s has the value %.*s twice", x->key,
                           (int)(len < 80 ? len : 80), text)
                 : ERR_OK;
}

/* A value in each line; empty lines are passed over. */
static enum err_code axis_file(struct err *e, struct axis *x, const char *path)
{
    FILE *f = strcmp(path, "-") != 0 ? fopen(path, "r") : stdin;
    enum err_code code = ERR_OK;
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    if (!f)
        return err_set(e, NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    while (!code && (len = getline(&line, &room, f)) >= 0) {
        while (len && strchr(" \t\r\n", line[len - 1]))
            len--;
        if (len)
            code = axis_value(e, x, line, (size_t)len);
    }
    if (!code && ferror(f))
        code = err_set(e, IO, "%s cannot be read", path);
    if (!code && !json_array_size(x->values))
        code = err_set(e, INVALID, "%s has no values for --matrix %.80s", path, x->key);
    free(line);
    if (f != stdin)
        fclose(f);
    return code;
}

static enum err_code axis_list(struct err *e, struct axis *x, const char *rest)
{
    for (;;) {
        size_t len = item_length(rest);
        enum err_code code = axis_value(e, x, rest, len);
        if (code || !rest[len])
            return code;
        rest += len + 1;
    }
}

enum err_code axis_add(struct err *e, const char *text, json_t *axes)
{
    char key[MAX_KEY];
    const char *rest = "";

    enum err_code code = split_pair(e, text, "an axis: expected KEY=VALUE,VALUE,...", key, &rest);
    if (code)
        return code;
    if (json_object_get(axes, key))
        return err_set(e, INVALID, "--matrix names %.80s twice: list its values in one", key);
    struct axis x = {key, json_array(), json_object()};
    json_object_set_new(axes, key, x.values);
    code = *rest == '@' ? axis_file(e, &x, rest + 1) : axis_list(e, &x, rest);
    json_decref(x.seen);
    return code;
}

void matrix_shuffle(json_t *all, const char *seed)
{
    uint64_t state = UINT64_C(14695981039346656037); /* FNV-1a of the seed, then xorshift64* */

    for (const char *c = seed; *c; c++)
        state = (state ^ (unsigned char)*c) * UINT64_C(1099511628211);
    for (size_t i = json_array_size(all); i > 1; i--) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        size_t j = (size_t)((state * UINT64_C(2685821657736338717) >> 32) % i);
        json_t *last = json_incref(json_array_get(all, i - 1));
        json_array_set(all, i - 1, json_array_get(all, j));
        json_array_set_new(all, j, last);
    }
}

enum err_code matrix_expand(struct err *e, json_t *params, json_t *axes, size_t most, json_t **out)
{
    json_t *all = json_pack("[O]", params), *values, *row, *value;
    const char *key;
    size_t i, j;

    json_object_foreach(axes, key, values)
    {
        json_t *next = json_array();
        if (json_array_size(all) * json_array_size(values) > most) {
            json_decref(next);
            json_decref(all);
            return err_set(e, INVALID, "the matrix has more than %zu combinations", most);
        }
        json_array_foreach(all, i, row) json_array_foreach(values, j, value)
        {
            json_t *more = json_copy(row);
            json_object_set(more, key, value);
            json_array_append_new(next, more);
        }
        json_decref(all);
        all = next;
    }
    *out = all;
    return ERR_OK;
}

/* "models/ad01.tflite" -> "ad01", other values as they are. */
static const char *short_value(struct arena *a, json_t *value)
{
    if (!json_is_string(value)) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        const char *kept = arena_strndup(a, text ? text : "", text ? strlen(text) : 0);
        free(text);
        return kept;
    }
    const char *text = json_string_value(value), *slash = strrchr(text, '/');
    text = slash && slash[1] ? slash + 1 : text;
    const char *dot = strrchr(text, '.');
    bool extension = dot && dot > text && dot[1] >= 'A';
    return arena_strndup(a, text, extension ? (size_t)(dot - text) : strlen(text));
}

const char *combination_name(struct arena *a, json_t *axes, json_t *params)
{
    const char *key, *name = NULL;
    json_t *values;

    json_object_foreach(axes, key, values)
    {
        const char *word = short_value(a, json_object_get(params, key));
        name = name ? arena_printf(a, "%s-%s", name, word) : word;
    }
    return name ? arena_strndup(a, name, strnlen(name, MAX_NAME)) : NULL;
}

enum err_code sha256_file(struct err *e, const char *path, char out_text[static SHA256_TEXT_BYTES])
{
    unsigned char block[FILE_BLOCK];
    FILE *f = fopen(path, "rb");
    size_t n;

    if (!f)
        return err_set(e, NOT_FOUND, "%s cannot be read: %s", path, strerror(errno));
    struct sha256 *h = sha256_new();
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        sha256_add(h, block, n);
    bool broken = ferror(f);
    sha256_text(h, out_text);
    sha256_free(h);
    fclose(f);
    return broken ? err_set(e, IO, "%s cannot be read", path) : ERR_OK;
}

const char *run_key(struct arena *a, const char *campaign, const char *deployment_id,
                    json_t *params)
{
    char hash[SHA256_TEXT_BYTES];
    char *text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    sha256_of(text ? text : "", text ? strlen(text) : 0, hash);
    free(text);
    return arena_printf(a, "campaign/%s/%s/%s", campaign, deployment_id, hash);
}
