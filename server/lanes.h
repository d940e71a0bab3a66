/* Starts and stops the lanes of struct server.  Each is described where its items are handled. */
#pragma once
#include "server/server.h"

void lanes_start(struct server *s);
void lanes_stop(struct server *s);
