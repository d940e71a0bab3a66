/* All that can be done to flow runs, except to move them (store/transitions.h).
 *
 * Whoever makes runs, a request, a schedule or an automation, makes them here. */
#pragma once
#include "server/db/filter.h"
#include "server/model/flow_run.h"

struct flow_run_new {
    const struct flow_run_create *in;
    /* What clients of POST /flow_runs/ cannot say. */
    struct uuid work_queue_id;
    const char *work_queue_name, *deployment_version;
    struct raw created_by;
    bool auto_scheduled;
    /* out */
    struct uuid id; /* of the new run, or of the one that has the idempotency key; nil: refused */
    bool created;
    struct uuid state_id; /* its first */
    int64_t run_count;
};

/* Finds the queue that `in` names.  NOT_FOUND. */
MUST_CHECK enum err_code flow_run_find_queue(struct work *w, struct flow_run_new *run);

/* Makes all of them with their first states.  Within db_begin() ... db_commit().  An item that
 * keeps the nil id has an unknown flow or parent task run: CONFLICT for its caller. */
MUST_CHECK enum err_code flow_runs_insert(struct work *w, struct flow_run_new **items,
                                          size_t count);

/* After the commit: wakes whoever waits for runs. */
void flow_runs_announce(struct work *w, struct flow_run_new **items, size_t count);

/* One, in a transaction of its own. */
MUST_CHECK enum err_code flow_run_create(struct work *w, struct flow_run_new *run);

/* Rows with the columns of flow_run_resource: fills in the pools of their queues.  No join does, as
 * planning it costs more than reading twenty runs. */
MUST_CHECK enum err_code flow_runs_name_pools(struct work *w, struct rows *rows);

/* Rows with the columns of flow_run_resource, in any order; unknown ids are left out. */
MUST_CHECK enum err_code flow_runs_get(struct work *w, struct uuids ids, struct rows *out);
/* The same with the columns of another resource over `flow_run fr`. */
MUST_CHECK enum err_code flow_runs_get_as(struct work *w, const struct resource *shape,
                                          struct uuids ids, struct rows *out);
MUST_CHECK enum err_code flow_run_get(struct work *w, struct uuid id, struct rows *out);

MUST_CHECK enum err_code flow_run_update(struct work *w, struct uuid id,
                                         const struct flow_run_update *in);
/* Deletes what is there of them; *out has their ids. */
MUST_CHECK enum err_code flow_runs_delete(struct work *w, struct uuids ids, struct rows *out);
MUST_CHECK enum err_code flow_run_add_labels(struct work *w, struct uuid id, struct raw labels);

MUST_CHECK enum err_code flow_run_input_add(struct work *w, struct uuid id, const char *key,
                                            const char *value, const char *sender);
/* Rows with the columns of flow_run_input_resource. */
MUST_CHECK enum err_code flow_run_inputs(struct work *w, struct uuid id, const char *prefix,
                                         struct strings exclude, int64_t limit, struct rows *out);
/* One row, one column. */
MUST_CHECK enum err_code flow_run_input_get(struct work *w, struct uuid id, const char *key,
                                            struct rows *out);
MUST_CHECK enum err_code flow_run_input_delete(struct work *w, struct uuid id, const char *key);
