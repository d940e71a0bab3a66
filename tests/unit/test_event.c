/* What an event may be, and the token of a page of events. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/event.h"
#include "server/model/event_token.h"
#include "shared/base/clock.h"

static struct arena arena;

static void teardown(void)
{
    arena_reset(&arena);
}

#define EVENT(members)                                                                             \
    "{\"id\": \"01920000-0000-7000-8000-000000000001\", \"occurred\": \"2026-11-22T08:00:00Z\", "  \
    "\"event\": \"e\", " members "}"
#define ABOUT_X "\"resource\": {\"prefect.resource.id\": \"x\"}"

static const struct {
    const char *text, *refused; /* NULL: accepted */
} rows[] = {
    {EVENT(ABOUT_X), NULL},
    {EVENT(ABOUT_X ", \"received\": 1, \"other\": {}"), NULL},
    {EVENT("\"resource\": {\"a\": \"x\"}"),
     "event.resource: Value error, Resources must include the prefect.resource.id label"},
    {EVENT("\"resource\": {\"prefect.resource.id\": \"\"}"),
     "event.resource: Value error, The prefect.resource.id label must be non-empty"},
    {EVENT("\"resource\": {\"prefect.resource.id\": \"x\", \"n\": 5}"),
     "event.resource.n: Input should be a valid string"},
    {EVENT("\"resource\": {\"prefect.resource.id\": \"x\", \"b\": \"\", \"c\": \"\"}"),
     "event.resource: Value error, The maximum number of labels per resource is 2"},
    {EVENT(ABOUT_X ", \"related\": {}"), "event.related: Input should be a valid list"},
    {EVENT(ABOUT_X ", \"related\": null"), "event.related: Input should be a valid list"},
    {EVENT(ABOUT_X ", \"related\": [5]"), "event.related.0: Input should be a valid dictionary"},
    {EVENT(ABOUT_X ", \"related\": [{\"prefect.resource.id\": \"y\"}]"),
     "event.related.0: Value error, Related Resources must include the prefect.resource.role "
     "label"},
    {EVENT(ABOUT_X ", \"related\": [{\"prefect.resource.id\": \"y\", \"prefect.resource.role\": "
                   "\"r\"}]"),
     NULL},
    {EVENT(ABOUT_X ", \"related\": [{\"prefect.resource.id\": \"y\", \"prefect.resource.role\": "
                   "\"r\"}, {\"prefect.resource.id\": \"z\", \"prefect.resource.role\": \"r\"}]"),
     "event.related: Value error, The maximum number of related resources is 1"},
    {EVENT(ABOUT_X ", \"payload\": []"), "event.payload: Input should be a valid dictionary"},
    {EVENT(ABOUT_X ", \"event\": \"toolong\""),
     "event.event: Value error, Event name must be at most 5 characters"},
    {EVENT(ABOUT_X ", \"event\": \"öööää\""), NULL},
};

START_TEST(limits_hold)
{
    static const struct event_limits limits = {5, 2, 1, 200};
    static const struct loc at = {NULL, "event", 0};
    struct invalid bad = {.arena = &arena};
    struct doc doc;
    struct doc_error syntax;
    struct event e;
    const char *text = rows[_i].text;

    ck_assert(doc_parse(&arena, text, strlen(text), &doc, &syntax));
    enum err_code rc = json_decode(&event_resource, doc_root(&doc), &at, &e, &bad);
    if (!rc)
        rc = event_check(&limits, &e, &at, &bad);
    ck_assert_str_eq(bad.first, rows[_i].refused ? rows[_i].refused : "");
    ck_assert_int_eq(rc == ERR_OK, rows[_i].refused == NULL);
    if (!rc)
        ck_assert(event_fits(&limits, &e));
}
END_TEST

START_TEST(a_large_event_does_not_fit)
{
    struct event e = {.event = "e", .resource = {"", 100}, .related = {"", 2}, .payload = {"", 98}};

    ck_assert(!event_fits(&(struct event_limits){.bytes = 200}, &e));
    ck_assert(event_fits(&(struct event_limits){.bytes = 201}, &e));
}
END_TEST

START_TEST(a_token_reads_back)
{
    const struct event_token token = {.filter = RAW("{\"event\":{\"name\":[\"ö?>\"]}}"),
                                      .since_us = -5,
                                      .until_us = INT64_C(1795391999000001),
                                      .total = 77,
                                      .page_size = 50,
                                      .seen = 50,
                                      .after_us = 3,
                                      .after = uuid_v7()};
    struct event_token back;
    const char *text = event_token_write(&arena, &token);

    ck_assert_uint_eq(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                   "-_"),
                      strlen(text)); /* fits into a URL as it is */
    ck_assert(event_token_read(&arena, text, &back));
    ck_assert_uint_eq(back.filter.len, token.filter.len);
    ck_assert_mem_eq(back.filter.text, token.filter.text, token.filter.len);
    ck_assert_mem_eq(&back.since_us, &token.since_us,
                     sizeof(token) - offsetof(struct event_token, since_us));
}
END_TEST

/* Not ours, and the base64url of `{}`, of a page that is too large, of a text for a number. */
static const char *const not_tokens[] = {
    "", "=", "xx", "e30", "bnVsbA", "eyJmaWx0ZXIiOm51bGwsInNpbmNlIjoieCJ9", "ZXlK\xc3\xb6",
};

START_TEST(what_is_no_token_is_refused)
{
    struct event_token back;
    ck_assert(!event_token_read(&arena, not_tokens[_i], &back));
}
END_TEST

START_TEST(an_event_is_told_with_its_arrival)
{
    const struct event e = {.event = "e",
                            .occurred_us = INT64_C(1795391999000000),
                            .resource = RAW("{}"),
                            .related = RAW("[]"),
                            .payload = RAW("{\"a\": 1}")};
    struct buf b = {.max_bytes = 4096};

    event_write(&b, &e, INT64_C(1795391999500000));
    buf_add(&b, "", 1);
    ck_assert_str_eq(b.bytes,
                     "{\"occurred\":\"2026-11-22T23:59:59Z\",\"event\":\"e\",\"resource\":{},"
                     "\"related\":[],\"payload\":{\"a\": 1},\"id\":"
                     "\"00000000-0000-0000-0000-000000000000\",\"follows\":null,\"received\":"
                     "\"2026-11-22T23:59:59.500000Z\"}");
    buf_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event");
    TCase *t = tcase_create("event");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, limits_hold, 0, COUNT(rows));
    tcase_add_test(t, a_large_event_does_not_fit);
    tcase_add_test(t, a_token_reads_back);
    tcase_add_loop_test(t, what_is_no_token_is_refused, 0, COUNT(not_tokens));
    tcase_add_test(t, an_event_is_told_with_its_arrival);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
