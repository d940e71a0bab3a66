/* Which events a filter takes, and how it is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/event_filter.h"
#include "shared/base/clock.h"
#include "tests/unit/doc_fixture.h"
#include "tests/unit/event_filter_rows.h"

static struct event read_event(const char *text)
{
    struct event e;
    struct err err;

    ck_assert_msg(json_decode_text(&arena, &event_resource, text, strlen(text), &e, &err) == ERR_OK,
                  "%s", err.detail);
    return e;
}

/* Of the end of 2026-11-22: after all events. */
#define NOW_US INT64_C(1795391999000000)

static struct event_filter read_filter(const char *text, struct invalid *bad)
{
    static const struct loc at = {NULL, "filter", 0};
    struct event_filter f;

    *bad = (struct invalid){.arena = &arena};
    ck_assert_int_eq(event_filter_decode(parse(text), &at, NOW_US, &f, bad) != ERR_OK,
                     bad->count > 0);
    return f;
}

START_TEST(finds_what_prefect_finds)
{
    struct invalid bad;
    struct event_filter f = read_filter(filter_rows[_i].filter, &bad);
    char found[64] = "";

    ck_assert_msg(!bad.count, "%s", bad.first);
    for (size_t i = 0; i < COUNT(filter_events); i++) {
        size_t k = f.ascending ? i : COUNT(filter_events) - 1 - i;
        struct event e = read_event(filter_events[k]);
        struct event_view view = event_view(&arena, &e);
        if (event_filter_match(&arena, &f, &view))
            snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%zu",
                     *found ? " " : "", k + 1);
    }
    if (!f.distinct) /* which is for whoever sees all events */
        ck_assert_msg(strcmp(found, filter_rows[_i].found) == 0, "%s: found %s, not %s",
                      filter_rows[_i].filter, found, filter_rows[_i].found);
}
END_TEST

static const struct {
    const char *filter, *first;
    size_t count;
} refusals[] = {
    {"{\"foo\": 1}", "filter.foo: Extra inputs are not permitted", 1},
    {"{\"related\": {\"foo\": 1}}",
     "filter.related.EventRelatedFilter.foo: Extra inputs are not permitted", 2},
    {"{\"related\": [{}, {\"foo\": 1}]}",
     "filter.related.EventRelatedFilter: Input should be a valid dictionary or object to extract "
     "fields from",
     2},
    {"{\"any_resource\": 5}",
     "filter.any_resource.EventAnyResourceFilter: Input should be a valid dictionary or object to "
     "extract fields from",
     2},
    {"{\"resource\": {\"labels\": {\"a\": 5}}}",
     "filter.resource.labels.a.str: Input should be a valid string", 2},
    {"{\"resource\": {\"labels\": {\"a\": [\"x\", 5]}}}",
     "filter.resource.labels.a.str: Input should be a valid string", 2},
    {"{\"related\": {\"resources_in_roles\": [[\"a\"]]}}",
     "filter.related.EventRelatedFilter.resources_in_roles.0.1: Field required", 2},
    {"{\"related\": {\"resources_in_roles\": [\"ab\"]}}",
     "filter.related.EventRelatedFilter.resources_in_roles.0: Input should be a valid tuple", 2},
    {"{\"order\": \"UP\"}", "filter.order: Input should be 'ASC' or 'DESC'", 1},
    {"{\"id\": null}",
     "filter.id: Input should be a valid dictionary or object to extract fields from", 1},
    {"[]", "filter: Input should be a valid dictionary or object to extract fields from", 1},
};

START_TEST(says_what_is_wrong)
{
    struct invalid bad;

    (void)read_filter(refusals[_i].filter, &bad);
    ck_assert_str_eq(bad.first, refusals[_i].first);
    ck_assert_uint_eq(bad.count, refusals[_i].count);
}
END_TEST

START_TEST(looks_back_half_a_year_unless_told)
{
    struct invalid bad;
    struct event_filter f = read_filter("null", &bad);

    ck_assert_int_eq(f.until_us, NOW_US);
    ck_assert_int_eq(f.since_us % INT64_C(86400000000), 0);
    ck_assert_int_eq((NOW_US - f.since_us) / INT64_C(86400000000), 180);
    ck_assert(!f.ascending);
}
END_TEST

static const struct {
    const char *pattern, *value;
    bool met;
} labels[] = {
    {"", "", true},         {"", "a", false},       {"*", "", true},       {"a*", "a", true},
    {"a*c", "abcbc", true}, {"a*c", "abcb", false}, {"?", "ö", true},      {"?", "", false},
    {"!a*", "abc", false},  {"!a*", "b", true},     {"**a", "a", true},    {"*?b", "xxb", true},
    {"%", "x", false},      {"_", "x", false},      {"a.b", "axb", false}, {"*a*b*", "ba", false},
    {"\\*", "\\x", true},   {"!", "", false},       {"!!a", "!a", false},
};

START_TEST(labels_are_globs)
{
    ck_assert_msg(label_match(labels[_i].pattern, labels[_i].value) == labels[_i].met, "%s | %s",
                  labels[_i].pattern, labels[_i].value);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("event_filter");
    TCase *t = tcase_create("event_filter");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, finds_what_prefect_finds, 0, COUNT(filter_rows));
    tcase_add_loop_test(t, says_what_is_wrong, 0, COUNT(refusals));
    tcase_add_test(t, looks_back_half_a_year_unless_told);
    tcase_add_loop_test(t, labels_are_globs, 0, COUNT(labels));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
