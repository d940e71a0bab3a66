/* Bodies and replies of the operations that only Prefect's pages call. */
#pragma once
#include "server/model/flow_run.h"

struct ui_ids {
    struct given given;
    struct uuids flow_run_ids, flow_ids; /* one of them, see the resources */
};

struct ui_run {
    struct given given;
    struct uuid id, flow_id;
    const char *name, *state_type, *state_name;
    int64_t timestamp_us, next_scheduled_start_time_us;
    double duration, lateness;
};

struct ui_validation {
    struct given given;
    struct raw schema, values;
};

extern const struct resource ui_flow_run_ids_resource, ui_flow_ids_resource, ui_run_resource,
    ui_next_run_resource, ui_validation_resource;
