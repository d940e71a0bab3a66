#include "server/http/parking.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/db/lane.h"
#include "server/db/notify.h"
#include "server/http/executor.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "shared/base/clock.h"

/* Topics share counters by hash: a ring may wake a stranger, who looks, finds nothing and parks
 * again. */
enum { TOPICS = 1024 };

struct parking {
    pthread_mutex_t lock;
    struct server *server;
    uint64_t rung[TOPICS];
    struct request
        *parked; /* a plain list: rings are rarer than requests, agents are at most thousands */
    size_t count;
};

struct parking *parking_start(struct server *server)
{
    struct parking *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    pthread_mutex_init(&p->lock, NULL);
    p->server = server;
    return p;
}

void parking_stop(struct parking *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* FNV-1a */
uint64_t parking_topic(const char *kind, const char *name)
{
    uint64_t h = 14695981039346656037u;

    for (; *kind; kind++)
        h = (h ^ (unsigned char)*kind) * 1099511628211u;
    h = (h ^ '/') * 1099511628211u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h % TOPICS;
}

uint64_t parking_seen(struct parking *p, uint64_t topic)
{
    pthread_mutex_lock(&p->lock);
    uint64_t seen = p->rung[topic];
    pthread_mutex_unlock(&p->lock);
    return seen;
}

enum err_code park(struct request *rq, uint64_t topic, uint64_t seen, int64_t until_us,
                   struct lane *lane)
{
    rq->parks = true;
    rq->parked_on = topic;
    rq->parked_seen = seen;
    rq->parked_until_us = until_us;
    rq->parked_lane = lane;
    return ERR_OK;
}

void parking_run(struct parking *p, struct request *rq)
{
    if (executor_submit(p->server->executor, rq) != ERR_OK) {
        reply_error(rq);
        request_finish(rq);
    }
}

static void look_again(struct parking *p, struct request *rq)
{
    bool one_by_one = !rq->parked_lane || atomic_load(&p->server->stopping);

    if (one_by_one || lane_submit(rq->parked_lane, &rq->parked, &rq->work.err) != ERR_OK)
        parking_run(p, rq);
}

static bool due(const struct parking *p, const struct request *rq, int64_t now_us)
{
    return p->rung[rq->parked_on] != rq->parked_seen || rq->parked_until_us <= now_us ||
           atomic_load(&p->server->stopping);
}

void parking_hold(struct parking *p, struct request *rq)
{
    pthread_mutex_lock(&p->lock);
    bool now = due(p, rq, 0);
    if (!now) {
        rq->next = p->parked;
        p->parked = rq;
        p->count++;
    }
    pthread_mutex_unlock(&p->lock);
    if (now)
        look_again(p, rq);
    else
        uv_async_send(&p->server->parking_wake);
}

/* Takes all that are due off the list. */
static struct request *take_due(struct parking *p, int64_t now_us, int64_t *out_next_us)
{
    struct request *taken = NULL, **at = &p->parked;

    *out_next_us = INT64_MAX;
    while (*at) {
        struct request *rq = *at;
        if (due(p, rq, now_us)) {
            *at = rq->next;
            rq->next = taken;
            taken = rq;
            p->count--;
            continue;
        }
        if (rq->parked_until_us < *out_next_us)
            *out_next_us = rq->parked_until_us;
        at = &rq->next;
    }
    return taken;
}

int64_t parking_expire(struct parking *p, int64_t now_us)
{
    int64_t next_us;

    pthread_mutex_lock(&p->lock);
    struct request *rq = take_due(p, now_us, &next_us), *next;
    pthread_mutex_unlock(&p->lock);
    for (; rq; rq = next) {
        next = rq->next;
        look_again(p, rq);
    }
    return next_us;
}

static void ring_here(struct parking *p, uint64_t topic)
{
    pthread_mutex_lock(&p->lock);
    p->rung[topic]++;
    bool anyone = p->parked != NULL;
    pthread_mutex_unlock(&p->lock);
    if (anyone)
        parking_expire(p, 0);
}

void parking_ring(struct parking *p, uint64_t topic)
{
    char text[32];

    ring_here(p, topic);
    if (!notify_has_peers(p->server->notify))
        return;
    snprintf(text, sizeof(text), "%" PRIu64, topic);
    notify_send(p->server->notify, "ring", text);
}

void parking_heard(struct server *server, const char *rest)
{
    if (rest)
        ring_here(server->parking, strtoull(rest, NULL, 10) % TOPICS);
    else
        parking_ring_all(server->parking);
}

void parking_ring_all(struct parking *p)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < TOPICS; i++)
        p->rung[i]++;
    pthread_mutex_unlock(&p->lock);
    parking_expire(p, 0);
}

size_t parking_count(struct parking *p)
{
    pthread_mutex_lock(&p->lock);
    size_t n = p->count;
    pthread_mutex_unlock(&p->lock);
    return n;
}
