/* Devices: listing, holding, maintenance, history; and why a run waits. */
#pragma once
#include "server/http/request.h"

handler_fn devices_get, devices_hold, devices_kick, devices_release, devices_return,
    devices_maintain, devices_history, flow_runs_why;
