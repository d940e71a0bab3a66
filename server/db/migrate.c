#include "server/db/migrate.h"

#include <string.h>

#include "server/db/db.h"
#include "server/server.h"
#include "shared/base/log.h"

static const struct migration {
    int number;
    const char *name, *sha256, *sql;
} migrations[] = {
#define MIGRATION(number, name, sha256, sql) {number, name, sha256, sql},
#include "migrations.inc"
#undef MIGRATION
};

/* Any number will do as long as it stays. */
#define MIGRATION_LOCK "7262534601001"

static enum err_code check_applied(struct work *w, const struct rows *applied, size_t *out_next)
{
    for (int i = 0; i < applied->count; i++) {
        int number = (int)rows_i64(applied, i, 0);
        if ((size_t)i >= COUNT(migrations))
            return err_set(
                &w->err, CONFLICT,
                "the database has migration %d, which this program does not know: use a newer "
                "switchyard-server",
                number);
        if (number != migrations[i].number ||
            strcmp(rows_text(applied, i, 1), migrations[i].sha256) != 0)
            return err_set(
                &w->err, CONFLICT,
                "migration %s was changed after it was applied: use the program that made "
                "this database",
                migrations[i].name);
    }
    *out_next = (size_t)applied->count;
    return ERR_OK;
}

static enum err_code apply(struct work *w, const struct migration *m)
{
    struct rows none;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_script(w, m->sql);
    if (!rc)
        rc = db_query_text(
            w, "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)", 3,
            PARAMS(param_i64(w, m->number), m->name, m->sha256), &none);
    return db_end(w, rc);
}

static enum err_code apply_missing(struct work *w, int *out_applied)
{
    struct rows applied;
    size_t next = 0;
    enum err_code rc =
        db_script(w, "CREATE TABLE IF NOT EXISTS schema_migration (number integer PRIMARY KEY, "
                     "name text NOT NULL, sha256 text NOT NULL, "
                     "applied timestamptz NOT NULL DEFAULT now())");
    if (!rc)
        rc = db_query_text(w, "SELECT number, sha256 FROM schema_migration ORDER BY number", 0,
                           NULL, &applied);
    if (!rc)
        rc = check_applied(w, &applied, &next);
    bool wanted =
        settings_bool(&w->server->config.settings, SETTING_SERVER_DATABASE_MIGRATE_ON_START);
    if (!rc && !wanted && next < COUNT(migrations))
        return err_set(
            &w->err, CONFLICT,
            "migration %s is not applied and PREFECT_SERVER_DATABASE_MIGRATE_ON_START is "
            "off: start one server with it on",
            migrations[next].name);
    for (size_t i = next; i < COUNT(migrations) && !rc; i++) {
        rc = apply(w, &migrations[i]);
        if (!rc)
            log_info("migrated", KV_S("migration", migrations[i].name));
    }
    if (!rc)
        *out_applied = (int)(COUNT(migrations) - next);
    return rc;
}

enum err_code migrate(struct work *w, int *out_applied)
{
    enum err_code rc = db_script(w, "SELECT pg_advisory_lock(" MIGRATION_LOCK ")");
    if (rc)
        return rc;
    rc = apply_missing(w, out_applied);
    struct err kept = w->err;
    if (db_script(w, "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")") != ERR_OK && !rc)
        return w->err.code;
    w->err = kept;
    return rc;
}
