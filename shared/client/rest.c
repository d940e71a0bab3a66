#include "shared/client/rest.h"

#include "shared/base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_BYTES = 320, NAMED_FAULTS = 3 };

static const struct {
    int status;
    enum err_code code;
} codes[] = {
    {400, ERR_INVALID},   {401, ERR_AUTH},    {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND},
    {405, ERR_METHOD},    {408, ERR_BUSY},    {409, ERR_CONFLICT},  {410, ERR_GONE},
    {413, ERR_TOO_LARGE}, {422, ERR_INVALID}, {423, ERR_LOCKED},    {429, ERR_TOO_MANY},
    {502, ERR_NETWORK},   {503, ERR_BUSY},    {504, ERR_TIMEOUT},
};

static void release_json(void *value)
{
    json_decref(value);
}

static enum err_code code_of(int status)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].status == status)
            return codes[i].code;
    return ERR_INTERNAL;
}

/* "parameters.model: Field required", from one item of FastAPI's list. */
static void fault_words(json_t *item, struct buf *out)
{
    size_t i;
    json_t *part;

    json_array_foreach(json_object_get(item, "loc"), i, part)
    {
        char number[32];
        const char *word = json_string_value(part);
        if (json_is_integer(part)) {
            snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(part));
            word = number;
        }
        if (!word || (i == 0 && strcmp(word, "body") == 0))
            continue;
        if (out->len && out->bytes[out->len - 1] != ' ')
            buf_lit(out, ".");
        buf_add(out, word, strlen(word));
    }
    const char *msg = json_string_value(json_object_get(item, "msg"));
    if (out->len && out->bytes[out->len - 1] != ' ')
        buf_lit(out, ": ");
    buf_add(out, msg ? msg : "not valid", strlen(msg ? msg : "not valid"));
}

/* The server's reason, from any of the shapes it uses. */
static const char *reason_of(struct arena *a, const struct http_reply *r)
{
    json_t *body = json_loadb(r->body, r->len, JSON_DECODE_ANY, NULL);
    json_t *detail = json_object_get(body, "exception_detail");
    struct buf words = {.max_bytes = WORDS_BYTES};
    const char *text = NULL;

    if (!detail)
        detail = json_object_get(body, "detail");
    if (json_is_array(detail)) {
        size_t i;
        json_t *item;
        json_array_foreach(detail, i, item)
        {
            if (i == NAMED_FAULTS)
                break;
            if (i)
                buf_lit(&words, "; ");
            fault_words(item, &words);
        }
        text = arena_strndup(a, words.bytes ? words.bytes : "", words.len);
    } else if (json_is_string(detail)) {
        text = arena_strndup(a, json_string_value(detail), json_string_length(detail));
    } else if (json_is_string(json_object_get(body, "exception_message"))) {
        json_t *said = json_object_get(body, "exception_message");
        text = arena_strndup(a, json_string_value(said), json_string_length(said));
    }
    buf_free(&words);
    json_decref(body);
    return text && *text ? text : "no reason given";
}

static enum err_code refuse(struct rest *rest, const char *method, const char *path,
                            const struct http_reply *r)
{
    enum err_code code = code_of(r->status);
    const char *why = reason_of(rest->arena, r);
    const char *hint =
        code == ERR_AUTH ? ". Set SWITCHYARD_API_AUTH_STRING or SWITCHYARD_API_KEY" : "";

    if (r->status / 100 == 3)
        return err_set(rest->err, NETWORK,
                       "%s answers with a redirect: is the URL of the API right?",
                       http_client_url(rest->http));
    return err_set_at(rest->err, code, __FILE__, __LINE__, "%s%s (%d to %s %.120s)", why, hint,
                      r->status, method, path);
}

static enum err_code parse(struct rest *rest, const char *path, const struct http_reply *r,
                           json_t **out)
{
    json_error_t at;

    if (r->len == 0) {
        *out = json_null();
        return ERR_OK;
    }
    *out = json_loadb(r->body, r->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
    if (!*out)
        return err_set(rest->err, NETWORK,
                       "%s%.120s does not answer with JSON (%s): is this the URL of an API?",
                       http_client_url(rest->http), path, at.text);
    arena_defer(rest->arena, release_json, *out);
    return ERR_OK;
}

enum err_code rest_call(struct rest *rest, const char *method, const char *path, json_t *body,
                        json_t **out)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_request q = {
        .method = method, .path = path, .body = text, .body_len = text ? strlen(text) : 0};
    struct http_reply r;
    json_t *ignored;

    json_decref(body);
    enum err_code code = http_call(rest->http, &q, rest->arena, &r, rest->err);
    free(text);
    if (code)
        return code;
    rest->status = r.status;
    if (r.status / 100 != 2)
        return refuse(rest, method, path, &r);
    return parse(rest, path, &r, out ? out : &ignored);
}

enum err_code rest_get(struct rest *rest, const char *path, json_t **out)
{
    return rest_call(rest, "GET", path, NULL, out);
}

enum err_code rest_post(struct rest *rest, const char *path, json_t *body, json_t **out)
{
    return rest_call(rest, "POST", path, body, out);
}

static enum err_code exchange(struct rest *rest, const struct http_request *q)
{
    struct http_reply r;
    enum err_code code = http_call(rest->http, q, rest->arena, &r, rest->err);

    if (code)
        return code;
    rest->status = r.status;
    return r.status / 100 == 2 ? ERR_OK : refuse(rest, q->method, q->path, &r);
}

enum err_code rest_send_bytes(struct rest *rest, const char *path, const void *bytes, size_t len)
{
    return exchange(rest, &(struct http_request){.method = "PUT",
                                                 .path = path,
                                                 .body = bytes,
                                                 .body_len = len,
                                                 .content_type = "application/octet-stream"});
}

enum err_code rest_send_file(struct rest *rest, const char *path, const char *file)
{
    return exchange(rest, &(struct http_request){.method = "PUT",
                                                 .path = path,
                                                 .send_file = file,
                                                 .content_type = "application/octet-stream"});
}

enum err_code rest_save_file(struct rest *rest, const char *path, const char *file)
{
    return exchange(rest, &(struct http_request){.method = "GET", .path = path, .save_file = file});
}
