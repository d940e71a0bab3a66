/* Templates: whatever parses renders or says why, within its limits, and the same each time. */
#include <stdlib.h>
#include <string.h>

#include "server/model/jinja.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void get(void *context, struct arena *a, const char *name, struct jinja_value *out)
{
    static const char json[] =
        "{\"a\":[1,\"x\",null,{\"b\":2.5}],\"s\":\"t\\u00fc <&>\",\"d\":{\"k\":"
        "true,\"items\":3}}";
    struct doc *doc = arena_new(a, struct doc);
    struct doc_error bad;

    (void)context;
    if (!strcmp(name, "event") && doc_parse(a, json, sizeof(json) - 1, doc, &bad))
        *out = jinja_of_json(a, doc_root(doc));
    else if (!strcmp(name, "x"))
        *out = jinja_int(3);
    else if (!strcmp(name, "when"))
        *out = jinja_time(INT64_C(1704164645000000));
}

/* In an arena of its own: what a rendering may cost depends on what is left. */
static struct buf render(struct arena *a, const struct jinja_template *t, const char **reason)
{
    const struct jinja_scope scope = {get, NULL, "http://127.0.0.1/", 0};
    struct buf b = {.max_bytes = JINJA_OUTPUT_MAX_BYTES};

    *reason = NULL;
    if (!jinja_render(a, t, &scope, &b, reason) && !*reason)
        abort(); /* a failure has a reason */
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = {0};
    struct jinja_template *t;
    struct jinja_error bad = {0};
    const char *one, *two;
    const char *text = arena_strndup(&a, (const char *)data, size);

    if (memchr(text, 0, size) || size > 4096) {
        arena_reset(&a);
        return 0;
    }
    if (!jinja_parse(&a, text, size, &t, &bad)) {
        if (!bad.message || bad.line < 1)
            abort();
    } else if (jinja_check_loops(&a, t, &bad)) {
        struct arena own = {0}, other = {0};
        struct buf first = render(&own, t, &one), second = render(&other, t, &two);
        if (!one != !two || first.len != second.len ||
            (first.len && memcmp(first.bytes, second.bytes, first.len)))
            abort();
        buf_free(&first);
        buf_free(&second);
        arena_reset(&own);
        arena_reset(&other);
    }
    arena_reset(&a);
    return 0;
}
