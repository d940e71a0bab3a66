#pragma once
#include "server/http/request.h"

handler_fn schedules_list, schedules_create, schedules_update, schedules_delete;
handler_fn deployments_schedule, deployments_scheduled;
extern const struct resource schedule_window_resource, deployments_scheduled_resource;
