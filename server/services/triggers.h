/* Evaluates events against the triggers of automations: at once when events are stored, and when
 * the time of a Proactive trigger has come.  Every server does it; store/triggers.h says how they
 * share.
 *
 * Thread: its own, with its own connection. */
#pragma once
#include "server/server.h"

struct triggers;

struct triggers *triggers_start(struct server *server);
/* Nothing for NULL. */
void triggers_stop(struct triggers *t);
