#include "server/api/catch_up.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "server/api/stream.h"
#include "server/store/event_wake.h"
#include "server/store/events.h"
#include "server/store/logs.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { READ_MAX = 5000 };
#define OVERLAP_US INT64_C(2000000)
#define GATHER_NS  20000000L /* hints that come meanwhile are answered together */

/* One for events, one for logs. */
struct reader {
    struct stream_job job; /* first member */
    struct server *server;
    atomic_bool queued;
    int64_t since_us; /* of the database's clock; TIME_NONE: two seconds ago */
    /* Publishes what came since; moves *since_us to the newest. */
    enum err_code (*read)(struct work *w, int64_t limit, int64_t *since_us, size_t *out_count);
};

struct catch_up {
    struct reader events, logs;
};

static void read_news(struct work *w, struct stream_job *job)
{
    struct reader *r = (struct reader *)job;
    const struct timespec pause = {0, GATHER_NS};
    size_t count = READ_MAX;
    enum err_code rc = ERR_OK;

    nanosleep(&pause, NULL);
    atomic_store(&r->queued, false);
    while (!rc && count == READ_MAX) {
        rc = r->read(w, READ_MAX, &r->since_us, &count);
        arena_reset(&w->arena);
    }
    if (rc)
        log_warn("catch_up", KV_E(&w->err));
    else if (r->since_us != TIME_NONE)
        r->since_us -= OVERLAP_US;
}

static void start(struct reader *r, struct server *server,
                  enum err_code (*read)(struct work *w, int64_t limit, int64_t *since_us,
                                        size_t *out_count))
{
    *r = (struct reader){
        .job.run = read_news, .server = server, .since_us = TIME_NONE, .read = read};
}

struct catch_up *catch_up_start(struct server *server)
{
    struct catch_up *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    start(&c->events, server, events_publish_since);
    start(&c->logs, server, logs_publish_since);
    return c;
}

void catch_up_stop(struct catch_up *c)
{
    free(c);
}

static void submit(struct reader *r)
{
    struct err e;

    if (atomic_exchange(&r->queued, true))
        return;
    if (lane_submit(r->server->streams, &r->job.item, &e) != ERR_OK)
        atomic_store(&r->queued, false);
}

void events_heard(struct server *server, const char *rest)
{
    (void)rest;
    event_wake_ring(server->wake);
    if (!atomic_load(&server->stopping) && broadcast_wanted(server->event_broadcast))
        submit(&server->catch_up->events);
}

void logs_heard(struct server *server, const char *rest)
{
    (void)rest;
    if (!atomic_load(&server->stopping) && broadcast_wanted(server->log_broadcast))
        submit(&server->catch_up->logs);
}
