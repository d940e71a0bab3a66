#include "shared/client/http.h"

#include "shared/base/buf.h"
#include "shared/base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    TRIES = 6,
    CONNECT_TIMEOUT_MS = 5000,
    DEFAULT_TIMEOUT_MS = 60000,
    FIRST_PAUSE_MS = 200,
    MAX_PAUSE_MS = 5000,
    MAX_RETRY_AFTER_MS = 30000,
    STALL_BYTES_PER_S = 1, /* a file that does not move at all for STALL_S has stalled */
    STALL_S = 60,
    URL_BYTES = 2048,
    TEXT_BYTES = 256,
};

struct http_client {
    CURL *curl;
    char *url, *basic, *bearer, *agent;
    int64_t timeout_ms, patience_ms;
    size_t max_reply_bytes;
    uint32_t jitter;
};

/* One attempt: where its reply goes. */
struct attempt {
    CURL *curl;
    struct buf body;
    FILE *send, *save;
    bool disk_full;
};

bool http_global_init(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static char *copy(const char *text)
{
    return text ? strdup(text) : NULL;
}

struct http_client *http_client_new(const struct http_options *o)
{
    struct http_client *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->curl = curl_easy_init();
    c->url = strdup(o->base_url);
    c->basic = copy(o->basic);
    c->bearer = copy(o->bearer);
    c->agent = strdup(o->user_agent ? o->user_agent : "switchyard/" VERSION);
    c->timeout_ms = o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT_MS;
    c->patience_ms = o->patience_ms;
    c->max_reply_bytes = o->max_reply_bytes ? o->max_reply_bytes : 16u << 20;
    c->jitter = (uint32_t)clock_monotonic_us() ^ (uint32_t)getpid();
    if (!c->curl || !c->url || !c->agent || (o->basic && !c->basic) || (o->bearer && !c->bearer)) {
        http_client_free(c);
        return NULL;
    }
    size_t len = strlen(c->url);
    while (len && c->url[len - 1] == '/')
        c->url[--len] = '\0';
    return c;
}

void http_client_free(struct http_client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    free(c->url);
    free(c->basic);
    free(c->bearer);
    free(c->agent);
    free(c);
}

void http_client_patience(struct http_client *c, int64_t patience_ms)
{
    c->patience_ms = patience_ms;
}

const char *http_client_url(const struct http_client *c)
{
    return c->url;
}

const char *http_escape(struct arena *a, const char *text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_array(a, char, 3 * strlen(text) + 1), *p = out;

    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
                     (*s >= 'A' && *s <= 'Z') || strchr("-._~", *s);
        if (plain) {
            *p++ = (char)*s;
        } else {
            *p++ = '%';
            *p++ = hex[*s >> 4];
            *p++ = hex[*s & 15];
        }
    }
    return out;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct attempt *t = ctx;
    long status = 0;

    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->save && status / 100 == 2) {
        t->disk_full = fwrite(bytes, size, n, t->save) != n;
        return t->disk_full ? 0 : size * n;
    }
    buf_add(&t->body, bytes, size * n);
    return t->body.full ? 0 : size * n;
}

static int on_rewind(void *ctx, curl_off_t offset, int origin)
{
    return fseeko(ctx, offset, origin) == 0 ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t on_read(char *bytes, size_t size, size_t n, void *file)
{
    return fread(bytes, size, n, file);
}

static enum err_code send_body(struct http_client *c, const struct http_request *q,
                               struct attempt *t, struct err *e)
{
    struct stat st;

    if (!q->send_file) {
        if (q->body || strcmp(q->method, "GET") != 0) {
            curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, q->body ? q->body : "");
            curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
        }
        return ERR_OK;
    }
    t->send = fopen(q->send_file, "rb");
    if (!t->send || fstat(fileno(t->send), &st) != 0)
        return err_set(e, IO, "%s cannot be read: %s", q->send_file, strerror(errno));
    curl_easy_setopt(c->curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(c->curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(c->curl, CURLOPT_READDATA, t->send);
    curl_easy_setopt(c->curl, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(c->curl, CURLOPT_SEEKDATA, t->send);
    curl_easy_setopt(c->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)st.st_size);
    return ERR_OK;
}

static struct curl_slist *headers_of(const struct http_client *c, const struct http_request *q)
{
    char line[1024];
    struct curl_slist *list = curl_slist_append(NULL, "Expect:");

    if (q->body || q->send_file) {
        snprintf(line, sizeof(line), "Content-Type: %s",
                 q->content_type ? q->content_type : "application/json");
        list = curl_slist_append(list, line);
    }
    if (c->bearer) {
        snprintf(line, sizeof(line), "Authorization: Bearer %s", c->bearer);
        list = curl_slist_append(list, line);
    }
    return list;
}

static void set_options(struct http_client *c, const struct http_request *q, struct attempt *t,
                        const char *url)
{
    CURL *h = c->curl;
    bool file = q->send_file || q->save_file;

    curl_easy_setopt(h, CURLOPT_URL, url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_USERAGENT, c->agent);
    curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    if (file) {
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S);
        curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    } else {
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->timeout_ms);
    }
    if (c->basic && !c->bearer) {
        curl_easy_setopt(h, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(h, CURLOPT_USERPWD, c->basic);
    }
}

static bool unreached(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_PARTIAL_FILE || code == CURLE_OPERATION_TIMEDOUT;
}

static enum err_code explain(const struct http_client *c, const struct attempt *t, CURLcode code,
                             const char *text, struct err *e)
{
    const char *why = text[0] ? text : curl_easy_strerror(code);

    if (t->disk_full)
        return err_set(e, IO, "the reply cannot be written to disk: %s", strerror(errno));
    if (code == CURLE_WRITE_ERROR)
        return err_set(e, TOO_LARGE, "the reply of %s is larger than %zu bytes", c->url,
                       c->max_reply_bytes);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return err_set(
            e, NETWORK,
            "cannot reach %s: %s. Start a server with `switchyard server start`, or name "
            "another one with --server or SWITCHYARD_API_URL",
            c->url, why);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(e, TIMEOUT, "%s did not answer in time: %s", c->url, why);
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return err_set(e, NETWORK,
                       "%s is not a URL that can be used: expected http://HOST:PORT/api", c->url);
    return err_set(e, NETWORK, "the connection to %s broke: %s", c->url, why);
}

/* Runs the request once.  On ERR_OK out_status is set; the body stays in t. */
static enum err_code attempt_once(struct http_client *c, const struct http_request *q,
                                  struct attempt *t, CURLcode *out_code, struct err *e)
{
    char url[URL_BYTES], text[CURL_ERROR_SIZE] = "";

    if ((size_t)snprintf(url, sizeof(url), "%s%s", c->url, q->path) >= sizeof(url))
        return err_set(e, INVALID, "the URL is longer than %d bytes", URL_BYTES);
    curl_easy_reset(c->curl);
    set_options(c, q, t, url);
    enum err_code code = send_body(c, q, t, e);
    if (code)
        return code;

    struct curl_slist *headers = headers_of(c, q);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, text);
    *out_code = curl_easy_perform(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    return *out_code == CURLE_OK ? ERR_OK : explain(c, t, *out_code, text, e);
}

static void pause_ms(struct http_client *c, int64_t ms)
{
    c->jitter = c->jitter * 1664525u + 1013904223u;
    ms = ms * 3 / 4 + ms / 2 * (int64_t)(c->jitter >> 16) / 65536;
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

static bool busy(int status)
{
    return status == 408 || status == 429 || status == 502 || status == 503;
}

static int64_t pause_for(struct http_client *c, int tries, int status)
{
    curl_off_t after_s = 0;
    int64_t ms = FIRST_PAUSE_MS;

    for (int i = 1; i < tries && ms < MAX_PAUSE_MS; i++)
        ms *= 2;
    if (status && curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK &&
        after_s > 0)
        ms = after_s * 1000;
    int64_t most = after_s > 0 ? MAX_RETRY_AFTER_MS : MAX_PAUSE_MS;
    return ms < most ? ms : most;
}

static enum err_code open_save(const struct http_request *q, struct arena *a, struct attempt *t,
                               const char **out_part, struct err *e)
{
    *out_part = NULL;
    if (!q->save_file)
        return ERR_OK;
    const char *part = arena_printf(a, "%s.part", q->save_file);
    t->save = fopen(part, "wb");
    if (!t->save)
        return err_set(e, IO, "%s cannot be written: %s", part, strerror(errno));
    *out_part = part;
    return ERR_OK;
}

static enum err_code keep_save(const char *part, const char *path, long status, struct attempt *t,
                               struct err *e)
{
    bool whole = fclose(t->save) == 0;

    t->save = NULL;
    if (status / 100 != 2) {
        unlink(part);
        return ERR_OK;
    }
    if (!whole || rename(part, path) != 0)
        return err_set(e, IO, "%s cannot be written: %s", path, strerror(errno));
    return ERR_OK;
}

/* One try with its files and buffers. */
static enum err_code try_once(struct http_client *c, const struct http_request *q, struct arena *a,
                              struct http_reply *out, CURLcode *out_curl, struct err *e)
{
    struct attempt t = {.curl = c->curl, .body = {.max_bytes = c->max_reply_bytes}};
    const char *part = NULL;
    long status = 0;

    enum err_code code = open_save(q, a, &t, &part, e);
    if (!code)
        code = attempt_once(c, q, &t, out_curl, e);
    if (!code) {
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
        if (part)
            code = keep_save(part, q->save_file, status, &t, e);
    } else if (part) {
        unlink(part);
    }
    if (!code)
        *out = (struct http_reply){(int)status,
                                   arena_strndup(a, t.body.bytes ? t.body.bytes : "", t.body.len),
                                   t.body.len};
    if (t.send)
        fclose(t.send);
    if (t.save)
        fclose(t.save);
    buf_free(&t.body);
    return code;
}

enum err_code http_call(struct http_client *c, const struct http_request *q, struct arena *a,
                        struct http_reply *out, struct err *e)
{
    int64_t give_up_us = clock_monotonic_us() + c->patience_ms * 1000;

    for (int tries = 1;; tries++) {
        CURLcode curl_code = CURLE_OK;
        struct http_reply reply = {0};
        enum err_code code = try_once(c, q, a, &reply, &curl_code, e);
        bool again = code ? unreached(curl_code) && clock_monotonic_us() < give_up_us
                          : busy(reply.status) && tries < TRIES;
        if (!again) {
            if (!code)
                *out = reply;
            return code;
        }
        pause_ms(c, pause_for(c, tries, reply.status));
    }
}
