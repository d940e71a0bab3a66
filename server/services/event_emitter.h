/* Stores the events of flow runs' state changes, right after them and in batches.
 *
 * Idle, an event follows its state within milliseconds.  Under load the emitter leaves the database
 * to the transitions for twice the time of each full batch; what does not fit into the outbox then,
 * and what a server that was killed had in memory, is found in the states themselves, every half
 * minute and at the start (flow_run_events_sweep()).
 * Thread: its own, with its own connection. */
#pragma once
#include "server/server.h"

struct event_emitter;

struct event_emitter *event_emitter_start(struct server *server);
/* Stores what is waiting, then joins. */
void event_emitter_stop(struct event_emitter *emitter);
