#pragma once
#include "server/api/listing.h"

/* To make and to read one: flow_run_lanes.h.  Inputs, logs and graphs have files of their own. */
handler_fn flow_runs_update_one, flow_runs_delete_one, flow_runs_labels;
handler_fn flow_runs_filter, flow_runs_count, flow_runs_paginate, flow_runs_history;
handler_fn flow_runs_lateness, flow_runs_bulk_delete, flow_runs_bulk_set_state;

extern const struct resource bulk_delete_resource, bulk_set_state_resource;

extern const struct listing flow_runs_listing;
enum { FLOW_RUNS_BY_EXPECTED_DESC = 4 }; /* an index of its sorts */
