#include "worker/io/uv_curl.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/buf.h"
#include "shared/base/fault.h"

enum {
    CONNECT_TIMEOUT_MS = 5000,
    FIRST_PAUSE_MS = 100,
    LAST_PAUSE_MS = 3000,
    RETRY_AFTER_MAX_S = 60,
    CONNECTIONS_MAX = 4,
};

struct http {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct curl_slist *headers;
    struct http_call *calls;
    int open_handles; /* the timer and one per socket of curl */
    bool closing;
};

/* A socket of curl that the loop watches. */
struct watch {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t fd;
};

struct http_call {
    struct http *http;
    struct http_call *next, **link;
    struct http_request rq;
    CURL *easy;
    struct curl_slist *headers; /* those of the client and Content-Type */
    uv_timer_t pause;
    struct buf reply;
    struct err err;
    int tries_used;
};

static void finish(struct http_call *call, int status);

/* ---- curl asks, the loop watches ---- */

static void release_http(struct http *h)
{
    if (!h->closing || --h->open_handles)
        return;
    curl_slist_free_all(h->headers);
    free(h);
}

static void on_timer_closed(uv_handle_t *handle)
{
    release_http(handle->data);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct http *h = w->http;

    free(w);
    if (h->closing)
        release_http(h);
    else
        h->open_handles--;
}

/* Hands finished transfers back.  Callbacks may send and cancel, so the queue is read anew each
 * time. */
static void collect(struct http *h)
{
    CURLMsg *message;
    int left;

    while (!h->closing && (message = curl_multi_info_read(h->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct http_call *call;
        long status = 0;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        curl_multi_remove_handle(h->multi, call->easy);
        if (call->reply.full) {
            err_set(&call->err, TOO_LARGE, "%s: the answer has more than %zu bytes", call->rq.url,
                    call->rq.reply_max_bytes);
        } else if (code) {
            status = 0;
            err_set(&call->err, NETWORK, "%s: %s", call->rq.url, curl_easy_strerror(code));
        }
        finish(call, (int)status);
    }
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct http *h = w->http;
    int running, what = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                        (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0) |
                        (status < 0 ? CURL_CSELECT_ERR : 0);

    curl_multi_socket_action(h->multi, w->fd, what, &running);
    collect(h);
}

static void on_timer(uv_timer_t *timer)
{
    struct http *h = timer->data;
    int running;

    curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(h);
}

static int want_timer(CURLM *multi, long timeout_ms, void *http)
{
    struct http *h = http;

    (void)multi;
    if (h->closing)
        return 0;
    if (timeout_ms < 0)
        uv_timer_stop(&h->timer);
    else
        uv_timer_start(&h->timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static struct watch *new_watch(struct http *h, curl_socket_t fd)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (!w || uv_poll_init_socket(h->loop, &w->poll, fd)) {
        free(w);
        return NULL;
    }
    w->http = h;
    w->fd = fd;
    w->poll.data = w;
    h->open_handles++;
    curl_multi_assign(h->multi, fd, w);
    return w;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *http, void *watch)
{
    struct http *h = http;
    struct watch *w = watch;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            curl_multi_assign(h->multi, fd, NULL);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        }
        return 0;
    }
    if (!w && !(w = new_watch(h, fd)))
        return -1;
    int events =
        (what != CURL_POLL_OUT ? UV_READABLE : 0) | (what != CURL_POLL_IN ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_socket);
}

struct http *http_new(uv_loop_t *loop, const char *authorization)
{
    struct http *h = calloc(1, sizeof(*h));
    if (!h || !(h->multi = curl_multi_init())) {
        free(h);
        return NULL;
    }
    h->loop = loop;
    h->headers = curl_slist_append(NULL, "Expect:");
    if (authorization) {
        struct buf line = {.max_bytes = 4096};
        buf_lit(&line, "Authorization: ");
        buf_add(&line, authorization, strlen(authorization) + 1);
        if (!line.full)
            h->headers = curl_slist_append(h->headers, line.bytes);
        buf_free(&line);
    }
    uv_timer_init(loop, &h->timer);
    h->timer.data = h;
    h->open_handles = 1;
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
    return h;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    while (h->calls)
        http_cancel(h->calls);
    h->closing = true;
    curl_multi_cleanup(h->multi); /* closes idle connections, which gives the watches back */
    uv_close((uv_handle_t *)&h->timer, on_timer_closed);
}

/* ---- one request ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct http_call *call = ctx;

    buf_add(&call->reply, bytes, size * count);
    return call->reply.full ? 0 : size * count;
}

static void start_try(struct http_call *call)
{
    CURL *e = call->easy;
    const struct http_request *rq = &call->rq;

    call->tries_used++;
    buf_free(&call->reply);
    call->err = (struct err){0};
    curl_easy_setopt(e, CURLOPT_URL, FAULT("http.connect") ? "http://127.0.0.1:1/" : rq->url);
    curl_multi_add_handle(call->http->multi, e);
}

static void on_pause_over(uv_timer_t *timer)
{
    start_try(timer->data);
}

static void on_call_closed(uv_handle_t *handle)
{
    struct http_call *call = handle->data;

    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    buf_free(&call->reply);
    free(call);
}

static void unlink_call(struct http_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
}

static bool worth_another_try(const struct http_call *call, int status)
{
    if (call->rq.tries && call->tries_used >= call->rq.tries)
        return false;
    return (status == 0 && call->err.code == ERR_NETWORK) || status == 408 || status == 429 ||
           status == 502 || status == 503 || status == 504;
}

int64_t http_pause_ms(int tries_used, int64_t retry_after_s, uint32_t random)
{
    if (retry_after_s > 0)
        return (retry_after_s < RETRY_AFTER_MAX_S ? retry_after_s : RETRY_AFTER_MAX_S) * 1000 +
               random % FIRST_PAUSE_MS;
    int64_t pause_ms = FIRST_PAUSE_MS;
    for (int i = 1; i < tries_used && pause_ms < LAST_PAUSE_MS; i++)
        pause_ms *= 2;
    if (pause_ms > LAST_PAUSE_MS)
        pause_ms = LAST_PAUSE_MS;
    return pause_ms / 2 + random % (pause_ms / 2 + 1);
}

static void finish(struct http_call *call, int status)
{
    if (worth_another_try(call, status)) {
        curl_off_t retry_after_s = 0;
        uint32_t random = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        uv_random(NULL, NULL, &random, sizeof(random), 0, NULL);
        int64_t pause_ms = http_pause_ms(call->tries_used, status ? retry_after_s : 0, random);
        uv_timer_start(&call->pause, on_pause_over, (uint64_t)pause_ms, 0);
        return;
    }
    bool too_large = call->reply.full;
    call->reply.full = false;
    call->reply.max_bytes++;
    buf_add(&call->reply, "", 1);
    struct http_reply reply = {
        .status = too_large ? 0 : status,
        .body = call->reply.len ? call->reply.bytes : "",
        .len = call->reply.len ? call->reply.len - 1 : 0,
        .err = &call->err,
    };
    unlink_call(call); /* first: `done` may free the client */
    call->rq.done(call->rq.ctx, &reply);
    uv_close((uv_handle_t *)&call->pause, on_call_closed);
}

static bool set_options(struct http_call *call)
{
    CURL *e = call->easy;
    const struct http_request *rq = &call->rq;
    char type[128];

    for (struct curl_slist *l = call->http->headers; l; l = l->next)
        call->headers = curl_slist_append(call->headers, l->data);
    if (rq->body) {
        snprintf(type, sizeof(type), "Content-Type: %s",
                 rq->content_type ? rq->content_type : "application/json");
        call->headers = curl_slist_append(call->headers, type);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, rq->body);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)rq->body_len);
    }
    curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, rq->method);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, call->headers);
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 16384L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_USERAGENT, "switchyard-worker/" VERSION);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    return curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)rq->timeout_ms) == CURLE_OK;
}

struct http_call *http_send(struct http *h, const struct http_request *rq)
{
    struct http_call *call = calloc(1, sizeof(*call));
    if (!call || !(call->easy = curl_easy_init())) {
        free(call);
        return NULL;
    }
    call->http = h;
    call->rq = *rq;
    call->reply.max_bytes = rq->reply_max_bytes;
    uv_timer_init(h->loop, &call->pause);
    call->pause.data = call;
    call->next = h->calls;
    call->link = &h->calls;
    if (h->calls)
        h->calls->link = &call->next;
    h->calls = call;
    set_options(call);
    start_try(call);
    return call;
}

void http_cancel(struct http_call *call)
{
    if (!call)
        return;
    curl_multi_remove_handle(call->http->multi, call->easy);
    unlink_call(call);
    uv_close((uv_handle_t *)&call->pause, on_call_closed);
}
