#include "server/lanes.h"

#include "server/api/set_state.h"
#include "server/db/lane.h"

void lanes_start(struct server *s)
{
    s->transitions = lane_start(s, &transitions_lane, 2); /* two connections keep two cores busy */
}

void lanes_stop(struct server *s)
{
    struct lane **const lanes[] = {&s->transitions, &s->creations, &s->reads, &s->logs, &s->events, &s->journal};

    for (size_t i = 0; i < COUNT(lanes); i++) {
        lane_stop(*lanes[i]);
        *lanes[i] = NULL;
    }
}
