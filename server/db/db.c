#include "server/db/db.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/connection.h"
#include "shared/base/buf.h"
#include "shared/base/clock.h"
#include "shared/base/fault.h"

static const struct {
    const char *name, *text;
    int parameters;
} queries[QUERY_COUNT] = {
#define QUERY(name_, parameters_, text_) [Q_##name_] = {#name_, text_, parameters_},
#include "queries.inc"
#undef QUERY
};

struct db *db_open(const char *conninfo)
{
    struct db *db = calloc(1, sizeof(*db) + QUERY_COUNT);
    if (!db || !(db->conninfo = strdup(conninfo)))
        abort();
    db->more_options = "";
    return db;
}

struct db *db_open_for_batches(const char *conninfo)
{
    struct db *db = db_open(conninfo);
    db->more_options = " -c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off";
    return db;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    connection_drop(db);
    free(db->conninfo);
    free(db);
}

static void release_result(void *result)
{
    PQclear(result);
}

/* SQLSTATE classes, https://www.postgresql.org/docs/current/errcodes-appendix.html */
static enum err_code translate(struct work *w, const PGresult *res)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    snprintf(w->db->constraint, sizeof(w->db->constraint), "%s", constraint ? constraint : "");
    if (state && strncmp(state, "23", 2) == 0)
        return err_set(
            &w->err, CONFLICT,
            "Data integrity conflict. This usually means a unique or foreign key constraint "
            "was violated. See server logs for details.");
    if (state && (strncmp(state, "22", 2) == 0))
        return err_set(&w->err, INVALID, "%.300s", text ? text : "the database refuses a value");
    return err_set(&w->err, DB, "%.300s", text ? text : PQerrorMessage(w->db->conn));
}

enum err_code connection_take(struct work *w, PGresult *res, struct rows *out)
{
    ExecStatusType status = PQresultStatus(res);

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        enum err_code rc = translate(w, res);
        PQclear(res);
        return rc;
    }
    arena_defer(&w->arena, release_result, res);
    if (out)
        *out = (struct rows){res, PQntuples(res), PQnfields(res)};
    return ERR_OK;
}

static enum err_code prepare(struct work *w, const char *name, const char *sql, int count)
{
    struct db *db = w->db;
    PGresult *res = PQprepare(db->conn, name, sql, count, NULL);
    enum err_code rc = ERR_OK;

    if (PQresultStatus(res) != PGRES_COMMAND_OK)
        rc = translate(w, res);
    PQclear(res);
    return rc;
}

enum err_code connection_prepare(struct work *w, enum query q)
{
    struct db *db = w->db;
    enum err_code rc = connection_ready(w);

    if (rc || db->prepared[q])
        return rc;
    rc = prepare(w, queries[q].name, queries[q].text, queries[q].parameters);
    if (!rc)
        db->prepared[q] = true;
    return rc;
}

const char *connection_query_name(enum query q, int *out_parameters)
{
    *out_parameters = queries[q].parameters;
    return queries[q].name;
}

enum err_code db_query(struct work *w, enum query q, const char *const *parameters,
                       struct rows *out)
{
    struct db_step step = {q, parameters, {0}, NULL, false};
    if (w->db->begins) {
        enum err_code begun = db_pipeline(w, &step, 1);
        *out = step.rows;
        return begun;
    }
    enum err_code rc = connection_prepare(w, q);
    if (rc)
        return rc;
    if (FAULT("db.query"))
        return err_set(&w->err, DB, "fault injected");
    PGresult *res = PQexecPrepared(w->db->conn, queries[q].name, queries[q].parameters, parameters,
                                   NULL, NULL, 0);
    return connection_take(w, res, out);
}

/* For statements that cannot take BEGIN with them. */
static enum err_code ready_and_begun(struct work *w)
{
    struct db *db = w->db;
    bool begins = db->begins;
    enum err_code rc = connection_ready(w);

    if (rc || !begins)
        return rc;
    db->begins = false;
    return connection_take(w, PQexec(db->conn, "BEGIN"), NULL);
}

/* Finds the statement's slot, or frees the least recently used one for it. */
static struct adhoc *adhoc_slot(struct db *db, const char *sql)
{
    struct adhoc *oldest = &db->adhoc[0];

    for (size_t i = 0; i < COUNT(db->adhoc); i++) {
        struct adhoc *a = &db->adhoc[i];
        if (a->sql && strcmp(a->sql, sql) == 0)
            return a;
        if (a->used < oldest->used)
            oldest = a;
    }
    return oldest;
}

static enum err_code adhoc_prepare(struct work *w, const char *sql, size_t count,
                                   const char **out_name)
{
    struct db *db = w->db;
    struct adhoc *a = adhoc_slot(db, sql);

    snprintf(a->name, sizeof(a->name), "adhoc_%zu", (size_t)(a - db->adhoc));
    a->used = ++db->clock;
    *out_name = a->name;
    if (a->sql && strcmp(a->sql, sql) == 0)
        return ERR_OK;
    if (a->sql) {
        char drop[64];
        snprintf(drop, sizeof(drop), "DEALLOCATE %s", a->name);
        PQclear(PQexec(db->conn, drop));
        free(a->sql);
        a->sql = NULL;
    }
    enum err_code rc = prepare(w, a->name, sql, (int)count);
    if (!rc)
        a->sql = strdup(sql);
    return rc;
}

enum err_code db_query_text(struct work *w, const char *sql, size_t count,
                            const char *const *parameters, struct rows *out)
{
    const char *name;
    enum err_code rc = ready_and_begun(w);

    if (!rc)
        rc = adhoc_prepare(w, sql, count, &name);
    if (rc)
        return rc;
    if (FAULT("db.query"))
        return err_set(&w->err, DB, "fault injected");
    return connection_take(
        w, PQexecPrepared(w->db->conn, name, (int)count, parameters, NULL, NULL, 0), out);
}

enum err_code db_script(struct work *w, const char *sql)
{
    enum err_code rc = ready_and_begun(w);
    return rc ? rc : connection_take(w, PQexec(w->db->conn, sql), NULL);
}

enum err_code db_begin(struct work *w)
{
    enum err_code rc = connection_ready(w);
    if (!rc && w->db->in_transaction)
        rc = err_set(&w->err, INTERNAL, "a transaction within a transaction");
    if (!rc)
        w->db->in_transaction = w->db->begins = true;
    w->db->hooks = NULL;
    w->db->hooks_end = &w->db->hooks;
    return rc;
}

void db_after_commit(struct work *w, struct commit_hook *hook)
{
    if (!w->db->in_transaction) {
        hook->run(w, hook);
        return;
    }
    hook->next = NULL;
    *w->db->hooks_end = hook;
    w->db->hooks_end = &hook->next;
}

static void run_hooks(struct work *w)
{
    struct commit_hook *hook = w->db->hooks, *next;

    w->db->hooks = NULL;
    for (; hook; hook = next) {
        next = hook->next;
        hook->run(w, hook);
    }
}

/* COMMIT of a transaction in which a statement failed succeeds, and says ROLLBACK. */
static enum err_code commit(struct work *w)
{
    enum err_code rc = connection_ready(w);
    if (rc)
        return rc;
    PGresult *res = PQexec(w->db->conn, "COMMIT");
    const char *said = PQcmdStatus(res);
    bool undone = said && strcmp(said, "ROLLBACK") == 0;
    rc = connection_take(w, res, NULL);
    if (!rc && undone)
        rc = err_set(&w->err, INTERNAL, "a statement of the transaction had failed");
    return rc;
}

enum err_code db_commit(struct work *w)
{
    bool empty = w->db->begins;
    w->db->begins = false;
    if (!w->db->in_transaction)
        return err_set(&w->err, DB, "the transaction ended with its connection");
    enum err_code rc = empty                ? ERR_OK
                       : FAULT("db.commit") ? err_set(&w->err, DB, "fault injected")
                                            : commit(w);
    if (rc)
        return rc;
    w->db->in_transaction = false;
    run_hooks(w);
    return ERR_OK;
}

void db_rollback(struct work *w)
{
    if (!w->db->in_transaction || !w->db->conn)
        return;
    w->db->in_transaction = false;
    w->db->hooks = NULL;
    if (!w->db->begins)
        PQclear(PQexec(w->db->conn, "ROLLBACK"));
    w->db->begins = false;
}

enum err_code db_copy_in(struct work *w, const char *sql, const char *data, size_t len)
{
    struct db *db = w->db;
    enum err_code rc = ready_and_begun(w);
    if (rc)
        return rc;
    PGresult *res = PQexec(db->conn, sql);
    if (PQresultStatus(res) != PGRES_COPY_IN) {
        rc = translate(w, res);
        PQclear(res);
        return rc;
    }
    PQclear(res);
    if (PQputCopyData(db->conn, data, (int)len) != 1 || PQputCopyEnd(db->conn, NULL) != 1)
        return err_set(&w->err, DB, "%.300s", PQerrorMessage(db->conn));
    res = PQgetResult(db->conn);
    rc = connection_take(w, res, NULL);
    while ((res = PQgetResult(db->conn)))
        PQclear(res);
    return rc;
}

bool db_conflict_is(const struct work *w, const char *constraint)
{
    return w->err.code == ERR_CONFLICT && strcmp(w->db->constraint, constraint) == 0;
}

bool db_in_transaction(const struct work *w)
{
    return w->db->in_transaction;
}
