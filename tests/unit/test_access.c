/* Who may call: auth string, API keys, CSRF tokens. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "server/config.h"
#include "server/http/auth.h"
#include "server/http/csrf.h"
#include "shared/base/clock.h"

static struct key_hash key_hash(const char *key, int64_t expires_us)
{
    struct key_hash k = {.expires_us = expires_us};
    char hex[SHA256_TEXT_BYTES];

    sha256_of(key, strlen(key), hex);
    for (size_t i = 0; i < SHA256_BYTES; i++)
        k.hash[i] = (uint8_t)strtoul((const char[]){hex[2 * i], hex[2 * i + 1], 0}, NULL, 16);
    return k;
}

static const struct {
    const char *header;
    enum auth_caller caller;
} headers[] = {
    {NULL, AUTH_NOBODY},
    {"", AUTH_NOBODY},
    {"Basic dXNlcjpwYXNz", AUTH_OWNER},
    {"basic dXNlcjpwYXNz", AUTH_NOBODY},
    {"Basic dXNlcjpwYXNzc", AUTH_NOBODY},
    {"Basic dXNlcjpwYXM=", AUTH_NOBODY},
    {"Bearer sy_good", AUTH_KEY},
    {"Bearer sy_forever", AUTH_KEY},
    {"Bearer sy_old", AUTH_NOBODY},
    {"Bearer sy_unknown", AUTH_NOBODY},
    {"Bearer ", AUTH_NOBODY},
    {"Bearer user:pass", AUTH_NOBODY},
};

START_TEST(a_header_says_who_calls)
{
    struct config config = {.auth_string = "user:pass"};
    struct auth *auth = auth_open(&config);
    const struct key_hash keys[] = {
        key_hash("sy_good", clock_now_us() + 1000000000),
        key_hash("sy_forever", TIME_NONE),
        key_hash("sy_old", clock_now_us() - 1),
    };

    auth_set_keys(auth, keys, COUNT(keys));
    ck_assert_int_eq(auth_caller(auth, headers[_i].header), headers[_i].caller);
    auth_close(auth);
}
END_TEST

START_TEST(tokens_of_sockets_are_the_same_secrets)
{
    struct config config = {.auth_string = "user:pass"}, none = {0};
    struct auth *auth = auth_open(&config), *open = auth_open(&none);
    const struct key_hash key = key_hash("sy_good", TIME_NONE);

    auth_set_keys(auth, &key, 1);
    ck_assert_int_eq(auth_token_caller(auth, "user:pass", 9), AUTH_OWNER);
    ck_assert_int_eq(auth_token_caller(auth, "sy_good", 7), AUTH_KEY);
    ck_assert_int_eq(auth_token_caller(auth, "user:pas", 8), AUTH_NOBODY);
    ck_assert_int_eq(auth_token_caller(auth, NULL, 0), AUTH_NOBODY);
    auth_set_keys(auth, NULL, 0);
    ck_assert_int_eq(auth_token_caller(auth, "sy_good", 7), AUTH_NOBODY);
    ck_assert_int_eq(auth_token_caller(open, NULL, 0), AUTH_OWNER);
    auth_close(auth);
    auth_close(open);
}
END_TEST

enum { HOUR_US = 3600000 };

START_TEST(the_newest_token_of_a_client_is_valid_for_its_time)
{
    char first[CSRF_TOKEN_BYTES], second[CSRF_TOKEN_BYTES];
    struct csrf *c = csrf_open(HOUR_US), *other = csrf_open(HOUR_US);
    csrf_make(c, "client", 1000, first);
    ck_assert(!csrf_is_valid(c, "client", first, 1000)); /* there is no key yet */
    csrf_set_key(c, "key of the database");
    csrf_set_key(other, "key of the database");
    csrf_make(c, "client", 1000, first);
    ck_assert_uint_eq(strlen(first), 64);
    ck_assert(csrf_is_valid(c, "client", first, 1000));
    ck_assert(csrf_is_valid(other, "client", first, 1000)); /* another server with the same key */
    ck_assert(!csrf_is_valid(c, "clienu", first, 1000));
    ck_assert(!csrf_is_valid(c, "client", "", 1000));
    ck_assert(!csrf_is_valid(c, "client", first, 1000 + HOUR_US));
    for (size_t i = 0; i < 64; i++) {
        memcpy(second, first, sizeof(second));
        second[i] = second[i] == '0' ? '1' : '0';
        ck_assert_msg(!csrf_is_valid(c, "client", second, 1000), "digit %zu does not matter", i);
    }
    csrf_make(c, "client", 2000, second);
    ck_assert(!csrf_is_valid(c, "client", first, 2000));
    ck_assert(csrf_is_valid(c, "client", second, 2000));
    char news[CSRF_NEWS_BYTES];
    ck_assert(csrf_is_valid(other, "client", first, 2000));
    csrf_news("client", second, news);
    csrf_hear(other, "no news");
    csrf_hear(other, news);
    ck_assert(!csrf_is_valid(other, "client", first, 2000));
    csrf_learn(other, "client", first);
    ck_assert(csrf_is_valid(other, "client", second, 2000));
    csrf_set_key(other, "key of another database");
    ck_assert(!csrf_is_valid(other, "client", second, 2000));
    csrf_close(c);
    csrf_close(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("access");
    TCase *t = tcase_create("access");
    tcase_add_loop_test(t, a_header_says_who_calls, 0, COUNT(headers));
    tcase_add_test(t, tokens_of_sockets_are_the_same_secrets);
    tcase_add_test(t, the_newest_token_of_a_client_is_valid_for_its_time);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
