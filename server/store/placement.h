/* Devices as placement sees them. */
#pragma once
#include "server/db/db.h"
#include "server/model/placement.h"

/* Those of one agent, or (agent NULL) of all agents of a pool. */
MUST_CHECK enum err_code placement_read(struct work *w, const char *agent, const char *pool,
                                        struct placement *out);
