#include "server/db/params.h"

#include <string.h>

#include "shared/json/write.h"

enum { PARAM_MAX_BYTES = 16 << 20 };

const char *param_uuid(struct work *w, struct uuid id)
{
    static const struct uuid nil;
    if (memcmp(&id, &nil, sizeof(id)) == 0)
        return NULL;
    char *text = arena_array(&w->arena, char, UUID_TEXT_BYTES);
    uuid_format(id, text);
    return text;
}

const char *param_strings(struct work *w, struct strings list)
{
    struct buf b = {.max_bytes = PARAM_MAX_BYTES};

    if (!list.items)
        return NULL;
    write_array(&b);
    for (size_t i = 0; i < list.count; i++)
        write_string(&b, list.items[i]);
    write_end_array(&b);
    char *text = arena_strndup(&w->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

const char *param_uuid_array(struct work *w, struct uuids list)
{
    char *text = arena_array(&w->arena, char, list.count *UUID_TEXT_BYTES + 3), *p = text;

    *p++ = '{';
    for (size_t i = 0; i < list.count; i++) {
        uuid_format(list.items[i], p);
        p += UUID_TEXT_BYTES - 1;
        *p++ = ',';
    }
    p -= list.count > 0;
    *p++ = '}';
    *p = '\0';
    return text;
}

const char *param_text_array(struct work *w, struct strings list)
{
    return param_array(w, list.items, list.count);
}

const char *param_int(struct work *w, int64_t value)
{
    return value == INT_NONE ? NULL : param_i64(w, value);
}
