#include "tests/db/fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/db/filter.h"
#include "server/db/migrate.h"
#include "server/http/parking.h"
#include "shared/base/clock.h"

static void run_admin(const char *sql)
{
    struct server server = {.conninfo = getenv("DATABASE_URL")};
    struct work w = {.server = &server, .db = db_open(server.conninfo)};

    enum err_code rc = db_script(&w, sql);
    ck_assert_msg(rc == ERR_OK || strstr(w.err.detail, "already exists"), "%s: %s", sql,
                  w.err.detail);
    db_close(w.db);
    arena_reset(&w.arena);
}

static char *conninfo_of(const char *database)
{
    static char text[512];
    snprintf(text, sizeof(text), "%s dbname=%s", getenv("DATABASE_URL"), database);
    return text;
}

/* The environment's, as a server has them. */
static void read_settings(struct server *server)
{
    struct err e;
    ck_assert_msg(settings_read(&server->config.settings, &e) == ERR_OK, "%s", e.detail);
}

static void make_template(void)
{
    struct server server = {.conninfo = conninfo_of("sy_template")};
    int applied;

    read_settings(&server);
    run_admin("CREATE DATABASE sy_template");
    struct work w = {.server = &server, .db = db_open(server.conninfo)};
    ck_assert_msg(migrate(&w, &applied) == ERR_OK, "%s", w.err.detail);
    db_close(w.db);
    arena_reset(&w.arena);
}

void fixture_setup(struct fixture *f)
{
    char name[64], sql[160];

    make_template();
    snprintf(name, sizeof(name), "t_%d_%lld", (int)getpid(), (long long)clock_monotonic_us());
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s TEMPLATE sy_template", name);
    run_admin(sql);
    *f = (struct fixture){0};
    read_settings(&f->server);
    f->server.conninfo = strdup(conninfo_of(name));
    f->server.parking = parking_start(&f->server);
    f->work = (struct work){
        .server = &f->server, .db = db_open(f->server.conninfo), .now_us = clock_now_us()};
}

void fixture_teardown(struct fixture *f)
{
    db_close(f->work.db);
    arena_reset(&f->work.arena);
    parking_stop(f->server.parking);
    free((void *)(uintptr_t)f->server.conninfo);
}

int64_t fixture_count(struct fixture *f, const char *sql)
{
    struct rows rows;
    ck_assert_msg(db_query_text(&f->work, sql, 0, NULL, &rows) == ERR_OK, "%s: %s", sql,
                  f->work.err.detail);
    return rows_i64(&rows, 0, 0);
}

struct uuid fixture_run(int i)
{
    struct uuid id = {.bytes = {[0] = 1, [14] = (uint8_t)(i >> 8), [15] = (uint8_t)i}};
    return id;
}

void fixture_runs(struct fixture *f, int count)
{
    char sql[700];

    snprintf(sql, sizeof(sql),
             "INSERT INTO flow (id, name) VALUES ('00000000-0000-0000-0000-00000000000f', 'f');"
             "INSERT INTO flow_run (id, name, flow_id, state_id, state_type, state_name, "
             "state_timestamp, state_details)"
             " SELECT ('01000000-0000-0000-0000-00000000' || lpad(to_hex(i), 4, '0'))::uuid, 'r', "
             "'00000000-0000-0000-0000-00000000000f',"
             " gen_random_uuid(), 'PENDING', 'Pending', now(), '{}' FROM generate_series(0, %d) i",
             count - 1);
    ck_assert_msg(db_script(&f->work, sql) == ERR_OK, "%s", f->work.err.detail);
}

const char *fixture_sql(struct fixture *f, const char *fmt, ...)
{
    char text[2048];
    struct rows rows;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ck_assert_msg(db_query_text(&f->work, text, 0, NULL, &rows) == ERR_OK, "%s: %s", text,
                  f->work.err.detail);
    const char *value = rows.count ? rows_text(&rows, 0, 0) : NULL;
    return value ? value : "";
}

const char *fixture_text(struct fixture *f, struct uuid id)
{
    char *text = arena_array(&f->work.arena, char, UUID_TEXT_BYTES);
    uuid_format(id, text);
    return text;
}

int fixture_run_suite(Suite *s)
{
    filters_build();
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
