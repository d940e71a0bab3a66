/* Deployments; their schedules stand in store/deployment_schedules.h. */
#pragma once
#include "server/db/filter.h"
#include "server/model/deployment.h"

/* Makes it, or changes the one of that name in that flow: what is given overwrites, schedules are
 * replaced. */
MUST_CHECK enum err_code deployment_upsert(struct work *w, const struct deployment_write *in,
                                           struct uuid *out_id, bool *out_created);
/* Rows of deployment_resource.  NOT_FOUND. */
MUST_CHECK enum err_code deployment_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code deployment_get_by_name(struct work *w, const char *flow, const char *name,
                                                struct rows *out);
MUST_CHECK enum err_code deployment_update(struct work *w, struct uuid id,
                                           const struct deployment_write *in);
MUST_CHECK enum err_code deployment_delete(struct work *w, struct uuid id);
MUST_CHECK enum err_code deployment_pause(struct work *w, struct uuid id, bool paused);

/* The pool of queues that are named without a pool; made when it is missing. */
#define DEFAULT_POOL "default-agent-pool"
MUST_CHECK enum err_code default_pool_ensure(struct work *w);
