/* States and retry policies as JSON. */
#include <check.h>
#include <stdlib.h>

#include "server/model/retry_policy.h"
#include "server/model/state.h"

static struct arena arena;
static struct err err;

static void teardown(void)
{
    arena_reset(&arena);
}

static const char *text(struct buf *b)
{
    const char *copy = arena_strndup(&arena, b->bytes, b->len);
    buf_free(b);
    return copy;
}

/* Data of a state: is it kept, does it say where a result is, what of it is kept, under which key.
 */
static const struct {
    const char *data;
    bool stored, persisted;
    const char *kept, *key;
} rows[] = {
    {NULL, false, false, NULL, NULL},
    {"null", false, false, NULL, NULL},
    {"{\"type\":\"unpersisted\"}", false, false, "{\"type\":\"unpersisted\"}", NULL},
    {"{}", true, false, "{}", NULL},
    {"{\"a\":1}", true, true, "{\"a\":1}", NULL},
    {"{\"a\":{\"type\":\"unpersisted\"}}", true, true, "{\"a\":{\"type\":\"unpersisted\"}}", NULL},
    {"[1]", true, false, "[1]", NULL},
    {"5", true, false, "5", NULL},
    {"false", true, false, "false", NULL},
    {"{\"artifact_key\":\"k\",\"v\":1}", true, true, "{\"v\":1}", "k"},
    {"{\"artifact_key\":null,\"v\":1}", true, true, "{\"v\":1}", NULL},
};

START_TEST(data_says_what_it_is)
{
    struct state s = {.type = STATE_COMPLETED};
    const char *data = rows[_i].data;

    state_set_data(&arena, &s, (struct raw){data, data ? strlen(data) : 0});
    ck_assert_int_eq(s.data_stored, rows[_i].stored);
    ck_assert_int_eq(s.data_persisted, rows[_i].persisted);
    ck_assert_pstr_eq(s.data.text, rows[_i].kept);
    ck_assert_pstr_eq(s.artifact_key, rows[_i].key);
}
END_TEST

START_TEST(details_are_stored_without_their_defaults)
{
    struct state_details d = STATE_DETAILS_INIT;
    struct buf b = {.max_bytes = 4096};

    state_details_store(&b, &d);
    ck_assert_str_eq(text(&b), "{}");
    d.pause_reschedule = true;
    d.scheduled_time_us = 1700000000000000;
    d.retriable = TRI_FALSE;
    b = (struct buf){.max_bytes = 4096};
    state_details_store(&b, &d);
    ck_assert_str_eq(text(&b), "{\"scheduled_time\":\"2023-11-14T22:13:20Z\","
                               "\"pause_reschedule\":true,\"retriable\":false}");
}
END_TEST

START_TEST(stored_details_read_back)
{
    static const char stored[] = "{\"pause_key\":\"1\",\"retriable\":false}";
    struct state_details d;

    ck_assert_int_eq(
        json_decode_text(&arena, &state_details_resource, stored, sizeof(stored) - 1, &d, &err),
        ERR_OK);
    ck_assert_str_eq(d.pause_key, "1");
    ck_assert_int_eq(d.retriable, TRI_FALSE);
    ck_assert_int_eq(d.refresh_cache, TRI_NONE);
    ck_assert_int_eq(d.deferred, TRI_FALSE);
    ck_assert_int_eq(d.scheduled_time_us, TIME_NONE);
    ck_assert(uuid_is_nil(d.transition_id));
}
END_TEST

#define OLD "\"max_retries\":0,\"retry_delay_seconds\":0.0,"
/* Policies as they come, and as they are kept. */
static const struct {
    enum run_kind kind;
    const char *in, *out;
} policies[] = {
    {RUN_FLOW, "{}",
     "{" OLD "\"retries\":null,\"retry_delay\":null,\"pause_keys\":[],\"resuming\":false,"
     "\"retry_type\":null}"},
    {RUN_FLOW, "{\"max_retries\":2,\"retry_delay_seconds\":3}",
     "{\"max_retries\":2,\"retry_delay_seconds\":3.0,\"retries\":2,\"retry_delay\":3,"
     "\"pause_keys\":[],\"resuming\":false,\"retry_type\":null}"},
    {RUN_FLOW, "{\"max_retries\":2,\"retries\":5}",
     "{\"max_retries\":2,\"retry_delay_seconds\":0.0,\"retries\":5,\"retry_delay\":null,"
     "\"pause_keys\":[],\"resuming\":false,\"retry_type\":null}"},
    {RUN_FLOW, "{\"pause_keys\":[\"b\",\"a\",\"b\"],\"retry_type\":\"in_process\",\"zz\":1}",
     "{" OLD "\"retries\":null,\"retry_delay\":null,\"pause_keys\":[\"b\",\"a\"],"
     "\"resuming\":false,\"retry_type\":\"in_process\"}"},
    {RUN_FLOW, "{\"pause_keys\":null,\"resuming\":null}",
     "{" OLD "\"retries\":null,\"retry_delay\":null,\"pause_keys\":[],\"resuming\":null,"
     "\"retry_type\":null}"},
    {RUN_TASK, "{\"retries\":1,\"retry_delay\":[1, 2.5],\"retry_jitter_factor\":0.5}",
     "{" OLD "\"retries\":1,\"retry_delay\":[1.0,2.5],\"retry_jitter_factor\":0.5}"},
    {RUN_TASK, "{\"retry_delay_seconds\":2.5}",
     "{\"max_retries\":0,\"retry_delay_seconds\":2.5,\"retries\":null,\"retry_delay\":2.5,"
     "\"retry_jitter_factor\":null}"},
};

START_TEST(policies_are_completed)
{
    struct buf b = {.max_bytes = 4096};
    struct retry_policy p;

    ck_assert_int_eq(retry_policy_read(&arena, policies[_i].kind, policies[_i].in,
                                       strlen(policies[_i].in), &p, &err),
                     ERR_OK);
    retry_policy_write(&b, policies[_i].kind, &p);
    ck_assert_str_eq(text(&b), policies[_i].out);
}
END_TEST

static const struct {
    enum run_kind kind;
    const char *in;
} refused[] = {
    {RUN_FLOW, "{\"retry_delay\":1.5}"},        {RUN_FLOW, "{\"retry_type\":\"never\"}"},
    {RUN_TASK, "{\"retry_delay\":\"a\"}"},      {RUN_TASK, "{\"retry_delay\":[1,\"a\"]}"},
    {RUN_TASK, "{\"retry_jitter_factor\":-1}"},
};

START_TEST(policies_that_make_no_sense_are_refused)
{
    struct retry_policy p;

    ck_assert_int_eq(retry_policy_read(&arena, refused[_i].kind, refused[_i].in,
                                       strlen(refused[_i].in), &p, &err),
                     ERR_INVALID);
    ck_assert_uint_gt(strlen(err.detail), 10);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state");
    TCase *t = tcase_create("json");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, data_says_what_it_is, 0, COUNT(rows));
    tcase_add_test(t, details_are_stored_without_their_defaults);
    tcase_add_test(t, stored_details_read_back);
    tcase_add_loop_test(t, policies_are_completed, 0, COUNT(policies));
    tcase_add_loop_test(t, policies_that_make_no_sense_are_refused, 0, COUNT(refused));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
