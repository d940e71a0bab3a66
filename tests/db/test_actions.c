/* Actions of automations that wait in the database. */
#include "server/store/actions.h"
#include "tests/db/services_fixture.h"

#define DEPLOYED "'d0000000-0000-0000-0000-000000000000'"

/* A plan made while the table was empty expects one row, and may join in any order. */
START_TEST(an_action_is_claimed_by_itself)
{
    static struct claimed_action claimed[4];
    size_t taken;

    run_sql("VACUUM ANALYZE automation_action");
    for (int i = 0; i < 10; i++) { /* the plan is kept from the sixth time on */
        OK(actions_claim(&f.work, 1, claimed, &taken));
        ck_assert_uint_eq(taken, 0);
    }
    run_sql("INSERT INTO automation_action (id, automation_id, triggered, due, context) "
            "SELECT ('a0000000-0000-0000-0000-00000000000' || n)::uuid, " DEPLOYED
            ", now(), now() - (5 - n) * interval '1 second', "
            "'{\"action\": {\"type\": \"do-nothing\"}}' FROM generate_series(1, 4) n");
    for (int i = 0; i < 4; i++) {
        OK(actions_claim(&f.work, 1, claimed, &taken));
        ck_assert_uint_eq(taken, 1);
        ck_assert_uint_eq(claimed[0].id.bytes[15], (unsigned)i + 1);
    }
    OK(actions_claim(&f.work, 1, claimed, &taken));
    ck_assert_uint_eq(taken, 0);
    ck_assert_int_eq(count("SELECT count(*) FROM automation_action WHERE attempts = 1"), 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("db actions");
    TCase *t = tcase_create("actions");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_action_is_claimed_by_itself);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
