/* A run in a state, a proposal and its verdict, for the tests of the orchestration rules. */
#pragma once
#include <check.h>
#include <stdlib.h>

#include "server/model/orchestration.h"

#define S(n)     INT64_C(n) * 1000000
#define NOW      (INT64_C(1790000000) * 1000000)
#define ID(n)    ((struct uuid){.bytes = {n}})
#define STATE_ID ID(0xee)
#define LEASE_ID ID(0x1e)
#define RUN_ID   ID(0xaa)

static struct arena arena;
static struct run_facts facts;
static struct state proposed;
static struct verdict verdict;

/* A run whose only state so far is `from`, entered 10 s ago, and a plain proposal of `to`. */
static void start(enum run_kind kind, enum state_type from, enum state_type to)
{
    facts = (struct run_facts){.kind = kind, .id = RUN_ID, .run = RUN_COLUMNS_INIT};
    facts.client.version = VERSION_NUMBER(3, 9, 1);
    facts.state.details = (struct state_details)STATE_DETAILS_INIT;
    if (from != STATE_NONE) {
        facts.state.id = ID(0x01);
        facts.state.type = from;
        facts.state.name = state_default_name(from);
        facts.state.timestamp_us = NOW - S(10);
        facts.run.state_type = from;
        facts.run.state_name = facts.state.name;
        facts.run.state_timestamp_us = facts.state.timestamp_us;
        facts.run.expected_start_time_us = facts.state.timestamp_us;
    }
    if (from == STATE_RUNNING)
        facts.run.run_count = 1;
    proposed = (struct state){.type = to, .details = STATE_DETAILS_INIT};
}

static inline void decide(enum policy_id policy)
{
    struct proposal p = {&proposed, policy, NOW, STATE_ID, LEASE_ID, UINT64_C(1) << 63};
    orchestrate(&arena, &facts, &p, &verdict);
}

static inline void teardown(void)
{
    arena_reset(&arena);
}

/* What one rule does with one transition. */
struct rule_row {
    const char *what;
    enum policy_id policy;
    enum state_type from, to;
    void (*arrange)(void); /* changes facts and proposal; may be NULL */
    enum verdict_status status;
    const char *reason;
    enum state_type result; /* the run's state afterwards */
    const char *name;
    unsigned effects; /* all of them, events aside */
};

static inline void check_row(enum run_kind kind, const struct rule_row *row)
{
    start(kind, row->from, row->to);
    if (row->arrange)
        row->arrange();
    decide(row->policy);
    ck_assert_msg(verdict.status == row->status, "%s: %s (%s)", row->what,
                  verdict_status_name(verdict.status), verdict.reason ? verdict.reason : "");
    ck_assert_pstr_eq(verdict.reason, row->reason);
    ck_assert_msg(verdict.state.type == row->result, "%s: ends %s", row->what,
                  state_type_name(verdict.state.type));
    ck_assert_str_eq(verdict.state.name ? verdict.state.name : "", row->name);
    ck_assert_msg((verdict.effects & ~(unsigned)EFFECT_EVENT) == row->effects, "%s: effects %#x",
                  row->what, verdict.effects);
    bool event = verdict.writes && kind == RUN_FLOW;
    ck_assert_int_eq(!!(verdict.effects & EFFECT_EVENT), event);
}

static int run_suite(Suite *s)
{
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
