#include "server/http/loop_calls.h"

#include <pthread.h>
#include <stdlib.h>

struct loop_calls {
    pthread_mutex_t lock;
    struct loop_call *head, **tail;
    uv_async_t wake;
};

static void run_all(struct loop_calls *calls)
{
    pthread_mutex_lock(&calls->lock);
    struct loop_call *call = calls->head, *next;
    calls->head = NULL;
    calls->tail = &calls->head;
    pthread_mutex_unlock(&calls->lock);
    for (; call; call = next) {
        next = call->next;
        call->run(call);
    }
}

static void on_wake(uv_async_t *wake)
{
    run_all(wake->data);
}

struct loop_calls *loop_calls_start(struct server *server)
{
    struct loop_calls *calls = calloc(1, sizeof(*calls));
    if (!calls)
        abort();
    pthread_mutex_init(&calls->lock, NULL);
    calls->tail = &calls->head;
    uv_async_init(&server->loop, &calls->wake, on_wake);
    calls->wake.data = calls;
    return calls;
}

void loop_call(struct loop_calls *calls, struct loop_call *call)
{
    pthread_mutex_lock(&calls->lock);
    call->next = NULL;
    *calls->tail = call;
    calls->tail = &call->next;
    pthread_mutex_unlock(&calls->lock);
    uv_async_send(&calls->wake);
}

void loop_calls_stop(struct loop_calls *calls)
{
    run_all(calls);
    pthread_mutex_destroy(&calls->lock);
    free(calls);
}
