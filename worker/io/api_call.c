#include "worker/io/api_call.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TRIES = 30,
    FIRST_PAUSE_MS = 100,
    PAUSE_MAX_MS = 5000,
    CONNECT_TIMEOUT_S = 10,
    STALL_S = 60
};

struct request {
    const struct api *api;
    const char *method, *path, *content_type, *body;
    size_t body_len;
    struct buf *reply;
};

static bool is_cancelled(const struct api *api)
{
    return api->cancelled && atomic_load(api->cancelled);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *reply)
{
    struct buf *b = reply;
    buf_add(b, bytes, size * count);
    return b->full ? 0 : size * count;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct request *rq = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return is_cancelled(rq->api);
}

/* Sleeps in slices, so that a cancelled request ends soon. */
static void pause_ms(const struct api *api, int ms)
{
    for (; ms > 0 && !is_cancelled(api); ms -= 50)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *name, const char *value)
{
    char line[4096];
    int len = snprintf(line, sizeof line, "%s: %s", name, value);
    return len > 0 && (size_t)len < sizeof line ? curl_slist_append(list, line) : list;
}

static void set_options(CURL *curl, const struct request *rq, const char *url,
                        struct curl_slist *headers)
{
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, rq->method);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, rq->body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "switchyard-worker/" VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, rq);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, rq->reply);
}

static bool may_pass(const struct request *rq, CURLcode rc, long status)
{
    if (rq->reply->full || is_cancelled(rq->api))
        return false;
    if (rc)
        return rc != CURLE_URL_MALFORMAT && rc != CURLE_UNSUPPORTED_PROTOCOL;
    return status == 408 || status == 429 || (status >= 502 && status <= 504);
}

/* Tries until there is an answer; *out_status is 0 when there is none. */
static CURLcode transfer(CURL *curl, const struct request *rq, long *out_status)
{
    int pause = FIRST_PAUSE_MS;
    for (int attempt = 1;; attempt++) {
        *out_status = 0;
        rq->reply->len = 0;
        CURLcode rc = is_cancelled(rq->api) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, out_status);
        if (attempt == TRIES || !may_pass(rq, rc, *out_status))
            return rc;
        pause_ms(rq->api, pause);
        pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
    }
}

static enum err_code refuse(const struct request *rq, long status, struct err *e)
{
    static const struct {
        long status;
        enum err_code code;
    } codes[] = {{401, ERR_AUTH},
                 {403, ERR_FORBIDDEN},
                 {404, ERR_NOT_FOUND},
                 {409, ERR_CONFLICT},
                 {413, ERR_TOO_LARGE}};
    enum err_code code = status >= 500 ? ERR_NETWORK : ERR_INVALID;
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].status == status)
            code = codes[i].code;
    return err_set_at(e, code, __FILE__, __LINE__, "%s %s was answered with %ld: %.*s", rq->method,
                      rq->path, status, (int)(rq->reply->len < 200 ? rq->reply->len : 200),
                      rq->reply->bytes ? rq->reply->bytes : "");
}

static enum err_code judge(const struct request *rq, CURLcode rc, long status, struct err *e)
{
    if (rq->reply->full)
        return err_set(e, TOO_LARGE, "%s %s: the answer has more than %zu bytes", rq->method,
                       rq->path, rq->reply->max_bytes);
    if (is_cancelled(rq->api))
        return err_set(e, CANCELLED, "%s %s was cancelled", rq->method, rq->path);
    if (rc)
        return err_set(e, NETWORK, "%s %s: %s", rq->method, rq->path, curl_easy_strerror(rc));
    return status >= 200 && status < 300 ? ERR_OK : refuse(rq, status, e);
}

static enum err_code perform(const struct request *rq, struct err *e)
{
    CURL *curl = curl_easy_init();
    size_t size = strlen(rq->api->url) + strlen(rq->path) + 1;
    char *url = malloc(size);
    if (!curl || !url) {
        curl_easy_cleanup(curl);
        free(url);
        return err_set(e, INTERNAL, "%s %s: out of memory", rq->method, rq->path);
    }
    long status = 0;
    struct curl_slist *headers = add_header(NULL, "Content-Type", rq->content_type);
    headers = add_header(headers, "Expect", "");
    if (rq->api->authorization)
        headers = add_header(headers, "Authorization", rq->api->authorization);
    snprintf(url, size, "%s%s", rq->api->url, rq->path);
    set_options(curl, rq, url, headers);
    CURLcode rc = transfer(curl, rq, &status);
    enum err_code code = judge(rq, rc, status, e);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    free(url);
    return code;
}

/* The answer as JSON. */
static enum err_code ask(const struct request *rq, json_t **out, struct err *e)
{
    const struct buf *reply = rq->reply;
    json_error_t where;
    enum err_code code = perform(rq, e);
    if (code)
        return code;
    json_t *root =
        json_loadb(reply->bytes ? reply->bytes : "", reply->len, JSON_DECODE_ANY, &where);
    if (!root)
        return err_set(e, INVALID, "%s %s: the answer is not JSON: %s", rq->method, rq->path,
                       where.text);
    *out = root;
    return ERR_OK;
}

enum err_code api_post(const struct api *api, const char *path, const json_t *body,
                       size_t reply_max_bytes, json_t **out, struct err *e)
{
    struct buf reply = {.max_bytes = reply_max_bytes};
    char *text = json_dumps(body, JSON_COMPACT);
    if (!text)
        return err_set(e, INTERNAL, "POST %s: the body cannot be written as JSON", path);
    struct request rq = {api, "POST", path, "application/json", text, strlen(text), &reply};
    enum err_code code = ask(&rq, out, e);
    buf_free(&reply);
    free(text);
    return code;
}

enum err_code api_get(const struct api *api, const char *path, size_t reply_max_bytes, json_t **out,
                      struct err *e)
{
    struct buf reply = {.max_bytes = reply_max_bytes};
    struct request rq = {api, "GET", path, "application/json", "", 0, &reply};
    enum err_code code = ask(&rq, out, e);
    buf_free(&reply);
    return code;
}

enum err_code api_put(const struct api *api, const char *path, const struct buf *bytes,
                      struct err *e)
{
    struct buf reply = {.max_bytes = 64 << 10};
    struct request rq = {
        api,        "PUT", path, "application/octet-stream", bytes->bytes ? bytes->bytes : "",
        bytes->len, &reply};
    enum err_code code = perform(&rq, e);
    buf_free(&reply);
    return code;
}
