/* A migrated database of its own for each test, copied from a template that is made once. */
#pragma once
#include <check.h>

#include "server/db/db.h"
#include "server/server.h"

/* A server context without loop or listener, and work on a fresh database.  Uses DATABASE_URL. */
struct fixture {
    struct server server;
    struct work work;
};

void fixture_setup(struct fixture *f);
void fixture_teardown(struct fixture *f);
/* One number out of the database. */
int64_t fixture_count(struct fixture *f, const char *sql);
/* A flow and `count` runs in the state PENDING; ids are uuid_at(0..). */
void fixture_runs(struct fixture *f, int count);
struct uuid fixture_run(int i);
/* The first column of the first row; "" for NULL or none. */
const char *fixture_sql(struct fixture *f, const char *fmt, ...) PRINTF_LIKE(2, 3);
const char *fixture_text(struct fixture *f, struct uuid id);
/* What main() returns. */
int fixture_run_suite(Suite *s);
