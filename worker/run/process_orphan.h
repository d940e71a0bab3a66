/* Processes that an agent left behind when it was killed.
 *
 * Every child inherits SWITCHYARD_AGENT=<agent id> from the agent's environment, and so do its
 * children.  That finds them without a gap: a process group written to the journal after the start
 * of a process would miss what was started just before the kill.  Only what drops its environment
 * (sudo, env -i) escapes. Source: proc(5), /proc/PID/environ. */
#pragma once
#include "shared/base/base.h"

#define ORPHAN_MARK "SWITCHYARD_AGENT"

/* Kills all processes that carry the mark of this agent, except the caller itself; repeats until
 * none is left or timeout_ms passed.  Blocks: for the start of the agent.  Returns how many there
 * were. */
int orphans_kill(const char *agent_id, int64_t timeout_ms);
