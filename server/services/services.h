/* What the server does by itself: a row per service in services.c.
 *
 * All run in every server; they coordinate through the rows that they lock (SKIP LOCKED) and
 * through advisory locks.  A service sleeps until something is due (server/agenda.h), and looks by
 * itself once in a while, for what was lost with a server that died.
 *
 * Thread: two of their own, each with its connection: one for what must be on time, one for what
 * may take long. */
#pragma once
#include "server/agenda.h"
#include "server/work.h"

/* One look at what is due; `w->now_us` is the time that counts. */
struct pass {
    struct work *w;
    bool absent; /* it should have been long ago: the server was stopped, slept, had no database */
    int64_t next_us; /* out: when something is due next; now or earlier: there is more to do */
};
enum { ABSENT_S = 10 };

struct services;
/* Runs what must come before the first request, then starts the threads. */
struct services *services_start(struct server *server);
void services_stop(struct services *s);
