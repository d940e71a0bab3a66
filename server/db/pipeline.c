#include <libpq-fe.h>
#include <string.h>

#include "server/db/columns.h"
#include "server/db/connection.h"
#include "shared/base/fault.h"

static enum err_code broken(struct work *w)
{
    return err_set(&w->err, DB, "%.300s", PQerrorMessage(w->db->conn));
}

static bool send_arrays(PGconn *conn, const char *name, int count, const struct db_step *step)
{
    const char *values[DB_PARAMETERS_MAX];
    int lengths[DB_PARAMETERS_MAX], formats[DB_PARAMETERS_MAX];

    for (int i = 0; i < count; i++) {
        values[i] = step->arrays[i].text.bytes;
        lengths[i] = (int)step->arrays[i].text.len;
        formats[i] = step->arrays[i].type != 0;
    }
    return PQsendQueryPrepared(conn, name, count, values, lengths, formats, step->binary_rows);
}

static bool send_step(PGconn *conn, const struct db_step *step)
{
    int parameters;
    const char *name = connection_query_name(step->query, &parameters);

    if (step->arrays)
        return send_arrays(conn, name, parameters, step);
    return PQsendQueryPrepared(conn, name, parameters, step->parameters, NULL, NULL,
                               step->binary_rows);
}

/* The first error counts; what follows it was not executed. */
static enum err_code receive_step(struct work *w, enum err_code rc, struct rows *out)
{
    PGconn *conn = w->db->conn;
    PGresult *res = PQgetResult(conn);

    if (!res)
        return rc ? rc : broken(w);
    if (rc)
        PQclear(res);
    else
        rc = connection_take(w, res, out);
    while ((res = PQgetResult(conn)))
        PQclear(res);
    return rc;
}

static enum err_code receive_all(struct work *w, struct db_step *steps, size_t count)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count; i++)
        rc = receive_step(w, rc, &steps[i].rows);
    PGresult *res = PQgetResult(w->db->conn);
    if (!rc && PQresultStatus(res) != PGRES_PIPELINE_SYNC)
        rc = broken(w);
    PQclear(res);
    return rc;
}

static enum err_code exchange(struct work *w, struct db_step *steps, size_t count)
{
    PGconn *conn = w->db->conn;
    bool sent = true;

    if (!PQenterPipelineMode(conn))
        return broken(w);
    for (size_t i = 0; i < count && sent; i++)
        sent = send_step(conn, &steps[i]);
    enum err_code rc = sent && PQpipelineSync(conn) ? receive_all(w, steps, count) : broken(w);
    if (!PQexitPipelineMode(conn))
        connection_drop(w->db); /* half an answer is left on the wire */
    return rc;
}

/* Literals are finished and binary arrays get their header. */
static enum err_code finish_arrays(struct work *w, struct db_step *step)
{
    const char *unused[DB_PARAMETERS_MAX];
    int count;

    (void)connection_query_name(step->query, &count);
    return step->arrays ? arrays_finish(w, step->arrays, (size_t)count, unused) : ERR_OK;
}

enum err_code db_pipeline(struct work *w, struct db_step *steps, size_t count)
{
    static const struct db_step begin = {.query = Q_tx_begin};
    struct db_step all[PIPELINE_MAX];
    size_t n = 0, first = w->db->begins;
    enum err_code rc = ERR_OK;

    if (count + 1 > PIPELINE_MAX)
        return err_set(&w->err, INTERNAL, "a pipeline of %zu statements", count);
    if (w->db->begins)
        all[n++] = begin;
    for (size_t i = 0; i < count && !rc; i++) {
        rc = finish_arrays(w, &steps[i]);
        all[n++] = steps[i];
    }
    for (size_t i = 0; i < n && !rc; i++)
        rc = connection_prepare(w, all[i].query);
    if (!rc && FAULT("db.query"))
        rc = err_set(&w->err, DB, "fault injected");
    if (rc)
        return rc;
    w->db->begins = false;
    rc = exchange(w, all, n);
    for (size_t i = 0; i < count; i++)
        steps[i].rows = all[first + i].rows;
    return rc;
}

enum err_code db_arrays(struct work *w, enum query q, struct array *arrays, struct rows *out)
{
    struct db_step step = {.query = q, .arrays = arrays};
    enum err_code rc = db_pipeline(w, &step, 1);
    *out = step.rows;
    return rc;
}
