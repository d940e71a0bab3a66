/* worker/io/uv_curl against a small server. */
#include <check.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/io/uv_curl.h"

struct peer {
    struct MHD_Daemon *daemon;
    char url[64];
    const int *statuses; /* the last one repeats; 1: the connection breaks */
    int requests;
    char authorization[64], body[64];
};

static void keep_header(struct MHD_Connection *connection, const char *name, char out[static 64])
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    snprintf(out, 64, "%s", value ? value : "");
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct peer *peer = ctx;

    (void)url, (void)method, (void)version;
    if (!*state) {
        *state = peer;
        keep_header(connection, "Authorization", peer->authorization);
        return MHD_YES;
    }
    if (*size) {
        snprintf(peer->body, sizeof(peer->body), "%.*s", (int)*size, data);
        *size = 0;
        return MHD_YES;
    }
    int status = *peer->statuses;
    peer->statuses += peer->statuses[1] != 0;
    peer->requests++;
    if (status == 1)
        return MHD_NO;
    struct MHD_Response *r =
        MHD_create_response_from_buffer(5, (void *)"hello", MHD_RESPMEM_PERSISTENT);
    enum MHD_Result rc = MHD_queue_response(connection, (unsigned)status, r);
    MHD_destroy_response(r);
    return rc;
}

static void peer_start(struct peer *peer, const int *statuses)
{
    *peer = (struct peer){.statuses = statuses};
    peer->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request,
                                    peer, MHD_OPTION_END);
    ck_assert(peer->daemon != NULL);
    snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%u/x",
             MHD_get_daemon_info(peer->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

struct seen {
    struct http *http;
    int calls, status;
    enum err_code code;
    char body[16];
};

static void on_done(void *ctx, const struct http_reply *reply)
{
    struct seen *seen = ctx;

    seen->calls++;
    seen->status = reply->status;
    seen->code = reply->err->code;
    snprintf(seen->body, sizeof(seen->body), "%s", reply->body);
    http_free(seen->http);
}

static struct seen ask(const char *url, int tries, size_t reply_max_bytes)
{
    struct seen seen = {0};
    struct http_request rq = {.method = "POST",
                              .url = url,
                              .body = "{}",
                              .body_len = 2,
                              .timeout_ms = 2000,
                              .reply_max_bytes = reply_max_bytes,
                              .tries = tries,
                              .done = on_done,
                              .ctx = &seen};
    uv_loop_t loop;

    uv_loop_init(&loop);
    seen.http = http_new(&loop, "Basic eDp5");
    ck_assert(http_send(seen.http, &rq) != NULL);
    ck_assert_int_eq(seen.calls, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(seen.calls, 1);
    return seen;
}

static const struct {
    const char *label;
    int statuses[6]; /* 1: the connection breaks */
    int tries, status, requests;
} rows[] = {
    {"an answer", {200}, 5, 200, 1},
    {"a refusal is an answer", {422}, 5, 422, 1},
    {"a bug is an answer", {500}, 5, 500, 1},
    {"the server is busy", {503, 429, 200}, 5, 200, 3},
    {"a proxy without a server", {502, 504, 408, 201}, 0, 201, 4},
    {"tries are used up", {503}, 3, 503, 3},
    {"the connection breaks", {1, 200}, 5, 200, 2},
};

START_TEST(it_tries_again_what_is_worth_it)
{
    struct peer peer;

    peer_start(&peer, rows[_i].statuses);
    struct seen seen = ask(peer.url, rows[_i].tries, 100);
    MHD_stop_daemon(peer.daemon);
    ck_assert_msg(seen.status == rows[_i].status && peer.requests == rows[_i].requests,
                  "%s: status %d after %d requests", rows[_i].label, seen.status, peer.requests);
    ck_assert_str_eq(seen.body, "hello");
    ck_assert_str_eq(peer.authorization, "Basic eDp5");
    ck_assert_str_eq(peer.body, "{}");
}
END_TEST

START_TEST(an_answer_that_is_too_large_is_refused)
{
    struct peer peer;

    peer_start(&peer, (const int[]){200, 0});
    struct seen seen = ask(peer.url, 3, 4);
    MHD_stop_daemon(peer.daemon);
    ck_assert_int_eq(seen.status, 0);
    ck_assert_int_eq(seen.code, ERR_TOO_LARGE);
    ck_assert_int_eq(peer.requests, 1);
}
END_TEST

START_TEST(nobody_there)
{
    struct seen seen = ask("http://127.0.0.1:1/", 2, 100);
    ck_assert_int_eq(seen.status, 0);
    ck_assert_int_eq(seen.code, ERR_NETWORK);
}
END_TEST

static void on_unwanted(void *ctx, const struct http_reply *reply)
{
    (void)reply;
    ++*(int *)ctx;
}

START_TEST(a_cancelled_call_is_silent)
{
    struct peer peer;
    uv_loop_t loop;
    int calls = 0;

    peer_start(&peer, (const int[]){200, 0});
    struct http_request rq = {.method = "GET",
                              .url = peer.url,
                              .timeout_ms = 2000,
                              .reply_max_bytes = 100,
                              .done = on_unwanted,
                              .ctx = &calls};
    uv_loop_init(&loop);
    struct http *http = http_new(&loop, NULL);
    struct http_call *first = http_send(http, &rq);
    http_send(http, &rq);
    uv_run(&loop, UV_RUN_ONCE);
    http_cancel(first);
    http_free(http); /* cancels the other one */
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    ck_assert_int_eq(calls, 0);
    MHD_stop_daemon(peer.daemon);
}
END_TEST

static const struct {
    int tries;
    int64_t retry_after_s;
    uint32_t random;
    int64_t least_ms, most_ms;
} pauses[] = {
    {1, 0, 0, 50, 50},      {1, 0, 50, 100, 100},
    {2, 0, 7, 100, 200},    {3, 0, 123456, 200, 400},
    {20, 0, 0, 1500, 1500}, {20, 0, 4294967295u, 1500, 3000},
    {1, 7, 0, 7000, 7000},  {5, 3600, 4294967295u, 60000, 60100},
};

START_TEST(pauses_grow_and_are_random)
{
    int64_t ms = http_pause_ms(pauses[_i].tries, pauses[_i].retry_after_s, pauses[_i].random);
    ck_assert_int_ge(ms, pauses[_i].least_ms);
    ck_assert_int_le(ms, pauses[_i].most_ms);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("http on the loop");
    TCase *t = tcase_create("http");
    tcase_set_timeout(t, 20);
    tcase_add_loop_test(t, it_tries_again_what_is_worth_it, 0, COUNT(rows));
    tcase_add_test(t, an_answer_that_is_too_large_is_refused);
    tcase_add_test(t, nobody_there);
    tcase_add_test(t, a_cancelled_call_is_silent);
    tcase_add_loop_test(t, pauses_grow_and_are_random, 0, COUNT(pauses));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
