#include "server/http/cors.h"

#include <string.h>
#include <strings.h>

#include "server/http/reply.h"
#include "server/server.h"

static const char all_methods[] = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";
/* Allowed whatever the setting says. */
static const char safe_headers[] = "Accept,Accept-Language,Content-Language,Content-Type";

static const char *setting(const struct request *rq, enum setting_id id)
{
    return settings_text(&rq->work.server->config.settings, id);
}

static bool is_any(const char *list)
{
    return strcmp(list, "*") == 0;
}

/* A comma-separated list. */
static bool has(const char *list, const char *item, size_t len, bool any_case)
{
    for (const char *at = list; *at; at += *at == ',') {
        at += strspn(at, " ");
        size_t n = strcspn(at, ",");
        size_t used = n;
        while (used && at[used - 1] == ' ')
            used--;
        if (used == len && (any_case ? strncasecmp(at, item, len) : memcmp(at, item, len)) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool origin_allowed(const struct request *rq, const char *origin)
{
    const char *list = setting(rq, SETTING_SERVER_API_CORS_ALLOWED_ORIGINS);
    return is_any(list) || has(list, origin, strlen(origin), false);
}

static bool headers_allowed(const struct request *rq, const char *requested)
{
    const char *list = setting(rq, SETTING_SERVER_API_CORS_ALLOWED_HEADERS);

    for (const char *at = requested; !is_any(list) && at && *at; at += *at == ',') {
        at += strspn(at, " ");
        size_t len = strcspn(at, ", ");
        if (!has(list, at, len, true) && !has(safe_headers, at, len, true))
            return false;
        at += strcspn(at, ",");
    }
    return true;
}

static void allow_origin(struct request *rq, const char *origin)
{
    bool any = is_any(setting(rq, SETTING_SERVER_API_CORS_ALLOWED_ORIGINS));

    if (any || origin_allowed(rq, origin))
        reply_header(rq, "Access-Control-Allow-Origin", any ? "*" : origin);
    if (!any)
        reply_header(rq, "Vary", "Origin");
}

bool cors_answer_preflight(struct request *rq)
{
    const char *origin = request_header(rq, "Origin");
    const char *method = request_header(rq, "Access-Control-Request-Method");
    const char *headers = request_header(rq, "Access-Control-Request-Headers");
    const char *methods = setting(rq, SETTING_SERVER_API_CORS_ALLOWED_METHODS);

    if (rq->method != METHOD_COUNT || !origin || !method)
        return false;
    if (is_any(methods))
        methods = all_methods;
    reply_header(rq, "Access-Control-Allow-Methods", methods);
    reply_header(rq, "Access-Control-Max-Age", "600");
    const char *listed = setting(rq, SETTING_SERVER_API_CORS_ALLOWED_HEADERS);
    if (!is_any(listed))
        headers = arena_printf(&rq->work.arena, "%s,%s", safe_headers, listed);
    if (headers)
        reply_header(rq, "Access-Control-Allow-Headers", headers);
    const char *failed = arena_printf(
        &rq->work.arena, "%s%s%s", origin_allowed(rq, origin) ? "" : ", origin",
        has(methods, method, strlen(method), false) ? "" : ", method",
        headers_allowed(rq, request_header(rq, "Access-Control-Request-Headers")) ? ""
                                                                                  : ", headers");
    const char *text =
        *failed ? arena_printf(&rq->work.arena, "Disallowed CORS %s", failed + 2) : "OK";
    rq->reply.content_type = "text/plain; charset=utf-8";
    buf_add(&rq->reply.body, text, strlen(text));
    rq->reply.status = *failed ? 400 : 200;
    return true;
}

void cors_finish(struct request *rq)
{
    const char *origin = request_header(rq, "Origin");

    if (origin)
        allow_origin(rq, origin);
}
