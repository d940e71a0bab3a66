/* The schedules of deployments; what runs they make stands in store/schedule_runs.h.
 *
 * Whatever changes them, or their deployment, drops the runs that they made and that have not
 * begun; the scheduler makes them anew.
 *
 * Order: schedules are locked before their runs, as the scheduler does. */
#pragma once
#include "server/db/db.h"
#include "server/model/deployment.h"

/* Rows of deployment_schedule_resource.  NOT_FOUND: no such deployment. */
MUST_CHECK enum err_code schedules_of(struct work *w, struct uuid deployment, struct rows *out);
/* *out: rows of the new ones. */
MUST_CHECK enum err_code schedules_add(struct work *w, struct uuid deployment,
                                       const struct deployment_schedule *items, size_t count,
                                       struct rows *out);
MUST_CHECK enum err_code schedule_update(struct work *w, struct uuid deployment, struct uuid id,
                                         const struct deployment_schedule *in);
MUST_CHECK enum err_code schedule_delete(struct work *w, struct uuid deployment, struct uuid id);

/* The rest within db_begin() ... db_commit(); `deployment` is its id as text. */
MUST_CHECK enum err_code schedules_drop_runs(struct work *w, const char *deployment);
/* All are replaced. */
MUST_CHECK enum err_code schedules_replace(struct work *w, const char *deployment,
                                           const struct deployment_schedule *items, size_t count);
/* PATCH: by slug where all have one, else all are replaced. */
MUST_CHECK enum err_code schedules_change(struct work *w, const char *deployment,
                                          const struct deployment_schedule *items, size_t count);
/* Commits and announces, or gives up what was begun; gives `rc` back, or why the commit failed. */
MUST_CHECK enum err_code schedules_end(struct work *w, enum err_code rc);
/* After the commit: wakes the scheduler. */
void schedules_announce(struct work *w);
