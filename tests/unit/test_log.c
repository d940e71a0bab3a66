#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/log.h"

enum { READ_BYTES = 64 << 10 };

/* What the call writes to standard error, in one piece. */
static size_t logged(const struct kv *kvs, size_t count, char out[static READ_BYTES])
{
    int ends[2], kept = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    log_write(LOG_WARN, "test.event", kvs, count);
    dup2(kept, STDERR_FILENO);
    ssize_t n = read(ends[0], out, READ_BYTES - 1);
    ck_assert_int_gt(n, 0);
    out[n] = '\0';
    close(ends[0]);
    close(ends[1]);
    close(kept);
    return (size_t)n;
}

START_TEST(a_line_has_its_values_quoted_where_needed)
{
    static char text[READ_BYTES];
    struct err e = {0};
    (void)err_set(&e, CONFLICT, "taken \"twice\"");
    struct kv kvs[] = {KV_S("plain", "x"), KV_S("empty", ""), KV_S("quoted", "a \"b\"\nc"),
                       KV_I("number", -7), KV_E(&e)};
    logged(kvs, COUNT(kvs), text);
    ck_assert_int_eq(strncmp(text, "time=", 5), 0);
    const char *rest = strchr(text, ' ');
    static const char want[] = " level=warn event=test.event plain=x empty=\"\" "
                               "quoted=\"a \\\"b\\\"\\nc\" number=-7 error=";
    ck_assert_int_eq(strncmp(rest, want, sizeof(want) - 1), 0);
    ck_assert_ptr_nonnull(strstr(rest, "detail=\"taken \\\"twice\\\"\"\n"));
}
END_TEST

START_TEST(a_long_line_is_cut_and_says_so)
{
    static char text[READ_BYTES], value[20000];
    memset(value, 'v', sizeof(value) - 1);
    struct kv kvs[] = {KV_S("value", value)};
    size_t len = logged(kvs, COUNT(kvs), text);
    ck_assert_uint_le(len, 8 << 10);
    ck_assert_str_eq(text + len - strlen("v cut=true\n"), "v cut=true\n");
    ck_assert_ptr_eq(strchr(text, '\n'), text + len - 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("log");
    TCase *t = tcase_create("log");
    tcase_add_test(t, a_line_has_its_values_quoted_where_needed);
    tcase_add_test(t, a_long_line_is_cut_and_says_so);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
