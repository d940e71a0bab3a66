#include "server/http/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/db/lane.h"
#include "server/http/executor.h"
#include "server/http/listener.h"
#include "server/http/parking.h"
#include "server/http/reply.h"
#include "server/model/agent.h"
#include "server/server.h"
#include "shared/base/clock.h"

/* Upper bounds of the latency histogram, in microseconds. */
static const int64_t bounds_us[] = {1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000};

struct route_numbers {
    atomic_uint_least64_t by_class[6]; /* 1xx .. 5xx */
    atomic_uint_least64_t below[COUNT(bounds_us)];
    atomic_uint_least64_t sum_us;
};

/* More than there are routes; checked by a test. */
static struct route_numbers numbers[512];

void route_count_reply(const struct route *route, int status, int64_t took_us)
{
    struct route_numbers *n = &numbers[route - routes];

    if (status < 100 || status > 599)
        return; /* the client went away before there was one */
    atomic_fetch_add_explicit(&n->by_class[status / 100], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&n->sum_us, (uint64_t)took_us, memory_order_relaxed);
    for (size_t i = 0; i < COUNT(bounds_us); i++)
        if (took_us <= bounds_us[i])
            atomic_fetch_add_explicit(&n->below[i], 1, memory_order_relaxed);
}

static void put(struct request *rq, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void put(struct request *rq, const char *fmt, ...)
{
    char line[400];
    va_list args;

    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    buf_add(&rq->reply.body, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void put_route(struct request *rq, const struct route *r)
{
    struct route_numbers *n = &numbers[r - routes];
    uint64_t total = 0;

    for (int c = 1; c < 6; c++) {
        uint64_t count = atomic_load(&n->by_class[c]);
        total += count;
        if (count)
            put(rq,
                "switchyard_http_requests_total{method=\"%s\",path=\"%s\",status=\"%dxx\"} %" PRIu64
                "\n",
                method_names[r->method], r->path, c, count);
    }
    if (!total)
        return;
    for (size_t i = 0; i < COUNT(bounds_us); i++)
        put(rq,
            "switchyard_http_request_seconds_bucket{method=\"%s\",path=\"%s\",le=\"%g\"} %" PRIu64
            "\n",
            method_names[r->method], r->path, (double)bounds_us[i] / 1e6,
            atomic_load(&n->below[i]));
    put(rq,
        "switchyard_http_request_seconds_bucket{method=\"%s\",path=\"%s\",le=\"+Inf\"} %" PRIu64
        "\n",
        method_names[r->method], r->path, total);
    put(rq, "switchyard_http_request_seconds_sum{method=\"%s\",path=\"%s\"} %.6f\n",
        method_names[r->method], r->path, (double)atomic_load(&n->sum_us) / 1e6);
    put(rq, "switchyard_http_request_seconds_count{method=\"%s\",path=\"%s\"} %" PRIu64 "\n",
        method_names[r->method], r->path, total);
}

static void put_lanes(struct request *rq)
{
    struct server *s = rq->work.server;
    struct lane *const lanes[] = {s->transitions, s->creations, s->reads, s->logs,
                                  s->events,      s->streams,   s->looks, s->socket_jobs};

    put(rq,
        "# TYPE switchyard_lane_items_total counter\n# TYPE switchyard_lane_batches_total counter\n"
        "# TYPE switchyard_lane_waiting gauge\n");
    for (size_t i = 0; i < COUNT(lanes); i++) {
        if (!lanes[i])
            continue;
        struct lane_numbers n = lane_numbers(lanes[i]);
        put(rq, "switchyard_lane_items_total{lane=\"%s\"} %" PRIu64 "\n", n.name, n.items);
        put(rq, "switchyard_lane_batches_total{lane=\"%s\"} %" PRIu64 "\n", n.name, n.batches);
        put(rq, "switchyard_lane_waiting{lane=\"%s\"} %zu\n", n.name, n.waiting);
    }
}

static int64_t resident_bytes(void)
{
    char text[128] = "";
    FILE *f = fopen("/proc/self/statm", "re");

    if (f) {
        if (!fgets(text, sizeof(text), f))
            text[0] = '\0';
        fclose(f);
    }
    const char *second = strchr(text, ' ');
    return second ? strtoll(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

/* Left out while the database does not answer: the rest is wanted most then. */
static void put_devices(struct request *rq)
{
    struct rows rows;
    const char *text = NULL;

    if (db_query(&rq->work, Q_device_metrics, PARAMS(param_i64(&rq->work, AGENT_OFFLINE_S)),
                 &rows) == ERR_OK)
        text = rows_text(&rows, 0, 0);
    else
        rq->work.err = (struct err){0};
    if (text)
        buf_add(&rq->reply.body, text, strlen(text));
}

enum err_code metrics_get(struct request *rq)
{
    struct server *s = rq->work.server;

    if (!settings_bool(&s->config.settings, SETTING_SERVER_METRICS_ENABLED))
        return err_set(&rq->work.err, NOT_FOUND, "Not Found");
    put(rq, "# TYPE switchyard_http_requests_total counter\n"
            "# TYPE switchyard_http_request_seconds histogram\n");
    for (size_t i = 0; i < route_count; i++)
        put_route(rq, &routes[i]);
    put_lanes(rq);
    put(rq, "# TYPE switchyard_executor_waiting gauge\nswitchyard_executor_waiting %zu\n",
        executor_waiting(s->executor));
    put(rq, "# TYPE switchyard_long_polls gauge\nswitchyard_long_polls %zu\n",
        parking_count(s->parking));
    put(rq, "# TYPE switchyard_requests_in_flight gauge\nswitchyard_requests_in_flight %zu\n",
        listener_in_flight(s->listener));
    put(rq,
        "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %" PRId64 "\n",
        resident_bytes());
    put(rq, "# TYPE process_uptime_seconds gauge\nprocess_uptime_seconds %.3f\n",
        (double)(clock_monotonic_us() - s->started_us) / 1e6);
    put_devices(rq);
    rq->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    return reply_status(rq, 200);
}
