/* A connection to the test's own PostgreSQL (DATABASE_URL), migrated; and short words for the
 * tests. */
#pragma once
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/db.h"
#include "server/db/filter.h"
#include "server/db/migrate.h"
#include "server/http/parking.h"
#include "server/server.h"
#include "shared/base/clock.h"

static struct server server;
static struct work work;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", work.err.detail)

static void setup(void)
{
    server.parking = parking_start(&server);
    work = (struct work){
        .server = &server, .db = db_open(getenv("DATABASE_URL")), .now_us = clock_now_us()};
}

static void teardown(void)
{
    db_close(work.db);
    arena_reset(&work.arena);
    parking_stop(server.parking);
}

static inline void later(void)
{
    work.now_us += 1000000;
}

/* The first column of the first row; "" for NULL or none. */
static inline PRINTF_LIKE(1, 2) const char *sql(const char *fmt, ...)
{
    char text[2048];
    struct rows rows;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    OK(db_query_text(&work, text, 0, NULL, &rows));
    const char *value = rows.count ? rows_text(&rows, 0, 0) : NULL;
    return value ? value : "";
}

static inline struct uuid uuid_of(const char *text)
{
    struct uuid id;
    ck_assert_msg(uuid_parse(text, strlen(text), &id), "not a UUID: %s", text);
    return id;
}

static inline const char *text_of(struct uuid id)
{
    char *text = arena_array(&work.arena, char, UUID_TEXT_BYTES);
    uuid_format(id, text);
    return text;
}

static int run_db_suite(Suite *s)
{
    int applied;
    struct work w = {.db = db_open(getenv("DATABASE_URL"))};

    filters_build();
    if (migrate(&w, &applied)) {
        fprintf(stderr, "%s\n", w.err.detail);
        return EXIT_FAILURE;
    }
    db_close(w.db);
    arena_reset(&w.arena);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
