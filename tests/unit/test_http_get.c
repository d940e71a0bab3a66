/* Downloads from a small server on loopback: what arrives, what is left behind, what errors say. */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "worker/io/http_get.h"

#define HELLO_SHA256 "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

#define OTHER_SHA256 "0000000000000000000000000000000000000000000000000000000000000000"

static int listener;
static int hits; /* requests so far; one connection at a time */
static int port;
static char folder[] = "/tmp/test_http_get.XXXXXX";

static const struct {
    const char *path, *first, *later; /* answers to the first two requests and to those after */
} answers[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nETag: \"abc\"\r\nContent-Length: 5\r\n\r\nhello", NULL},
    {"/flaky", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {"/cut", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
    {"/none", "HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nnot here, no\n", NULL},
    {"/secret", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", NULL},
    {"/long",
     "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n0123456789012345678901234567890123456789", NULL},
};

static void *serve(void *unused)
{
    (void)unused;
    for (;;) {
        char request[4096] = "";
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            return NULL;
        ssize_t n = read(client, request, sizeof(request) - 1);
        hits++;
        for (size_t i = 0; n > 0 && i < COUNT(answers); i++) {
            const char *text = hits > 2 && answers[i].later ? answers[i].later : answers[i].first;
            size_t len = strlen(answers[i].path);
            if (!strncmp(request + 4, answers[i].path, len) && strchr(" ?", request[4 + len]))
                n = write(client, text, strlen(text));
        }
        close(client);
    }
}

static void setup(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    pthread_t thread;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(listener, 8), 0);
    getsockname(listener, (struct sockaddr *)&at, &len);
    port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    pthread_detach(thread);
    strcpy(folder, "/tmp/test_http_get.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void teardown(void)
{
    char path[100];
    shutdown(listener, SHUT_RDWR);
    snprintf(path, sizeof(path), "%s/file", folder);
    unlink(path);
    ck_assert_msg(rmdir(folder) == 0, "something was left in %s", folder);
}

static const struct {
    const char *path, *sha256;
    enum err_code code;
    const char *detail;
    int hits;
} rows[] = {
    {"/ok", HELLO_SHA256, ERR_OK, "", 1},
    {"/ok", NULL, ERR_OK, "", 1},
    {"/ok", OTHER_SHA256, ERR_INVALID, "the content has SHA-256 " HELLO_SHA256 ", expected 0000",
     1},
    {"/flaky", HELLO_SHA256, ERR_OK, "", 3},
    {"/cut", HELLO_SHA256, ERR_OK, "", 3},
    {"/none?token=hidden", NULL, ERR_NOT_FOUND, "/none was answered with 404 not here, no", 1},
    {"/secret", NULL, ERR_FORBIDDEN, "/secret was answered with 403", 1},
    {"/long", NULL, ERR_TOO_LARGE, "/long: the answer has more than 20 bytes", 1},
};

START_TEST(downloads_end_as_described)
{
    char url[100], path[100], text[10] = "";
    struct err e = {0};
    struct http_got got = {0};
    snprintf(url, sizeof(url), "http://user:word@127.0.0.1:%d%s", port, rows[_i].path);
    snprintf(path, sizeof(path), "%s/file", folder);
    struct http_get get = {.url = url, .path = path, .sha256 = rows[_i].sha256, .max_bytes = 20};
    enum err_code code = http_get(&get, &got, &e);
    ck_assert_msg(code == rows[_i].code, "%s: %s", rows[_i].path, e.detail);
    ck_assert_int_eq(hits, rows[_i].hits);
    ck_assert_msg(strstr(e.detail, rows[_i].detail) != NULL, "%s", e.detail);
    ck_assert_ptr_null(strstr(e.detail, "word"));
    ck_assert_ptr_null(strstr(e.detail, "hidden"));
    ck_assert_int_eq(access(path, F_OK) == 0, code == ERR_OK);
    if (code)
        return;
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
    fclose(f);
    ck_assert_str_eq(text, "hello");
    ck_assert_str_eq(got.sha256, HELLO_SHA256);
    ck_assert_int_eq(got.bytes, 5);
}
END_TEST

START_TEST(text_and_etag)
{
    char url[100], text[6];
    struct err e = {0};
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", port);
    ck_assert_int_eq(http_get_text(&(struct http_get){.url = url}, text, sizeof(text), &e), ERR_OK);
    ck_assert_str_eq(text, "hello");
    ck_assert_int_eq(http_get_text(&(struct http_get){.url = url}, text, 5, &e), ERR_TOO_LARGE);
}
END_TEST

START_TEST(failures_of_this_side_are_named)
{
    char url[100], path[100];
    struct err e = {0};
    struct http_got got;
    atomic_bool cancelled = true;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/ok", port);
    snprintf(path, sizeof(path), "%s/file", folder);
    struct http_get get = {.url = url, .path = path, .max_bytes = 20};
    fault_arm("http_get.write", 1);
    ck_assert_int_eq(http_get(&get, &got, &e), ERR_IO);
    get.cancelled = &cancelled;
    ck_assert_int_eq(http_get(&get, &got, &e), ERR_CANCELLED);
    get.cancelled = NULL;
    get.path = "/nonexistent/file";
    ck_assert_int_eq(http_get(&get, &got, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.detail, "/nonexistent/file"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_get");
    TCase *tc = tcase_create("get");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, downloads_end_as_described, 0, COUNT(rows));
    tcase_add_test(tc, text_and_etag);
    tcase_add_test(tc, failures_of_this_side_are_named);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
