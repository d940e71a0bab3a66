#include "server/store/event_outbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct event_outbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    size_t head, count;
    uint64_t offered;
    bool closed;
    struct state_written states[OUTBOX_MAX];
};

struct event_outbox *event_outbox_start(void)
{
    pthread_condattr_t attr;
    struct event_outbox *box = calloc(1, sizeof(*box));

    if (!box)
        abort();
    pthread_mutex_init(&box->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&box->filled, &attr);
    pthread_condattr_destroy(&attr);
    return box;
}

void event_outbox_stop(struct event_outbox *box)
{
    if (!box)
        return;
    pthread_cond_destroy(&box->filled);
    pthread_mutex_destroy(&box->lock);
    free(box);
}

void event_outbox_offer(struct event_outbox *box, const struct state_written *states, size_t count)
{
    if (!box || !count)
        return;
    pthread_mutex_lock(&box->lock);
    box->offered += count;
    for (size_t i = 0; i < count && box->count < OUTBOX_MAX; i++, box->count++)
        box->states[(box->head + box->count) % OUTBOX_MAX] = states[i];
    pthread_cond_signal(&box->filled);
    pthread_mutex_unlock(&box->lock);
}

size_t event_outbox_take(struct event_outbox *box, struct state_written *out, size_t max,
                         int64_t until_us)
{
    struct timespec until = {until_us / 1000000, until_us % 1000000 * 1000};
    size_t n = 0;
    int over = 0;

    pthread_mutex_lock(&box->lock);
    while (!box->count && !box->closed && over != ETIMEDOUT)
        over = pthread_cond_timedwait(&box->filled, &box->lock, &until);
    for (; n < max && box->count; n++, box->count--) {
        out[n] = box->states[box->head];
        box->head = (box->head + 1) % OUTBOX_MAX;
    }
    pthread_mutex_unlock(&box->lock);
    return n;
}

void event_outbox_close(struct event_outbox *box)
{
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    pthread_cond_broadcast(&box->filled);
    pthread_mutex_unlock(&box->lock);
}

bool event_outbox_closed(struct event_outbox *box)
{
    pthread_mutex_lock(&box->lock);
    bool closed = box->closed;
    pthread_mutex_unlock(&box->lock);
    return closed;
}

uint64_t event_outbox_offered(struct event_outbox *box)
{
    pthread_mutex_lock(&box->lock);
    uint64_t offered = box->offered;
    pthread_mutex_unlock(&box->lock);
    return offered;
}
