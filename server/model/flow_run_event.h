/* The event of a flow run's transition, as the event feed, automations and the SDK's observers read
 * it: `prefect.flow-run.<StateName>`.
 *
 * Borrows everything.   Thread: any.
 * Source: the wire facts, sections 3.a and 5.6, and events of a running Prefect 3.9.1. */
#pragma once
#include "server/model/state.h"

/* A resource the run has to do with; a nil id means there is none. */
struct related {
    struct uuid id;
    const char *name;
};

struct flow_run_event {
    struct uuid flow_run_id;
    const char *flow_run_name;
    int64_t run_count;
    const struct state *initial; /* type NONE: there was none */
    const struct state *state;   /* its id is the event's, its timestamp the event's time */
    struct related flow, deployment, work_queue, work_pool, parent_task_run;
    const char *work_pool_type;
    struct strings tags[3];   /* of the flow, the deployment, the run; any order */
    const char *creator_type; /* DEPLOYMENT and AUTOMATION count; NULL: nobody */
    struct related creator;
};

/* `prefect.flow-run.Running`, in the arena. */
const char *flow_run_event_name(struct arena *a, const struct flow_run_event *e);
/* The preceding state, when it is less than five minutes older; else nil. */
struct uuid flow_run_event_follows(const struct flow_run_event *e);

/* The JSON members of the event. */
void flow_run_event_resource(struct buf *b, const struct flow_run_event *e);
void flow_run_event_related(struct arena *a, struct buf *b, const struct flow_run_event *e);
void flow_run_event_payload(struct buf *b, const struct flow_run_event *e);
/* Ids of the related resources, for the index. */
struct strings flow_run_event_related_ids(struct arena *a, const struct flow_run_event *e);
