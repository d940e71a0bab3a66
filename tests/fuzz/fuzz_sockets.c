/* The input is what a client says on one of the WebSocket endpoints: the first byte chooses which
 * and whether the database answers, each further line is a message.
 * Properties: the server answers in whole frames of JSON, or hangs up with a reason that is UTF-8;
 * when the client has gone nothing is left behind.
 *
 * Lanes are played: what is submitted is run by the same thread, against a database that is not
 * there, or answered as if there were nothing to tell. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/api/events.h"
#include "server/api/events_out.h"
#include "server/api/logs_out.h"
#include "server/api/socket_jobs.h"
#include "server/api/stream.h"
#include "server/api/task_workers.h"
#include "server/api/worker_channel.h"
#include "server/db/db.h"
#include "server/http/auth.h"
#include "server/http/websocket.h"
#include "server/server.h"
#include "server/store/events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 8000, ROUNDS_MAX = 1000, TEXT = 1, CLOSE = 8 };

static void require(bool ok)
{
    if (!ok)
        abort();
}

/* ---- lanes ---- */

struct lane {
    struct server *server;
    const struct lane_kind *kind;
    struct lane_item *head, **tail;
};

static bool silent; /* jobs of sockets are answered without being run */

struct lane *lane_start(struct server *server, const struct lane_kind *kind, size_t threads)
{
    struct lane *lane = calloc(1, sizeof(*lane));

    require(lane && threads);
    lane->server = server;
    lane->kind = kind;
    lane->tail = &lane->head;
    return lane;
}

void lane_stop(struct lane *lane)
{
    free(lane);
}

enum err_code lane_submit(struct lane *lane, struct lane_item *item, struct err *e)
{
    (void)e;
    item->next = NULL;
    *lane->tail = item;
    lane->tail = &item->next;
    return ERR_OK;
}

struct lane_numbers lane_numbers(struct lane *lane)
{
    return (struct lane_numbers){.name = lane->kind->name};
}

static bool lane_work(struct lane *lane)
{
    struct work w = {.server = lane->server, .db = db_open("host=/nonexistent")};
    struct lane_item *item = lane->head, *next;
    bool some = item;

    lane->head = NULL;
    lane->tail = &lane->head;
    for (; item; item = next) {
        next = item->next;
        if (silent && lane->kind == &socket_jobs_lane)
            loop_call(lane->server->loop_calls, &((struct socket_job *)item)->call);
        else
            lane->kind->run(&w, &item, 1);
        arena_reset(&w.arena);
    }
    db_close(w.db);
    return some;
}

/* ---- the client ---- */

static void say(int fd, const char *text, size_t len)
{
    char frame[INPUT_MAX + 16] = {(char)(0x80 | TEXT), (char)(0x80 | 126), (char)(len >> 8),
                                  (char)len}; /* and a mask of zeros */

    memcpy(frame + 8, text, len);
    require(write(fd, frame, len + 8) == (ssize_t)len + 8);
}

static void hear(int fd, struct buf *b)
{
    char bytes[8192];
    ssize_t n;

    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        buf_add(b, bytes, (size_t)n);
}

static bool is_json(struct arena *a, const char *text, size_t len)
{
    struct doc_error bad;
    return doc_parse(a, text, len, arena_new(a, struct doc), &bad);
}

static bool is_text(struct arena *a, const char *text, size_t len)
{
    char *quoted = arena_printf(a, "\"%.*s\"", (int)len, text);

    for (char *p = quoted + 1; p[1]; p++)
        if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ')
            *p = '_';
    return is_json(a, quoted, strlen(quoted));
}

static void check_frames(const struct buf *heard)
{
    struct arena a = {0};
    const uint8_t *p = (const uint8_t *)heard->bytes, *end = heard->len ? p + heard->len : p;

    while (p < end) {
        require(end - p >= 2 && p[0] & 0x80 && p[1] < 127);
        size_t head = p[1] == 126 ? 4 : 2;
        size_t len = p[1] == 126 ? (size_t)p[2] << 8 | p[3] : p[1];
        require((size_t)(end - p) >= head + len);
        const char *text = (const char *)p + head;
        if ((p[0] & 15) == TEXT)
            require(is_json(&a, text, len));
        if ((p[0] & 15) == CLOSE && len)
            require(len >= 2 && len <= 125 && is_text(&a, text + 2, len - 2));
        p += head + len;
    }
    arena_reset(&a);
}

/* ---- the server ---- */

static struct server *make_server(void)
{
    struct server *s = calloc(1, sizeof(*s));
    struct err e;

    require(s && settings_read(&s->config.settings, &e) == ERR_OK && !uv_loop_init(&s->loop));
    require(
        !settings_set(&s->config.settings, SETTING_SERVER_LOGS_STREAM_OUT_ENABLED, "", "true", &e));
    signal(SIGPIPE, SIG_IGN);
    s->auth = auth_open(&s->config);
    s->loop_calls = loop_calls_start(s);
    s->event_broadcast = broadcast_start(s, &events_broadcast);
    s->log_broadcast = broadcast_start(s, &logs_broadcast);
    s->task_workers = task_workers_start(s);
    s->worker_channels = worker_channels_start(s);
    s->events = lane_start(s, &events_lane, 1);
    s->streams = lane_start(s, &streams_lane, 1);
    s->socket_jobs = lane_start(s, &socket_jobs_lane, 1);
    return s;
}

static void publish(struct server *s)
{
    static const char json[] = "{\"id\":\"01920000-0000-7000-8000-000000000001\",\"occurred\":0,"
                               "\"event\":\"a.b\",\"resource\":{\"prefect.resource.id\":\"x\"}}";
    struct work w = {.server = s};
    struct stored_event e = {.received_us = 1};
    struct err bad;

    require(!json_decode_text(&w.arena, &event_resource, json, sizeof(json) - 1, &e.event, &bad));
    events_publish(&w, &e, 1);
    arena_reset(&w.arena);
}

/* Until nothing moves any more. */
static void settle(struct server *s, int fd, struct buf *heard)
{
    bool more = true;

    for (int i = 0; more && i < ROUNDS_MAX; i++) {
        more = uv_run(&s->loop, UV_RUN_NOWAIT) && i < 3;
        more |= lane_work(s->events);
        more |= lane_work(s->streams);
        more |= lane_work(s->socket_jobs);
        if (fd >= 0)
            hear(fd, heard);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct websocket_kind *const kinds[] = {&events_in_socket, &events_out_socket,
                                                         &logs_out_socket, &task_runs_socket,
                                                         &worker_channel_socket};
    static const char hello[] = "{\"type\":\"auth\",\"token\":null}";
    static struct server *server;
    struct buf heard = {.max_bytes = 16 << 20};
    int fds[2];

    if (!size || size > INPUT_MAX)
        return 0;
    server = server ? server : make_server();
    silent = data[0] & 8;
    require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds));
    websocket_adopt(server, kinds[(data[0] & 7) % COUNT(kinds)], fds[0]);
    say(fds[1], hello, sizeof(hello) - 1);
    for (const char *p = (const char *)data + 1, *end = (const char *)data + size; p < end;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((line ? line : end) - p);
        if (!server->websockets)
            break;
        say(fds[1], p, len);
        settle(server, fds[1], &heard);
        p += len + 1;
    }
    publish(server);
    settle(server, fds[1], &heard);
    check_frames(&heard);
    close(fds[1]);
    for (int i = 0; i < ROUNDS_MAX && server->websockets; i++)
        settle(server, -1, &heard);
    settle(server, -1, &heard);
    require(!server->websockets);
    buf_free(&heard);
    return 0;
}
