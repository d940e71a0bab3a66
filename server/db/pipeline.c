#include <libpq-fe.h>
#include <string.h>

#include "server/db/connection.h"
#include "shared/base/fault.h"

static enum err_code send_all(struct work *w, const struct db_step *steps, size_t count)
{
    PGconn *conn = w->db->conn;

    for (size_t i = 0; i < count; i++) {
        int parameters;
        const char *name = connection_query_name(steps[i].query, &parameters);
        if (!PQsendQueryPrepared(conn, name, parameters, steps[i].parameters, NULL, NULL, 0))
            return err_set(&w->err, DB, "%.300s", PQerrorMessage(conn));
    }
    if (!PQpipelineSync(conn))
        return err_set(&w->err, DB, "%.300s", PQerrorMessage(conn));
    return ERR_OK;
}

/* The first error counts; what follows it was not executed. */
static enum err_code receive_all(struct work *w, struct db_step *steps, size_t count)
{
    PGconn *conn = w->db->conn;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count; i++) {
        PGresult *res = PQgetResult(conn);
        if (!res)
            return rc ? rc : err_set(&w->err, DB, "%.300s", PQerrorMessage(conn));
        if (rc)
            PQclear(res);
        else
            rc = connection_take(w, res, &steps[i].rows);
        while ((res = PQgetResult(conn)))
            PQclear(res);
    }
    PGresult *res = PQgetResult(conn);
    if (!rc && PQresultStatus(res) != PGRES_PIPELINE_SYNC)
        rc = err_set(&w->err, DB, "%.300s", PQerrorMessage(conn));
    PQclear(res);
    return rc;
}

enum err_code db_pipeline(struct work *w, struct db_step *steps, size_t count)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count && !rc; i++)
        rc = connection_prepare(w, steps[i].query);
    if (rc)
        return rc;
    if (FAULT("db.query"))
        return err_set(&w->err, DB, "fault injected");
    if (!PQenterPipelineMode(w->db->conn))
        return err_set(&w->err, DB, "%.300s", PQerrorMessage(w->db->conn));
    rc = send_all(w, steps, count);
    if (!rc)
        rc = receive_all(w, steps, count);
    if (!PQexitPipelineMode(w->db->conn))
        connection_drop(w->db); /* half an answer is left on the wire */
    return rc;
}
