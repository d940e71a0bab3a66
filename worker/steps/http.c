/* http: one request to any server, for webhooks and small answers. */
#include <stdlib.h>
#include <string.h>

#include "worker/io/uv_curl.h"
#include "worker/steps.h"

enum { BODY_MAX_BYTES = 1 << 20 };

static const struct step_param params[] = {
    /* clang-format off */
    {"url",           FLOW_STRING,   true,  NULL,      "http:// or https://"},
    {"method",        FLOW_STRING,   false, "\"GET\"", "the method", "GET|POST|PUT|PATCH|DELETE"},
    {"body",          FLOW_ANY,      false, NULL,      "a text is sent as it is, anything else as JSON"},
    {"content_type",  FLOW_STRING,   false, NULL,      "of the body; default: application/json"},
    {"authorization", FLOW_STRING,   false, NULL,      "value of the header, `Bearer ...`"},
    {"timeout",       FLOW_DURATION, false, "30",      "of each try"},
    {"tries",         FLOW_INTEGER,  false, "3",       "how often, when the server does not answer or is busy"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"status", FLOW_INTEGER, "of the answer"},
    {"body", FLOW_STRING, "the answer, up to 1 MB"},
    {"json", FLOW_ANY, "the answer, if it is JSON"},
};

struct exchange {
    struct http *http;
    struct http_call *open;
    char *body;
};

static void free_body(void *object)
{
    free(((struct exchange *)object)->body);
}

static void end(struct step_call *call, enum err_code code)
{
    struct exchange *x = call->state;
    http_free(x->http);
    step_done(call, code);
}

static enum err_code judge(struct step_call *call, const struct http_reply *reply)
{
    const char *url = step_string(call, "url");
    int shown = (int)strcspn(url, "?"); /* the query may hold a secret */
    if (!reply->status)
        return err_set(&call->err, NETWORK, "%.*s: %s", shown, url, reply->err->detail);
    if (reply->err && reply->err->code)
        return err_set(&call->err, TOO_LARGE, "%.*s: the answer is larger than 1 MB", shown, url);
    if (reply->status >= 300)
        return err_set(&call->err, NETWORK, "%.*s answered %d: %.200s", shown, url, reply->status,
                       reply->body);
    return ERR_OK;
}

static void on_reply(void *ctx, const struct http_reply *reply)
{
    struct step_call *call = ctx;
    struct exchange *x = call->state;
    x->open = NULL;
    step_output(call, "status", json_integer(reply->status));
    json_t *text = reply->status ? json_stringn(reply->body, reply->len) : NULL;
    step_output(call, "body", text ? text : json_string(""));
    json_t *json =
        reply->status ? json_loadb(reply->body, reply->len, JSON_DECODE_ANY, NULL) : NULL;
    step_output(call, "json", json ? json : json_null());
    end(call, judge(call, reply));
}

static void start(struct step_call *call)
{
    struct exchange *x = arena_new(call->arena, struct exchange);
    json_t *body = json_object_get(call->with, "body");
    call->state = x;
    arena_defer(call->arena, free_body, x);
    if (body && !json_is_null(body) && !json_is_string(body))
        x->body = json_dumps(body, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *text = x->body ? x->body : json_string_value(body);
    x->http = http_new(call->loop, step_string(call, "authorization"));
    if (x->http)
        x->open =
            http_send(x->http, &(struct http_request){
                                   .method = step_string(call, "method"),
                                   .url = step_string(call, "url"),
                                   .content_type = step_string(call, "content_type"),
                                   .body = text,
                                   .body_len = text ? strlen(text) : 0,
                                   .reply_max_bytes = BODY_MAX_BYTES,
                                   .timeout_ms = (int64_t)(step_number(call, "timeout") * 1e3),
                                   .tries = (int)step_integer(call, "tries"),
                                   .done = on_reply,
                                   .ctx = call,
                               });
    if (!x->http)
        step_done(call, err_set(&call->err, INTERNAL, "out of memory"));
    else if (!x->open)
        end(call, err_set(&call->err, INTERNAL, "out of memory"));
}

static void cancel(struct step_call *call)
{
    struct exchange *x = call->state;
    if (!x->open)
        return; /* it has ended just now */
    http_cancel(x->open);
    x->open = NULL;
    end(call, err_set(&call->err, CANCELLED, "cancelled while waiting for the answer"));
}

const struct step http_step = {
    .schema = {.name = "http",
               .doc = "Sends one HTTP request; fails unless the answer is 2xx.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .start = start,
    .cancel = cancel,
};
