#include "server/db/lane.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/db/db.h"
#include "server/server.h"
#include "shared/base/clock.h"

struct lane {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct lane_item *head, **tail;
    size_t waiting, threads;
    uint64_t batches, items;
    bool stopping;
    struct server *server;
    const struct lane_kind *kind;
    pthread_t ids[];
};

/* Waits for work; returns how many items were taken, 0 when the lane stops. */
static size_t gather(struct lane *lane, struct lane_item **out_items)
{
    size_t n = 0;

    pthread_mutex_lock(&lane->lock);
    while (!lane->head && !lane->stopping)
        pthread_cond_wait(&lane->work, &lane->lock);
    while (lane->head && n < lane->kind->batch_max) {
        out_items[n++] = lane->head;
        lane->head = lane->head->next;
    }
    if (!lane->head)
        lane->tail = &lane->head;
    lane->waiting -= n;
    lane->batches += n > 0;
    lane->items += n;
    pthread_mutex_unlock(&lane->lock);
    return n;
}

static void *run(void *arg)
{
    struct lane *lane = arg;
    struct lane_item **items = calloc(lane->kind->batch_max, sizeof(struct lane_item *));
    struct work w = {.server = lane->server, .db = db_open_for_batches(lane->server->conninfo)};
    size_t n;

    if (!items)
        abort();
    while ((n = gather(lane, items))) {
        w.now_us = clock_now_us();
        lane->kind->run(&w, items, n);
        arena_reset(&w.arena);
        w.err = (struct err){0};
    }
    db_close(w.db);
    free(items);
    return NULL;
}

struct lane *lane_start(struct server *server, const struct lane_kind *kind, size_t threads)
{
    struct lane *lane = calloc(1, sizeof(*lane) + threads * sizeof(pthread_t));
    if (!lane)
        abort();
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->work, NULL);
    lane->tail = &lane->head;
    lane->server = server;
    lane->kind = kind;
    for (; lane->threads < threads; lane->threads++)
        if (pthread_create(&lane->ids[lane->threads], NULL, run, lane))
            abort();
    return lane;
}

void lane_stop(struct lane *lane)
{
    if (!lane)
        return;
    pthread_mutex_lock(&lane->lock);
    lane->stopping = true;
    pthread_cond_broadcast(&lane->work);
    pthread_mutex_unlock(&lane->lock);
    for (size_t i = 0; i < lane->threads; i++)
        pthread_join(lane->ids[i], NULL);
    pthread_cond_destroy(&lane->work);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

enum err_code lane_submit(struct lane *lane, struct lane_item *item, struct err *e)
{
    pthread_mutex_lock(&lane->lock);
    bool full = lane->waiting >= lane->kind->queue_max || lane->stopping;
    if (!full) {
        item->next = NULL;
        *lane->tail = item;
        lane->tail = &item->next;
        lane->waiting++;
        pthread_cond_signal(&lane->work);
    }
    pthread_mutex_unlock(&lane->lock);
    if (full)
        return err_set(e, BUSY, "%zu items wait in the lane %s", lane->kind->queue_max,
                       lane->kind->name);
    return ERR_OK;
}

struct lane_numbers lane_numbers(struct lane *lane)
{
    pthread_mutex_lock(&lane->lock);
    struct lane_numbers n = {lane->kind->name, lane->batches, lane->items, lane->waiting};
    pthread_mutex_unlock(&lane->lock);
    return n;
}
