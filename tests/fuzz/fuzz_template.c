/* Properties: the parts of a text put together again are the text (but for escapes); rendering
 * gives valid JSON or a reason; what is exact has one part; an expression is parsed with a place
 * for its problem and evaluates or says why. */
#include <stdlib.h>
#include <string.h>

#include "shared/flow/expr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *values;

static enum err_code get(void *ctx, const struct path *path, json_t **out, struct err *err)
{
    (void)ctx;
    if (path->segments[0].name && !strcmp(path->segments[0].name, "tasks"))
        return err_set(err, INVALID, "no tasks");
    *out = json_incref(path_get(values, path, 0));
    return ERR_OK;
}

static bool status(void *ctx, const char *function)
{
    (void)ctx;
    return function[0] == 's';
}

static const struct lookup lookup = {get, status, NULL};

static void check_parts(const char *text)
{
    struct part part;
    size_t count = 0, placeholders = 0;
    for (const char *at = text, *before = at; template_next(&at, &part); before = at) {
        if (at <= before || part.text < before || part.text + part.len > at)
            abort(); /* no progress, or a part outside of its piece */
        count++;
        placeholders += part.kind == PART_PLACEHOLDER;
    }
    if (template_exact(text, &part) && (count != 1 || placeholders != 1))
        abort();
}

static void check_render(const struct node *node)
{
    struct err err = {0};
    json_t *out = NULL;
    if (template_render(node, &lookup, &out, &err)) {
        if (!err.detail[0])
            abort();
        return;
    }
    char *shown = out ? json_dumps(out, JSON_ENCODE_ANY) : NULL;
    if (out && !shown)
        abort();
    free(shown);
    json_decref(out);
}

static void check_expr(struct arena *arena, const struct node *node)
{
    struct problems problems = {.arena = arena};
    struct err err = {0};
    bool truth;
    struct expr *expr = expr_parse(arena, node, &problems);
    if ((expr == NULL) != (problems.count > 0))
        abort();
    if (expr && expr_true(expr, &lookup, &truth, &err) && !err.detail[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    json_error_t error;
    if (size > 20000)
        return 0;
    if (!values)
        values = json_loads(
            "{\"parameters\":{\"a\":1,\"b\":[1,2.5,\"x\"],\"c\":{\"d\":\"e\"},\"n\":null}}", 0,
            &error);
    char *text = arena_strndup(&arena, (const char *)data, size);
    struct source source = {"f", text, strlen(text)};
    struct node node = {
        .type = NODE_STRING, .line = 1, .column = 1, .source = &source, .text = text};
    check_parts(text);
    /* YAML strings are valid UTF-8; so are ours */
    json_t *valid = json_string(text);
    if (valid) {
        check_render(&node);
        check_expr(&arena, &node);
    }
    json_decref(valid);
    arena_reset(&arena);
    return 0;
}
