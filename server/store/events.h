/* Events: stored once by id; those about task runs that a client orchestrates are recorded as task
 * runs and their states. */
#pragma once
#include "server/db/db.h"
#include "server/model/event.h"

/* Within a transaction of the caller or as several statements of their own (each is idempotent).
 * Queued for automations while there are any; whoever waits for events is told after the commit. */
MUST_CHECK enum err_code events_store(struct work *w, const struct event *const *events,
                                      size_t count);
