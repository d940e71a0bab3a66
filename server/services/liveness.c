#include "server/services/liveness.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "server/http/parking.h"
#include "server/store/claims.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { PAUSE_S = 1 };
/* Less than a claim's shortest term (CLAIM_GRACE_S): an agent has the rest of it to be heard of. */
#define ABSENCE_US INT64_C(10000000)

struct liveness {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
};

static enum err_code pass(struct work *w, bool absent)
{
    struct transition_list done = {0};
    bool more = false;

    enum err_code rc = db_begin(w);
    if (rc)
        return rc;
    rc = absent ? claims_spare(w) : claims_expire(w, &done, &more);
    if (!rc)
        rc = db_commit(w);
    if (rc) {
        db_rollback(w);
        return rc;
    }
    if (done.count) {
        log_warn("claims_expired", KV_I("runs", (int64_t)done.count));
        transitions_announce(w, done.items, done.count);
        parking_ring(w->server->parking, claims_topic());
    }
    return more ? pass(w, false) : ERR_OK;
}

/* False: it is to stop. */
static bool pause_between(struct liveness *l)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PAUSE_S;
    pthread_mutex_lock(&l->lock);
    if (!l->stopping)
        pthread_cond_timedwait(&l->wake, &l->lock, &until);
    bool go_on = !l->stopping;
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

static void *run(void *liveness)
{
    struct liveness *l = liveness;
    struct work w = {.server = l->server, .db = db_open(l->server->conninfo)};
    int64_t last_us = INT64_MIN / 2;

    do {
        int64_t now_us = clock_monotonic_us();
        w.now_us = clock_now_us();
        enum err_code rc = pass(&w, now_us - last_us > ABSENCE_US);
        if (rc)
            log_warn("liveness", KV_E(&w.err));
        else
            last_us = now_us;
        arena_reset(&w.arena);
    } while (pause_between(l));
    db_close(w.db);
    return NULL;
}

struct liveness *liveness_start(struct server *server)
{
    pthread_condattr_t attr;
    struct liveness *l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    l->server = server;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&l->thread, NULL, run, l))
        abort();
    return l;
}

void liveness_stop(struct liveness *l)
{
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
