/* The journal against a small HTTP server that keeps what it is given. */
#include <check.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "worker/run/journal.h"

enum { GIVE_UP_MS = 8000 };

/* ---- the other side ---- */

struct peer {
    struct MHD_Daemon *daemon;
    char url[64];
    pthread_mutex_t lock;
    int fail_first; /* answers so many requests with `fail_status` */
    int fail_status;
    const char *poison; /* 422 for a request that contains it */
    int requests;
    int64_t acked;
    int count; /* records taken */
    char kinds[64][16];
    int64_t epochs[64];
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *r =
        MHD_create_response_from_buffer(strlen(text), (void *)text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result rc = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return rc;
}

static void take_records(struct peer *peer, json_t *root)
{
    size_t i;
    json_t *record;

    json_array_foreach(json_object_get(root, "records"), i, record)
    {
        int64_t seq = json_integer_value(json_object_get(record, "seq"));
        if (seq <= peer->acked)
            continue;
        peer->acked = seq;
        snprintf(peer->kinds[peer->count], 16, "%s",
                 json_string_value(json_object_get(record, "kind")));
        peer->epochs[peer->count++] = json_integer_value(json_object_get(root, "epoch"));
    }
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct peer *peer = ctx;
    struct buf *body = *state;
    char text[128];

    (void)url, (void)method, (void)version;
    if (!body) {
        *state = body = calloc(1, sizeof(*body));
        body->max_bytes = 4 << 20;
        return MHD_YES;
    }
    if (*size) {
        buf_add(body, data, *size);
        *size = 0;
        return MHD_YES;
    }
    pthread_mutex_lock(&peer->lock);
    buf_lit(body, "\0");
    json_t *root = json_loads(body->bytes, 0, NULL);
    unsigned status = 200;
    if (peer->requests++ < peer->fail_first)
        status = (unsigned)peer->fail_status;
    else if (peer->poison && strstr(body->bytes, peer->poison))
        status = 422;
    else
        take_records(peer, root);
    snprintf(text, sizeof(text), "{\"acked\":%lld,\"refused\":[],\"verdicts\":[]}",
             (long long)peer->acked);
    pthread_mutex_unlock(&peer->lock);
    json_decref(root);
    buf_free(body);
    free(body);
    return answer(connection, status, text);
}

static void peer_start(struct peer *peer)
{
    pthread_mutex_init(&peer->lock, NULL);
    peer->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, on_request,
                                    peer, MHD_OPTION_END);
    ck_assert(peer->daemon != NULL);
    snprintf(peer->url, sizeof(peer->url), "http://127.0.0.1:%u/journal",
             MHD_get_daemon_info(peer->daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
}

static int peer_count(struct peer *peer)
{
    pthread_mutex_lock(&peer->lock);
    int count = peer->count;
    pthread_mutex_unlock(&peer->lock);
    return count;
}

/* ---- this side ---- */

struct side {
    uv_loop_t loop;
    struct http *http;
    struct journal *journal;
    char path[64];
    int durable, full, room, caught_up;
};

static void on_full(void *ctx, bool full)
{
    struct side *s = ctx;
    *(full ? &s->full : &s->room) += 1;
}

static void on_caught_up(void *ctx)
{
    ((struct side *)ctx)->caught_up++;
}

static void on_verdict(void *ctx, const char *run, const char *status, const char *type,
                       const char *reason)
{
    (void)ctx, (void)run, (void)status, (void)type, (void)reason;
}

static void on_durable(void *ctx)
{
    ((struct side *)ctx)->durable++;
}

static void side_open(struct side *s, const char *url, int64_t max_bytes)
{
    struct err err = {0};
    struct journal_options o = {.loop = &s->loop,
                                .path = s->path,
                                .url = url,
                                .max_bytes = max_bytes,
                                .hooks = {on_full, on_caught_up, on_verdict, s}};

    if (!s->path[0]) {
        strcpy(s->path, "/tmp/test-journal-XXXXXX");
        close(mkstemp(s->path));
    }
    uv_loop_init(&s->loop);
    o.http = s->http = http_new(&s->loop, NULL);
    ck_assert_msg(journal_open(&o, &s->journal, &err) == ERR_OK, "%s", err.detail);
}

static void side_close(struct side *s)
{
    journal_close(s->journal);
    http_free(s->http);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&s->loop), 0);
}

static void remove_files(const struct side *s)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char path[80];

    for (size_t i = 0; i < COUNT(endings); i++) {
        snprintf(path, sizeof(path), "%s%s", s->path, endings[i]);
        unlink(path);
    }
}

static void on_tick(uv_timer_t *tick)
{
    (void)tick;
}

static void run_until(struct side *s, bool (*done)(struct side *, void *), void *arg)
{
    uint64_t end = uv_hrtime() / 1000000 + GIVE_UP_MS;
    uv_timer_t tick;

    uv_timer_init(&s->loop, &tick);
    uv_timer_start(&tick, on_tick, 5, 5);
    while (!done(s, arg) && uv_hrtime() / 1000000 < end)
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&s->loop, UV_RUN_NOWAIT);
    ck_assert_msg(done(s, arg), "did not happen within %d ms", GIVE_UP_MS);
}

static bool peer_has(struct side *s, void *arg)
{
    (void)s;
    return peer_count(((void **)arg)[0]) >= *(int *)((void **)arg)[1];
}

static void wait_for_records(struct side *s, struct peer *peer, int count)
{
    run_until(s, peer_has, (void *[]){peer, &count});
}

static bool all_durable(struct side *s, void *count)
{
    return s->durable >= *(int *)count;
}

static void add(struct side *s, const char *kind, const char *body)
{
    ck_assert_int_eq(journal_add(s->journal, kind, body, strlen(body), on_durable, s), ERR_OK);
}

static bool is_drained(struct side *s, void *arg)
{
    (void)arg;
    return journal_drained(s->journal);
}

/* ---- tests ---- */

START_TEST(each_record_arrives_once_and_in_order)
{
    struct peer peer = {0};
    struct side s = {0};

    peer_start(&peer);
    side_open(&s, peer.url, 1 << 20);
    for (int i = 0; i < 40; i++) {
        static char kinds[40][2];
        kinds[i][0] = (char)('0' + i);
        add(&s, kinds[i], "{\"x\":1}");
    }
    wait_for_records(&s, &peer, 40);
    for (int i = 0; i < 40; i++)
        ck_assert_int_eq(peer.kinds[i][0], '0' + i);
    ck_assert_int_eq(s.durable, 40);
    run_until(&s, is_drained, NULL);
    side_close(&s);
    ck_assert_int_eq(peer.count, 40);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
}
END_TEST

static const struct {
    const char *label;
    int status, times;
} failures[] = {
    {"overloaded", 503, 3},
    {"bad gateway", 502, 1},
    {"a bug", 500, 2},
    {"not allowed for a moment", 401, 1},
};

START_TEST(a_server_that_fails_gets_it_later)
{
    struct peer peer = {.fail_first = failures[_i].times, .fail_status = failures[_i].status};
    struct side s = {0};

    peer_start(&peer);
    side_open(&s, peer.url, 1 << 20);
    add(&s, "logs", "{}");
    add(&s, "done", "{}");
    wait_for_records(&s, &peer, 2);
    ck_assert_str_eq(peer.kinds[1], "done");
    ck_assert_int_gt(peer.requests, failures[_i].times);
    side_close(&s);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
}
END_TEST

START_TEST(a_restart_delivers_what_was_left_first)
{
    struct peer peer = {0};
    struct side s = {0};

    side_open(&s, "http://127.0.0.1:1/journal", 1 << 20);
    ck_assert_int_eq(journal_epoch(s.journal), 1);
    char *agent = strdup(journal_agent(s.journal));
    for (int i = 0; i < 5; i++)
        add(&s, "state", "{}");
    run_until(&s, all_durable, &(int){5});
    ck_assert_int_eq(s.caught_up, 1); /* nothing was there */
    s.caught_up = 0;
    side_close(&s);

    peer_start(&peer);
    side_open(&s, peer.url, 1 << 20);
    ck_assert_int_eq(journal_epoch(s.journal), 2);
    ck_assert_str_eq(journal_agent(s.journal), agent);
    add(&s, "logs", "{}");
    wait_for_records(&s, &peer, 6);
    ck_assert_int_eq(peer.epochs[4], 1);
    ck_assert_int_eq(peer.epochs[5], 2);
    ck_assert_int_eq(s.caught_up, 1);
    side_close(&s);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
    free(agent);
}
END_TEST

START_TEST(one_record_that_the_server_calls_invalid_stops_no_other)
{
    struct peer peer = {.poison = "poison"};
    struct side s = {0};

    peer_start(&peer);
    side_open(&s, peer.url, 1 << 20);
    for (int i = 0; i < 8; i++)
        add(&s, "logs", i == 5 ? "{\"poison\":1}" : "{}");
    wait_for_records(&s, &peer, 7);
    run_until(&s, is_drained, NULL);
    ck_assert_int_eq(peer.count, 7);
    side_close(&s);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
}
END_TEST

static bool has_room(struct side *s, void *arg)
{
    (void)arg;
    return s->room == 1;
}

START_TEST(a_full_journal_says_so_and_says_when_it_is_not)
{
    struct peer peer = {.fail_first = 1, .fail_status = 500};
    struct side s = {0};

    peer_start(&peer);
    side_open(&s, peer.url, 20);
    for (int i = 0; i < 5; i++)
        add(&s, "logs", "{\"a\":1}");
    run_until(&s, all_durable, &(int){5});
    ck_assert_int_eq(s.full, 1);
    run_until(&s, has_room, NULL);
    ck_assert(!journal_full(s.journal));
    side_close(&s);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
}
END_TEST

#if defined(FAULTS)
START_TEST(a_disk_that_refuses_loses_nothing)
{
    struct peer peer = {0};
    struct side s = {0};

    peer_start(&peer);
    side_open(&s, peer.url, 1 << 20);
    fault_arm("journal.write", _i + 1);
    for (int i = 0; i < 4; i++)
        add(&s, i == 3 ? "done" : "logs", "{}");
    wait_for_records(&s, &peer, 4);
    ck_assert_str_eq(peer.kinds[3], "done");
    ck_assert_int_eq(s.durable, 4);
    side_close(&s);
    MHD_stop_daemon(peer.daemon);
    remove_files(&s);
}
END_TEST
#endif

START_TEST(a_broken_file_is_named)
{
    struct journal_store *store;
    struct err err = {0};
    char path[] = "/tmp/test-journal-XXXXXX";
    int fd = mkstemp(path);

    ck_assert_int_eq(
        write(fd,
              "this is not a database, but it is long enough to be asked for its header....."
              "........................................................................",
              149),
        149);
    close(fd);
    ck_assert_int_eq(journal_store_open(path, &store, &err), ERR_IO);
    ck_assert_msg(strstr(err.detail, path) && strstr(err.detail, "not a database"), "%s",
                  err.detail);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("journal");
    TCase *t = tcase_create("journal");
    tcase_set_timeout(t, 20);
    tcase_add_test(t, each_record_arrives_once_and_in_order);
    tcase_add_loop_test(t, a_server_that_fails_gets_it_later, 0, COUNT(failures));
    tcase_add_test(t, a_restart_delivers_what_was_left_first);
    tcase_add_test(t, one_record_that_the_server_calls_invalid_stops_no_other);
    tcase_add_test(t, a_full_journal_says_so_and_says_when_it_is_not);
#if defined(FAULTS)
    tcase_add_loop_test(t, a_disk_that_refuses_loses_nothing, 0, 4);
#endif
    tcase_add_test(t, a_broken_file_is_named);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
