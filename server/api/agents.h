/* The agent protocol (docs/agent-protocol.md). */
#pragma once
#include "server/http/request.h"
#include "server/model/agent.h"

handler_fn agents_claim, agents_ack, agents_heartbeat, agents_journal;
