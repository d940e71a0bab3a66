/* Property: whatever arrives on a WebSocket, the server answers or hangs up, and nothing is left
 * behind. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/http/auth.h"
#include "server/http/websocket.h"
#include "server/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *on_open(struct websocket *ws)
{
    return ws;
}

/* Says back what it hears. */
static void on_text(struct websocket *ws, const char *text, size_t len)
{
    websocket_send(ws, text, len);
    if (len == 4 && memcmp(text, "quit", 4) == 0)
        websocket_close(ws, 1000, "as you wish");
}

static void on_gone(struct websocket *ws)
{
    (void)ws;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct websocket_kind echo = {on_open, on_text, on_gone};
    struct server server = {.config = {.auth_string = size && data[0] & 1 ? "user:pass" : NULL}};
    char drain[4096];
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    if (size > 60000 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) ||
        uv_loop_init(&server.loop))
        return 0;
    server.auth = auth_open(&server.config);
    websocket_adopt(&server, &echo, fds[0]);
    if (write(fds[1], data, size) != (ssize_t)size)
        abort();
    for (int i = 0; i < 4; i++) {
        uv_run(&server.loop, UV_RUN_NOWAIT);
        while (read(fds[1], drain, sizeof(drain)) > 0)
            ;
    }
    close(fds[1]);
    for (int i = 0; i < 1000 && server.websockets; i++)
        uv_run(&server.loop, UV_RUN_NOWAIT);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    if (server.websockets || uv_loop_close(&server.loop))
        abort(); /* the peer has gone and the connection lives on */
    auth_close(server.auth);
    return 0;
}
