/* The schema: migrations, and every named query against it. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/connection.h"
#include "server/db/filter.h"
#include "server/db/migrate.h"
#include "tests/db/fixture.h"

static struct fixture f;

static void setup(void)
{
    fixture_setup(&f);
}

static void teardown(void)
{
    fixture_teardown(&f);
}

START_TEST(every_query_fits_the_schema)
{
    int parameters;

    for (enum query q = 0; q < QUERY_COUNT; q++)
        ck_assert_msg(connection_prepare(&f.work, q) == ERR_OK, "%s: %s",
                      connection_query_name(q, &parameters), f.work.err.detail);
}
END_TEST

START_TEST(migrating_again_does_nothing)
{
    int applied = -1;
    ck_assert_msg(migrate(&f.work, &applied) == ERR_OK, "%s", f.work.err.detail);
    ck_assert_int_eq(applied, 0);
}
END_TEST

START_TEST(a_changed_migration_is_refused)
{
    int applied;
    ck_assert_int_eq(
        db_script(&f.work, "UPDATE schema_migration SET sha256 = 'x' WHERE number = 1"), ERR_OK);
    ck_assert_int_eq(migrate(&f.work, &applied), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(f.work.err.detail, "was changed after it was applied"));
}
END_TEST

START_TEST(a_newer_database_is_refused)
{
    int applied;
    ck_assert_int_eq(db_script(&f.work, "INSERT INTO schema_migration VALUES (9999, 'x', 'y')"),
                     ERR_OK);
    ck_assert_int_eq(migrate(&f.work, &applied), ERR_CONFLICT);
    ck_assert_ptr_nonnull(strstr(f.work.err.detail, "9999"));
}
END_TEST

START_TEST(time_series_have_partitions_ahead)
{
    ck_assert_int_ge(
        fixture_count(&f, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'log'::regclass"), 6);
    ck_assert_int_eq(
        fixture_count(&f, "SELECT (uuid_floor(now()) < uuid_floor(now() + interval '1 day'))::int"),
        1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db schema");
    TCase *t = tcase_create("schema");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, every_query_fits_the_schema);
    tcase_add_test(t, migrating_again_does_nothing);
    tcase_add_test(t, a_changed_migration_is_refused);
    tcase_add_test(t, a_newer_database_is_refused);
    tcase_add_test(t, time_series_have_partitions_ahead);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
