/* The HTTP client against a server of a few lines that answers from a script. */
#include "shared/client/rest.h"

#include "shared/base/clock.h"

#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 8, SEEN_BYTES = 4096 };

/* Answers request n with replies[n] and keeps what was asked.  A NULL reply closes the connection.
 */
struct server {
    int listener, port, accepted, asked;
    const char *replies[MOST];
    char seen[MOST][SEEN_BYTES];
    pthread_t thread;
};

static struct server server;
static struct arena arena;
static struct err err;
static struct http_client *client;
static struct rest rest;

#define OK_TRUE "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue"
#define BUSY    "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"

static bool read_request(int fd, char *text)
{
    size_t len = 0, need = 0;

    while (len < SEEN_BYTES - 1) {
        ssize_t n = read(fd, text + len, SEEN_BYTES - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "Content-Length: ");
        if (end && !need)
            need = (size_t)(end - text) + 4 + (length ? (size_t)atoi(length + 16) : 0);
        if (need && len >= need)
            return true;
    }
    return false;
}

static void *serve(void *ctx)
{
    struct server *s = ctx;
    int fd;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        s->accepted++;
        while (s->asked < MOST && read_request(fd, s->seen[s->asked])) {
            const char *reply = s->replies[s->asked++];
            if (!reply || write(fd, reply, strlen(reply)) < 0)
                break;
        }
        close(fd);
    }
    return NULL;
}

static void setup(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    char url[64];

    memset(&server, 0, sizeof(server));
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(server.listener, 4), 0);
    getsockname(server.listener, (struct sockaddr *)&at, &len);
    server.port = ntohs(at.sin_port);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/api/", server.port);
    ck_assert(http_global_init());
    client = http_client_new(&(struct http_options){
        .base_url = url, .basic = "admin:pass", .timeout_ms = 1000, .max_reply_bytes = 100});
    ck_assert_ptr_nonnull(client);
    rest = (struct rest){.http = client, .arena = &arena, .err = &err};
}

static void start(const char *first, const char *second, const char *third)
{
    server.replies[0] = first;
    server.replies[1] = second;
    server.replies[2] = third;
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
}

static void teardown(void)
{
    http_client_free(client);
    shutdown(server.listener, SHUT_RDWR);
    close(server.listener);
    if (server.thread)
        pthread_join(server.thread, NULL);
    arena_reset(&arena);
}

START_TEST(test_one_connection_and_basic_auth)
{
    json_t *reply = NULL;

    start(OK_TRUE, OK_TRUE, NULL);
    ck_assert_int_eq(rest_get(&rest, "/health", &reply), ERR_OK);
    ck_assert(json_is_true(reply));
    ck_assert_int_eq(rest_post(&rest, "/x", json_pack("{s:i}", "a", 1), NULL), ERR_OK);
    ck_assert_int_eq(server.accepted, 1);
    ck_assert_ptr_nonnull(strstr(server.seen[0], "GET /api/health HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(server.seen[0], "Authorization: Basic YWRtaW46cGFzcw=="));
    ck_assert_ptr_nonnull(strstr(server.seen[1], "POST /api/x HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(server.seen[1], "Content-Type: application/json"));
    ck_assert_ptr_nonnull(strstr(server.seen[1], "\r\n\r\n{\"a\":1}"));
}
END_TEST

START_TEST(test_busy_is_tried_again)
{
    start(BUSY, "HTTP/1.1 429 Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", OK_TRUE);
    int64_t before_us = clock_monotonic_us();
    ck_assert_int_eq(rest_get(&rest, "/health", NULL), ERR_OK);
    ck_assert_int_eq(server.asked, 3);
    ck_assert_int_ge(clock_monotonic_us() - before_us, 700000); /* 1 s less its jitter */
}
END_TEST

static const struct {
    const char *reply;
    enum err_code code;
    const char *said;
} refusals[] = {
    {"HTTP/1.1 404 x\r\nContent-Length: 27\r\n\r\n{\"detail\":\"Flow not found\"}", ERR_NOT_FOUND,
     "Flow not found (404 to GET /x)"},
    {"HTTP/1.1 401 x\r\nContent-Length: 36\r\n\r\n{\"exception_message\":\"Unauthorized\"}",
     ERR_AUTH, "SWITCHYARD_API_AUTH_STRING"},
    {"HTTP/1.1 422 x\r\nContent-Length: 79\r\n\r\n"
     "{\"exception_detail\":[{\"loc\":[\"body\",\"tags\",0],\"msg\":\"Input should be a word\"}]}",
     ERR_INVALID, "tags.0: Input should be a word"},
    {"HTTP/1.1 409 x\r\nContent-Length: 0\r\n\r\n", ERR_CONFLICT, "no reason given"},
    {"HTTP/1.1 500 x\r\nContent-Length: 3\r\n\r\nouc", ERR_INTERNAL, "500 to GET /x"},
    {"HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\n<html>", ERR_NETWORK, "does not answer with JSON"},
    {"HTTP/1.1 307 x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", ERR_NETWORK, "redirect"},
    {"HTTP/1.1 200 x\r\nContent-Length: "
     "200\r\n\r\n0123456789012345678901234567890123456789012345678"
     "9012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
     ERR_TOO_LARGE, "larger than 100 bytes"},
};

START_TEST(test_refusals)
{
    start(refusals[_i].reply, NULL, NULL);
    enum err_code code = rest_get(&rest, "/x", NULL);
    ck_assert_int_eq(code, refusals[_i].code);
    ck_assert_msg(strstr(err.detail, refusals[_i].said) != NULL, "%s", err.detail);
}
END_TEST

START_TEST(test_nobody_listens)
{
    close(server.listener);
    ck_assert_int_eq(rest_get(&rest, "/health", NULL), ERR_NETWORK);
    ck_assert_ptr_nonnull(strstr(err.detail, "cannot reach http://127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(err.detail, "switchyard server start"));
}
END_TEST

START_TEST(test_patience_outlives_a_lost_server)
{
    start(NULL, OK_TRUE, NULL); /* the first connection breaks without an answer */
    http_client_patience(client, 5000);
    ck_assert_int_eq(rest_get(&rest, "/health", NULL), ERR_OK);
    ck_assert_int_eq(server.asked, 2);
}
END_TEST

START_TEST(test_silence_is_a_timeout)
{
    server.replies[0] = "HTTP/1.1 200 OK\r\n";
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
    ck_assert_int_eq(rest_get(&rest, "/health", NULL), ERR_TIMEOUT);
    ck_assert_ptr_nonnull(strstr(err.detail, "did not answer in time"));
}
END_TEST

START_TEST(test_files)
{
    char folder[] = "/tmp/switchyard-http-XXXXXX", from[64], to[64], text[16] = "";

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(from, sizeof(from), "%s/from", folder);
    snprintf(to, sizeof(to), "%s/to", folder);
    FILE *f = fopen(from, "w");
    fputs("hello", f);
    fclose(f);
    start(OK_TRUE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld",
          "HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
    ck_assert_int_eq(rest_send_file(&rest, "/files/1", from), ERR_OK);
    ck_assert_ptr_nonnull(strstr(server.seen[0], "PUT /api/files/1 HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(server.seen[0], "\r\n\r\nhello"));
    ck_assert_int_eq(rest_save_file(&rest, "/files/1", to), ERR_OK);
    f = fopen(to, "r");
    ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
    fclose(f);
    ck_assert_str_eq(text, "world");
    /* A refusal leaves what is there alone. */
    ck_assert_int_eq(rest_save_file(&rest, "/files/2", to), ERR_NOT_FOUND);
    ck_assert_int_eq(access(to, F_OK), 0);
    ck_assert_int_eq(rest_send_file(&rest, "/files/1", "/nowhere/file"), ERR_IO);
    unlink(from);
    unlink(to);
    ck_assert_int_eq(rmdir(folder), 0); /* no .part is left */
}
END_TEST

START_TEST(test_escape)
{
    ck_assert_str_eq(http_escape(&arena, "a b/ü~"), "a%20b%2F%C3%BC~");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http");
    TCase *t = tcase_create("http");

    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, test_one_connection_and_basic_auth);
    tcase_add_test(t, test_busy_is_tried_again);
    tcase_add_loop_test(t, test_refusals, 0, (int)COUNT(refusals));
    tcase_add_test(t, test_nobody_listens);
    tcase_add_test(t, test_patience_outlives_a_lost_server);
    tcase_add_test(t, test_silence_is_a_timeout);
    tcase_add_test(t, test_files);
    tcase_add_test(t, test_escape);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
