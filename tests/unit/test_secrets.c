#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/secrets.h"

static struct arena arena;
static struct err err;
static struct secrets *secrets;
static char folder[64];
static const struct uuid one = {{1}}, two = {{2}};

static void setup(void)
{
    arena = (struct arena){0};
    err = (struct err){0};
    unsetenv("SWITCHYARD_SECRETS_KEY");
    snprintf(folder, sizeof(folder), "/tmp/sy-secrets.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(secrets_open(folder, &secrets, &err), ERR_OK);
}

static const char *key_path(void)
{
    return arena_printf(&arena, "%s/secrets.key", folder);
}

static void teardown(void)
{
    secrets_close(secrets);
    unlink(key_path());
    rmdir(folder);
    arena_reset(&arena);
}

START_TEST(what_is_sealed_opens_again_also_after_a_restart)
{
    struct raw text = RAW("{\"password\":\"hunter2\"}"), out;
    const char *sealed = secrets_seal(secrets, &arena, one, text);
    ck_assert_ptr_null(strstr(sealed, "68756e746572")); /* "hunter" in hexadecimal */
    secrets_close(secrets);
    ck_assert_int_eq(secrets_open(folder, &secrets, &err), ERR_OK);
    ck_assert_int_eq(secrets_unseal(secrets, &arena, one, sealed, &out, &err), ERR_OK);
    ck_assert_str_eq(out.text, text.text);
    ck_assert_uint_eq(out.len, text.len);
}
END_TEST

START_TEST(nothing_else_opens)
{
    struct raw text = RAW("{}"), out;
    char *sealed = arena_printf(&arena, "%s", secrets_seal(secrets, &arena, one, text));
    ck_assert_int_eq(secrets_unseal(secrets, &arena, two, sealed, &out, &err),
                     ERR_INTERNAL); /* of another document */
    char *digit = sealed + strlen(sealed) - 1;
    *digit = *digit == '0' ? '1' : '0';
    ck_assert_int_eq(secrets_unseal(secrets, &arena, one, sealed, &out, &err),
                     ERR_INTERNAL); /* changed */
    ck_assert_int_eq(secrets_unseal(secrets, &arena, one, "\\x01", &out, &err),
                     ERR_INTERNAL); /* too short */
    ck_assert_int_eq(secrets_unseal(secrets, &arena, one, "text", &out, &err), ERR_INTERNAL);
}
END_TEST

START_TEST(the_same_text_never_looks_the_same)
{
    struct raw text = RAW("{}");
    ck_assert_str_ne(secrets_seal(secrets, &arena, one, text),
                     secrets_seal(secrets, &arena, one, text));
}
END_TEST

START_TEST(the_key_is_for_its_owner_only)
{
    struct stat st;
    ck_assert_int_eq(stat(key_path(), &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0600);
    ck_assert_int_eq(st.st_size, 32);
}
END_TEST

START_TEST(a_key_of_another_form_is_refused)
{
    struct secrets *other = NULL;
    ck_assert_int_eq(truncate(key_path(), 7), 0);
    ck_assert_int_eq(secrets_open(folder, &other, &err), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.detail, "expected a key of 32 bytes"));
    setenv("SWITCHYARD_SECRETS_KEY", "abc", 1);
    ck_assert_int_eq(secrets_open(folder, &other, &err), ERR_INVALID);
    ck_assert_str_eq(err.detail, "SWITCHYARD_SECRETS_KEY: expected 64 hexadecimal digits");
    ck_assert_ptr_null(other);
}
END_TEST

START_TEST(servers_with_the_same_key_share_secrets)
{
    struct secrets *a = NULL, *b = NULL;
    struct raw out;
    setenv("SWITCHYARD_SECRETS_KEY",
           "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F", 1);
    ck_assert_int_eq(secrets_open(folder, &a, &err), ERR_OK);
    ck_assert_int_eq(secrets_open("/nonexistent", &b, &err), ERR_OK);
    const char *sealed = secrets_seal(a, &arena, one, RAW("[1]"));
    ck_assert_int_eq(secrets_unseal(b, &arena, one, sealed, &out, &err), ERR_OK);
    ck_assert_int_eq(secrets_unseal(secrets, &arena, one, sealed, &out, &err), ERR_INTERNAL);
    secrets_close(a);
    secrets_close(b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("secrets");
    TCase *t = tcase_create("secrets");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_is_sealed_opens_again_also_after_a_restart);
    tcase_add_test(t, nothing_else_opens);
    tcase_add_test(t, the_same_text_never_looks_the_same);
    tcase_add_test(t, the_key_is_for_its_owner_only);
    tcase_add_test(t, a_key_of_another_form_is_refused);
    tcase_add_test(t, servers_with_the_same_key_share_secrets);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
