/* News between the servers of one database: PostgreSQL's NOTIFY, with one connection and thread.
 *
 * What is sent within a few milliseconds goes in one statement, each text once.  A server does not
 * hear itself; while no other server is there, nothing is sent.  News are hints: they come after
 * the commit that they tell of, and may be lost with the connection.  After it was lost, and at the
 * start, every handler is called with rest NULL: look for yourself.
 *
 * Thread: notify_send() any, it never waits; handlers run on the thread of the news and must be
 * short. */
#pragma once
#include "server/server.h"

enum { NOTIFY_TEXT_MAX = 200, NOTIFY_WAITING_MAX = 256 };

struct notify_row {
    const char *kind; /* one word */
    void (*handler)(struct server *server, const char *rest);
};

struct notify;
/* Borrows the rows. */
struct notify *notify_start(struct server *server, const struct notify_row *rows, size_t count);
void notify_stop(struct notify *n);

/* n may be NULL: tests have none. */
void notify_send(struct notify *n, const char *kind, const char *rest);
/* Do other servers listen, as far as is known? */
bool notify_has_peers(struct notify *n);
