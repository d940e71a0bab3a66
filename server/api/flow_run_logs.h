#pragma once
#include "server/http/request.h"

/* GET /flow_runs/{id}/logs/download: all lines as CSV. */
handler_fn flow_runs_logs_download;
