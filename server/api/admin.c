#include "server/api/admin.h"

#include "server/db/db.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "shared/json/write.h"

/* The contract that this server keeps. */
#define PREFECT_VERSION     "3.9.1"
#define PREFECT_API_VERSION "0.8.4"

enum err_code admin_health(struct request *rq)
{
    return reply_text(rq, 200, "true");
}

enum err_code admin_hello(struct request *rq)
{
    return reply_text(rq, 200, "\"👋\"");
}

enum err_code admin_ready(struct request *rq)
{
    struct rows rows;
    if (db_query_text(&rq->work, "SELECT 1", 0, NULL, &rows) == ERR_OK)
        return reply_text(rq, 200, "{\"message\":\"OK\"}");
    return reply_text(rq, 503, "{\"message\":\"Database is not available\"}");
}

enum err_code admin_api_version(struct request *rq)
{
    return reply_text(rq, 200, "\"" PREFECT_API_VERSION "\"");
}

enum err_code admin_version(struct request *rq)
{
    return reply_text(rq, 200, "\"" PREFECT_VERSION "\"");
}

enum err_code admin_settings(struct request *rq)
{
    settings_write(&rq->reply.body, &rq->work.server->config.settings);
    return reply_status(rq, 200);
}

enum err_code admin_ui_settings(struct request *rq)
{
    struct server *s = rq->work.server;
    const char *url = s->config.ui_api_url;

    if (!url)
        url = arena_printf(&rq->work.arena, "%s/api", rq->work.origin);
    struct buf *b = &rq->reply.body;
    write_object(b);
    write_key(b, "api_url");
    write_string(b, url);
    write_key(b, "csrf_enabled");
    write_bool(b, s->csrf != NULL);
    write_key(b, "auth");
    write_string(b, s->config.auth_string ? "BASIC" : NULL);
    write_key(b, "flags");
    write_raw(b, RAW("[]"));
    write_end_object(b);
    return reply_status(rq, 200);
}
