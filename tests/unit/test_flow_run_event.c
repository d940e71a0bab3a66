#include <check.h>
#include <stdlib.h>

#include "server/model/flow_run_event.h"

#define ID(n) ((struct uuid){.bytes = {n}})
#define NIL   "000000-0000-0000-0000-000000000000"

static struct arena arena;
static struct state initial, state;
static struct flow_run_event event;

static void setup(void)
{
    initial = (struct state){.id = ID(1),
                             .type = STATE_RUNNING,
                             .name = "Running",
                             .timestamp_us = 1700000000000000,
                             .details = STATE_DETAILS_INIT};
    state = (struct state){.id = ID(2),
                           .type = STATE_PAUSED,
                           .name = "Suspended",
                           .message = "hi",
                           .timestamp_us = 1700000001500000,
                           .details = STATE_DETAILS_INIT};
    state.details.pause_reschedule = true;
    event = (struct flow_run_event){.flow_run_id = ID(0xaa),
                                    .flow_run_name = "quick-otter",
                                    .run_count = 1,
                                    .initial = &initial,
                                    .state = &state,
                                    .flow = {ID(0xf0), "train"}};
}

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

START_TEST(the_resource_carries_the_state)
{
    struct buf b = {.max_bytes = 4096};

    flow_run_event_resource(&b, &event);
    ck_assert_str_eq(text(&b),
                     "{\"prefect.resource.id\":\"prefect.flow-run.aa" NIL "\","
                     "\"prefect.resource.name\":\"quick-otter\",\"prefect.run-count\":\"1\","
                     "\"prefect.state-message\":\"hi\",\"prefect.state-name\":\"Suspended\","
                     "\"prefect.state-timestamp\":\"2023-11-14T22:13:21.500000+00:00\","
                     "\"prefect.state-type\":\"PAUSED\"}");
    ck_assert_str_eq(flow_run_event_name(&arena, &event), "prefect.flow-run.Suspended");
}
END_TEST

START_TEST(the_payload_tells_both_states)
{
    struct buf b = {.max_bytes = 4096};

    flow_run_event_payload(&b, &event);
    ck_assert_str_eq(text(&b), "{\"intended\":{\"from\":\"RUNNING\",\"to\":\"PAUSED\"},"
                               "\"initial_state\":{\"type\":\"RUNNING\",\"name\":\"Running\"},"
                               "\"validated_state\":{\"type\":\"PAUSED\",\"name\":\"Suspended\","
                               "\"message\":\"hi\",\"pause_reschedule\":\"true\"}}");
}
END_TEST

START_TEST(a_first_state_has_nothing_before_it)
{
    struct buf b = {.max_bytes = 4096};

    initial = (struct state){0};
    state.type = STATE_PENDING;
    state.message = NULL;
    flow_run_event_payload(&b, &event);
    ck_assert_str_eq(text(&b),
                     "{\"intended\":{\"from\":null,\"to\":\"PENDING\"},"
                     "\"initial_state\":null,"
                     "\"validated_state\":{\"type\":\"PENDING\",\"name\":\"Suspended\"}}");
    ck_assert(uuid_is_nil(flow_run_event_follows(&event)));
}
END_TEST

START_TEST(related_resources_come_in_order_with_each_tag_once)
{
    static const char *flow_tags[] = {"b", "a"}, *run_tags[] = {"c", "a"};
    struct buf b = {.max_bytes = 4096};

    event.deployment = (struct related){ID(0xd0), "nightly"};
    event.work_pool = (struct related){ID(0xb0), "lab"};
    event.work_pool_type = "process";
    event.tags[0] = (struct strings){flow_tags, 2};
    event.tags[2] = (struct strings){run_tags, 2};
    event.creator_type = "AUTOMATION";
    event.creator = (struct related){ID(0xa0), NULL};
    flow_run_event_related(&arena, &b, &event);
    ck_assert_str_eq(
        text(&b),
        "[{\"prefect.resource.id\":\"prefect.flow.f0" NIL "\",\"prefect.resource.role\":\"flow\","
        "\"prefect.resource.name\":\"train\"},"
        "{\"prefect.resource.id\":\"prefect.deployment.d0" NIL "\","
        "\"prefect.resource.role\":\"deployment\",\"prefect.resource.name\":\"nightly\"},"
        "{\"prefect.resource.id\":\"prefect.work-pool.b0" NIL "\","
        "\"prefect.resource.role\":\"work-pool\",\"prefect.resource.name\":\"lab\","
        "\"prefect.work-pool.type\":\"process\"},"
        "{\"prefect.resource.id\":\"prefect.tag.a\",\"prefect.resource.role\":\"tag\"},"
        "{\"prefect.resource.id\":\"prefect.tag.b\",\"prefect.resource.role\":\"tag\"},"
        "{\"prefect.resource.id\":\"prefect.tag.c\",\"prefect.resource.role\":\"tag\"},"
        "{\"prefect.resource.id\":\"prefect.automation.a0" NIL "\","
        "\"prefect.resource.role\":\"creator\"}]");
    struct strings ids = flow_run_event_related_ids(&arena, &event);
    ck_assert_uint_eq(ids.count, 7);
    ck_assert_str_eq(ids.items[3], "prefect.automation.a0" NIL);
}
END_TEST

START_TEST(events_follow_each_other_when_they_are_close)
{
    ck_assert(uuid_equal(flow_run_event_follows(&event), ID(1)));
    initial.timestamp_us = state.timestamp_us - INT64_C(300) * 1000000;
    ck_assert(uuid_is_nil(flow_run_event_follows(&event)));
}
END_TEST

START_TEST(a_long_message_keeps_both_ends)
{
    enum { CHARS = 200000 };
    char *message = arena_array(&arena, char, 2 * CHARS + 1);
    struct buf b = {.max_bytes = 1 << 20};

    for (int i = 0; i < CHARS; i++)
        memcpy(message + 2 * i, i < CHARS / 2 ? "ä" : "ö", 2);
    state.message = message;
    flow_run_event_resource(&b, &event);
    const char *json = text(&b);
    const char *cut = strstr(json, "ä...100000 additional characters...ö");
    ck_assert_ptr_nonnull(cut);
    ck_assert_uint_lt(strlen(json), 2 * 100000 + 1000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow_run_event");
    TCase *t = tcase_create("event");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, the_resource_carries_the_state);
    tcase_add_test(t, the_payload_tells_both_states);
    tcase_add_test(t, a_first_state_has_nothing_before_it);
    tcase_add_test(t, related_resources_come_in_order_with_each_tag_once);
    tcase_add_test(t, events_follow_each_other_when_they_are_close);
    tcase_add_test(t, a_long_message_keeps_both_ends);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
