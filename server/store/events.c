#include "server/store/events.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/notify.h"
#include "server/http/broadcast.h"
#include "server/server.h"
#include "server/store/event_wake.h"
#include "server/store/task_run_recorder.h"

enum {
    A_ID,
    A_OCCURRED,
    A_EVENT,
    A_RESOURCE_ID,
    A_RESOURCE,
    A_RELATED,
    A_PAYLOAD,
    A_FOLLOWS,
    EVENT_COLUMNS
};

static const char *resource_id(struct work *w, const struct event *e)
{
    struct doc doc;
    struct doc_error bad;

    if (!doc_parse(&w->arena, e->resource.text, e->resource.len, &doc, &bad))
        return "";
    return val_string(&w->arena, val_get(doc_root(&doc), "prefect.resource.id"), NULL);
}

static void put_event(struct work *w, struct array *a, const struct event *e)
{
    array_uuid(&a[A_ID], e->id);
    array_time(&a[A_OCCURRED], e->occurred_us);
    array_string(&a[A_EVENT], e->event);
    array_string(&a[A_RESOURCE_ID], resource_id(w, e));
    array_raw(&a[A_RESOURCE], e->resource);
    array_raw(&a[A_RELATED], e->related);
    array_raw(&a[A_PAYLOAD], e->payload);
    array_uuid(&a[A_FOLLOWS], e->follows);
}

/* ---- telling ---- */

void events_publish(struct work *w, const struct stored_event *events, size_t count)
{
    struct published_event *items = arena_array(&w->arena, struct published_event, count + 1);
    struct broadcast_item *list = arena_array(&w->arena, struct broadcast_item, count + 1);

    for (size_t i = 0; i < count; i++) {
        items[i].stored = events[i];
        items[i].view = event_view(&w->arena, &items[i].stored.event);
        list[i] = (struct broadcast_item){events[i].event.id, &items[i]};
    }
    broadcast_publish(w->server->event_broadcast, list, count);
}

enum err_code events_publish_since(struct work *w, int64_t limit, int64_t *since_us,
                                   size_t *out_count)
{
    struct stored_events events;
    enum err_code rc = events_since(w, *since_us, limit, &events);

    if (rc)
        return rc;
    *out_count = events.count;
    if (events.count)
        *since_us = events.items[events.count - 1].received_us;
    events_publish(w, events.items, events.count);
    return ERR_OK;
}

struct announcement {
    struct commit_hook hook; /* first member */
    struct stored_event *events;
    size_t count;
};

static void tell(struct work *w, struct commit_hook *hook)
{
    const struct announcement *a = (const struct announcement *)hook;

    event_wake_ring(w->server->wake);
    notify_send(w->server->notify, "events", "");
    if (a->count)
        events_publish(w, a->events, a->count);
}

/* Those that were stored, to whoever waits for events, once they are there to be read. */
static void announce(struct work *w, const struct event *const *events, size_t count,
                     const struct rows *stored)
{
    struct announcement *a = arena_new(&w->arena, struct announcement);

    a->hook.run = tell;
    if (broadcast_wanted(w->server->event_broadcast)) {
        a->events = arena_array(&w->arena, struct stored_event, count);
        for (size_t i = 0; i < count; i++)
            if ((size_t)stored->count == count || rows_have(stored, events[i]->id))
                a->events[a->count++] = (struct stored_event){*events[i], rows_time(stored, 0, 1)};
    }
    db_after_commit(w, &a->hook);
}

enum err_code events_store(struct work *w, const struct event *const *events, size_t count)
{
    struct array columns[EVENT_COLUMNS] = {0};
    struct rows stored;

    if (!count)
        return ERR_OK;
    arrays_binary(columns, EVENT_COLUMNS);
    for (size_t i = 0; i < count; i++)
        put_event(w, columns, events[i]);
    enum err_code rc = db_arrays(w, Q_events_insert, columns, &stored);
    arrays_free(columns, EVENT_COLUMNS);
    if (rc)
        return rc;
    if (stored.count)
        announce(w, events, count, &stored);
    return task_runs_record(w, events, count);
}
