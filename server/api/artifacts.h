#pragma once
#include "server/http/request.h"

handler_fn artifacts_create, artifacts_get, artifacts_get_latest, artifacts_update,
    artifacts_delete;
handler_fn artifacts_filter, artifacts_count, artifacts_latest_filter, artifacts_latest_count;
