/* Flow runs that time moves: late ones, pauses that end, cancellations and the children of what was
 * cancelled. */
#pragma once
#include "server/services/services.h"

MUST_CHECK enum err_code late_runs_run(struct pass *p);
MUST_CHECK enum err_code pause_expirations_run(struct pass *p);
MUST_CHECK enum err_code cancellation_run(struct pass *p);
