#include "server/http/executor.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/db/db.h"
#include "server/http/compress.h"
#include "server/http/parking.h"
#include "server/http/reply.h"
#include "server/http/route.h"
#include "server/server.h"
#include "shared/base/clock.h"

struct executor {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct request *head, **tail;
    size_t waiting, queue_max, threads;
    bool stopping;
    struct server *server;
    pthread_t ids[];
};

static struct request *take(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    while (!ex->head && !ex->stopping)
        pthread_cond_wait(&ex->work, &ex->lock);
    struct request *rq = ex->head;
    if (rq) {
        ex->head = rq->next;
        if (!ex->head)
            ex->tail = &ex->head;
        ex->waiting--;
    }
    pthread_mutex_unlock(&ex->lock);
    return rq;
}

static void run_one(struct executor *ex, struct request *rq, struct db *db)
{
    rq->work.db = db;
    rq->work.now_us = clock_now_us();
    rq->work.origin = request_origin(rq);
    rq->parks = false;
    rq->work.err = (struct err){0};
    enum err_code rc = request_decode(rq);
    struct arena_mark decoded = arena_mark(&rq->work.arena);
    if (!rc)
        rc = rq->route->handle(rq);
    if (rc) {
        db_rollback(&rq->work);
        reply_error(rq);
    }
    rq->work.db = NULL;
    if (rq->parks && !rc) {
        arena_rewind(&rq->work.arena, &decoded); /* it may run again any number of times */
        parking_hold(ex->server->parking, rq);
        return;
    }
    if (rq->accepts_gzip)
        compress_reply(rq);
    request_finish(rq);
}

static void *run(void *arg)
{
    struct executor *ex = arg;
    struct db *db = db_open(ex->server->conninfo);
    struct request *rq;

    while ((rq = take(ex)))
        run_one(ex, rq, db);
    db_close(db);
    return NULL;
}

struct executor *executor_start(struct server *server, size_t threads, size_t queue_max)
{
    struct executor *ex = calloc(1, sizeof(*ex) + threads * sizeof(pthread_t));
    if (!ex)
        abort();
    pthread_mutex_init(&ex->lock, NULL);
    pthread_cond_init(&ex->work, NULL);
    ex->tail = &ex->head;
    ex->queue_max = queue_max;
    ex->server = server;
    for (; ex->threads < threads; ex->threads++)
        if (pthread_create(&ex->ids[ex->threads], NULL, run, ex))
            abort();
    return ex;
}

void executor_stop(struct executor *ex)
{
    if (!ex)
        return;
    pthread_mutex_lock(&ex->lock);
    ex->stopping = true;
    pthread_cond_broadcast(&ex->work);
    pthread_mutex_unlock(&ex->lock);
    for (size_t i = 0; i < ex->threads; i++)
        pthread_join(ex->ids[i], NULL);
    pthread_cond_destroy(&ex->work);
    pthread_mutex_destroy(&ex->lock);
    free(ex);
}

enum err_code executor_submit(struct executor *ex, struct request *rq)
{
    pthread_mutex_lock(&ex->lock);
    bool full = ex->waiting >= ex->queue_max || ex->stopping;
    if (!full) {
        rq->next = NULL;
        *ex->tail = rq;
        ex->tail = &rq->next;
        ex->waiting++;
        pthread_cond_signal(&ex->work);
    }
    pthread_mutex_unlock(&ex->lock);
    return full ? err_set(&rq->work.err, BUSY, "%zu requests are waiting", ex->queue_max) : ERR_OK;
}

size_t executor_waiting(struct executor *ex)
{
    pthread_mutex_lock(&ex->lock);
    size_t n = ex->waiting;
    pthread_mutex_unlock(&ex->lock);
    return n;
}
