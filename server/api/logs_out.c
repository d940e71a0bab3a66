#include "server/api/logs_out.h"

#include "server/api/stream.h"
#include "server/model/log_filter.h"
#include "server/server.h"
#include "shared/json/write.h"

static void *read_filter(struct arena *a, struct server *server, struct val v, struct err *e)
{
    static const struct loc at = {NULL, "filter", 0};
    struct log_filter *f = arena_new(a, struct log_filter);
    struct invalid bad = {.arena = a};
    (void)server;

    if (log_filter_decode(v, &at, f, &bad) == ERR_OK)
        return f;
    (void)err_set(e, INVALID, "%s", bad.first);
    return NULL;
}

static struct broadcast *broadcast_of(struct server *server)
{
    return settings_bool(&server->config.settings, SETTING_SERVER_LOGS_STREAM_OUT_ENABLED)
               ? server->log_broadcast
               : NULL;
}

static const struct stream_kind kind = {read_filter, broadcast_of, NULL, 0};

static void *on_open(struct websocket *ws)
{
    return stream_open(ws, &kind);
}

const struct websocket_kind logs_out_socket = {on_open, stream_text, stream_gone, stream_drained};

static void write_published(struct buf *b, const void *what)
{
    write_object(b);
    write_key(b, "type");
    write_string(b, "log");
    write_key(b, "log");
    json_encode(b, &log_resource, what);
    write_end_object(b);
}

static bool wants(struct arena *scratch, const void *filter, const void *what)
{
    return log_filter_match(scratch, filter, what);
}

const struct broadcast_kind logs_broadcast = {write_published, wants};
