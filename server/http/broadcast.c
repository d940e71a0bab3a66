#include "server/http/broadcast.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX_BYTES = 4 << 20 };

struct message {
    struct message *next;
    struct uuid id;
    size_t len;
    char text[];
};

struct subscriber {
    struct loop_call call; /* first member; on its way while `called` */
    struct subscriber *next, **at;
    struct broadcast *broadcast;
    const void *filter;
    void (*on_news)(void *owner); /* NULL: closed */
    void *owner;
    struct message *head, **tail, *taken;
    size_t bytes;
    bool called, lags;
};

struct broadcast {
    pthread_mutex_t lock;
    struct server *server;
    const struct broadcast_kind *kind;
    struct subscriber *subscribers;
    size_t count;
};

struct broadcast *broadcast_start(struct server *server, const struct broadcast_kind *kind)
{
    struct broadcast *b = calloc(1, sizeof(*b));

    if (!b)
        abort();
    pthread_mutex_init(&b->lock, NULL);
    b->server = server;
    b->kind = kind;
    return b;
}

void broadcast_stop(struct broadcast *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

bool broadcast_wanted(struct broadcast *b)
{
    if (!b)
        return false;
    pthread_mutex_lock(&b->lock);
    bool wanted = b->count > 0;
    pthread_mutex_unlock(&b->lock);
    return wanted;
}

static void drop_queue(struct subscriber *s)
{
    struct message *next;

    for (struct message *m = s->head; m; m = next) {
        next = m->next;
        free(m);
    }
    s->head = NULL;
    s->tail = &s->head;
    s->bytes = 0;
}

static void on_call(struct loop_call *call)
{
    struct subscriber *s = (struct subscriber *)call;

    pthread_mutex_lock(&s->broadcast->lock);
    s->called = false;
    bool closed = !s->on_news;
    pthread_mutex_unlock(&s->broadcast->lock);
    if (closed)
        free(s);
    else
        s->on_news(s->owner);
}

/* With the lock. */
static void put(struct subscriber *s, struct uuid id, const struct buf *text)
{
    struct broadcast *b = s->broadcast;

    if (s->lags)
        return;
    if (s->bytes + text->len > SUBSCRIBER_QUEUE_MAX_BYTES) {
        drop_queue(s);
        s->lags = true;
    } else {
        struct message *m = malloc(sizeof(*m) + text->len);
        if (!m)
            abort();
        *m = (struct message){.id = id, .len = text->len};
        memcpy(m->text, text->bytes, text->len);
        *s->tail = m;
        s->tail = &m->next;
        s->bytes += text->len;
    }
    if (s->called)
        return;
    s->called = true;
    s->call.run = on_call;
    loop_call(b->server->loop_calls, &s->call);
}

void broadcast_publish(struct broadcast *b, const struct broadcast_item *items, size_t count)
{
    struct arena scratch = {0};
    struct buf text = {.max_bytes = FRAME_MAX_BYTES};

    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < count && b->subscribers; i++) {
        text.len = 0;
        for (struct subscriber *s = b->subscribers; s; s = s->next) {
            if (!b->kind->wants(&scratch, s->filter, items[i].what))
                continue;
            if (!text.len)
                b->kind->write(&text, items[i].what);
            if (!text.full)
                put(s, items[i].id, &text);
        }
        arena_reset(&scratch);
    }
    pthread_mutex_unlock(&b->lock);
    buf_free(&text);
}

struct subscriber *subscriber_open(struct broadcast *b, const void *filter,
                                   void (*on_news)(void *owner), void *owner)
{
    struct subscriber *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    *s = (struct subscriber){
        .broadcast = b, .filter = filter, .on_news = on_news, .owner = owner, .tail = &s->head};
    pthread_mutex_lock(&b->lock);
    bool full = b->count == SUBSCRIBERS_MAX;
    if (!full) {
        s->next = b->subscribers;
        s->at = &b->subscribers;
        if (s->next)
            s->next->at = &s->next;
        b->subscribers = s;
        b->count++;
    }
    pthread_mutex_unlock(&b->lock);
    if (!full)
        return s;
    free(s);
    return NULL;
}

void subscriber_close(struct subscriber *s)
{
    if (!s)
        return;
    struct broadcast *b = s->broadcast;
    pthread_mutex_lock(&b->lock);
    *s->at = s->next;
    if (s->next)
        s->next->at = s->at;
    b->count--;
    drop_queue(s);
    s->on_news = NULL;
    bool called = s->called;
    pthread_mutex_unlock(&b->lock);
    free(s->taken);
    s->taken = NULL;
    if (!called)
        free(s);
}

bool subscriber_next(struct subscriber *s, struct uuid *out_id, const char **out_text,
                     size_t *out_len)
{
    free(s->taken);
    pthread_mutex_lock(&s->broadcast->lock);
    struct message *m = s->taken = s->head;
    if (m) {
        s->head = m->next;
        if (!s->head)
            s->tail = &s->head;
        s->bytes -= m->len;
    }
    pthread_mutex_unlock(&s->broadcast->lock);
    if (!m)
        return false;
    *out_id = m->id;
    *out_text = m->text;
    *out_len = m->len;
    return true;
}

bool subscriber_lags(struct subscriber *s)
{
    pthread_mutex_lock(&s->broadcast->lock);
    bool lags = s->lags;
    pthread_mutex_unlock(&s->broadcast->lock);
    return lags;
}
