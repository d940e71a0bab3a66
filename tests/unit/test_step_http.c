/* The steps `http` and `sleep`. */
#include <arpa/inet.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/unit/step_harness.h"

static int listener, port;
static char request[4096]; /* the last one */

static const struct {
    const char *path, *answer;
} answers[] = {
    {"/json", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"a\": 42}"},
    {"/text", "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nhi"},
    {"/no", "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nbecause"},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /json\r\nContent-Length: 0\r\n\r\n"},
    {"/silent", NULL},
};

static void *serve(void *unused)
{
    (void)unused;
    for (int client; (client = accept(listener, NULL, NULL)) >= 0; close(client)) {
        ssize_t n = read(client, request, sizeof(request) - 1);
        request[n > 0 ? n : 0] = 0;
        const char *path = strchr(request, ' ');
        for (size_t i = 0; path && i < COUNT(answers); i++)
            if (!strncmp(path + 1, answers[i].path, strlen(answers[i].path))) {
                const char *text = answers[i].answer;
                n = text ? write(client, text, strlen(text))
                         : read(client, request, 1); /* until the other side has had enough */
            }
    }
    return NULL;
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
}

static json_t *with_url(const char *path)
{
    char url[100];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
    return json_pack("{s:s}", "url", url);
}

static const struct {
    const char *path;
    enum err_code code;
    int status;
    const char *body, *detail; /* detail: behind the address */
} rows[] = {
    {"/json", ERR_OK, 200, "{\"a\": 42}", ""},
    {"/text", ERR_OK, 201, "hi", ""},
    {"/no?token=x", ERR_NETWORK, 403, "because", "/no answered 403: because"},
    {"/moved", ERR_NETWORK, 302, "", "/moved answered 302: "},
};

START_TEST(an_answer_is_judged)
{
    struct harness h = {0};
    harness_run(&h, &http_step, with_url(rows[_i].path));
    ck_assert_int_eq(h.code, rows[_i].code);
    ck_assert_int_eq(json_integer_value(json_object_get(h.call.outputs, "status")),
                     rows[_i].status);
    ck_assert_str_eq(json_string_value(json_object_get(h.call.outputs, "body")), rows[_i].body);
    const json_t *a = json_object_get(json_object_get(h.call.outputs, "json"), "a");
    ck_assert_int_eq(json_integer_value(a), _i == 0 ? 42 : 0);
    if (h.code)
        ck_assert_str_eq(strchr(h.call.err.detail + 7, '/'), rows[_i].detail);
    harness_free(&h);
}
END_TEST

START_TEST(a_body_and_authorization_are_sent)
{
    struct harness h = {0};
    json_t *with = with_url("/text");
    json_object_set_new(with, "method", json_string("POST"));
    json_object_set_new(with, "authorization", json_string("Bearer t"));
    json_object_set_new(with, "body", json_pack("{s:[i]}", "l", 1));
    harness_run(&h, &http_step, with);
    ck_assert_int_eq(h.code, ERR_OK);
    ck_assert_ptr_nonnull(strstr(request, "POST /text"));
    ck_assert_ptr_nonnull(strstr(request, "Authorization: Bearer t\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(request, "\r\n\r\n{\"l\":[1]}"));
    harness_free(&h);
}
END_TEST

START_TEST(nobody_there_says_so)
{
    struct harness h = {0};
    json_t *with = json_pack("{s:s,s:i}", "url", "http://127.0.0.1:1/x", "tries", 1);
    harness_run(&h, &http_step, with);
    ck_assert_int_eq(h.code, ERR_NETWORK);
    ck_assert_ptr_nonnull(strstr(h.call.err.detail, "http://127.0.0.1:1/x"));
    harness_free(&h);
}
END_TEST

START_TEST(waiting_can_be_cancelled)
{
    struct harness h = {.cancel_after_ms = 50};
    harness_run(&h, &http_step, with_url("/silent"));
    ck_assert_int_eq(h.code, ERR_CANCELLED);
    harness_free(&h);
    h = (struct harness){.cancel_after_ms = 20};
    harness_run(&h, &sleep_step, json_pack("{s:i}", "for", 600));
    ck_assert_int_eq(h.code, ERR_CANCELLED);
    ck_assert_str_eq(h.call.err.detail, "cancelled while waiting");
    harness_free(&h);
}
END_TEST

START_TEST(sleep_takes_its_time)
{
    struct harness h = {0};
    uint64_t start = uv_hrtime();
    harness_run(&h, &sleep_step, json_pack("{s:f}", "for", 0.05));
    ck_assert_int_eq(h.code, ERR_OK);
    ck_assert_uint_ge(uv_hrtime() - start, 49000000);
    harness_free(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("step_http");
    TCase *t = tcase_create("step");
    tcase_set_timeout(t, 20);
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_loop_test(t, an_answer_is_judged, 0, COUNT(rows));
    tcase_add_test(t, a_body_and_authorization_are_sent);
    tcase_add_test(t, nobody_there_says_so);
    tcase_add_test(t, waiting_can_be_cancelled);
    tcase_add_test(t, sleep_takes_its_time);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
