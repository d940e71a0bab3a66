#pragma once
#include "server/http/request.h"

handler_fn observed_states_list;
extern const struct resource observed_state_resource;
