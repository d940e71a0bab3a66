/* What any piece of work on the server needs: a database connection, memory that ends with the
 * work, and a place for what went wrong.  A request embeds one; each service and lane batch has its
 * own. */
#pragma once
#include "shared/base/arena.h"
#include "shared/base/err.h"

struct server;

struct work {
    struct server *server; /* the program's context: settings, lanes, parking */
    struct db *db;         /* lent while a thread runs the work, NULL otherwise */
    struct arena arena;
    struct err err;
    int64_t now_us; /* read once when the work begins */
    const char
        *origin; /* "http://host:port" of this server as a client knows it; NULL: nobody asks */
};
