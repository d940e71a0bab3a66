/* What other servers stored goes to the sockets of this one.
 *
 * A server tells the others that it stored events (or log lines) by a hint without content; who has
 * subscribers reads what is new.  Rows of the last two seconds are read again, since transactions
 * end in another order than they begin; each socket tells a message once.
 * Thread: events_heard() and logs_heard() that of the news; reading: the lane of streams. */
#pragma once
#include "server/server.h"

struct catch_up;

struct catch_up *catch_up_start(struct server *server);
void catch_up_stop(struct catch_up *c);

/* Handlers of server/news.c. */
void events_heard(struct server *server, const char *rest);
void logs_heard(struct server *server, const char *rest);
