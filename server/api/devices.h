/* Devices: listing, holding, releasing; and why a run waits. */
#pragma once
#include "server/http/request.h"

handler_fn devices_get, devices_hold, devices_release, flow_runs_why;
