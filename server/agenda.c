#include "server/agenda.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/db/notify.h"
#include "shared/base/clock.h"

static const char *const names[AGENDA_KINDS] = {
#define AGENDA(name) [AGENDA_##name] = #name,
#include "server/agenda.def"
#undef AGENDA
};

struct agenda {
    struct server *server;
    pthread_mutex_t lock;
    pthread_cond_t earlier;
    _Atomic int64_t due_us[AGENDA_KINDS];
    bool stopping;
};

struct agenda *agenda_new(struct server *server)
{
    struct agenda *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->server = server;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->earlier, NULL); /* on the wall clock, also when that is set */
    return a;
}

void agenda_free(struct agenda *a)
{
    if (!a)
        return;
    pthread_cond_destroy(&a->earlier);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

static bool move_up(struct agenda *a, enum agenda_kind kind, int64_t at_us)
{
    if (!a || at_us >= atomic_load(&a->due_us[kind]))
        return false;
    pthread_mutex_lock(&a->lock);
    bool earlier = at_us < atomic_load(&a->due_us[kind]);
    if (earlier) {
        atomic_store(&a->due_us[kind], at_us);
        pthread_cond_broadcast(&a->earlier);
    }
    pthread_mutex_unlock(&a->lock);
    return earlier;
}

void agenda_due_here(struct agenda *a, enum agenda_kind kind, int64_t at_us)
{
    (void)move_up(a, kind, at_us);
}

void agenda_due(struct agenda *a, enum agenda_kind kind, int64_t at_us)
{
    char rest[64];

    if (!move_up(a, kind, at_us) || !notify_has_peers(a->server->notify))
        return;
    snprintf(rest, sizeof(rest), "%s %" PRId64, names[kind], at_us);
    notify_send(a->server->notify, "due", rest);
}

void agenda_heard(struct server *server, const char *rest)
{
    const char *blank = rest ? strchr(rest, ' ') : NULL;

    for (int k = 0; k < AGENDA_KINDS; k++) {
        if (!rest)
            agenda_due_here(server->agenda, (enum agenda_kind)k, 0);
        else if (blank && strlen(names[k]) == (size_t)(blank - rest) &&
                 !memcmp(names[k], rest, (size_t)(blank - rest)))
            agenda_due_here(server->agenda, (enum agenda_kind)k, strtoll(blank, NULL, 10));
    }
}

int64_t agenda_when(struct agenda *a, enum agenda_kind kind)
{
    return atomic_load(&a->due_us[kind]);
}

void agenda_begin(struct agenda *a, enum agenda_kind kind)
{
    atomic_store(&a->due_us[kind], INT64_MAX);
}

static int64_t earliest(struct agenda *a, unsigned kinds, int64_t until_us)
{
    for (int k = 0; k < AGENDA_KINDS; k++)
        if (kinds >> k & 1 && atomic_load(&a->due_us[k]) < until_us)
            until_us = atomic_load(&a->due_us[k]);
    return until_us;
}

bool agenda_wait(struct agenda *a, unsigned kinds, int64_t until_us)
{
    int64_t at_us;

    pthread_mutex_lock(&a->lock);
    while (!a->stopping && (at_us = earliest(a, kinds, until_us)) > clock_now_us()) {
        struct timespec at = {at_us / 1000000, at_us % 1000000 * 1000};
        pthread_cond_timedwait(&a->earlier, &a->lock, &at);
    }
    bool go_on = !a->stopping;
    pthread_mutex_unlock(&a->lock);
    return go_on;
}

void agenda_stop(struct agenda *a)
{
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->earlier);
    pthread_mutex_unlock(&a->lock);
}
