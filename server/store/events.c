#include "server/store/events.h"

#include <string.h>

#include "server/db/columns.h"
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

static void ring(struct work *w, struct commit_hook *hook)
{
    (void)hook;
    event_wake_ring(w->server->wake);
}

/* Tells those who wait for events once these are there to be read. */
static void announce(struct work *w)
{
    struct commit_hook *hook = arena_new(&w->arena, struct commit_hook);

    hook->run = ring;
    db_after_commit(w, hook);
}

enum err_code events_store(struct work *w, const struct event *const *events, size_t count)
{
    struct array columns[EVENT_COLUMNS] = {0};
    const char *parameters[EVENT_COLUMNS];
    struct rows stored;

    if (!count)
        return ERR_OK;
    for (size_t i = 0; i < count; i++)
        put_event(w, columns, events[i]);
    enum err_code rc = arrays_finish(w, columns, EVENT_COLUMNS, parameters);
    if (!rc)
        rc = db_query(w, Q_events_insert, parameters, &stored);
    arrays_free(columns, EVENT_COLUMNS);
    if (rc)
        return rc;
    if (stored.count)
        announce(w);
    return task_runs_record(w, events, count);
}
