#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/model/names.h"

static struct arena arena;

static void teardown(void)
{
    arena_reset(&arena);
}

/* Two words of lower-case letters; the extremes of the random bits stay within the lists. */
static const uint64_t bits[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX, UINT64_MAX - 1};

START_TEST(a_name_is_two_words)
{
    const char *name = random_name(&arena, bits[_i]);
    size_t first = strspn(name, "abcdefghijklmnopqrstuvwxyz");

    ck_assert_uint_gt(first, 1);
    ck_assert_int_eq(name[first], '-');
    size_t second = strspn(name + first + 1, "abcdefghijklmnopqrstuvwxyz");
    ck_assert_uint_gt(second, 1);
    ck_assert_int_eq(name[first + 1 + second], '\0');
}
END_TEST

START_TEST(both_words_vary)
{
    const char *a = random_name(&arena, 0);
    const char *b = random_name(&arena, UINT64_C(0xffffffff00000000));
    const char *c = random_name(&arena, UINT32_MAX);

    ck_assert_str_eq(strchr(a, '-'), strchr(b, '-'));
    ck_assert_str_ne(a, b);
    ck_assert_int_eq(a[0], c[0]);
    ck_assert_str_ne(a, c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("names");
    TCase *t = tcase_create("names");
    tcase_add_checked_fixture(t, NULL, teardown);
    tcase_add_loop_test(t, a_name_is_two_words, 0, COUNT(bits));
    tcase_add_test(t, both_words_vary);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
