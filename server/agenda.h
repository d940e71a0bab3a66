/* When each kind of upkeep is due next.  Whoever commits something that gets due says so; the
 * services (server/services/services.h) sleep until then.
 *
 * A time is a hint: too early costs a look, and whoever looks finds the next one by itself.  Other
 * servers on the same database hear of it (db/notify.h).
 *
 * Thread: any.   Units: microseconds since 1970-01-01T00:00:00Z; INT64_MAX is never. */
#pragma once
#include "server/server.h"

enum agenda_kind {
#define AGENDA(name) AGENDA_##name,
#include "server/agenda.def"
#undef AGENDA
    AGENDA_KINDS
};

struct agenda;
struct agenda *agenda_new(struct server *server);
void agenda_free(struct agenda *a);

/* Cheap when something earlier is known.  a may be NULL: tests have none. */
void agenda_due(struct agenda *a, enum agenda_kind kind, int64_t at_us);
/* The same for this server only. */
void agenda_due_here(struct agenda *a, enum agenda_kind kind, int64_t at_us);
/* A row for struct notify_row. */
void agenda_heard(struct server *server, const char *rest);

int64_t agenda_when(struct agenda *a, enum agenda_kind kind);
/* Takes it off the list; what comes during the work is kept. */
void agenda_begin(struct agenda *a, enum agenda_kind kind);
/* Sleeps until one of the kinds (bits) is due, or until_us; false: it is to stop. */
bool agenda_wait(struct agenda *a, unsigned kinds, int64_t until_us);
/* Wakes all for good. */
void agenda_stop(struct agenda *a);
