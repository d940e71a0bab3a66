/* Events: stored once by id; those about task runs that a client orchestrates are recorded as task
 * runs and their states. */
#pragma once
#include "server/db/db.h"
#include "server/model/event.h"
#include "server/model/event_filter.h"
#include "server/store/event_query.h"

/* Within a transaction of the caller or as several statements of their own (each is idempotent).
 * Queued for automations while there are any; whoever waits for events is told after the commit. */
MUST_CHECK enum err_code events_store(struct work *w, const struct event *const *events,
                                      size_t count);

/* What server->event_broadcast is given. */
struct published_event {
    struct stored_event stored;
    struct event_view view; /* of `stored` */
};
void events_publish(struct work *w, const struct stored_event *events, size_t count);
/* The oldest `limit` that came since; TIME_NONE: in the last two seconds.  Moves *since_us to the
 * newest of them. */
MUST_CHECK enum err_code events_publish_since(struct work *w, int64_t limit, int64_t *since_us,
                                              size_t *out_count);
