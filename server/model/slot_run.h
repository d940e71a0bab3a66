/* A flow run that holds a slot of a queue or pool. */
#pragma once
#include "shared/json/field.h"

struct slot_run {
    struct given given;
    struct uuid id;
    const char *name, *state_type, *state_name;
    int64_t start_time_us, state_timestamp_us;
    double time_in_current_state;
};

extern const struct resource slot_run_resource;
