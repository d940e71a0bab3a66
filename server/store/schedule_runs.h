/* The runs that schedules make, and those that they do not want any more.
 *
 * One run per schedule and fire time: the index flow_run_fire and the idempotency key keep it.
 * made_until and due stand in the row of the schedule, which is locked while its runs are made: two
 * servers share the work.
 *
 * Thread: that of the work. */
#pragma once
#include "server/model/schedule_plan.h"
#include "server/store/flow_runs.h"
#include "server/store/transitions.h"

/* What the scheduler does, out of its settings. */
struct schedule_rules {
    int64_t min_runs, max_runs, min_time_us, max_time_us;
    int64_t batch; /* schedules per transaction */
};

/* Makes runs of the schedules that are due, in a transaction of its own.
 * *out_next_us: when the next one is; TIME_NONE: none. */
MUST_CHECK enum err_code schedule_runs_make_due(struct work *w, const struct schedule_rules *rules,
                                                int64_t *out_next_us);

/* POST /deployments/{id}/schedule: runs within the window, of the active schedules. */
MUST_CHECK enum err_code schedule_runs_make(struct work *w, struct uuid deployment,
                                            const struct schedule_window *window);

/* Scheduled runs of the deployments, the next one first: rows of flow_run_resource.  Who asks
 * serves these deployments. */
MUST_CHECK enum err_code schedule_runs_list(struct work *w, struct uuids deployments,
                                            int64_t before_us, int64_t limit, struct rows *out);

/* Cancels what the misfire policies do not want any more, in a transaction of its own, at most
 * limit runs.  late_us: how late a run may begin before it counts as late.
 * *out_next_us: when to look again; TIME_NONE: never. */
MUST_CHECK enum err_code misfires_cancel(struct work *w, int64_t late_us, int64_t limit,
                                         size_t *out_count, int64_t *out_next_us);
