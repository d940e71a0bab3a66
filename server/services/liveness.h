/* Who is still there: agents with their claims, workers with what they serve, leases. */
#pragma once
#include "server/services/services.h"

/* Drops claims that expired and gives their runs back.  After an absence of the server no agent
 * could extend its claims: they all get a full term first. */
MUST_CHECK enum err_code claims_run(struct pass *p);
/* Workers that are silent, pools, queues and deployments that nobody serves. */
MUST_CHECK enum err_code liveness_run(struct pass *p);
/* Slots that were not given back. */
MUST_CHECK enum err_code leases_run(struct pass *p);
