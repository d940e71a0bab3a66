#include "server/store/event_wake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct event_wake {
    pthread_mutex_t lock;
    pthread_cond_t rung;
    uint64_t count;
};

struct event_wake *event_wake_start(void)
{
    pthread_condattr_t attr;
    struct event_wake *wake = calloc(1, sizeof(*wake));

    if (!wake)
        abort();
    pthread_mutex_init(&wake->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&wake->rung, &attr);
    pthread_condattr_destroy(&attr);
    return wake;
}

void event_wake_stop(struct event_wake *wake)
{
    if (!wake)
        return;
    pthread_cond_destroy(&wake->rung);
    pthread_mutex_destroy(&wake->lock);
    free(wake);
}

void event_wake_ring(struct event_wake *wake)
{
    if (!wake)
        return;
    pthread_mutex_lock(&wake->lock);
    wake->count++;
    pthread_cond_broadcast(&wake->rung);
    pthread_mutex_unlock(&wake->lock);
}

uint64_t event_wake_count(struct event_wake *wake)
{
    pthread_mutex_lock(&wake->lock);
    uint64_t count = wake->count;
    pthread_mutex_unlock(&wake->lock);
    return count;
}

bool event_wake_wait(struct event_wake *wake, uint64_t seen, int64_t until_us)
{
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    int over = 0;

    pthread_mutex_lock(&wake->lock);
    while (wake->count == seen && over != ETIMEDOUT)
        over = pthread_cond_timedwait(&wake->rung, &wake->lock, &until);
    bool rung = wake->count != seen;
    pthread_mutex_unlock(&wake->lock);
    return rung;
}
