#include "worker/run/journal_store.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/fault.h"

enum { BUSY_TIMEOUT_MS = 2000 };

enum statement { BEGIN, COMMIT, ROLLBACK, INSERT, FORGET, OLDEST, STATEMENT_COUNT };

/* clang-format off */
static const char *const texts[STATEMENT_COUNT] = {
    [BEGIN]    = "BEGIN IMMEDIATE",
    [COMMIT]   = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [INSERT]   = "INSERT INTO record (epoch, kind, body) VALUES (?, ?, ?)",
    [FORGET]   = "DELETE FROM record WHERE seq <= ?",
    [OLDEST]   = "SELECT seq, epoch, kind, body FROM record ORDER BY seq LIMIT ?",
};

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256;"
    "PRAGMA journal_size_limit = 1048576;"
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS record (seq INTEGER PRIMARY KEY AUTOINCREMENT, epoch INTEGER NOT NULL,"
    " kind TEXT NOT NULL, body TEXT NOT NULL);";
/* clang-format on */

struct journal_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    char agent[UUID_TEXT_BYTES];
    int64_t epoch;
    int64_t bytes;
};

static enum err_code fail(struct journal_store *s, const char *doing, struct err *e)
{
    return err_set(e, IO, "journal: cannot %s: %s (%s)", doing, sqlite3_errmsg(s->db),
                   sqlite3_db_filename(s->db, "main"));
}

static enum err_code run(struct journal_store *s, enum statement which, const char *doing,
                         struct err *e)
{
    sqlite3_stmt *st = s->statements[which];
    int rc = sqlite3_step(st);
    sqlite3_reset(st);
    return rc == SQLITE_DONE ? ERR_OK : fail(s, doing, e);
}

static enum err_code read_text(struct journal_store *s, const char *sql, char *out, size_t size,
                               struct err *e)
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL))
        return fail(s, "read its state", e);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        snprintf(out, size, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? ERR_OK : fail(s, "read its state", e);
}

static enum err_code start_epoch(struct journal_store *s, struct err *e)
{
    char id[UUID_TEXT_BYTES], number[32] = "", sql[256];

    uuid_format(uuid_v4(), id);
    snprintf(sql, sizeof(sql),
             "BEGIN IMMEDIATE;"
             "INSERT INTO meta VALUES ('agent', '%s'), ('epoch', 0) ON CONFLICT DO NOTHING;"
             "UPDATE meta SET value = value + 1 WHERE key = 'epoch'; COMMIT;",
             id);
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL))
        return fail(s, "count the epoch", e);
    enum err_code rc =
        read_text(s, "SELECT value FROM meta WHERE key = 'agent'", s->agent, sizeof(s->agent), e);
    if (!rc)
        rc = read_text(s, "SELECT value FROM meta WHERE key = 'epoch'", number, sizeof(number), e);
    s->epoch = strtoll(number, NULL, 10);
    if (!rc)
        rc = read_text(s, "SELECT coalesce(sum(length(body)), 0) FROM record", number,
                       sizeof(number), e);
    s->bytes = strtoll(number, NULL, 10);
    return rc;
}

enum err_code journal_store_open(const char *path, struct journal_store **out, struct err *e)
{
    struct journal_store *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(e, INTERNAL, "out of memory");

    enum err_code rc = ERR_OK;
    if (sqlite3_open_v2(path, &s->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
        rc = err_set(e, IO, "journal: cannot open %s: %s", path, sqlite3_errmsg(s->db));
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    if (!rc && sqlite3_exec(s->db, schema, NULL, NULL, NULL))
        rc = fail(s, "make its tables", e);
    for (int i = 0; !rc && i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(s->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->statements[i],
                               NULL))
            rc = fail(s, "prepare a statement", e);
    if (!rc)
        rc = start_epoch(s, e);
    if (rc) {
        journal_store_close(s);
        return rc;
    }
    *out = s;
    return ERR_OK;
}

void journal_store_close(struct journal_store *s)
{
    if (!s)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(s->statements[i]);
    sqlite3_close(s->db);
    free(s);
}

const char *journal_store_agent(const struct journal_store *s)
{
    return s->agent;
}

int64_t journal_store_epoch(const struct journal_store *s)
{
    return s->epoch;
}

int64_t journal_store_bytes(const struct journal_store *s)
{
    return s->bytes;
}

static enum err_code forget(struct journal_store *s, int64_t acked_seq, struct err *e)
{
    sqlite3_bind_int64(s->statements[FORGET], 1, acked_seq);
    return run(s, FORGET, "delete delivered records", e);
}

static enum err_code insert(struct journal_store *s, const struct journal_record *r, struct err *e)
{
    sqlite3_stmt *st = s->statements[INSERT];

    if (FAULT("journal.write"))
        return err_set(e, IO, "journal: injected fault");
    sqlite3_bind_int64(st, 1, s->epoch);
    sqlite3_bind_text(st, 2, r->kind, -1, SQLITE_STATIC);
    sqlite3_bind_text64(st, 3, r->body, r->len, SQLITE_STATIC, SQLITE_UTF8);
    return run(s, INSERT, "write a record", e);
}

/* Bytes of what `forget` is about to delete, so that the sum needs no scan of the table. */
static int64_t bytes_until(struct journal_store *s, int64_t seq)
{
    char sql[96], number[32] = "0";
    struct err ignored = {0};

    snprintf(sql, sizeof(sql),
             "SELECT coalesce(sum(length(body)), 0) FROM record WHERE seq <= %" PRId64, seq);
    if (read_text(s, sql, number, sizeof(number), &ignored))
        return 0;
    return strtoll(number, NULL, 10);
}

enum err_code journal_store_write(struct journal_store *s, int64_t acked_seq,
                                  const struct journal_record *list, struct err *e)
{
    if (!acked_seq && !list)
        return ERR_OK;
    int64_t change = acked_seq ? -bytes_until(s, acked_seq) : 0;
    enum err_code rc = run(s, BEGIN, "begin a transaction", e);
    if (rc)
        return rc;
    if (acked_seq)
        rc = forget(s, acked_seq, e);
    for (const struct journal_record *r = list; r && !rc; r = r->next) {
        rc = insert(s, r, e);
        change += (int64_t)r->len;
    }
    if (!rc)
        rc = run(s, COMMIT, "commit", e);
    if (rc) {
        struct err ignored = {0};
        (void)!run(s, ROLLBACK, "roll back", &ignored);
        return rc;
    }
    s->bytes += change;
    return ERR_OK;
}

static void add_record(struct buf *b, sqlite3_stmt *st, bool first)
{
    char head[96];
    int n =
        snprintf(head, sizeof(head), "%s{\"seq\":%lld,\"kind\":\"%s\",\"body\":", first ? "" : ",",
                 sqlite3_column_int64(st, 0), (const char *)sqlite3_column_text(st, 2));

    buf_add(b, head, (size_t)n);
    buf_add(b, sqlite3_column_text(st, 3), (size_t)sqlite3_column_bytes(st, 3));
    buf_lit(b, "}");
}

static void begin_batch(struct journal_store *s, struct journal_batch *batch, int64_t epoch)
{
    char head[128];
    int n = snprintf(head, sizeof(head), "{\"agent\":\"%s\",\"epoch\":%" PRId64 ",\"records\":[",
                     s->agent, epoch);

    buf_add(&batch->body, head, (size_t)n);
    batch->earlier_epoch = epoch != s->epoch;
}

enum err_code journal_store_batch(struct journal_store *s, size_t max_records, size_t max_bytes,
                                  struct journal_batch *out, struct err *e)
{
    sqlite3_stmt *st = s->statements[OLDEST];
    struct journal_batch batch = {.body.max_bytes = SIZE_MAX / 2};
    int64_t epoch = 0;
    int rc;

    sqlite3_bind_int64(st, 1, (int64_t)max_records);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        size_t len = (size_t)sqlite3_column_bytes(st, 3);
        if (!batch.records) {
            epoch = sqlite3_column_int64(st, 1);
            begin_batch(s, &batch, epoch);
        } else if (sqlite3_column_int64(st, 1) != epoch || batch.body.len + len > max_bytes) {
            rc = SQLITE_DONE;
            break;
        }
        add_record(&batch.body, st, batch.records == 0);
        batch.records++;
        batch.last_seq = sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    if (rc != SQLITE_DONE) {
        buf_free(&batch.body);
        return fail(s, "read records", e);
    }
    if (batch.records) {
        buf_add(&batch.body, "]}", 3); /* with a final zero, for logs */
        batch.body.len--;
    }
    *out = batch;
    return ERR_OK;
}
