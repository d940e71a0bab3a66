#pragma once
#include "server/api/listing.h"

handler_fn task_runs_create, task_runs_get, task_runs_update, task_runs_delete, task_runs_set_state;
handler_fn task_runs_filter, task_runs_count, task_runs_paginate, task_runs_history;

extern const struct listing task_runs_listing;
