/* What is too old goes; the tables of the weeks to come are made. */
#pragma once
#include "server/services/services.h"

MUST_CHECK enum err_code retention_run(struct pass *p);
MUST_CHECK enum err_code partitions_run(struct pass *p);
