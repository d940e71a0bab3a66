#include "server/lanes.h"

#include "server/api/agents.h"
#include "server/api/events.h"
#include "server/api/flow_run_lanes.h"
#include "server/api/logs.h"
#include "server/api/set_state.h"
#include "server/api/socket_jobs.h"
#include "server/api/stream.h"
#include "server/db/lane.h"

void lanes_start(struct server *s)
{
    s->creations = lane_start(s, &creations_lane, 2);
    s->reads = lane_start(s, &reads_lane, 2);
    s->logs = lane_start(s, &logs_lane, 1);
    s->looks = lane_start(s, &looks_lane, 1);
    s->socket_jobs = lane_start(s, &socket_jobs_lane, 1);
    s->events =
        lane_start(s, &events_lane, 1); /* one: task runs are upserted in the order of events */
    s->streams = lane_start(s, &streams_lane, 2);
    s->transitions = lane_start(s, &transitions_lane, 2); /* two connections keep two cores busy */
}

void lanes_stop(struct server *s)
{
    struct lane **const lanes[] = {&s->transitions, &s->creations, &s->reads,   &s->logs,
                                   &s->looks,       &s->events,    &s->streams, &s->socket_jobs};

    for (size_t i = 0; i < COUNT(lanes); i++) {
        lane_stop(*lanes[i]);
        *lanes[i] = NULL;
    }
}
