/* Events in the database: filters find what Prefect's find, pages hold still, counts add up. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/store/event_query.h"
#include "server/store/events.h"
#include "shared/base/clock.h"
#include "tests/db/fixture.h"
#include "tests/unit/event_filter_rows.h"

static struct fixture f;

#define OK(call) ck_assert_msg((call) == ERR_OK, "%s", f.work.err.detail)
/* Of the end of 2026-11-22: after all events. */
#define NOW_US INT64_C(1795391999000000)

static void setup(void)
{
    const struct event *list[COUNT(filter_events)];

    fixture_setup(&f);
    for (size_t i = 0; i < COUNT(list); i++) {
        struct event *e = arena_new(&f.work.arena, struct event);
        OK(json_decode_text(&f.work.arena, &event_resource, filter_events[i],
                            strlen(filter_events[i]), e, &f.work.err));
        list[i] = e;
    }
    OK(events_store(&f.work, list, COUNT(list)));
}

static void teardown(void)
{
    fixture_teardown(&f);
}

static struct event_filter read_filter(const char *text)
{
    static const struct loc at = {NULL, "filter", 0};
    struct invalid bad = {.arena = &f.work.arena};
    struct doc *doc = arena_new(&f.work.arena, struct doc);
    struct doc_error syntax;
    struct event_filter filter;

    ck_assert(doc_parse(&f.work.arena, text, strlen(text), doc, &syntax));
    ck_assert_msg(event_filter_decode(doc_root(doc), &at, NOW_US, &filter, &bad) == ERR_OK, "%s",
                  bad.first);
    return filter;
}

/* The last digits of their ids. */
static const char *ids_of(const struct stored_events *events)
{
    static char text[64];

    text[0] = 0;
    for (size_t i = 0; i < events->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i ? " " : "",
                 events->items[i].event.id.bytes[15]);
    return text;
}

START_TEST(filters_find_what_prefects_find)
{
    for (size_t i = 0; i < COUNT(filter_rows); i++) {
        struct event_filter filter = read_filter(filter_rows[i].filter);
        struct stored_events found;
        int64_t total;
        OK(events_page(&f.work, &filter, (struct event_cursor){0}, 50, &found));
        ck_assert_msg(strcmp(ids_of(&found), filter_rows[i].found) == 0, "%s: found %s, not %s",
                      filter_rows[i].filter, ids_of(&found), filter_rows[i].found);
        OK(events_count(&f.work, &filter, &total));
        ck_assert_msg(total == (int64_t)found.count, "%s: counts %lld", filter_rows[i].filter,
                      (long long)total);
    }
}
END_TEST

static const char *const orders[] = {"{}", "{\"order\": \"ASC\"}",
                                     "{\"resource\": {\"distinct\": true}}"};
static const char *const paged[] = {"6 5|4 3|2 1|", "1 2|3 4|5 6|", "6 5|4 3|2|"};

START_TEST(pages_hold_still_while_events_come)
{
    struct event_filter filter = read_filter(orders[_i]);
    struct event_cursor after = {0};
    struct stored_events page = {.count = 2};
    char all[64] = "";

    while (page.count == 2) {
        OK(events_page(&f.work, &filter, after, 2, &page));
        if (!page.count)
            break;
        const struct event *last = &page.items[page.count - 1].event;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s|", ids_of(&page));
        after = (struct event_cursor){last->occurred_us, last->id};
        struct event late = *last;
        late.id = uuid_v7();
        late.occurred_us = NOW_US + 1;
        late.event = "late";
        OK(events_store(&f.work, (const struct event *const[]){&late}, 1));
    }
    ck_assert_str_eq(all, paged[_i]);
}
END_TEST

START_TEST(what_came_is_read_again_by_time)
{
    struct stored_events events;
    int64_t since_us = f.work.now_us - 60000000;

    OK(events_since(&f.work, since_us, 4, &events));
    ck_assert_uint_eq(events.count, 4);
    OK(events_since(&f.work, TIME_NONE, 50, &events));
    ck_assert_uint_eq(events.count, COUNT(filter_events));
    OK(events_since(&f.work, events.items[0].received_us + 1, 50, &events));
    ck_assert_uint_eq(events.count, 0);
}
END_TEST

START_TEST(counts_are_by_what_is_asked)
{
    struct event_filter filter = read_filter("{}");
    struct rows rows;

    OK(events_count_by_name(&f.work, &filter, &rows));
    ck_assert_int_eq(rows.count, 4);
    ck_assert_str_eq(rows_text(&rows, 0, 0), "lab.window.opened"); /* most frequent, then by name */
    ck_assert_str_eq(rows_text(&rows, 1, 0), "other");
    ck_assert_int_eq(rows_i64(&rows, 1, 2), 2);
    OK(events_count_by_resource(&f.work, &filter, &rows));
    ck_assert_int_eq(rows.count, 5);
    ck_assert_str_eq(rows_text(&rows, 0, 0), "lab.door.1");
    ck_assert_str_eq(rows_text(&rows, 0, 1), "lab.door.1"); /* its newest event has no name */
    /* 08:01 ... 08:06, in steps of two minutes from 08:00 on */
    OK(events_count_by_time(&f.work, &filter, INT64_C(1795334400000000), 120000000, &rows));
    ck_assert_int_eq(rows.count, 4);
    ck_assert_int_eq(rows_i64(&rows, 0, 0), 0);
    ck_assert_int_eq(rows_i64(&rows, 0, 1), 1);
    ck_assert_int_eq(rows_i64(&rows, 1, 1), 2);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_query");
    TCase *t = tcase_create("event_query");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, filters_find_what_prefects_find);
    tcase_add_loop_test(t, pages_hold_still_while_events_come, 0, COUNT(orders));
    tcase_add_test(t, what_came_is_read_again_by_time);
    tcase_add_test(t, counts_are_by_what_is_asked);
    suite_add_tcase(s, t);
    return fixture_run_suite(s);
}
