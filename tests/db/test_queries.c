/* Every named query is prepared by a real database, every filter and listing column is one it
 * knows. */
#include "server/db/columns.h"
#include "server/db/connection.h"
#include "server/db/filter.h"
#include "server/model/flow_run.h"
#include "server/model/task_run.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)

static void setup(void)
{
    fixture_setup(&f);
}

static void teardown(void)
{
    fixture_teardown(&f);
}

START_TEST(every_query_can_be_prepared)
{
    int parameters;

    OK(connection_ready(&f.work));
    for (int q = 0; q < QUERY_COUNT; q++)
        ck_assert_msg(connection_prepare(&f.work, (enum query)q) == ERR_OK, "%s: %s",
                      connection_query_name((enum query)q, &parameters), f.work.err.detail);
}
END_TEST

static const struct {
    const struct resource *resource;
    const char *alias, *from;
} lists[] = {
    {&flow_run_resource, "fr", "flow_run fr"},
    {&task_run_resource, "tr", "task_run tr"},
};

START_TEST(every_column_of_a_resource_exists)
{
    struct sql s;
    struct rows rows;

    sql_begin(&s, &f.work);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, lists[_i].resource, lists[_i].alias);
    sql_add(&s, " FROM ");
    sql_add(&s, lists[_i].from);
    OK(sql_run(&s, &rows));
    ck_assert_uint_eq((size_t)rows.columns, columns_count(lists[_i].resource));
}
END_TEST

/* Whoever passes over the error of a statement is told at the end. */
START_TEST(a_commit_that_undoes_is_an_error)
{
    OK(db_begin(&f.work));
    OK(db_script(&f.work, "INSERT INTO flow (id, name) VALUES (gen_random_uuid(), 'f')"));
    ck_assert_int_eq(db_script(&f.work, "SELECT 1 / 0"), ERR_INVALID);
    ck_assert_int_eq(db_commit(&f.work), ERR_INTERNAL);
    db_rollback(&f.work);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow"), 0);
    OK(db_begin(&f.work));
    OK(db_script(&f.work, "INSERT INTO flow (id, name) VALUES (gen_random_uuid(), 'f')"));
    OK(db_commit(&f.work));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM flow"), 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("queries");
    TCase *t = tcase_create("queries");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, every_query_can_be_prepared);
    tcase_add_loop_test(t, every_column_of_a_resource_exists, 0, COUNT(lists));
    tcase_add_test(t, a_commit_that_undoes_is_an_error);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
