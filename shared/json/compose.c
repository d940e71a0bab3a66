#include "shared/json/compose.h"

#include "shared/json/write.h"

const char *uuid_text(struct arena *a, struct uuid id)
{
    char *text = arena_array(a, char, UUID_TEXT_BYTES);
    uuid_format(id, text);
    return text;
}

void write_member(struct buf *b, const char *key, const char *text)
{
    write_key(b, key);
    write_string(b, text);
}

struct raw write_take(struct arena *a, struct buf *b)
{
    struct raw raw = {arena_strndup(a, b->len ? b->bytes : "", b->len), b->len};
    buf_free(b);
    return raw;
}
