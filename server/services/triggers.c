#include "server/services/triggers.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/store/event_wake.h"
#include "server/store/triggers.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { IDLE_PAUSE_US = 100000 };
/* Should a server die between storing events and evaluating them, another one does it this soon. */
#define POLL_US  INT64_C(15000000)
#define RETRY_US INT64_C(1000000)
#define SWEEP_US INT64_C(60000000)

struct triggers {
    struct server *server;
    pthread_t thread;
    atomic_bool stopping;
    struct trigger_set set;
    int64_t swept_us; /* monotonic */
};

static enum err_code evaluate_all(struct triggers *t, struct work *w)
{
    bool waiting = false;
    enum err_code rc = triggers_have_events(w, &waiting);

    for (struct trigger_pass pass = {.more = waiting}; !rc && pass.more && !t->stopping;) {
        pass = (struct trigger_pass){0};
        rc = triggers_evaluate(w, &t->set, &pass);
        if (pass.actions)
            event_wake_ring(t->server->action_wake);
        arena_reset(&w->arena);
    }
    return rc;
}

static enum err_code look_at_due(struct triggers *t, struct work *w, int64_t *out_due_us)
{
    enum err_code rc = triggers_next_due(w, out_due_us);

    while (!rc && *out_due_us != TIME_NONE && *out_due_us <= clock_now_us() && !t->stopping) {
        struct trigger_pass pass = {0};
        rc = triggers_look(w, &t->set, &pass);
        if (!rc) /* events that waited long enough go on */
            rc = triggers_evaluate(w, &t->set, &pass);
        if (pass.actions)
            event_wake_ring(t->server->action_wake);
        if (!rc)
            rc = triggers_next_due(w, out_due_us);
        arena_reset(&w->arena);
    }
    return rc;
}

static enum err_code sweep(struct triggers *t, struct work *w)
{
    int64_t now_us = clock_monotonic_us();

    if (now_us - t->swept_us < SWEEP_US || !t->set.count)
        return ERR_OK;
    t->swept_us = now_us;
    w->now_us = clock_now_us();
    return triggers_sweep(w);
}

/* Until when there is nothing to do, on the monotonic clock. */
static int64_t pass(struct triggers *t, struct work *w)
{
    int64_t due_us = TIME_NONE, now_us = clock_monotonic_us();
    enum err_code rc = evaluate_all(t, w);

    if (!rc)
        rc = look_at_due(t, w, &due_us);
    if (!rc)
        rc = sweep(t, w);
    if (rc)
        log_warn("triggers", KV_E(&w->err));
    arena_reset(&w->arena);
    if (rc)
        return now_us + RETRY_US;
    int64_t wait_us = due_us == TIME_NONE ? POLL_US : due_us - clock_now_us();
    return clock_monotonic_us() + (wait_us > POLL_US ? POLL_US : wait_us);
}

static void *run(void *triggers)
{
    struct triggers *t = triggers;
    struct work w = {.server = t->server, .db = db_open(t->server->conninfo)};

    while (!t->stopping) {
        uint64_t seen = event_wake_count(t->server->wake);
        int64_t until_us = pass(t, &w);
        if (!t->stopping && event_wake_wait(t->server->wake, seen, until_us) && !t->set.count)
            usleep(IDLE_PAUSE_US); /* without automations most news are none */
    }
    db_close(w.db);
    return NULL;
}

struct triggers *triggers_start(struct server *server)
{
    struct triggers *t = calloc(1, sizeof(*t));
    if (!t)
        abort();
    t->server = server;
    t->swept_us = clock_monotonic_us();
    if (pthread_create(&t->thread, NULL, run, t))
        abort();
    return t;
}

void triggers_stop(struct triggers *t)
{
    if (!t)
        return;
    t->stopping = true;
    event_wake_ring(t->server->wake);
    pthread_join(t->thread, NULL);
    trigger_set_free(&t->set);
    free(t);
}
