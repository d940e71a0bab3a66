#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/codec.h"
#include "shared/json/write.h"

/* A missing member repeats the object around it, so a large body could come back a hundred times.
 */
enum { LIST_MAX_BYTES = 16 << 20, INPUTS_MAX_BYTES = 1 << 20 };

const struct loc loc_body = {.key = "body"};

static void write_loc(struct buf *b, const struct loc *at)
{
    if (!at)
        return;
    write_loc(b, at->outer);
    if (at->key)
        write_string(b, at->key);
    else
        write_int64(b, (int64_t)at->index);
}

static int format_path(char *out, size_t size, const struct loc *at)
{
    char outer[120] = "";

    if (!at)
        return snprintf(out, size, "body");
    if (at->outer)
        format_path(outer, sizeof(outer), at->outer);
    const char *dot = at->outer ? "." : "";
    if (at->key)
        return snprintf(out, size, "%s%s%.60s", outer, dot, at->key);
    return snprintf(out, size, "%s%s%zu", outer, dot, at->index);
}

static void release_list(void *list)
{
    buf_free(list);
}

static struct buf *list_of(struct invalid *bad)
{
    if (!bad->list) {
        bad->list = arena_new(bad->arena, struct buf);
        bad->list->max_bytes = LIST_MAX_BYTES;
        arena_defer(bad->arena, release_list, bad->list);
    }
    return bad->list;
}

void invalid_add(struct invalid *bad, const struct loc *at, const char *type, const char *msg,
                 struct raw input, const char *ctx)
{
    struct buf *b = list_of(bad);

    if (bad->count++ == 0) {
        char path[120];
        format_path(path, sizeof(path), at);
        snprintf(bad->first, sizeof(bad->first), "%s: %.110s", path, msg);
    }
    if (bad->count > INVALID_LISTED_MAX)
        return;
    write_object(b);
    write_key(b, "type");
    write_string(b, type);
    write_key(b, "loc");
    write_array(b);
    write_loc(b, at);
    write_end_array(b);
    write_key(b, "msg");
    write_string(b, msg);
    write_key(b, "input");
    write_raw(b, b->len + input.len > INPUTS_MAX_BYTES ? (struct raw){0} : input);
    if (ctx) {
        write_key(b, "ctx");
        write_raw(b, (struct raw){ctx, strlen(ctx)});
    }
    write_end_object(b);
}

void invalid_join(struct invalid *bad, const struct invalid *other)
{
    if (!other->count)
        return;
    if (!bad->count)
        memcpy(bad->first, other->first, sizeof(bad->first));
    if (bad->count < INVALID_LISTED_MAX)
        write_raw(list_of(bad), (struct raw){other->list->bytes, other->list->len});
    bad->count += other->count;
}

void invalid_syntax(struct invalid *bad, const struct doc_error *err)
{
    struct loc place = {.outer = &loc_body, .index = err->chars};
    struct buf ctx = {.max_bytes = 256};

    write_object(&ctx);
    write_key(&ctx, "error");
    write_string(&ctx, err->reason);
    write_end_object(&ctx);
    invalid_add(bad, &place, "json_invalid", "JSON decode error", RAW("{}"),
                arena_strndup(bad->arena, ctx.bytes, ctx.len));
    snprintf(bad->first, sizeof(bad->first), "not JSON: %s, byte %zu", err->reason, err->offset);
    buf_free(&ctx);
}

void invalid_write(struct buf *b, const struct invalid *bad, struct raw request_body)
{
    write_object(b);
    write_key(b, "exception_message");
    write_string(b, "Invalid request received.");
    write_key(b, "exception_detail");
    write_array(b);
    if (bad->list)
        write_raw(b, (struct raw){bad->list->bytes, bad->list->len});
    write_end_array(b);
    write_key(b, "request_body");
    write_raw(b, request_body);
    write_end_object(b);
}
