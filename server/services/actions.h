/* Does the actions that fired automations wait for, a few at a time.  Every server does; an action
 * whose server dies is done by another one after its term.
 *
 * Thread: some of its own, each with its own connection. */
#pragma once
#include "server/server.h"

struct actions;

struct actions *actions_start(struct server *server);
/* Nothing for NULL. */
void actions_stop(struct actions *s);
