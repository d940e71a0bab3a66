#include "server/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct watch {
    pthread_mutex_t lock;
    struct uuid *runs;
    atomic_size_t count;
};

struct watch *watch_new(void)
{
    struct watch *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    pthread_mutex_init(&w->lock, NULL);
    return w;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    pthread_mutex_destroy(&w->lock);
    free(w->runs);
    free(w);
}

void watch_set(struct watch *w, const struct uuid *runs, size_t count)
{
    if (!w)
        return;
    struct uuid *copy = count ? malloc(count * sizeof(*copy)) : NULL;

    if (count && !copy)
        abort();
    for (size_t i = 0; i < count; i++)
        copy[i] = runs[i];
    pthread_mutex_lock(&w->lock);
    free(w->runs);
    w->runs = copy;
    atomic_store(&w->count, count);
    pthread_mutex_unlock(&w->lock);
}

bool watch_has(struct watch *w, struct uuid run)
{
    bool found = false;

    if (!w || !atomic_load(&w->count))
        return false;
    pthread_mutex_lock(&w->lock);
    for (size_t i = 0; i < atomic_load(&w->count) && !found; i++)
        found = memcmp(&w->runs[i], &run, sizeof(run)) == 0;
    pthread_mutex_unlock(&w->lock);
    return found;
}
