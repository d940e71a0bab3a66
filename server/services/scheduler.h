/* Makes the runs of schedules, and cancels those that their misfire policies do not want. */
#pragma once
#include "server/services/services.h"

MUST_CHECK enum err_code scheduler_run(struct pass *p);
MUST_CHECK enum err_code misfires_run(struct pass *p);
