/* WebSockets on the loop: libmicrohttpd's upgrade, wslay's framing.
 *
 *   upgrade -> (subprotocol prefect: first frame must be auth) -> open -> text frames -> closing ->
 * gone
 *
 * Handshake as Prefect's: with the subprotocol the client sends {"type":"auth","token":...} and
 * gets
 * {"type":"auth_success"}; without it the upgrade is refused with 403 when there is an auth string.
 *
 * Bounded: a message of more than MESSAGE_MAX_BYTES closes 1009; unsent replies of more than
 * UNSENT_MAX_BYTES close the connection (a slow consumer).
 * Owns:   itself, until on_gone() has returned.
 * Thread: the loop thread only. */
#pragma once
#include "server/http/request.h"

enum { WS_MESSAGE_MAX_BYTES = 4 << 20, WS_UNSENT_MAX_BYTES = 8 << 20, WS_CROWDED_BYTES = 1 << 20 };

struct websocket;

/* What a path does with its messages. */
struct websocket_kind {
    void *(*on_open)(struct websocket *ws); /* after auth; becomes websocket_state() */
    void (*on_text)(struct websocket *ws, const char *text, size_t len);
    void (*on_gone)(struct websocket *ws); /* the connection is over; frees the state */
    /* What websocket_crowded() held up can go on; may be NULL. */
    void (*on_drained)(struct websocket *ws);
    bool needs_subprotocol; /* else 403, also without an auth string */
};

/* Answers 101 and takes the connection over, or makes rq->reply an error and returns false. */
bool websocket_upgrade(struct request *rq);

/* Takes a socket over that is past the handshake, with the subprotocol; for tests. */
void websocket_adopt(struct server *server, const struct websocket_kind *kind, int fd);

struct server *websocket_server(struct websocket *ws);
void *websocket_state(struct websocket *ws);
const char *websocket_param(struct websocket *ws, size_t n); /* path parameter, as rq->params */
void websocket_send(struct websocket *ws, const char *text, size_t len);
/* So much waits to be read by the client that more should not be sent; on_drained() follows. */
bool websocket_crowded(struct websocket *ws);
void websocket_close(struct websocket *ws, uint16_t code, const char *reason);

/* While held, pongs and messages wait and no frame is read: what came before a ping must be durable
 * before its pong. */
void websocket_hold(struct websocket *ws);
void websocket_release(struct websocket *ws);

void websockets_close_all(struct server *server, uint16_t code, const char *reason);
size_t websockets_count(struct server *server);
