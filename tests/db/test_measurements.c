/* Measurements as rows: each artifact of that type has one, whoever stored it and whatever is in
 * it. */
#include "server/store/artifacts.h"
#include "server/store/measurements.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)

static void setup(void)
{
    fixture_setup(&f);
    fixture_runs(&f, 4);
    fixture_sql(&f, "UPDATE flow_run SET tags = '[\"a\", \"campaign:night\"]' WHERE id = '%s'",
                fixture_text(&f, fixture_run(0)));
    fixture_sql(&f, "UPDATE flow_run SET tags = '[\"campaign:day\"]' WHERE id = '%s'",
                fixture_text(&f, fixture_run(1)));
}

static void teardown(void)
{
    fixture_teardown(&f);
}

/* As an agent's journal delivers it. */
static const char *deliver(int run, const char *data)
{
    const char *id = fixture_text(&f, uuid_v7());
    OK(artifacts_store(&f.work, arena_printf(&f.work.arena,
                                             "[{\"id\": \"%s\", \"type\": \"measurement\", "
                                             "\"flow_run_id\": \"%s\", \"data\": %s}]",
                                             id, fixture_text(&f, fixture_run(run)), data)));
    return id;
}

static const char *record(const char *model, const char *energy, bool passed)
{
    return arena_printf(
        &f.work.arena,
        "{\"model\": \"%s\", \"target\": \"t\", \"emulated\": true, \"samples\": 12, "
        "\"windows\": [{\"start_s\": 1}], \"median_energy_per_inference_j\": %s, "
        "\"dynamic_uncertainty_rel\": 0.02, "
        "\"gates\": [{\"name\": \"one_boot\", \"passed\": %s}], "
        "\"provenance\": {\"openocd\": \"0.12\"}}",
        model, energy, passed ? "true" : "false");
}

static const char *column(const char *id, const char *name)
{
    return fixture_sql(&f, "SELECT %s::text FROM measurement WHERE id = '%s'", name, id);
}

START_TEST(a_delivery_makes_a_row)
{
    const char *id = deliver(0, record("m", "0.5", true));
    ck_assert_str_eq(column(id, "campaign"), "night");
    ck_assert_str_eq(column(id, "median_energy_per_inference_j"), "0.5");
    ck_assert_str_eq(column(id, "samples"), "12");
    ck_assert_str_eq(column(id, "dynamic_uncertainty_rel"), "0.02");
    ck_assert_str_eq(column(id, "valid"), "true");
    ck_assert_str_eq(column(id, "emulated"), "true");
    ck_assert_str_eq(column(id, "provenance->>'openocd'"), "0.12");
    ck_assert_str_eq(column(id, "flow_run_id"), fixture_text(&f, fixture_run(0)));
    id = deliver(0, record("n", "0.5", false));
    ck_assert_str_eq(column(id, "valid"), "false");
    ck_assert_str_eq(column(id, "failed_gates"), "one_boot");
}
END_TEST

START_TEST(a_second_measurement_of_a_run_takes_the_place_of_the_first)
{
    const char *first = deliver(0, record("m", "0.5", true)),
               *other = deliver(0, record("n", "1", true));
    const char *elsewhere = deliver(1, record("m", "1", true)),
               *second = deliver(0, record("m", "2", true));
    ck_assert_str_eq(column(first, "superseded"), "true");
    ck_assert_str_eq(column(second, "superseded"), "false");
    ck_assert_str_eq(column(other, "superseded"), "false");
    ck_assert_str_eq(column(elsewhere, "superseded"), "false");
}
END_TEST

/* Whatever the data are, the artifact is stored. */
START_TEST(strange_data)
{
    static const char *const none[] = {
        "null",           "1",  "\"not JSON\"",         "[]",
        "{\"model\": 7}", "{}", "\"{\\\"model\\\": \"", "\"\\ud83d\\ude00\""};
    for (size_t i = 0; i < COUNT(none); i++)
        ck_assert_str_eq(column(deliver(0, none[i]), "model"), "");
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM artifact"), (int)COUNT(none));
    const char *id =
        deliver(0, "{\"model\": \"m\", \"volts\": \"3\", \"samples\": 1.5, \"lost\": 1e30, "
                   "\"latency_s\": 1e-400, \"baseline_a\": 1e999, \"windows\": {}, "
                   "\"gates\": 7, \"ram_bytes\": -4, \"trace\": [], \"provenance\": 3}");
    ck_assert_str_eq(column(id, "num_nonnulls(volts, samples, lost, latency_s, baseline_a)"), "0");
    ck_assert_str_eq(column(id, "ram_bytes"), "-4");
    ck_assert_str_eq(column(id, "valid"), "false");
    id = deliver(
        0, "\"{\\\"model\\\": \\\"text\\\", \\\"volts\\\": 3}\""); /* as Prefect's clients do */
    ck_assert_str_eq(column(id, "model"), "text");
}
END_TEST

START_TEST(a_row_lives_as_long_as_its_artifact)
{
    struct uuid id;
    const char *text = deliver(0, record("m", "0.5", true));
    fixture_sql(&f, "UPDATE artifact SET data = '%s' WHERE id = '%s'", record("m", "0.75", true),
                text);
    ck_assert_str_eq(column(text, "median_energy_per_inference_j"), "0.75");
    ck_assert(uuid_parse(text, 36, &id));
    OK(artifact_delete(&f.work, id));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM measurement"), 0);
    OK(db_begin(&f.work));
    deliver(0, record("m", "0.5", true));
    db_rollback(&f.work);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM measurement"), 0);
}
END_TEST

START_TEST(campaigns_are_compared_by_their_medians)
{
    struct rows rows;
    deliver(0, record("m", "1", true));
    deliver(0, record("gone", "1", true));
    deliver(0, record("bad", "1", true));
    deliver(1, record("m", "9", false)); /* no result: does not count */
    deliver(1, record("m", "1.03", true));
    deliver(1, record("bad", "1", false));
    deliver(1, record("new", "1", true));
    OK(measurements_compare(&f.work, "night", "day", &rows));
    static const char sql[] =
        "SELECT string_agg(concat_ws(' ', x->>'model', x->>'verdict', "
        "round((x->>'change_percent')::numeric, 6)), ', ') FROM json_array_elements('%s') x";
    ck_assert_str_eq(fixture_sql(&f, sql, rows_text(&rows, 0, 0)),
                     "bad no result, gone missing, m compared 3.000000, new new");
    ck_assert_int_eq(measurements_compare(&f.work, "never", "day", &rows), ERR_NOT_FOUND);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measurements");
    TCase *c = tcase_create("rows");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, a_delivery_makes_a_row);
    tcase_add_test(c, a_second_measurement_of_a_run_takes_the_place_of_the_first);
    tcase_add_test(c, strange_data);
    tcase_add_test(c, a_row_lives_as_long_as_its_artifact);
    tcase_add_test(c, campaigns_are_compared_by_their_medians);
    suite_add_tcase(s, c);
    return fixture_run_suite(s);
}
