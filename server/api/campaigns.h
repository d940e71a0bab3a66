/* Campaigns: how far one is.  Its runs are made, paused and cancelled as any others. */
#pragma once
#include "server/http/request.h"

handler_fn campaigns_get, campaigns_get_all, campaigns_run_ids;
