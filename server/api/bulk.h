/* POST /X/bulk_delete: what matches a filter, at most 50 at a time. */
#pragma once
#include "server/db/filter.h"
#include "server/http/request.h"

/* Bodies {"flows": filter, "limit": 50} and {"deployments": filter, "limit": 50}. */
extern const struct resource bulk_flows_resource, bulk_deployments_resource;
handler_fn flows_bulk_delete, deployments_bulk_delete;
