/* All that can be done to task runs over REST.  What SDKs report as events is
 * store/task_run_recorder.h. */
#pragma once
#include "server/db/filter.h"
#include "server/model/orchestration.h"
#include "server/model/task_run.h"

/* The run with that natural key, made if there is none.  CONFLICT: the id belongs to another run,
 * or there is no such flow run. */
MUST_CHECK enum err_code task_run_upsert(struct work *w, const struct task_run_create *in,
                                         struct uuid *out_id, bool *out_created);

/* A row with the columns of task_run_resource; NOT_FOUND. */
MUST_CHECK enum err_code task_run_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code task_run_rename(struct work *w, struct uuid id, const char *name);
MUST_CHECK enum err_code task_run_delete(struct work *w, struct uuid id);

/* Proposes a state, in a transaction of its own.  Texts of the verdict live in the work's arena. */
MUST_CHECK enum err_code task_run_set_state(struct work *w, struct uuid id,
                                            const struct state *proposed, bool force,
                                            struct verdict *out);
