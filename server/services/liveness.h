/* Drops claims that expired and gives their runs back.
 *
 * A pass each second.  When the last one is long ago (the server was stopped, the database was
 * away, the machine slept), no agent could extend its claims in the meantime: they all get a full
 * term first, and none is dropped. Thread: its own, with its own connection. */
#pragma once
#include "server/server.h"

struct liveness;

struct liveness *liveness_start(struct server *server);
void liveness_stop(struct liveness *l);
