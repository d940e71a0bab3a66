/* Health checks: devices that are due get a run, those whose run is over a verdict. */
#pragma once
#include "server/services/services.h"

enum err_code device_health_run(struct pass *p);
