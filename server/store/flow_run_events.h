/* Events of the state changes of flow runs, out of the states themselves: they are durable, so that
 * the events can be stored a moment later and none is lost (server/store/event_outbox.h).
 *
 * Thread: that of the work. */
#pragma once
#include "server/db/db.h"
#include "server/store/event_outbox.h"

/* In a transaction of its own. */
MUST_CHECK enum err_code flow_run_events_store(struct work *w, const struct state_written *states,
                                               size_t count);

/* Stores the events of states that have none, oldest first, at most a thousand; a state that is
 * younger than `age_s` may be on its way from another server's memory.  *out_more: there may be
 * others.  Nothing while another server does it. */
MUST_CHECK enum err_code flow_run_events_sweep(struct work *w, double age_s, bool *out_more);
