#include "server/services/event_emitter.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "server/store/flow_run_events.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { BATCH_MAX = 1000, BATCH_LARGE = 200, REST_PER_WORK = 2, TRIES = 3 };
#define SWEEP_EVERY_US INT64_C(30000000)
#define SWEEP_AGE_S    30.0
#define REST_MAX_US    INT64_C(250000)

struct event_emitter {
    struct server *server;
    pthread_t thread;
    struct work work;
    int64_t next_sweep_us;
    struct state_written batch[BATCH_MAX];
};

static void rest(int64_t us)
{
    struct timespec pause = {us / 1000000, us % 1000000 * 1000};
    nanosleep(&pause, NULL);
}

static void begin(struct event_emitter *em)
{
    arena_reset(&em->work.arena);
    em->work.err = (struct err){0};
    em->work.now_us = clock_now_us();
}

/* False: the database cannot be had; the sweep will find these states. */
static bool store(struct event_emitter *em, size_t count)
{
    for (int i = 0; i < TRIES; i++) {
        begin(em);
        if (flow_run_events_store(&em->work, em->batch, count) == ERR_OK)
            return true;
    }
    log_warn("events_later", KV_I("states", (int64_t)count), KV_E(&em->work.err));
    return false;
}

static void leave_room(struct event_emitter *em, int64_t began_us)
{
    int64_t rest_us = (clock_monotonic_us() - began_us) * REST_PER_WORK;

    if (!event_outbox_closed(em->server->outbox))
        rest(rest_us < REST_MAX_US ? rest_us : REST_MAX_US);
}

static void emit(struct event_emitter *em, size_t count)
{
    int64_t began_us = clock_monotonic_us();
    uint64_t before = event_outbox_offered(em->server->outbox);

    if (!store(em, count) || event_outbox_offered(em->server->outbox) - before > BATCH_LARGE)
        leave_room(em, began_us);
}

static void sweep(struct event_emitter *em)
{
    int64_t began_us = clock_monotonic_us();
    bool more = false;

    begin(em);
    if (flow_run_events_sweep(&em->work, SWEEP_AGE_S, &more) != ERR_OK)
        log_warn("event_sweep", KV_E(&em->work.err));
    em->next_sweep_us = began_us + (more ? 0 : SWEEP_EVERY_US);
    if (more)
        leave_room(em, began_us);
}

static void *run(void *arg)
{
    struct event_emitter *em = arg;
    struct event_outbox *box = em->server->outbox;
    size_t n;

    em->work = (struct work){.server = em->server, .db = db_open_for_batches(em->server->conninfo)};
    do {
        n = event_outbox_take(box, em->batch, BATCH_MAX, em->next_sweep_us);
        if (n)
            emit(em, n);
        if (clock_monotonic_us() >= em->next_sweep_us && !event_outbox_closed(box))
            sweep(em);
    } while (n || !event_outbox_closed(box));
    arena_reset(&em->work.arena);
    db_close(em->work.db);
    return NULL;
}

struct event_emitter *event_emitter_start(struct server *server)
{
    struct event_emitter *em = calloc(1, sizeof(*em));

    if (!em)
        abort();
    em->server = server;
    if (pthread_create(&em->thread, NULL, run, em))
        abort();
    return em;
}

void event_emitter_stop(struct event_emitter *em)
{
    event_outbox_close(em->server->outbox);
    pthread_join(em->thread, NULL);
    free(em);
}
