/* A connection to PostgreSQL.  server/db is the only user of libpq.
 *
 * Owns:   results live in the arena of the work that asked and end with it.
 * Errors: DB when the database does not answer or refuses (the statement may be tried again),
 *         CONFLICT for a broken unique or foreign key, INVALID for text that a type refuses.
 * Thread: one at a time per connection. */
#pragma once
#include "server/work.h"
#include "shared/base/uuid.h"

enum query {
#define QUERY(name, parameters, text) Q_##name,
#include "queries.inc"
#undef QUERY
    QUERY_COUNT,
};

struct db;
struct array;

/* Rows of one answer.  Columns are text as PostgreSQL prints it, NULL for SQL NULL. */
struct rows {
    void *result;
    int count, columns;
};

enum { DB_PARAMETERS_MAX = 96 };

/* Never fails: connects when first used, and again after the connection was lost. */
struct db *db_open(const char *conninfo);
/* For batches: joins walk the given rows in their order and look each up by an index, so that all
 * batches lock rows in the order of their ids. */
struct db *db_open_for_batches(const char *conninfo);
void db_close(struct db *db);

/* One prepared statement.  `parameters` are texts or NULL, as many as the statement has. */
MUST_CHECK enum err_code db_query(struct work *w, enum query q, const char *const *parameters,
                                  struct rows *out);

/* The same for a statement made at run time (filters).  Prepared once per text, the least recently
 * used are forgotten. */
MUST_CHECK enum err_code db_query_text(struct work *w, const char *sql, size_t count,
                                       const char *const *parameters, struct rows *out);

/* A transaction.  It begins with the first statement, in the same round trip. */
MUST_CHECK enum err_code db_begin(struct work *w);
MUST_CHECK enum err_code db_commit(struct work *w);
/* After any error; does nothing when no transaction is open.  w->err stays. */
void db_rollback(struct work *w);
/* Commits when `rc` is ERR_OK, rolls back otherwise and when that fails; returns which it was. */
MUST_CHECK static inline enum err_code db_end(struct work *w, enum err_code rc)
{
    if (!rc)
        rc = db_commit(w);
    if (rc)
        db_rollback(w);
    return rc;
}
/* Runs `hook` right after the open transaction was committed, at once when none is open, never
 * after a rollback.  It lives as long as the arena of the work and must not use the database. */
struct commit_hook {
    struct commit_hook *next;
    void (*run)(struct work *w, struct commit_hook *hook);
};
void db_after_commit(struct work *w, struct commit_hook *hook);
bool db_in_transaction(const struct work *w);

/* Several statements in one round trip and, without db_begin(), in one transaction. */
struct db_step {
    enum query query;
    const char *const *parameters;
    struct rows rows;     /* out */
    struct array *arrays; /* instead of parameters, see columns.h */
    bool binary_rows;     /* rows_text() and the others read both */
};
MUST_CHECK enum err_code db_pipeline(struct work *w, struct db_step *steps, size_t count);

/* COPY ... FROM STDIN; `data` in PostgreSQL's text format. */
MUST_CHECK enum err_code db_copy_in(struct work *w, const char *sql, const char *data, size_t len);

/* Several statements without parameters, as in a migration. */
MUST_CHECK enum err_code db_script(struct work *w, const char *sql);

/* True when the last error named this unique index or constraint. */
bool db_conflict_is(const struct work *w, const char *constraint);

/* NULL for SQL NULL.  Of binary rows: texts, JSON and bytes only. */
const char *rows_text(const struct rows *r, int row, int column);
size_t rows_len(const struct rows *r, int row, int column);
/* Of a result in text form.  Returns false without memory. */
MUST_CHECK bool rows_set(struct rows *r, int row, int column, const char *text);
int64_t rows_i64(const struct rows *r, int row, int column); /* 0 for NULL */
double rows_f64(const struct rows *r, int row, int column);
bool rows_bool(const struct rows *r, int row, int column);
/* Microseconds; TIME_NONE for NULL. */
int64_t rows_time(const struct rows *r, int row, int column);
/* Nil for NULL. */
struct uuid rows_uuid(const struct rows *r, int row, int column);

/* Parameters as text in the arena. */
const char *param_i64(struct work *w, int64_t value);
const char *param_f64(struct work *w, double value);
const char *param_time(struct work *w, int64_t time_us); /* NULL for TIME_NONE */
#define param_bool(value) ((value) ? "t" : "f")

/* Text array literal `{"a","b"}`; a NULL item is SQL NULL. */
const char *param_array(struct work *w, const char *const *items, size_t count);

#define PARAMS(...) ((const char *const[]){__VA_ARGS__})
