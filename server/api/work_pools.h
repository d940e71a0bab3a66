#pragma once
#include "server/http/request.h"

handler_fn work_pools_create, work_pools_get, work_pools_update, work_pools_delete,
    work_pools_filter, work_pools_count;
handler_fn work_pools_scheduled;
handler_fn work_queues_create, work_queues_get, work_queues_get_by_id, work_queues_update,
    work_queues_delete, work_queues_filter;
handler_fn workers_heartbeat, workers_filter, workers_delete;

extern const struct resource scheduled_body_resource;
