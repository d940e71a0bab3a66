#include "server/services/actions.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/services/action_run.h"
#include "server/store/event_wake.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum { THREADS = 4, DETAILS_MAX_BYTES = 1 << 20 };
/* What a server left behind is found this soon; each thread looks. */
#define POLL_US  INT64_C(60000000)
#define RETRY_US INT64_C(1000000)

struct actions {
    struct server *server;
    atomic_bool stopping;
    pthread_t threads[THREADS];
};

static enum err_code finish(struct work *w, const struct claimed_action *a,
                            struct action_result *result)
{
    bool lost;
    enum err_code rc = action_done(w, a, result, &lost);

    if (!rc && result->reason)
        log_warn("action_failed", KV_S("action", a->action.type), KV_S("reason", result->reason));
    return rc;
}

/* An error that may go away: again, later each time; at last it has failed. */
static enum err_code put_off(struct work *w, const struct claimed_action *a,
                             struct action_result *result)
{
    log_warn("action", KV_S("action", a->action.type), KV_I("attempt", a->attempts), KV_E(&w->err));
    db_rollback(w);
    if (a->attempts < ACTION_ATTEMPTS_MAX)
        return action_put_off(w, a, (double)(1 << (2 * a->attempts)));
    result->reason = arena_printf(&w->arena, "%s", w->err.detail);
    return finish(w, a, result);
}

static enum err_code do_one(struct work *w, const struct claimed_action *a)
{
    struct action_result result = {.details = {.max_bytes = DETAILS_MAX_BYTES},
                                   .related = {.max_bytes = DETAILS_MAX_BYTES}};

    enum err_code rc = action_run(w, a, &result);
    rc = rc ? put_off(w, a, &result) : finish(w, a, &result);
    buf_free(&result.details);
    buf_free(&result.related);
    return rc;
}

/* One after the other: the others are free for the other threads. */
static enum err_code do_all(struct actions *s, struct work *w)
{
    struct claimed_action a;
    size_t count = 1;
    enum err_code rc = ERR_OK;

    while (!rc && count && !s->stopping) {
        w->now_us = clock_now_us();
        rc = actions_claim(w, 1, &a, &count);
        if (!rc && count)
            rc = do_one(w, &a);
        arena_reset(&w->arena);
    }
    return rc;
}

/* Until when there is nothing to do, on the monotonic clock. */
static int64_t pass(struct actions *s, struct work *w)
{
    int64_t due_us = TIME_NONE;
    enum err_code rc = do_all(s, w);

    if (!rc)
        rc = actions_next_due(w, &due_us);
    if (rc)
        log_warn("actions", KV_E(&w->err));
    db_rollback(w);
    arena_reset(&w->arena);
    int64_t wait_us = rc ? RETRY_US : due_us == TIME_NONE ? POLL_US : due_us - clock_now_us();
    if (wait_us > POLL_US)
        wait_us = POLL_US;
    return clock_monotonic_us() + (wait_us < 0 ? 0 : wait_us);
}

static void *run(void *actions)
{
    struct actions *s = actions;
    struct work w = {.server = s->server, .db = db_open(s->server->conninfo)};

    while (!s->stopping) {
        uint64_t seen = event_wake_count(s->server->action_wake);
        int64_t until_us = pass(s, &w);
        if (!s->stopping)
            event_wake_wait(s->server->action_wake, seen, until_us);
    }
    db_close(w.db);
    return NULL;
}

struct actions *actions_start(struct server *server)
{
    struct actions *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->server = server;
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&s->threads[i], NULL, run, s))
            abort();
    return s;
}

void actions_stop(struct actions *s)
{
    if (!s)
        return;
    s->stopping = true;
    event_wake_ring(s->server->action_wake);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(s->threads[i], NULL);
    free(s);
}
