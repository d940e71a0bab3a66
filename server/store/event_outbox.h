/* States of flow runs that were committed and have no event yet.
 *
 * Whoever moves runs offers the new states after the commit, which costs a copy; the emitter
 * (services/event_emitter.c) takes them in batches and stores their events.  What is lost with the
 * process, or does not fit in, is found again by flow_run_events_sweep().
 *
 * Thread: any. */
#pragma once
#include "server/server.h"
#include "shared/base/uuid.h"

struct event_outbox;

/* A state that was written. */
struct state_written {
    struct uuid id, previous; /* previous: nil for none */
    int64_t run_count;        /* of the run, from then on */
};

enum { OUTBOX_MAX = 65536 };

struct event_outbox *event_outbox_start(void);
void event_outbox_stop(struct event_outbox *box);
/* Nothing for NULL. */
void event_outbox_offer(struct event_outbox *box, const struct state_written *states, size_t count);
/* Waits until there is some, the monotonic time has come or event_outbox_close(); at most `max`. */
size_t event_outbox_take(struct event_outbox *box, struct state_written *out, size_t max,
                         int64_t until_us);
/* What is in can still be taken; nobody waits any more. */
void event_outbox_close(struct event_outbox *box);
bool event_outbox_closed(struct event_outbox *box);
/* How many came since the start. */
uint64_t event_outbox_offered(struct event_outbox *box);
