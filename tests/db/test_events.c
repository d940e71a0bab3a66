/* The server's own events: what is stored, queued and told, and that none is lost or doubled. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/event_emit.h"
#include "server/store/event_outbox.h"
#include "server/store/event_wake.h"
#include "server/store/events.h"
#include "server/store/flow_run_events.h"
#include "server/store/transitions.h"
#include "tests/db/fixture.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)

static void setup(void)
{
    fixture_setup(&f);
    fixture_runs(&f, 3);
    f.server.outbox = event_outbox_start();
    f.server.wake = event_wake_start();
}

static void teardown(void)
{
    event_outbox_stop(f.server.outbox);
    event_wake_stop(f.server.wake);
    fixture_teardown(&f);
}

static void move(int run, enum state_type type)
{
    struct transition t = {
        .run_id = fixture_run(run),
        .policy = POLICY_FLOW,
        .proposed = {.type = type, .timestamp_us = TIME_NONE, .details = STATE_DETAILS_INIT}};
    struct transition *list[] = {&t};

    OK(db_begin(&f.work));
    OK(transitions_apply(&f.work, list, 1));
    OK(db_commit(&f.work));
    transitions_announce(&f.work, list, 1);
}

/* What the emitter does once. */
static size_t emit_waiting(void)
{
    struct state_written states[16];
    size_t n = event_outbox_take(f.server.outbox, states, COUNT(states), 0);

    OK(flow_run_events_store(&f.work, states, n));
    return n;
}

START_TEST(a_state_change_becomes_an_event)
{
    move(0, STATE_RUNNING);
    move(0, STATE_COMPLETED);
    ck_assert_uint_eq(emit_waiting(), 2);
    ck_assert_int_eq(
        fixture_count(&f, "SELECT count(*) FROM event e JOIN flow_run_state s ON s.id = e.id "
                          "WHERE e.event = 'prefect.flow-run.' || s.name AND e.occurred = "
                          "s.timestamp AND e.resource_id = 'prefect.flow-run.' || s.flow_run_id"),
        2);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event a JOIN event b ON b.follows = "
                                       "a.id WHERE b.event = 'prefect.flow-run.Completed' AND "
                                       "b.payload->'initial_state'->>'type' = 'RUNNING' AND "
                                       "b.resource->>'prefect.run-count' = '1'"),
                     1);
}
END_TEST

START_TEST(states_that_a_killed_server_had_in_memory_are_found)
{
    struct state_written lost[16];
    bool more;

    move(0, STATE_RUNNING);
    move(1, STATE_RUNNING);
    ck_assert_uint_eq(event_outbox_take(f.server.outbox, lost, 16, 0), 2);
    OK(flow_run_events_store(&f.work, lost, 1));
    OK(db_script(&f.work,
                 "UPDATE flow_run_event_sweep SET swept = uuid_floor(now() - interval '1 day')"));
    OK(flow_run_events_sweep(&f.work, 30, &more)); /* too young: may be on its way */
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event"), 1);
    OK(db_script(&f.work,
                 "UPDATE flow_run_event_sweep SET swept = uuid_floor(now() - interval '1 day')"));
    OK(flow_run_events_sweep(&f.work, -60, &more));
    ck_assert(!more);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event"), 2);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event e JOIN flow_run_state s ON "
                                       "s.id = e.id WHERE e.resource->>'prefect.run-count' = '1'"),
                     2);
    OK(flow_run_events_sweep(&f.work, -60, &more));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event"), 2);
}
END_TEST

static struct event simple(struct uuid id)
{
    return (struct event){.id = id,
                          .occurred_us = f.work.now_us,
                          .event = "lab.door.opened",
                          .resource = RAW("{\"prefect.resource.id\": \"lab.door\"}"),
                          .related = RAW("[{\"prefect.resource.id\": \"lab.room.1\", "
                                         "\"prefect.resource.role\": \"room\"}]"),
                          .payload = RAW("{}")};
}

START_TEST(an_event_is_queued_once_while_automations_want_it)
{
    struct event e = simple(uuid_v7()), later = simple(uuid_v7());
    const struct event *list[] = {&e, &later};

    OK(events_store(&f.work, list, 1));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event_pending"), 0);
    OK(db_script(&f.work, "CREATE OR REPLACE FUNCTION events_wanted() RETURNS boolean LANGUAGE sql "
                          "STABLE AS 'SELECT true'"));
    OK(events_store(&f.work, list, 2)); /* the first is known */
    OK(events_store(&f.work, list, 2));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event"), 2);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event_pending p JOIN event e ON "
                                       "e.id = p.event_id"),
                     1);
}
END_TEST

START_TEST(those_who_wait_are_told_after_the_commit)
{
    struct event e = simple(uuid_v7());
    const struct event *list[] = {&e};
    uint64_t seen = event_wake_count(f.server.wake);

    OK(db_begin(&f.work));
    OK(events_store(&f.work, list, 1));
    db_rollback(&f.work);
    ck_assert_uint_eq(event_wake_count(f.server.wake), seen);
    OK(db_begin(&f.work));
    OK(events_store(&f.work, list, 1));
    ck_assert_uint_eq(event_wake_count(f.server.wake), seen);
    OK(db_commit(&f.work));
    ck_assert(event_wake_wait(f.server.wake, seen, 0));
    seen = event_wake_count(f.server.wake);
    OK(events_store(&f.work, list, 1)); /* nothing new */
    ck_assert(!event_wake_wait(f.server.wake, seen, 0));
}
END_TEST

static struct uuid id_of(const char *sql)
{
    struct rows rows;
    struct uuid id;

    OK(db_query_text(&f.work, sql, 0, NULL, &rows));
    ck_assert(rows.count == 1);
    ck_assert(uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), &id));
    return id;
}

START_TEST(a_pool_tells_what_changed_and_its_states_follow_each_other)
{
    struct event_before before;
    struct uuid pool = id_of("INSERT INTO work_pool (id, name, type) VALUES (uuid_v7(), 'bench', "
                             "'process') RETURNING id");

    OK(event_emit(&f.work, SUBJECT_WORK_POOL, "created", pool));
    OK(event_emit(&f.work, SUBJECT_WORK_POOL, "not-ready", pool));
    OK(event_emit(&f.work, SUBJECT_WORK_POOL, "ready", pool));
    OK(event_before_update(&f.work, SUBJECT_WORK_POOL, pool, &before));
    OK(event_emit_updated(&f.work, &before));
    OK(db_script(&f.work, "UPDATE work_pool SET description = 'x', concurrency_limit = 3"));
    OK(event_emit_updated(&f.work, &before));
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event"), 4);
    ck_assert_int_eq(fixture_count(&f, "SELECT count(*) FROM event a JOIN event b ON b.follows = "
                                       "a.id WHERE b.event = 'prefect.work-pool.ready' AND "
                                       "a.event = 'prefect.work-pool.not-ready'"),
                     1);
    ck_assert_int_eq(
        fixture_count(&f, "SELECT count(*) FROM event WHERE event = 'prefect.work-pool.updated' "
                          "AND payload::jsonb = '{\"updated_fields\": [\"description\", "
                          "\"concurrency_limit\"], \"updates\": {\"description\": {\"from\": null, "
                          "\"to\": \"x\"}, \"concurrency_limit\": {\"from\": null, \"to\": 3}}}'"),
        1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("events");
    TCase *t = tcase_create("events");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_state_change_becomes_an_event);
    tcase_add_test(t, states_that_a_killed_server_had_in_memory_are_found);
    tcase_add_test(t, an_event_is_queued_once_while_automations_want_it);
    tcase_add_test(t, those_who_wait_are_told_after_the_commit);
    tcase_add_test(t, a_pool_tells_what_changed_and_its_states_follow_each_other);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
