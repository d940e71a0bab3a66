/* /work_queues: queues by their id, as before there were pools; and what slots are in use. */
#pragma once
#include "server/http/request.h"

handler_fn queues_create, queues_get_by_name, queues_update, queues_delete, queues_filter,
    queues_get_runs, queues_status, queues_concurrency, pools_concurrency,
    deployments_work_queue_check;
extern const struct resource queue_runs_resource, slots_page_resource;
