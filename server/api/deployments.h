#pragma once
#include "server/http/request.h"

handler_fn deployments_create, deployments_get, deployments_get_by_name, deployments_update,
    deployments_delete;
handler_fn deployments_filter, deployments_count, deployments_paginate, deployments_pause,
    deployments_resume;
