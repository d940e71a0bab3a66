/* The agent protocol (docs/agent-protocol.md). */
#pragma once
#include "server/db/lane.h"
#include "server/http/request.h"
#include "server/model/agent.h"

handler_fn agents_claim, agents_ack, agents_heartbeat, agents_journal;

/* Agents that wait for runs. */
extern const struct lane_kind looks_lane;
