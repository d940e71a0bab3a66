/* Inside of a connection; for server/db only. */
#pragma once
#include <libpq-fe.h>

#include "server/db/db.h"

enum { ADHOC_MAX = 64, PIPELINE_MAX = 32 };

/* A statement made at run time, prepared under `name`. */
struct adhoc {
    char *sql;
    uint64_t used; /* clock of the last use */
    char name[24];
};

struct db {
    char *conninfo;
    const char *more_options; /* of the session */
    PGconn *conn;
    uint64_t clock;
    bool in_transaction;
    bool begins;                            /* BEGIN goes with the next statement */
    struct commit_hook *hooks, **hooks_end; /* of the open transaction */
    char constraint[64];                    /* named by the last error */
    struct adhoc adhoc[ADHOC_MAX];
    bool prepared[]; /* by enum query */
};

void connection_drop(struct db *db);
/* Connects if there is no live connection.  A connection lost within a transaction is an error:
 * what was done in it is gone. */
MUST_CHECK enum err_code connection_ready(struct work *w);
MUST_CHECK enum err_code connection_prepare(struct work *w, enum query q);
const char *connection_query_name(enum query q, int *out_parameters);
/* Takes ownership of the result. */
MUST_CHECK enum err_code connection_take(struct work *w, PGresult *res, struct rows *out);
