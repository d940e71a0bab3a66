#pragma once
#include "server/http/request.h"

handler_fn flow_run_states_list, flow_run_states_get, task_run_states_list, task_run_states_get;
