/* Memory of an arena: all goes at once, or back to a mark. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/arena.h"

static int released[4];
static size_t count;

static void release(void *object)
{
    released[count++] = *(int *)object;
}

static void add(struct arena *a, int number, size_t bytes)
{
    int *object = arena_new(a, int);

    *object = number;
    arena_defer(a, release, object);
    memset(arena_array(a, char, bytes), number, bytes);
}

START_TEST(a_reset_releases_in_reverse_order)
{
    struct arena a = {0};

    count = 0;
    add(&a, 1, 100);
    add(&a, 2, 100000);
    arena_reset(&a);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(released[0], 2);
    ck_assert_int_eq(released[1], 1);
    ck_assert_uint_eq(a.used_bytes, 0);
}
END_TEST

START_TEST(a_rewind_goes_back_to_its_mark)
{
    struct arena a = {0};

    count = 0;
    add(&a, 1, 10);
    char *kept = arena_strndup(&a, "kept", 4);
    struct arena_mark mark = arena_mark(&a);
    size_t used_bytes = a.used_bytes;
    for (int i = 0; i < 3; i++) {
        add(&a, 2, (size_t)i * 30000);
        arena_rewind(&a, &mark);
        ck_assert_uint_eq(a.used_bytes, used_bytes);
        ck_assert_uint_eq(count, (size_t)i + 1);
    }
    ck_assert_str_eq(kept, "kept");
    ck_assert_str_eq(arena_strndup(&a, "after", 5), "after");
    ck_assert_str_eq(kept, "kept");
    arena_reset(&a);
    ck_assert_uint_eq(count, 4);
    ck_assert_int_eq(released[3], 1);
}
END_TEST

START_TEST(a_mark_of_nothing_is_a_reset)
{
    struct arena a = {0};
    struct arena_mark mark = arena_mark(&a);

    count = 0;
    add(&a, 1, 100);
    arena_rewind(&a, &mark);
    ck_assert_uint_eq(count, 1);
    ck_assert_ptr_null(a.block);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("arena");
    TCase *t = tcase_create("arena");
    tcase_add_test(t, a_reset_releases_in_reverse_order);
    tcase_add_test(t, a_rewind_goes_back_to_its_mark);
    tcase_add_test(t, a_mark_of_nothing_is_a_reset);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
