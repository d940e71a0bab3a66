/* Words, words that must not be there, words that must. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "shared/json/text_query.h"

static const struct {
    const char *query, *text;
    bool met;
} rows[] = {
    {"", "anything", true},
    {"  \t ", "anything", true},
    {"quick", "The QUICK fox", true},
    {"slow", "The quick fox", false},
    {"slow quick", "The quick fox", true},
    {"quick -fox", "The quick fox", false},
    {"quick !fox", "The quick fox", false},
    {"-fox", "The quick dog", true},
    {"+quick +fox", "The quick dog", false},
    {"+quick +fox", "A fox, so quick", true},
    {"+quick dog", "A fox, so quick", false},
    {"\"quick fox\"", "The quick fox", true},
    {"\"quick fox\"", "fox quick", false},
    {"-\"quick fox\" the", "The quick fox", false},
    {"+\"quick fox\"", "The quick fox", true},
    {"\"quick fox", "The quick fox", true},
    {"\"\"", "anything", true},
    {"+", "anything", true},
    {"-", "anything", true},
    {"100%", "100% sure", true},
    {"100%", "1000 sure", false},
    {"a_b", "axb", false},
    {"\\\"said\\\"", "he \\\"said\\\" so", true},
    {"a-b", "a-b", true},
};

START_TEST(meets)
{
    struct arena a = {0};
    struct text_query q;

    text_query_parse(&a, rows[_i].query, &q);
    ck_assert_msg(text_query_match(&q, rows[_i].text, strlen(rows[_i].text)) == rows[_i].met,
                  "%s | %s", rows[_i].query, rows[_i].text);
    arena_reset(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("text_query");
    TCase *t = tcase_create("text_query");
    tcase_add_loop_test(t, meets, 0, COUNT(rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
