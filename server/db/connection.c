#include "server/db/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/fault.h"

/* Every statement ends within 30 s; a transaction whose thread died ends within 60 s. */
static const char session_options[] =
    "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c bytea_output=hex "
    "-c statement_timeout=30s -c idle_in_transaction_session_timeout=60s -c jit=off "
    "-c client_min_messages=warning -c extra_float_digits=1 -c plan_cache_mode=auto";

void connection_drop(struct db *db)
{
    if (db->conn)
        PQfinish(db->conn);
    db->conn = NULL;
    db->in_transaction = db->begins = false;
    memset(db->prepared, 0, QUERY_COUNT);
    for (size_t i = 0; i < COUNT(db->adhoc); i++) {
        free(db->adhoc[i].sql);
        db->adhoc[i] = (struct adhoc){0};
    }
}

static enum err_code connect_now(struct work *w)
{
    struct db *db = w->db;
    const char *keys[] = {
        "dbname",           "options", "application_name", "connect_timeout", "client_encoding",
        "tcp_user_timeout", NULL};
    char options[sizeof(session_options) + 128];
    const char *values[] = {db->conninfo, options, "switchyard-server", "10", "UTF8",
                            "40000",      NULL};

    snprintf(options, sizeof(options), "%s%s", session_options, db->more_options);
    if (FAULT("db.connect"))
        return err_set(&w->err, DB, "fault injected");
    db->conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(db->conn) == CONNECTION_OK)
        return ERR_OK;
    enum err_code rc = err_set(&w->err, DB, "%.300s", PQerrorMessage(db->conn));
    connection_drop(db);
    return rc;
}

enum err_code connection_ready(struct work *w)
{
    struct db *db = w->db;

    if (db->conn && PQstatus(db->conn) == CONNECTION_OK)
        return ERR_OK;
    if (db->in_transaction) {
        connection_drop(db);
        return err_set(&w->err, DB, "the connection to the database was lost within a transaction");
    }
    connection_drop(db);
    return connect_now(w);
}
