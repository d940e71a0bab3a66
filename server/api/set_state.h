/* POST /flow_runs/{id}/set_state: through the lane of transitions. */
#pragma once
#include "server/db/lane.h"
#include "server/http/request.h"
#include "server/model/orchestration.h"

struct set_state {
    struct given given;
    struct state_create *state;
    bool force;
};

void flow_runs_set_state(struct request *rq);

extern const struct resource set_state_resource;
/* {"state", "status", "details"}, and the same without the braces. */
void set_state_write(struct buf *b, const struct verdict *v);
void set_state_write_members(struct buf *b, const struct verdict *v);
extern const struct lane_kind transitions_lane;
