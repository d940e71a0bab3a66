/* Which devices a run gets: all or none, in order, never more than there are. */
#include "server/model/placement.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "shared/base/base.h"

static struct arena arena;
static struct placed_device devices[8];
static struct placement bench;

static struct val parse(const char *text)
{
    struct doc *doc = arena_new(&arena, struct doc);
    struct doc_error bad;
    ck_assert(doc_parse(&arena, text, strlen(text), doc, &bad));
    return doc_root(doc);
}

static void setup(void)
{
    static const struct placed_device all[] = {
        {.name = "b1", .type = "board", .target = "f7", .capacity = 1},
        {.name = "b2", .type = "board", .target = "f7", .capacity = 1},
        {.name = "build", .type = "builder", .capacity = 3},
        {.name = "m1", .type = "meter", .capacity = 1},
        {.name = "pair", .type = "bench", .target = "u5", .capacity = 1},
        {.name = "pb", .type = "board", .target = "u5", .bench = "pair", .capacity = 1},
        {.name = "pm", .type = "meter", .bench = "pair", .capacity = 1, .obstacle = NULL},
    };
    memcpy(devices, all, sizeof(all));
    devices[1].labels = parse("{\"room\": \"a\", \"rev\": 2}");
    devices[1].capabilities = parse("[\"ble\", \"energy\"]");
    bench = (struct placement){devices, COUNT(all)};
}

static void teardown(void)
{
    arena_reset(&arena);
}

/* The names of the devices that a run gets; "-": it has to wait. */
static const char *take(const char *wanted)
{
    struct selector selectors[PLACEMENT_PICKS_MAX];
    size_t picks[PLACEMENT_PICKS_MAX];
    size_t count = selectors_parse(&arena, wanted, strlen(wanted), selectors);
    const char *names = "";
    if (!placement_take(&bench, selectors, count, picks))
        return "-";
    for (size_t i = 0; i < count; i++)
        names = arena_printf(&arena, "%s%s%s", names, i ? " " : "", devices[picks[i]].name);
    return names;
}

static const struct {
    const char *wanted, *got;
} choices[] = {
    {"[]", ""},
    {"[{}]", "b1"},
    {"[{\"target\": \"f7\"}]", "b1"},
    {"[{\"type\": \"meter\"}]", "m1"},
    {"[{\"name\": \"b2\"}]", "b2"},
    {"[{\"target\": \"f7\", \"count\": 2}]", "b1 b2"},
    {"[{\"target\": \"f7\", \"count\": 3}]", "-"},
    {"[{\"target\": \"f7\"}, {\"name\": \"b1\"}]",
     "b2 b1"}, /* the first must not take the second's */
    {"[{\"labels\": {\"room\": \"a\"}}]", "b2"},
    {"[{\"labels\": {\"rev\": 2, \"room\": \"a\"}, \"capabilities\": [\"energy\"]}]", "b2"},
    {"[{\"labels\": {\"rev\": 3}}]", "-"},
    {"[{\"capabilities\": [\"wifi\"]}]", "-"},
    {"[{\"target\": null}]", "-"}, /* a parameter that was not given */
    {"[{\"target\": 7}]", "-"},
    {"[{\"count\": 100}]", "-"},
    {"[{\"type\": \"builder\", \"count\": 3}]", "build build build"},
    {"[{\"type\": \"builder\", \"count\": 4}]", "-"},
    {"[{\"name\": \"pair\"}, {\"name\": \"pb\"}]", "-"}, /* it goes with its bench */
    {"[{\"target\": \"u5\"}]", "pair"},
    {"[{\"target\": \"u5\", \"count\": 2}]", "-"}, /* a part is told by name or type only */
    {"[{\"target\": \"u5\", \"type\": \"board\"}]", "pb"},
    {"[{\"type\": \"board\", \"target\": \"u5\"}, {\"name\": \"pm\"}]", "pb pm"},
};

START_TEST(selectors_choose)
{
    ck_assert_str_eq(take(choices[_i].wanted), choices[_i].got);
}
END_TEST

START_TEST(counted_and_exclusive)
{
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "b1");
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "-");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(take("[{\"name\": \"build\"}]"), "build");
    ck_assert_str_eq(take("[{\"name\": \"build\"}]"), "-");
    ck_assert_int_eq(devices[2].used, 3);
}
END_TEST

START_TEST(a_bench_goes_with_its_parts)
{
    ck_assert_str_eq(take("[{\"name\": \"pair\"}]"), "pair");
    ck_assert_str_eq(take("[{\"name\": \"pm\"}]"), "-");
    setup();
    ck_assert_str_eq(take("[{\"name\": \"pm\"}]"), "pm");
    ck_assert_str_eq(take("[{\"name\": \"pair\"}]"), "-");
    setup();
    devices[6].obstacle = "is held";
    ck_assert_str_eq(take("[{\"name\": \"pair\"}]"), "-");
}
END_TEST

START_TEST(who_needs_two_is_not_starved)
{
    ck_assert_str_eq(take("[{\"name\": \"m1\"}]"), "m1");
    ck_assert_str_eq(take("[{\"name\": \"b1\"}, {\"name\": \"m1\"}]"), "-"); /* keeps b1 */
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "-");
    ck_assert_str_eq(take("[{\"target\": \"f7\"}]"), "b2"); /* others go on */
    ck_assert_int_eq(devices[0].used, 0);
}
END_TEST

START_TEST(who_cannot_have_it_keeps_nobody_waiting)
{
    devices[3].obstacle = "is down";
    ck_assert_str_eq(take("[{\"name\": \"b1\"}, {\"name\": \"m1\"}]"), "-");
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "b1");
    setup();
    devices[0].used = 1;
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "-"); /* one device: nothing to keep */
    ck_assert_str_eq(take("[{\"name\": \"m1\"}]"), "m1");
}
END_TEST

START_TEST(probation_is_for_checks)
{
    devices[0].probation = true;
    ck_assert_str_eq(take("[{\"name\": \"b1\"}]"), "-");
    ck_assert_str_eq(take("[{\"name\": \"b1\", \"health\": true}]"), "b1");
}
END_TEST

START_TEST(a_hard_wish_is_answered)
{
    enum { BOARDS = 40 };
    static struct placed_device many[BOARDS];
    struct placement p = {.devices = many, .count = BOARDS};
    struct selector wishes[8] = {{0}};
    size_t picks[8];

    for (size_t i = 0; i < BOARDS; i++)
        many[i] = (struct placed_device){.name = "b", .type = "board", .capacity = 1};
    for (size_t i = 0; i < COUNT(wishes); i++)
        wishes[i].type = i + 1 < COUNT(wishes) ? "board" : "meter";
    ck_assert(!placement_take(&p, wishes, COUNT(wishes), picks)); /* 40^7 ways */
    for (size_t i = 0; i < BOARDS; i++)
        ck_assert_int_eq(many[i].used, 0);
    wishes[COUNT(wishes) - 1].type = "board";
    ck_assert(placement_take(&p, wishes, COUNT(wishes), picks));
}
END_TEST

START_TEST(parts_share_the_trouble_of_their_bench)
{
    devices[4].obstacle = "is in maintenance";
    ck_assert_str_eq(take("[{\"name\": \"pb\"}]"), "-");
    devices[4].obstacle = NULL;
    devices[6].obstacle = "is held";
    ck_assert_str_eq(take("[{\"name\": \"pair\"}]"), "-");
    ck_assert_str_eq(take("[{\"name\": \"pb\"}]"), "pb");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("placement");
    TCase *t = tcase_create("take");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, selectors_choose, 0, COUNT(choices));
    tcase_add_test(t, parts_share_the_trouble_of_their_bench);
    tcase_add_test(t, counted_and_exclusive);
    tcase_add_test(t, a_bench_goes_with_its_parts);
    tcase_add_test(t, who_needs_two_is_not_starved);
    tcase_add_test(t, who_cannot_have_it_keeps_nobody_waiting);
    tcase_add_test(t, probation_is_for_checks);
    tcase_add_test(t, a_hard_wish_is_answered);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
