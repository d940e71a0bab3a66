/* Who hears what: subscribers, their bounded queues, ids that were told, log filters, the outbox.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/broadcast.h"
#include "server/model/log_filter.h"
#include "server/model/recent_ids.h"
#include "server/store/event_outbox.h"
#include "server/store/event_wake.h"
#include "shared/base/clock.h"

/* ---- subscribers ---- */

static void write_text(struct buf *b, const void *what)
{
    buf_add(b, what, strlen(what));
}

static bool begins_with(struct arena *scratch, const void *filter, const void *what)
{
    (void)scratch;
    return strncmp(what, filter, strlen(filter)) == 0;
}

static const struct broadcast_kind kind = {write_text, begins_with};
static struct server server;
static struct broadcast *broadcast;
static int calls;

static void setup(void)
{
    uv_loop_init(&server.loop);
    server.loop_calls = loop_calls_start(&server);
    broadcast = broadcast_start(&server, &kind);
    calls = 0;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    uv_close(handle, NULL);
}

static void teardown(void)
{
    uv_walk(&server.loop, close_handle, NULL);
    uv_run(&server.loop, UV_RUN_DEFAULT);
    loop_calls_stop(server.loop_calls);
    broadcast_stop(broadcast);
    uv_loop_close(&server.loop);
}

static void on_news(void *owner)
{
    (void)owner;
    calls++;
}

static void publish(const char *text)
{
    struct broadcast_item item = {uuid_v7(), text};
    broadcast_publish(broadcast, &item, 1);
}

static const char *next(struct subscriber *s)
{
    static char copy[16];
    struct uuid id;
    const char *text;
    size_t len;

    if (!subscriber_next(s, &id, &text, &len))
        return "";
    memcpy(copy, text, len < 15 ? len : 15);
    copy[len < 15 ? len : 15] = 0;
    return copy;
}

START_TEST(a_subscriber_gets_what_it_wants)
{
    ck_assert(!broadcast_wanted(broadcast));
    struct subscriber *a = subscriber_open(broadcast, "a", on_news, NULL);
    struct subscriber *all = subscriber_open(broadcast, "", on_news, NULL);
    ck_assert(broadcast_wanted(broadcast));
    publish("a1");
    publish("b1");
    publish("a2");
    uv_run(&server.loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(calls, 2); /* once for each, however much came */
    ck_assert_str_eq(next(a), "a1");
    ck_assert_str_eq(next(a), "a2");
    ck_assert_str_eq(next(a), "");
    ck_assert_str_eq(next(all), "a1");
    ck_assert_str_eq(next(all), "b1");
    publish("a3");
    subscriber_close(a); /* with a call on its way */
    subscriber_close(all);
    uv_run(&server.loop, UV_RUN_NOWAIT);
    ck_assert_int_eq(calls, 2);
    ck_assert(!broadcast_wanted(broadcast));
}
END_TEST

START_TEST(a_full_queue_is_emptied_and_tells)
{
    char *large = calloc(1, 1 << 20);
    struct subscriber *s = subscriber_open(broadcast, "", on_news, NULL);

    memset(large, 'x', (1 << 20) - 1);
    for (int i = 0; i < 8; i++)
        publish(large);
    ck_assert(!subscriber_lags(s));
    publish(large);
    ck_assert(subscriber_lags(s));
    ck_assert_str_eq(next(s), "");
    publish("more");
    ck_assert_str_eq(next(s), "");
    subscriber_close(s);
    uv_run(&server.loop, UV_RUN_NOWAIT);
    free(large);
}
END_TEST

START_TEST(there_are_only_so_many)
{
    struct subscriber *all[SUBSCRIBERS_MAX];

    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++)
        ck_assert_ptr_nonnull(all[i] = subscriber_open(broadcast, "", on_news, NULL));
    ck_assert_ptr_null(subscriber_open(broadcast, "", on_news, NULL));
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++)
        subscriber_close(all[i]);
}
END_TEST

/* ---- ids ---- */

START_TEST(an_id_is_new_once)
{
    struct recent_ids *r = recent_ids_new();
    struct uuid *ids = calloc(3 * RECENT_MAX, sizeof(*ids));

    for (size_t i = 0; i < 3 * RECENT_MAX; i++) {
        ids[i] = i % 2 ? uuid_v7() : uuid_v4();
        ck_assert(recent_ids_add(r, ids[i]));
        ck_assert(!recent_ids_add(r, ids[i]));
        if (i >= RECENT_MAX - 1)
            ck_assert(!recent_ids_add(r, ids[i - RECENT_MAX + 1])); /* the oldest that is known */
    }
    ck_assert(recent_ids_add(r, ids[0])); /* pushed out long ago */
    recent_ids_free(r);
    free(ids);
}
END_TEST

/* ---- log filters ---- */

static const struct {
    const char *filter;
    bool met; /* by level 30, "disk is full" of logger "lab", at 12:00, of flow run ...01 */
} log_rows[] = {
    {"null", true},
    {"{}", true},
    {"{\"level\": {\"ge_\": 30}}", true},
    {"{\"level\": {\"ge_\": 31}}", false},
    {"{\"level\": {\"ge_\": 10, \"le_\": 20}}", false},
    {"{\"timestamp\": {\"after_\": \"2026-11-22T12:00:00Z\"}}", true},
    {"{\"timestamp\": {\"before_\": \"2026-11-22T11:59:59Z\"}}", false},
    {"{\"flow_run_id\": {\"any_\": [\"00000000-0000-0000-0000-000000000001\"]}}", true},
    {"{\"flow_run_id\": {\"any_\": []}}", false},
    {"{\"task_run_id\": {\"is_null_\": true}}", true},
    {"{\"task_run_id\": {\"is_null_\": false}}", false},
    {"{\"task_run_id\": {\"any_\": [\"00000000-0000-0000-0000-000000000001\"]}}", false},
    {"{\"text\": {\"query\": \"FULL -empty\"}}", true},
    {"{\"text\": {\"query\": \"lab\"}}", true},
    {"{\"text\": {\"query\": \"+disk +empty\"}}", false},
    {"{\"operator\": \"or_\", \"level\": {\"ge_\": 50}, \"text\": {\"query\": \"disk\"}}", true},
    {"{\"operator\": \"or_\", \"level\": {\"ge_\": 50}, \"text\": {\"query\": \"empty\"}}", false},
    {"{\"operator\": \"and_\", \"level\": {\"ge_\": 50}, \"text\": {\"query\": \"disk\"}}", false},
};

START_TEST(log_filters_match)
{
    static const struct loc at = {NULL, "filter", 0};
    struct arena a = {0};
    struct invalid bad = {.arena = &a};
    struct doc doc;
    struct doc_error syntax;
    struct log_filter f;
    struct log l = {.level = 30, .message = "disk is full", .name = "lab"};
    const char *noon = "2026-11-22T12:00:00Z";

    l.flow_run_id.bytes[15] = 1;
    ck_assert(time_parse(noon, strlen(noon), &l.timestamp_us));
    ck_assert(doc_parse(&a, log_rows[_i].filter, strlen(log_rows[_i].filter), &doc, &syntax));
    ck_assert_msg(log_filter_decode(doc_root(&doc), &at, &f, &bad) == ERR_OK, "%s", bad.first);
    ck_assert_msg(log_filter_match(&a, &f, &l) == log_rows[_i].met, "%s", log_rows[_i].filter);
    arena_reset(&a);
}
END_TEST

/* ---- the outbox and the bell ---- */

START_TEST(the_outbox_keeps_order_and_its_bounds)
{
    struct event_outbox *box = event_outbox_start();
    struct state_written s = {0}, out[3];

    ck_assert_uint_eq(event_outbox_take(box, out, 3, 0), 0); /* the time is over */
    for (int i = 0; i < OUTBOX_MAX + 10; i++) {
        s.run_count = i;
        event_outbox_offer(box, &s, 1);
    }
    ck_assert_uint_eq(event_outbox_offered(box), OUTBOX_MAX + 10);
    event_outbox_close(box);
    for (int64_t at = 0, n; (n = (int64_t)event_outbox_take(box, out, 3, INT64_MAX / 2)); at += n)
        for (int64_t i = 0; i < n; i++)
            ck_assert_int_eq(out[i].run_count, at + i);
    ck_assert_int_eq(out[0].run_count, OUTBOX_MAX - 1); /* the last that had room */
    event_outbox_stop(box);
    event_outbox_offer(NULL, &s, 1);
}
END_TEST

static void *ring_it(void *wake)
{
    event_wake_ring(wake);
    return NULL;
}

START_TEST(a_ring_before_or_while_waiting_is_heard)
{
    struct event_wake *wake = event_wake_start();
    uint64_t seen = event_wake_count(wake);
    pthread_t thread;

    ck_assert(!event_wake_wait(wake, seen, 0));
    event_wake_ring(wake);
    ck_assert(event_wake_wait(wake, seen, 0));
    seen = event_wake_count(wake);
    ck_assert_int_eq(pthread_create(&thread, NULL, ring_it, wake), 0);
    ck_assert(event_wake_wait(wake, seen, clock_monotonic_us() + INT64_C(30000000)));
    pthread_join(thread, NULL);
    event_wake_stop(wake);
    event_wake_ring(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("feeds");
    TCase *t = tcase_create("subscribers");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_subscriber_gets_what_it_wants);
    tcase_add_test(t, a_full_queue_is_emptied_and_tells);
    tcase_add_test(t, there_are_only_so_many);
    suite_add_tcase(s, t);
    t = tcase_create("others");
    tcase_add_test(t, an_id_is_new_once);
    tcase_add_loop_test(t, log_filters_match, 0, COUNT(log_rows));
    tcase_add_test(t, the_outbox_keeps_order_and_its_bounds);
    tcase_add_test(t, a_ring_before_or_while_waiting_is_heard);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
