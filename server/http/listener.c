#include "server/http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/checks.h"
#include "server/http/cors.h"
#include "server/http/executor.h"
#include "server/http/reply.h"
#include "server/http/route.h"
#include "server/http/websocket.h"
#include "server/server.h"
#include "shared/base/clock.h"

enum { CONNECTIONS_MAX = 8192 };

struct listener {
    struct server *server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_async_t resumed;
    int open_handles;
    int quiesced_fd; /* -1 while listening */
    uint16_t port;
    atomic_size_t in_flight;
};

static void run_daemon(struct listener *l);

static struct request *request_new(struct listener *l, struct MHD_Connection *c, const char *method,
                                   const char *url)
{
    struct request *rq = calloc(1, sizeof(*rq));
    if (!rq)
        return NULL;
    rq->work.server = l->server;
    rq->connection = c;
    rq->started_us = clock_monotonic_us();
    rq->body.max_bytes = BODY_MAX_BYTES;
    rq->reply.body.max_bytes = REPLY_MAX_BYTES;
    rq->reply.file_fd = rq->body_fd = -1;
    rq->method = METHOD_COUNT;
    for (enum method m = 0; m < METHOD_COUNT; m++)
        if (strcmp(method_names[m], method) == 0)
            rq->method = m;
    rq->path = arena_strndup(&rq->work.arena, url, strlen(url));
    const char *encodings = request_header(rq, "Accept-Encoding");
    rq->accepts_gzip = encodings && strstr(encodings, "gzip");
    atomic_fetch_add(&l->in_flight, 1);
    return rq;
}

static void request_free(struct request *rq)
{
    struct listener *l = rq->work.server->listener;

    if (rq->route)
        route_count_reply(rq->route, rq->reply.status, clock_monotonic_us() - rq->started_us);
    arena_reset(&rq->work.arena);
    buf_free(&rq->body);
    buf_free(&rq->reply.body);
    if (rq->body_fd >= 0)
        close(rq->body_fd);
    free(rq);
    atomic_fetch_sub(&l->in_flight, 1);
}

/* The body belongs to libmicrohttpd from here on. */
static struct MHD_Response *make_response(struct request *rq)
{
    struct reply *r = &rq->reply;

    if (r->file_fd >= 0) {
        int fd = r->file_fd;
        r->file_fd = -1;
        return MHD_create_response_from_fd64(r->file_bytes, fd);
    }
    char *bytes = r->body.bytes;
    size_t len = r->body.len;
    r->body = (struct buf){.max_bytes = r->body.max_bytes};
    return MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_reply(struct request *rq)
{
    struct reply *r = &rq->reply;
    bool typed = r->status != 204 && (r->body.len || r->file_fd >= 0);
    bool close_after = rq->body.full || atomic_load(&rq->work.server->stopping);

    cors_finish(rq);
    struct MHD_Response *m = make_response(rq);
    if (typed)
        MHD_add_response_header(m, "Content-Type",
                                r->content_type ? r->content_type : "application/json");
    for (size_t i = 0; i < r->header_count; i++)
        MHD_add_response_header(m, r->headers[i].name, r->headers[i].value);
    if (close_after)
        MHD_add_response_header(m, "Connection", "close");
    enum MHD_Result ok = MHD_queue_response(rq->connection, (unsigned)r->status, m);
    MHD_destroy_response(m);
    return ok;
}

static void refuse(struct request *rq)
{
    reply_error(rq);
    rq->phase = REQUEST_READY;
}

static void hand_over(struct listener *l, struct request *rq)
{
    rq->phase = REQUEST_WORKING;
    MHD_suspend_connection(
        rq->connection); /* before submit: the answer may be faster than we are */
    if (rq->route->submit) {
        rq->work.now_us = clock_now_us();
        if (request_decode(rq) != ERR_OK) {
            reply_error(rq);
            request_finish(rq);
            return;
        }
        rq->route->submit(rq);
    } else if (executor_submit(l->server->executor, rq) != ERR_OK) {
        reply_error(rq);
        request_finish(rq);
    }
}

static void take_body(struct request *rq, const char *data, size_t size)
{
    if (rq->phase == REQUEST_READY)
        return; /* refused already: swallow */
    if (!rq->route || !(rq->route->flags & BODY_FILE)) {
        buf_add(&rq->body, data, size);
        return;
    }
    if (write(rq->body_fd, data, size) != (ssize_t)size) {
        (void)err_set(&rq->work.err, INTERNAL, "the body cannot be kept: %s", strerror(errno));
        refuse(rq);
    }
    rq->body_bytes += size;
}

static void open_body_file(struct request *rq)
{
    const char *spool = rq->work.server->config.spool;

    rq->body_fd = open(spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (rq->body_fd >= 0)
        return;
    (void)err_set(&rq->work.err, INTERNAL, "%s: %s", spool, strerror(errno));
    refuse(rq);
}

/* Headers are in. */
static enum MHD_Result begin(struct request *rq)
{
    if (checks_headers(rq) == ERR_OK) {
        if (rq->route->flags & BODY_FILE)
            open_body_file(rq);
        return MHD_YES;
    }
    if (rq->reply.status == 0)
        reply_error(rq);
    rq->phase = REQUEST_READY;
    return MHD_YES;
}

/* Called when headers are in, for each piece of the body, at the end of the body, and once more
 * after request_finish(). */
/* NOLINTNEXTLINE(readability-function-size): the library gives it eight parameters */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct listener *l = cls;
    struct request *rq = *state;
    (void)version;

    if (!rq) {
        *state = rq = request_new(l, c, method, url);
        return rq ? begin(rq) : MHD_NO;
    }
    if (*size) {
        take_body(rq, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (rq->phase == REQUEST_READING && rq->body.full) {
        (void)err_set(&rq->work.err, TOO_LARGE, "the body is larger than %d bytes", BODY_MAX_BYTES);
        refuse(rq);
    }
    if (rq->phase == REQUEST_READY)
        return send_reply(rq);
    if (rq->phase == REQUEST_READING && (rq->route->flags & UPGRADE))
        return websocket_upgrade(rq) ? MHD_YES : send_reply(rq);
    if (rq->phase == REQUEST_READING)
        hand_over(l, rq);
    return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)c, (void)why;
    if (*state)
        request_free(*state);
    *state = NULL;
}

void request_finish(struct request *rq)
{
    struct listener *l = rq->work.server->listener;

    rq->phase = REQUEST_READY;
    MHD_resume_connection(rq->connection);
    uv_async_send(&l->resumed);
}

/* ---- the loop ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    run_daemon(poll->data);
}

static void on_resumed(uv_async_t *async)
{
    run_daemon(async->data);
}

static void on_timer(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void run_daemon(struct listener *l)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(l->daemon);
    if (MHD_get_timeout(l->daemon, &wait_ms) != MHD_YES)
        uv_timer_stop(&l->timer);
    else
        uv_timer_start(&l->timer, on_timer, wait_ms, 0);
}

static size_t keep_escapes(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls, (void)c;
    return strlen(s); /* paths are matched before they are decoded */
}

static enum err_code open_socket(const char *address, struct err *e, int *out_fd)
{
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    char host[256];

    if (!colon || (size_t)(colon - address) >= sizeof(host))
        return err_set(e, INVALID, "--listen %s: expected HOST:PORT", address);
    bool bracketed = address[0] == '[' && colon[-1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address) - 2 * bracketed,
             address + bracketed);
    int rc = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &found);
    if (rc)
        return err_set(e, INVALID, "--listen %s: %s", address, gai_strerror(rc));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, 1024)) {
        (void)err_set(e, CONFLICT, "--listen %s: %s%s", address, strerror(errno),
                      errno == EADDRINUSE ? "; stop what listens there or choose another port"
                                          : "");
        freeaddrinfo(found);
        if (fd >= 0)
            close(fd);
        return ERR_CONFLICT;
    }
    freeaddrinfo(found);
    *out_fd = fd;
    return ERR_OK;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {.v6 = {0}};
    socklen_t len = sizeof(at);

    if (getsockname(fd, &at.any, &len))
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

static void attach(struct listener *l, uv_loop_t *loop)
{
    int epoll_fd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

    uv_poll_init(loop, &l->poll, epoll_fd);
    uv_timer_init(loop, &l->timer);
    uv_async_init(loop, &l->resumed, on_resumed);
    l->poll.data = l->timer.data = l->resumed.data = l;
    l->open_handles = 3;
    uv_poll_start(&l->poll, UV_READABLE, on_poll);
}

/* libmicrohttpd counts whole seconds, 0 would be for ever. */
static unsigned idle_timeout_s(const struct server *server)
{
    int64_t s = settings_int(&server->config.settings, SETTING_SERVER_API_KEEPALIVE_TIMEOUT);

    return (unsigned)(s < 1 ? 1 : s > 86400 ? 86400 : s);
}

enum err_code listener_start(struct server *server, struct err *e, struct listener **out)
{
    struct listener *l = calloc(1, sizeof(*l));
    int fd;

    if (!l)
        abort();
    enum err_code rc = open_socket(server->config.listen, e, &fd);
    if (rc) {
        free(l);
        return rc;
    }
    l->server = server;
    l->port = port_of(fd);
    l->quiesced_fd = -1;
    l->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
                                     MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG,
                                 0, NULL, NULL, on_request, l, MHD_OPTION_NOTIFY_COMPLETED,
                                 on_completed, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
                                 MHD_OPTION_CONNECTION_TIMEOUT, idle_timeout_s(server),
                                 MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_END);
    if (!l->daemon) {
        close(fd);
        free(l);
        return err_set(e, INTERNAL, "libmicrohttpd cannot start");
    }
    attach(l, &server->loop);
    *out = l;
    return ERR_OK;
}

void listener_poke(struct listener *l)
{
    uv_async_send(&l->resumed);
}

void listener_quiesce(struct listener *l)
{
    if (l->quiesced_fd < 0)
        l->quiesced_fd = MHD_quiesce_daemon(l->daemon);
}

size_t listener_in_flight(struct listener *l)
{
    return atomic_load(&l->in_flight);
}

size_t listener_connections(struct listener *l)
{
    return MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections;
}

uint16_t listener_port(struct listener *l)
{
    return l->port;
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    if (--l->open_handles == 0)
        free(l);
}

void listener_stop(struct listener *l)
{
    uv_poll_stop(&l->poll);
    MHD_stop_daemon(l->daemon);
    if (l->quiesced_fd >= 0)
        close(l->quiesced_fd);
    uv_close((uv_handle_t *)&l->poll, on_closed);
    uv_close((uv_handle_t *)&l->timer, on_closed);
    uv_close((uv_handle_t *)&l->resumed, on_closed);
}
