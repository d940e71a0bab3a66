/* Why a run waits, in words. */
#include "server/model/run_why.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/base.h"

#define PLACE                                                                                      \
    .state_type = "SCHEDULED", .state_name = "Scheduled", .pool = "bench", .queue = "default"
#define NO_LIMITS .pool_limit = -1, .queue_limit = -1
#define SERVED    .workers = 1, .free_slots = 2
#define NORMAL    PLACE, NO_LIMITS, SERVED

static const struct {
    struct run_placement facts;
    const char *kinds, *text; /* of the first */
} rows[] = {
    /* clang-format off */
    {{NORMAL}, "turn", "nothing is in its way"},
    {{NORMAL, .before = 3}, "turn", "3 runs of its work pool are before it"},
    {{NORMAL, .early = true, .due = "2030-01-01T00:00:00Z"}, "schedule", "planned for 2030-01-01"},
    {{.state_type = "SCHEDULED", .state_name = "AwaitingConcurrencySlot", .pool = "bench", .queue = "default", NO_LIMITS, SERVED, .early = true, .due = "2030-01-01T00:00:00Z"}, "concurrency_limit", "again 2030"},
    {{.state_type = "SCHEDULED", .state_name = "AwaitingConcurrencySlot", .pool = "bench", .queue = "default", NO_LIMITS, SERVED, .due = "2030-01-01T00:00:00Z"}, "turn", "nothing"},
    {{NORMAL, .in_process = true}, "retry", "its process waits"},
    {{NORMAL, .pool_paused = true}, "pool_paused", "the work pool bench is paused"},
    {{NORMAL, .queue_paused = true}, "queue_paused", "the work queue default is paused"},
    {{PLACE, NO_LIMITS, .free_slots = -1}, "no_agent", "no agent or worker serves the work pool bench"},
    {{PLACE, SERVED, .queue_limit = -1, .pool_limit = 2, .pool_busy = 2}, "pool_limit", "its limit of 2 runs"},
    {{PLACE, SERVED, .queue_limit = -1, .pool_limit = 2, .pool_busy = 1}, "turn", "nothing"},
    {{PLACE, SERVED, .pool_limit = -1}, "queue_limit", "its limit of 0 runs"},
    {{PLACE, NO_LIMITS, .workers = 1}, "no_slot", "no agent of the work pool bench has a free slot"},
    {{NORMAL, .wanted = "bench for the target f7"}, "no_bench", "has a bench for the target f7"},
    {{NORMAL, .wanted = "bench for the target f7", .benches = 2, .obstacles = "b1 is leased by the run x until T"}, "bench", "no bench for the target f7 is free: b1 is leased"},
    {{NORMAL, .wanted = "bench for the target f7", .benches = 2, .free_benches = 1}, "turn", "nothing"},
    {{NORMAL, .wanted = "board", .benches = 2, .free_benches = 1, .before = 1, .kept_for = "both"}, "turn", "the board that is free is kept for the run both, which comes first"},
    {{.state_type = "SCHEDULED", .state_name = "Scheduled", .pool_limit = -1, .queue_limit = -1, .free_slots = -1}, "no_pool", "it has no work pool"},
    {{NORMAL, .pool_paused = true, .wanted = "bench for the target f7"}, "pool_paused no_bench", "paused"},
    {{.state_type = "RUNNING"}, "", NULL},
    {{.state_type = "PAUSED"}, "paused", "somebody must resume it"},
    /* clang-format on */
};

START_TEST(reasons_are_named)
{
    struct arena a = {0};
    struct run_reason reasons[RUN_REASONS_MAX];
    char kinds[200] = "";
    size_t count = run_why(&a, &rows[_i].facts, reasons);
    for (size_t i = 0; i < count; i++)
        snprintf(kinds + strlen(kinds), sizeof(kinds) - strlen(kinds), "%s%s", i ? " " : "",
                 reasons[i].kind);
    ck_assert_str_eq(kinds, rows[_i].kinds);
    if (rows[_i].text)
        ck_assert_msg(strstr(reasons[0].text, rows[_i].text), "%s", reasons[0].text);
    arena_reset(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_why");
    TCase *t = tcase_create("why");
    tcase_add_loop_test(t, reasons_are_named, 0, COUNT(rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
