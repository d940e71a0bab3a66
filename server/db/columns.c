#include "server/db/columns.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/clock.h"

static void separate(struct array *a)
{
    if (!a->text.max_bytes)
        a->text.max_bytes = COLUMN_MAX_BYTES;
    buf_add(&a->text, a->count++ ? "," : "{", 1);
}

void array_text(struct array *a, const char *value, size_t len)
{
    separate(a);
    if (!value) {
        buf_lit(&a->text, "NULL");
        return;
    }
    buf_lit(&a->text, "\"");
    const char *run = value, *end = value + len;
    for (const char *p = value; p < end; p++) {
        if (*p != '"' && *p != '\\')
            continue;
        buf_add(&a->text, run, (size_t)(p - run));
        buf_lit(&a->text, "\\");
        run = p;
    }
    buf_add(&a->text, run, (size_t)(end - run));
    buf_lit(&a->text, "\"");
}

void array_string(struct array *a, const char *value)
{
    array_text(a, value, value ? strlen(value) : 0);
}

void array_raw(struct array *a, struct raw value)
{
    array_text(a, value.text, value.len);
}

static void plain(struct array *a, const char *text, size_t len)
{
    separate(a);
    buf_add(&a->text, text, len);
}

void array_uuid(struct array *a, struct uuid id)
{
    static const struct uuid nil;
    char text[UUID_TEXT_BYTES];

    if (memcmp(&id, &nil, sizeof(id)) == 0) {
        plain(a, "NULL", 4);
        return;
    }
    uuid_format(id, text);
    plain(a, text, UUID_TEXT_BYTES - 1);
}

void array_time(struct array *a, int64_t time_us)
{
    char text[TIME_TEXT_BYTES];

    if (time_us == TIME_NONE)
        plain(a, "NULL", 4);
    else
        plain(a, text, time_format(time_us, text));
}

void array_int(struct array *a, int64_t value)
{
    char text[24];
    plain(a, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void array_seconds(struct array *a, int64_t duration_us)
{
    char text[32];
    plain(a, text, (size_t)snprintf(text, sizeof(text), "%.6f", (double)duration_us / 1e6));
}

void array_bool(struct array *a, bool value)
{
    plain(a, value ? "t" : "f", 1);
}

enum err_code arrays_finish(struct work *w, struct array *arrays, size_t count,
                            const char **out_parameters)
{
    for (size_t i = 0; i < count; i++) {
        if (!arrays[i].text.max_bytes)
            arrays[i].text.max_bytes = COLUMN_MAX_BYTES;
        if (!arrays[i].count)
            buf_lit(&arrays[i].text, "{");
        buf_add(&arrays[i].text, "}", 2);
        if (arrays[i].text.full)
            return err_set(&w->err, INTERNAL, "a batch has more than %d bytes in a column",
                           COLUMN_MAX_BYTES);
        out_parameters[i] = arrays[i].text.bytes;
    }
    return ERR_OK;
}

void arrays_free(struct array *arrays, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_free(&arrays[i].text);
}
