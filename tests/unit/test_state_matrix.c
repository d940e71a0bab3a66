/* The rules give what a real Prefect gave for every state type proposed in every state type, forced
 * and not: the 810 rows of tests/compat/state_matrix.json. */
#include <stdio.h>

#include "tests/unit/orchestration_fixture.h"

enum { TABLE_BYTES_MAX = 1 << 20 };

static char text[TABLE_BYTES_MAX];
static struct doc doc;
static struct arena table;

static void load(void)
{
    struct doc_error bad;
    FILE *f = fopen("tests/compat/state_matrix.json", "r");

    ck_assert_msg(f != NULL, "run the tests in the repository's root");
    size_t len = fread(text, 1, sizeof(text), f);
    fclose(f);
    ck_assert(doc_parse(&table, text, len, &doc, &bad));
}

static void unload(void)
{
    arena_reset(&table);
}

static const char *string(struct val row, const char *key)
{
    return val_string(&arena, val_get(row, key), NULL);
}

static enum state_type type_of(struct val row, const char *key)
{
    const char *s = string(row, key);
    return state_type_parse(s, strlen(s));
}

static bool truth(struct val row, const char *key)
{
    return val_type(val_get(row, key)) == DOC_TRUE;
}

static bool is_kind(struct val row, const char *kind)
{
    return val_equals(val_get(row, "kind"), kind, strlen(kind));
}

static void propose(struct val row, const char *key, bool force, int64_t now_us)
{
    proposed = (struct state){.type = type_of(row, key), .details = STATE_DETAILS_INIT};
    proposed.details.deferred = is_kind(row, "background") ? TRI_TRUE : TRI_FALSE;
    struct proposal p = {
        &proposed, policy_for(facts.kind, &proposed, force), now_us, STATE_ID, LEASE_ID, 0};
    orchestrate(&arena, &facts, &p, &verdict);
    run_facts_apply(&facts, &verdict);
}

static void replay(struct val row)
{
    bool flow = is_kind(row, "flow") || is_kind(row, "deployed");

    start(flow ? RUN_FLOW : RUN_TASK, STATE_NONE, STATE_NONE);
    facts.client.version = 0;
    if (is_kind(row, "deployed"))
        facts.deployment = (struct deployment_facts){.id = ID(0xdd), .exists = true};
    if (is_kind(row, "flow-task"))
        facts.parent = (struct parent_facts){
            .exists = true, .id = ID(0xf1), .state_type = STATE_RUNNING, .run_count = 1};
    propose(row, "from", true, NOW);
    propose(row, "to", truth(row, "force"), NOW + S(1));
}

static const char *retry_name(enum retry_type type)
{
    return type == RETRY_NONE ? NULL : type == RETRY_IN_PROCESS ? "in_process" : "reschedule";
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* The first member that is not what Prefect answered, or NULL. */
static const char *difference(struct val row)
{
    const struct run_columns *run = &facts.run;
    int64_t run_count;
    /* Prefect marks a run as resuming even when it refused to. */
    bool resuming = truth(row, "resuming") && verdict.status == VERDICT_ACCEPT;
    const struct {
        const char *member;
        bool same;
    } members[] = {
        {"status", same_text(verdict_status_name(verdict.status), string(row, "status"))},
        {"reason", same_text(verdict.reason, string(row, "reason"))},
        {"type", same_text(state_type_name(run->state_type), string(row, "type"))},
        {"name", same_text(run->state_name, string(row, "name"))},
        {"run_count",
         val_int64(val_get(row, "run_count"), &run_count) && run->run_count == run_count},
        {"started", (run->start_time_us != TIME_NONE) == truth(row, "started")},
        {"ended", (run->end_time_us != TIME_NONE) == truth(row, "ended")},
        {"due", (run->next_scheduled_start_time_us != TIME_NONE) == truth(row, "due")},
        {"ran", (run->total_run_time_us > 0) == truth(row, "ran")},
        {"retry_type", same_text(retry_name(run->policy.retry_type), string(row, "retry_type"))},
        {"resuming", (run->policy.resuming == TRI_TRUE) == resuming},
    };
    for (size_t i = 0; i < COUNT(members); i++)
        if (!members[i].same)
            return members[i].member;
    return NULL;
}

START_TEST(every_case_is_as_prefect_decides_it)
{
    struct val_iter it = val_each(doc_root(&doc));

    ck_assert_uint_eq(val_count(doc_root(&doc)), 810);
    while (val_next(&it)) {
        struct raw raw = val_raw(it.value);
        replay(it.value);
        const char *differs = difference(it.value);
        ck_assert_msg(!differs, "%s differs: %.*s", differs, (int)raw.len, raw.text);
        arena_reset(&arena);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state_matrix");
    TCase *t = tcase_create("matrix");
    tcase_add_checked_fixture(t, load, unload);
    tcase_add_test(t, every_case_is_as_prefect_decides_it);
    suite_add_tcase(s, t);
    return run_suite(s);
}
