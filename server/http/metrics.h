/* Numbers about requests, for /metrics (Prometheus text format 0.0.4).  Thread: any. */
#pragma once
#include "server/http/route.h"

/* GET /metrics */
enum err_code metrics_get(struct request *rq);
