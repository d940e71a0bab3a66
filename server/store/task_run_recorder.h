/* Task runs and their states out of the events `prefect.task-run.*` that the SDK and our agent
 * emit.  For store/events.c. */
#pragma once
#include "server/store/events.h"

/* Events that are not about a client's task run are passed over; the newest state of a run wins,
 * whatever the order in which events come. */
MUST_CHECK enum err_code task_runs_record(struct work *w, const struct event *const *events,
                                          size_t count);
