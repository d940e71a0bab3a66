/* Load on one server over keep-alive connections: load HOST PORT SCENARIO CONNECTIONS SECONDS
 * FLOW_ID [IDS_FILE] prints `SCENARIO CONNECTIONS OPERATIONS/S P50_MS P99_MS ERRORS`.
 *
 * One thread, epoll; every connection has one request on its way.  An operation is one request, for
 * `lifecycle` the five requests of a run's life, for `logs` one line, for `events` one task run's
 * event on the WebSocket /api/events/in (a round is a batch of them and a ping: the pong says that
 * they are durable). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/base/clock.h"
#include "shared/base/uuid.h"

enum {
    REQUEST_MAX = 64 << 10,
    REPLY_MAX = 1 << 20,
    LATENCIES_MAX = 4 << 20,
    LOG_LINES = 100,
    EVENTS = 40,
    IDS_MAX = 1 << 20
};

struct connection {
    int fd, step;
    char run[UUID_TEXT_BYTES];
    char request[REQUEST_MAX];
    size_t request_len, sent;
    char reply[REPLY_MAX];
    size_t reply_len;
    int64_t started_us;
};

struct bench {
    const struct scenario *scenario;
    const char *flow;
    char (*ids)[UUID_TEXT_BYTES];
    size_t id_count, next_id;
    struct connection *connections;
    size_t count;
    uint32_t *latencies_us;
    size_t latency_count;
    uint64_t operations, errors;
    int epoll;
};

/* Writes the request of a step; `run` is the run that the connection made last. */
struct scenario {
    const char *name;
    int steps, operations_per_round;
    void (*write)(struct bench *b, struct connection *c);
    bool socket; /* frames instead of requests */
};

static void request(struct connection *c, const char *method, const char *path, const char *body)
{
    int n = snprintf(c->request, sizeof(c->request),
                     "%s %s HTTP/1.1\r\nHost: bench\r\nContent-Type: "
                     "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                     method, path, strlen(body), body);
    c->request_len = (size_t)n;
    c->sent = 0;
    c->reply_len = 0;
}

static const char *any_id(struct bench *b)
{
    b->next_id = (b->next_id + 1) % b->id_count;
    return b->ids[b->next_id];
}

static void set_state(struct connection *c, const char *run, const char *type)
{
    char path[128], body[256];
    snprintf(path, sizeof(path), "/api/flow_runs/%s/set_state", run);
    snprintf(body, sizeof(body),
             "{\"state\":{\"type\":\"%s\",\"message\":null,\"state_details\":{}},\"force\":false}",
             type);
    request(c, "POST", path, body);
}

static void write_transition(struct bench *b, struct connection *c)
{
    set_state(c, any_id(b), "RUNNING");
}

static void write_creation(struct bench *b, struct connection *c)
{
    char body[256];
    snprintf(body, sizeof(body),
             "{\"flow_id\":\"%s\",\"name\":\"bench\",\"parameters\":{\"x\":1},\"state\":{\"type\":"
             "\"PENDING\"}}",
             b->flow);
    request(c, "POST", "/api/flow_runs/", body);
}

static void write_read(struct bench *b, struct connection *c)
{
    char path[128];
    snprintf(path, sizeof(path), "/api/flow_runs/%s", any_id(b));
    request(c, "GET", path, "");
}

static void write_filter(struct bench *b, struct connection *c)
{
    (void)b;
    request(c, "POST", "/api/flow_runs/filter",
            "{\"flow_runs\":{\"state\":{\"type\":{\"any_\":[\"RUNNING\"]}}},\"limit\":20}");
}

static void write_count(struct bench *b, struct connection *c)
{
    (void)b;
    request(c, "POST", "/api/flow_runs/count",
            "{\"flow_runs\":{\"state\":{\"type\":{\"any_\":[\"FAILED\"]}}}}");
}

static void put_logs(struct connection *c, const char *run, int lines)
{
    static char body[REQUEST_MAX - 1024];
    size_t n = (size_t)snprintf(body, sizeof(body), "[");

    for (int i = 0; i < lines; i++)
        n += (size_t)snprintf(body + n, sizeof(body) - n,
                              "%s{\"name\":\"prefect.flow_runs\",\"level\":20,\"message\":"
                              "\"Finished in state Completed() %d\","
                              "\"timestamp\":\"2026-01-01T00:00:00.%06dZ\",\"flow_run_id\":\"%s\","
                              "\"task_run_id\":null}",
                              i ? "," : "", i, i, run);
    snprintf(body + n, sizeof(body) - n, "]");
    request(c, "POST", "/api/logs/", body);
}

static void write_logs(struct bench *b, struct connection *c)
{
    put_logs(c, any_id(b), LOG_LINES);
}

/* A frame of a client, masked with zeros.  Source: RFC 6455, 5.2. */
static void frame(struct connection *c, unsigned opcode, const char *text, size_t len)
{
    unsigned char head[] = {(unsigned char)(0x80 | opcode),
                            (unsigned char)(0x80 | 126),
                            (unsigned char)(len >> 8),
                            (unsigned char)len,
                            0,
                            0,
                            0,
                            0};
    size_t head_len = sizeof(head);

    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
        memset(head + 2, 0, 4);
        head_len = 6;
    }
    memcpy(c->request + c->request_len, head, head_len);
    memcpy(c->request + c->request_len + head_len, text, len);
    c->request_len += head_len + len;
}

static void put_event(struct connection *c, const char *run)
{
    char body[1400], event[UUID_TEXT_BYTES], task[UUID_TEXT_BYTES];

    uuid_format(uuid_v7(), event);
    uuid_format(uuid_v7(), task);
    int n = snprintf(
        body, sizeof(body),
        "{\"occurred\":\"2026-01-01T00:00:00.123456Z\",\"event\":\"prefect.task-run.Completed\","
        "\"resource\":{\"prefect.resource.id\":\"prefect.task-run.%s\",\"prefect.resource.name\":"
        "\"bench\",\"prefect.run-count\":\"1\",\"prefect.state-message\":\"\",\"prefect.state-"
        "type\":"
        "\"COMPLETED\",\"prefect.state-name\":\"Completed\",\"prefect.state-timestamp\":"
        "\"2026-01-01T00:00:00.123456+00:00\",\"prefect.orchestration\":\"client\"},\"related\":[{"
        "\"prefect.resource.id\":\"prefect.flow-run.%s\",\"prefect.resource.role\":\"flow-run\"}],"
        "\"payload\":{\"intended\":{\"from\":\"RUNNING\",\"to\":\"COMPLETED\"},\"initial_state\":"
        "null,"
        "\"validated_state\":{\"type\":\"COMPLETED\",\"name\":\"Completed\",\"message\":null,"
        "\"state_details\":{},\"data\":null},\"task_run\":{\"name\":\"bench\",\"task_key\":"
        "\"bench\","
        "\"dynamic_key\":\"%s\",\"empirical_policy\":{},\"tags\":[],\"labels\":{},\"task_inputs\":{"
        "},"
        "\"run_count\":1,\"flow_run_run_count\":1,\"total_run_time\":0.5}},\"id\":\"%s\","
        "\"follows\":"
        "null}",
        task, run, task, event);
    frame(c, 1, body, (size_t)n);
}

static void write_events(struct bench *b, struct connection *c)
{
    const char *run = any_id(b);

    c->request_len = c->sent = c->reply_len = 0;
    for (int i = 0; i < EVENTS; i++)
        put_event(c, run);
    frame(c, 9, "", 0);
}

static void write_lifecycle(struct bench *b, struct connection *c)
{
    static const char *const types[] = {NULL, "PENDING", "RUNNING", NULL, "COMPLETED"};
    char body[256];

    if (c->step == 0) {
        snprintf(body, sizeof(body), "{\"flow_id\":\"%s\",\"state\":{\"type\":\"SCHEDULED\"}}",
                 b->flow);
        request(c, "POST", "/api/flow_runs/", body);
    } else if (c->step == 3) {
        put_logs(c, c->run, 10);
    } else {
        set_state(c, c->run, types[c->step]);
    }
}

static const struct scenario scenarios[] = {
    {"transitions", 1, 1, write_transition, false},
    {"creations", 1, 1, write_creation, false},
    {"reads", 1, 1, write_read, false},
    {"filter20", 1, 1, write_filter, false},
    {"count", 1, 1, write_count, false},
    {"logs", 1, LOG_LINES, write_logs, false},
    {"lifecycles", 5, 1, write_lifecycle, false},
    {"events", 1, EVENTS, write_events, true},
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void begin(struct bench *b, struct connection *c)
{
    if (c->step == 0)
        c->started_us = clock_monotonic_us();
    b->scenario->write(b, c);
    while (c->sent < c->request_len) {
        ssize_t n = send(c->fd, c->request + c->sent, c->request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            die("send");
        c->sent += n > 0 ? (size_t)n : 0;
    }
}

/* Length of the whole reply once its headers are there, else 0. */
static size_t reply_bytes(struct connection *c)
{
    c->reply[c->reply_len] = '\0';
    const char *end = strstr(c->reply, "\r\n\r\n");
    if (!end)
        return 0;
    const char *length = strcasestr(c->reply, "Content-Length:");
    return (size_t)(end + 4 - c->reply) +
           (length && length < end ? strtoul(length + 15, NULL, 10) : 0);
}

/* Up to the end of the pong; what the server says before it does not matter. */
static size_t pong_bytes(const struct connection *c)
{
    size_t at = 0;

    while (at + 2 <= c->reply_len) {
        unsigned opcode = (unsigned char)c->reply[at] & 15, len = (unsigned char)c->reply[at + 1];
        if (opcode == 8 || len > 125) {
            fputs("load: the server closed the socket\n", stderr);
            exit(1);
        }
        at += 2 + len;
        if (opcode == 10)
            return at;
    }
    return 0;
}

static bool failed(const struct bench *b, const struct connection *c)
{
    int status = (int)strtol(c->reply + strlen("HTTP/1.1 "), NULL, 10);

    return !b->scenario->socket &&
           (status < 200 || status > 299 || strstr(c->reply, "\"status\":\"REJECT\"") ||
            strstr(c->reply, "\"status\":\"ABORT\""));
}

static void finish(struct bench *b, struct connection *c)
{
    const char *id = strstr(c->reply, "{\"id\":\"");

    b->errors += failed(b, c);
    if (c->step == 0 && id)
        memcpy(c->run, id + strlen("{\"id\":\""), UUID_TEXT_BYTES - 1);
    if (++c->step < b->scenario->steps)
        return;
    c->step = 0;
    b->operations += (uint64_t)b->scenario->operations_per_round;
    if (b->latency_count < LATENCIES_MAX)
        b->latencies_us[b->latency_count++] = (uint32_t)(clock_monotonic_us() - c->started_us);
}

static void receive(struct bench *b, struct connection *c)
{
    ssize_t n = recv(c->fd, c->reply + c->reply_len, sizeof(c->reply) - 1 - c->reply_len, 0);
    if (n <= 0) {
        if (n < 0 && errno == EAGAIN)
            return;
        die("the server closed a connection");
    }
    c->reply_len += (size_t)n;
    size_t want = b->scenario->socket ? pong_bytes(c) : reply_bytes(c);
    if (!want || c->reply_len < want)
        return;
    finish(b, c);
    begin(b, c);
}

static void upgrade(struct connection *c)
{
    static const char hello[] =
        "GET /api/events/in HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: "
        "websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        "AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    char reply[2048] = "";
    size_t len = 0;

    if (send(c->fd, hello, sizeof(hello) - 1, 0) < 0)
        die("send");
    while (!strstr(reply, "\r\n\r\n") && len < sizeof(reply) - 1) {
        ssize_t n = recv(c->fd, reply + len, sizeof(reply) - 1 - len, 0);
        if (n <= 0)
            die("upgrade");
        reply[len += (size_t)n] = '\0';
    }
    if (!strstr(reply, " 101 ")) {
        fprintf(stderr, "load: no WebSocket: %.60s\n", reply);
        exit(1);
    }
}

static void connect_all(struct bench *b, const char *host, const char *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};

    inet_pton(AF_INET, host, &at.sin_addr);
    b->epoll = epoll_create1(0);
    for (size_t i = 0; i < b->count; i++) {
        struct connection *c = &b->connections[i];
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&at, sizeof(at)))
            die("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (b->scenario->socket)
            upgrade(c);
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(b->epoll, EPOLL_CTL_ADD, c->fd, &ev);
    }
}

static void run(struct bench *b, double seconds)
{
    int64_t end_us = clock_monotonic_us() + (int64_t)(seconds * 1e6);
    struct epoll_event events[64];

    for (size_t i = 0; i < b->count; i++)
        begin(b, &b->connections[i]);
    while (clock_monotonic_us() < end_us) {
        int n = epoll_wait(b->epoll, events, COUNT(events), 100);
        for (int i = 0; i < n; i++)
            receive(b, events[i].data.ptr);
    }
}

static int compare(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

static void read_ids(struct bench *b, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die(path);
    b->ids = calloc(IDS_MAX, sizeof(*b->ids));
    while (b->id_count < IDS_MAX && fscanf(f, "%36s", b->ids[b->id_count]) == 1)
        b->id_count++;
    fclose(f);
}

int main(int argc, char **argv)
{
    struct bench b = {0};

    if (argc < 7) {
        fputs("usage: load HOST PORT SCENARIO CONNECTIONS SECONDS FLOW_ID [IDS_FILE]\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < COUNT(scenarios); i++)
        if (strcmp(scenarios[i].name, argv[3]) == 0)
            b.scenario = &scenarios[i];
    b.count = strtoul(argv[4], NULL, 10);
    b.flow = argv[6];
    b.connections = calloc(b.count, sizeof(*b.connections));
    b.latencies_us = calloc(LATENCIES_MAX, sizeof(*b.latencies_us));
    if (!b.scenario || !b.connections || !b.latencies_us)
        return 2;
    if (argc > 7)
        read_ids(&b, argv[7]);
    double seconds = strtod(argv[5], NULL);
    connect_all(&b, argv[1], argv[2]);
    run(&b, seconds);
    qsort(b.latencies_us, b.latency_count, sizeof(*b.latencies_us), compare);
    size_t n = b.latency_count ? b.latency_count : 1;
    printf("%-12s %4zu %10.0f %8.2f %8.2f %6llu\n", b.scenario->name, b.count,
           (double)b.operations / seconds, b.latencies_us[n / 2] / 1e3,
           b.latencies_us[n * 99 / 100] / 1e3, (unsigned long long)b.errors);
    return 0;
}
