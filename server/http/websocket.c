#include "server/http/websocket.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "server/http/auth.h"
#include "server/http/listener.h"
#include "server/http/reply.h"
#include "server/http/route.h"
#include "server/server.h"

enum { HOLDS_MAX = 1000 };

enum ws_phase { WS_AUTH, WS_OPEN, WS_CLOSING };

struct websocket {
    struct websocket *next, **at; /* list of all, in struct server */
    struct server *server;
    const struct websocket_kind *kind;
    struct MHD_UpgradeResponseHandle *upgraded;
    wslay_event_context_ptr frames;
    uv_poll_t poll;
    uv_timer_t pinger;
    int fd, handles;
    int holds;
    enum ws_phase phase;
    bool broken, heard, busy, crowded;
    bool asked; /* a ping was sent and its time to be answered runs */
    void *state;
    struct arena arena; /* params */
    const char *params[PATH_PARAMS_MAX];
    struct buf early; /* bytes that came with the upgrade request */
    size_t early_used;
    struct buf out; /* frames not yet written */
    size_t out_used;
};

static void pump(struct websocket *ws);

/* ---- bytes <-> wslay ---- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    struct websocket *ws = user;
    size_t early = ws->early.len - ws->early_used;
    (void)flags;

    if (early) {
        size_t n = early < len ? early : len;
        memcpy(bytes, ws->early.bytes + ws->early_used, n);
        ws->early_used += n;
        return (ssize_t)n;
    }
    bool full = ws->holds >= HOLDS_MAX; /* what was read first has to be done first */
    ssize_t n = full ? -1 : recv(ws->fd, bytes, len, 0);
    if (n > 0)
        return n;
    bool later = full || (n < 0 && (errno == EAGAIN || errno == EINTR));
    wslay_event_set_error(ctx, later ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    ws->broken = ws->broken || !later;
    return -1;
}

/* wslay gives header and payload in separate calls; they leave together in flush(). */
static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *bytes, size_t len, int flags,
                       void *user)
{
    struct websocket *ws = user;
    (void)flags;

    buf_add(&ws->out, bytes, len);
    if (!ws->out.full)
        return (ssize_t)len;
    ws->broken = true;
    wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void flush(struct websocket *ws)
{
    while (ws->out_used < ws->out.len) {
        ssize_t n =
            send(ws->fd, ws->out.bytes + ws->out_used, ws->out.len - ws->out_used, MSG_NOSIGNAL);
        if (n < 0) {
            ws->broken = ws->broken || (errno != EAGAIN && errno != EINTR);
            return;
        }
        ws->out_used += (size_t)n;
    }
    ws->out.len = ws->out_used = 0;
}

/* ---- the conversation ---- */

static bool token_is_right(struct websocket *ws, struct val message, const char **out_why)
{
    size_t len = 0;
    const char *token = val_string(&ws->arena, val_get(message, "token"), &len);

    *out_why = token ? "Invalid token" : "Auth required but no token provided";
    return auth_token_caller(ws->server->auth, token, len) != AUTH_NOBODY;
}

static void on_first_frame(struct websocket *ws, const char *text, size_t len)
{
    static const char success[] = "{\"type\":\"auth_success\"}";
    struct doc doc;
    struct doc_error bad;
    const char *why = NULL;

    if (!doc_parse(&ws->arena, text, len, &doc, &bad)) {
        ws->broken = true;
        return;
    }
    struct val root = doc_root(&doc);
    if (!val_equals(val_get(root, "type"), "auth", 4)) {
        websocket_close(ws, 1008, "Expected 'auth' message");
    } else if (!token_is_right(ws, root, &why)) {
        websocket_close(ws, 1008, why);
    } else {
        websocket_send(ws, success, sizeof(success) - 1);
        ws->phase = WS_OPEN;
        ws->state = ws->kind->on_open(ws);
    }
}

static void on_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m,
                       void *user)
{
    struct websocket *ws = user;
    (void)ctx;

    ws->heard = true;
    if (wslay_is_ctrl_frame(m->opcode) || ws->phase == WS_CLOSING)
        return; /* wslay answers pings and closes */
    if (m->opcode != WSLAY_TEXT_FRAME)
        ws->broken = true;
    else if (ws->phase == WS_AUTH)
        on_first_frame(ws, (const char *)m->msg, m->msg_length);
    else
        ws->kind->on_text(ws, (const char *)m->msg, m->msg_length);
}

void websocket_send(struct websocket *ws, const char *text, size_t len)
{
    struct wslay_event_msg m = {WSLAY_TEXT_FRAME, (const uint8_t *)text, len};

    if (ws->broken || ws->phase == WS_CLOSING)
        return;
    if (wslay_event_get_queued_msg_length(ws->frames) + ws->out.len > WS_UNSENT_MAX_BYTES ||
        wslay_event_queue_msg(ws->frames, &m))
        ws->broken = true;
    if (!ws->busy)
        pump(ws);
}

bool websocket_crowded(struct websocket *ws)
{
    size_t unsent = wslay_event_get_queued_msg_length(ws->frames) + ws->out.len - ws->out_used;

    ws->crowded = unsent > WS_CROWDED_BYTES;
    return ws->crowded;
}

/* While something is held, a pong that waits may stand for what failed: only the close goes out. */
static void close_at_once(struct websocket *ws, uint16_t code, const char *reason, size_t len)
{
    const uint8_t head[] = {0x88, (uint8_t)(len + 2), (uint8_t)(code >> 8), (uint8_t)code};

    buf_add(&ws->out, head, sizeof(head));
    buf_add(&ws->out, reason, len);
    if (!ws->broken)
        flush(ws);
    ws->broken = true;
}

static void close_in_turn(struct websocket *ws, uint16_t code, const char *reason, size_t len)
{
    /* What was said before goes first: wslay prefers control frames and drops the rest. */
    if (!ws->broken && wslay_event_want_write(ws->frames) && wslay_event_send(ws->frames))
        ws->broken = true;
    wslay_event_queue_close(ws->frames, code, (const uint8_t *)reason, len);
}

void websocket_close(struct websocket *ws, uint16_t code, const char *reason)
{
    size_t len = strlen(reason);

    (ws->holds ? close_at_once : close_in_turn)(ws, code, reason, len > 123 ? 123 : len);
    ws->phase = WS_CLOSING;
    if (!ws->busy)
        pump(ws);
}

/* ---- the loop ---- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct websocket *ws = handle->data;

    if (--ws->handles > 0)
        return;
    if (ws->upgraded) {
        MHD_upgrade_action(ws->upgraded, MHD_UPGRADE_ACTION_CLOSE);
        listener_poke(ws->server->listener);
    } else {
        close(ws->fd);
    }
    wslay_event_context_free(ws->frames);
    buf_free(&ws->early);
    buf_free(&ws->out);
    arena_reset(&ws->arena);
    free(ws);
}

static void finish(struct websocket *ws)
{
    if (ws->kind->on_gone && ws->state)
        ws->kind->on_gone(ws);
    ws->state = NULL;
    *ws->at = ws->next;
    if (ws->next)
        ws->next->at = ws->at;
    uv_close((uv_handle_t *)&ws->poll, on_handle_closed);
    uv_close((uv_handle_t *)&ws->pinger, on_handle_closed);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct websocket *ws = poll->data;
    (void)events;
    ws->broken = ws->broken || status < 0;
    pump(ws);
}

/* Reads and writes what is possible, then waits for what is missing.  The only place that ends a
 * connection. */
static void pump(struct websocket *ws)
{
    if (uv_is_closing((uv_handle_t *)&ws->poll))
        return;
    ws->busy = true;
    if (!ws->broken && !ws->holds && wslay_event_want_read(ws->frames) &&
        wslay_event_recv(ws->frames))
        ws->broken = true;
    if (!ws->broken && !ws->holds && wslay_event_want_write(ws->frames) &&
        wslay_event_send(ws->frames))
        ws->broken = true;
    flush(ws);
    ws->busy = false;
    bool unsent = ws->out_used < ws->out.len || (!ws->holds && wslay_event_want_write(ws->frames));
    bool said_goodbye = wslay_event_get_close_sent(ws->frames) && !unsent;
    if (ws->broken || said_goodbye) {
        finish(ws);
        return;
    }
    int events = (ws->holds ? 0 : UV_READABLE) | (unsent ? UV_WRITABLE : 0) | UV_DISCONNECT;
    uv_poll_start(&ws->poll, events, on_ready);
    if (ws->crowded && !unsent && ws->phase == WS_OPEN) {
        ws->crowded = false;
        ws->kind->on_drained(ws);
    }
}

static uint64_t setting_ms(const struct websocket *ws, enum setting_id id)
{
    return (uint64_t)settings_us(&ws->server->config.settings, id) / 1000;
}

/* After each interval a ping; whoever is silent for the timeout after it is gone.  Anything that
 * comes is a sign of life. */
static void on_ping_time(uv_timer_t *timer)
{
    struct websocket *ws = timer->data;
    struct wslay_event_msg ping = {WSLAY_PING, NULL, 0};
    uint64_t interval_ms = setting_ms(ws, SETTING_SERVER_API_WEBSOCKET_PING_INTERVAL);
    uint64_t timeout_ms = setting_ms(ws, SETTING_SERVER_API_WEBSOCKET_PING_TIMEOUT);

    if (ws->asked && !ws->heard && !ws->holds)
        ws->broken = true;
    ws->asked = !ws->asked && timeout_ms;
    ws->heard = false;
    if (ws->asked || !timeout_ms)
        ws->broken = ws->broken || wslay_event_queue_msg(ws->frames, &ping);
    uv_timer_start(timer, on_ping_time, ws->asked ? timeout_ms : interval_ms, 0);
    pump(ws);
}

void websocket_hold(struct websocket *ws)
{
    ws->holds++;
}

void websocket_release(struct websocket *ws)
{
    if (--ws->holds == 0 && !ws->busy)
        pump(ws);
}

/* ---- the upgrade ---- */

static void start(struct websocket *ws)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};

    if (wslay_event_context_server_init(&ws->frames, &callbacks, ws))
        abort();
    wslay_event_config_set_max_recv_msg_length(ws->frames, WS_MESSAGE_MAX_BYTES);
    fcntl(ws->fd, F_SETFL, fcntl(ws->fd, F_GETFL) | O_NONBLOCK);
    uv_poll_init(&ws->server->loop, &ws->poll, ws->fd);
    uv_timer_init(&ws->server->loop, &ws->pinger);
    ws->poll.data = ws->pinger.data = ws;
    ws->handles = 2;
    uint64_t interval_ms = setting_ms(ws, SETTING_SERVER_API_WEBSOCKET_PING_INTERVAL);
    if (interval_ms)
        uv_timer_start(&ws->pinger, on_ping_time, interval_ms, 0);
    if (ws->phase == WS_OPEN)
        ws->state = ws->kind->on_open(ws);
    pump(ws);
}

static void adopt(struct websocket *ws, int fd)
{
    ws->fd = fd;
    ws->early.max_bytes = 1 << 20;
    ws->out.max_bytes = WS_UNSENT_MAX_BYTES;
    ws->next = ws->server->websockets;
    ws->at = &ws->server->websockets;
    if (ws->next)
        ws->next->at = &ws->next;
    ws->server->websockets = ws;
}

/* NOLINTNEXTLINE(readability-function-size): the library gives it seven parameters */
static void on_upgraded(void *cls, struct MHD_Connection *c, void *state, const char *extra,
                        size_t extra_len, MHD_socket fd, struct MHD_UpgradeResponseHandle *handle)
{
    struct websocket *ws = cls;
    (void)c, (void)state;

    adopt(ws, fd);
    ws->upgraded = handle;
    buf_add(&ws->early, extra, extra_len);
    start(ws);
}

void websocket_adopt(struct server *server, const struct websocket_kind *kind, int fd)
{
    struct websocket *ws = calloc(1, sizeof(*ws));

    if (!ws)
        abort();
    ws->server = server;
    ws->kind = kind;
    ws->phase = WS_AUTH;
    adopt(ws, fd);
    start(ws);
}

static void accept_key(const char *key, char out[static 32])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */
    unsigned char digest[SHA_DIGEST_LENGTH], text[128];
    int len = snprintf((char *)text, sizeof(text), "%s%s", key, guid);

    SHA1(text, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
}

/* A comma-separated list. */
static bool offers(const char *list, const char *item)
{
    size_t len = strlen(item);

    while (list && *list) {
        list += strspn(list, " ,");
        size_t n = strcspn(list, " ,");
        if (n == len && strncasecmp(list, item, len) == 0)
            return true;
        list += n;
    }
    return false;
}

static enum err_code check_upgrade(struct request *rq, const char *key)
{
    const char *version = request_header(rq, "Sec-WebSocket-Version");

    if (!offers(request_header(rq, "Upgrade"), "websocket") || !key || strlen(key) != 24)
        return err_set(&rq->work.err, NOT_FOUND, "Not Found");
    if (!version || strcmp(version, "13") != 0)
        return err_set(&rq->work.err, BAD_REQUEST, "Sec-WebSocket-Version must be 13");
    return ERR_OK;
}

bool websocket_upgrade(struct request *rq)
{
    const char *key = request_header(rq, "Sec-WebSocket-Key");
    bool prefect = offers(request_header(rq, "Sec-WebSocket-Protocol"), "prefect");
    struct server *server = rq->work.server;
    char accept[32];

    enum err_code rc = check_upgrade(rq, key);
    if (!rc && !prefect && (server->config.auth_string || rq->route->socket->needs_subprotocol))
        rc = err_set(&rq->work.err, FORBIDDEN, "Forbidden");
    struct websocket *ws = rc ? NULL : calloc(1, sizeof(*ws));
    if (!ws) {
        reply_error(rq);
        rq->phase = REQUEST_READY;
        return false;
    }
    ws->server = server;
    ws->kind = rq->route->socket;
    ws->phase = prefect ? WS_AUTH : WS_OPEN;
    for (size_t i = 0; i < PATH_PARAMS_MAX && rq->params[i]; i++)
        ws->params[i] = arena_strndup(&ws->arena, rq->params[i], strlen(rq->params[i]));
    accept_key(key, accept);
    struct MHD_Response *m = MHD_create_response_for_upgrade(on_upgraded, ws);
    MHD_add_response_header(m, "Upgrade", "websocket");
    MHD_add_response_header(m, "Sec-WebSocket-Accept", accept);
    if (prefect)
        MHD_add_response_header(m, "Sec-WebSocket-Protocol", "prefect");
    rq->reply.status = 101;
    MHD_queue_response(rq->connection, 101, m);
    MHD_destroy_response(m);
    return true;
}

struct server *websocket_server(struct websocket *ws)
{
    return ws->server;
}

void *websocket_state(struct websocket *ws)
{
    return ws->state;
}

const char *websocket_param(struct websocket *ws, size_t n)
{
    return ws->params[n];
}

void websockets_close_all(struct server *server, uint16_t code, const char *reason)
{
    struct websocket *ws = server->websockets, *next;

    for (; ws; ws = next) {
        next = ws->next;
        ws->holds = 0;
        websocket_close(ws, code, reason);
    }
}

size_t websockets_count(struct server *server)
{
    size_t n = 0;
    for (struct websocket *ws = server->websockets; ws; ws = ws->next)
        n++;
    return n;
}
