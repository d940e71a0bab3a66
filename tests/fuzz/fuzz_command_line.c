/* Parameters and axes as typed, and text for the terminal.
 * Properties: what is accepted is valid JSON that survives a round trip; an axis has no empty
 * value; combinations are as many as the product; text is free of control characters and as narrow
 * as asked. */
#include "cli/params.h"
#include "cli/term.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64 };

static void round_trip(json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert(text);
    json_t *again = json_loads(text, JSON_DECODE_ANY, NULL);
    assert(again && json_equal(again, value));
    json_decref(again);
    free(text);
}

static void check_axis(struct arena *a, const char *text)
{
    json_t *axes = json_object(), *params = json_object(), *all = NULL, *values;
    struct err e;
    const char *key;

    if (axis_add(&e, text, axes) == ERR_OK) {
        json_object_foreach(axes, key, values)
        {
            assert(json_array_size(values) > 0);
            bool fits = matrix_expand(&e, params, axes, MOST, &all) == ERR_OK;
            assert(fits == (json_array_size(values) <= MOST));
            if (fits) {
                assert(json_array_size(all) == json_array_size(values));
                assert(combination_name(a, axes, json_array_get(all, 0)));
                json_decref(all);
            }
        }
    }
    json_decref(params);
    json_decref(axes);
}

static void check_text(struct arena *a, const char *text, int columns)
{
    const char *safe = safe_text(a, text);

    for (const char *p = safe; *p; p++)
        assert((unsigned char)*p >= 0x20 && *p != 0x7F);
    assert(strcmp(safe_text(a, safe), safe) == 0);
    assert(text_columns(text_cut(a, safe, columns)) <= columns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    struct arena a = {0};
    struct err e;
    char *text = arena_strndup(&a, (const char *)data + 1, size - 1);
    json_t *into = json_object();

    if (param_set(&e, text, into) == ERR_OK)
        round_trip(into);
    json_decref(into);
    check_axis(&a, text);
    check_text(&a, text, data[0] % 100 + 1);
    arena_reset(&a);
    return 0;
}
