/* report.render against a server of one thread with canned answers, and what it makes of them. */
#include <arpa/inet.h>
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tests/unit/step_harness.h"
#include "worker/report/collect.h"

static struct arena arena;
static struct err err;

static void setup(void)
{
    arena = (struct arena){0};
    err = (struct err){0};
}

static void teardown(void)
{
    arena_reset(&arena);
}

#define RECORD(model, passed)                                                                      \
    "{\"model\":\"" model "\",\"target\":\"t\",\"emulated\":true,\"windows\":[{\"start_s\":1,"     \
    "\"end_s\":2,\"inferences\":9,\"energy_j\":9e-3}],\"median_energy_per_inference_j\":1e-3,"     \
    "\"latency_s\":0.1,\"gates\":[{\"name\":\"g\",\"passed\":" passed "}]}"

/* Newest first: run r1 measured twice, first with a failed gate; the text form is Prefect's. */
static const char artifacts[] = "[{\"flow_run_id\":\"r1\",\"data\":" RECORD(
    "a", "true") "},"
                 "{\"flow_run_id\":\"r1\",\"data\":" RECORD(
                     "a", "false") "},"
                                   "{\"flow_run_id\":\"r2\",\"data\":\"{\\\"model\\\":\\\"b\\\","
                                   "\\\"target\\\":\\\"t\\\",\\\"emulated\\\":false}\"},"
                                   "{\"flow_run_id\":\"r3\",\"data\":{\"model\":7}}]";
static const char runs[] =
    "[{\"id\":\"r1\",\"name\":\"one\",\"state_type\":\"COMPLETED\",\"state_name\":\"Completed\"},"
    "{\"id\":\"r2\",\"name\":\"two\",\"state_type\":\"FAILED\",\"state_name\":\"Failed\"},"
    "{\"id\":\"r4\",\"name\":\"four\",\"state_type\":\"FAILED\",\"state_name\":\"Failed\","
    "\"parameters\":{\"model\":\"big\",\"target\":\"t\"},\"state\":{\"message\":\"does not fit\"}},"
    "{\"id\":\"r5\",\"name\":\"five\",\"state_type\":\"RUNNING\",\"state_name\":\"Running\"},"
    "{\"id\":\"r6\",\"name\":\"six\",\"state_type\":\"COMPLETED\",\"state_name\":\"Completed\"},"
    "{\"id\":\"r8\",\"name\":\"eight\",\"state_type\":\"COMPLETED\",\"state_name\":\"Completed\","
    "\"parameters\":{\"model\":\"lost\",\"target\":\"t\"}},"
    "{\"id\":\"r7\",\"name\":\"seven\",\"flow_id\":\"report\",\"state_type\":\"FAILED\",\"state_"
    "name\":\"Failed\"},"
    "{\"id\":\"own\",\"flow_id\":\"report\",\"name\":\"me\",\"state_type\":\"RUNNING\",\"state_"
    "name\":\"Running\"}]";

START_TEST(what_the_server_lists_becomes_a_report)
{
    struct collection c = {.arena = &arena, .own_run_id = "own"};
    struct report r = {.campaign = "c"};
    json_t *a = json_loads(artifacts, 0, NULL), *f = json_loads(runs, 0, NULL);
    ck_assert_int_eq(collect_runs(&c, f, &err), ERR_OK);
    ck_assert_int_eq(collect_runs(&c, f, &err), ERR_OK); /* a page that shifted lists runs again */
    ck_assert_int_eq(collect_artifacts(&c, a, &err), ERR_OK);
    collect_finish(&c, &r);
    json_decref(a);
    json_decref(f);
    ck_assert_uint_eq(r.measurement_count, 2);
    ck_assert_uint_eq(r.result_count, 1);
    ck_assert_str_eq(r.measurements[0].flow_run_name, "one");
    ck_assert(r.measurements[0].passed);
    ck_assert(!r.measurements[1].passed);
    ck_assert_uint_eq(c.unreadable, 1);
    ck_assert_str_eq(err.detail, "measurement: model must be a text");
    ck_assert_uint_eq(r.failure_count, 3);
    ck_assert_str_eq(r.failures[0].model, "big");
    ck_assert_str_eq(r.failures[0].reason, "does not fit");
    ck_assert_str_eq(r.failures[1].reason, "had not ended when the report was made");
    ck_assert_str_eq(r.failures[2].reason, "completed without a measurement");
    ck_assert_str_eq(measurement_reason(&arena, &r.measurements[0]), "");
    ck_assert_str_eq(measurement_reason(&arena, &r.measurements[1]),
                     "no window was found; note: its run is Failed: no reason was given");
}
END_TEST

START_TEST(an_idle_level_that_stands_apart_is_noted)
{
    struct collection c = {.arena = &arena, .own_run_id = "own"};
    struct report r = {.campaign = "c"};
    json_t *list = json_array(), *found = json_array();
    for (int i = 0; i < 6; i++) {
        const char *id = arena_printf(&arena, "r%d", i);
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:s,s:s}", "id", id, "name", id, "state_type",
                                        "COMPLETED", "state_name", "Completed"));
        json_t *data = json_loads(RECORD("m", "true"), 0, NULL);
        json_object_set_new(data, "model", json_string(id));
        json_object_set_new(data, "baseline_a", json_real(i == 4 ? 0.0171 : 0.0071 + i * 1e-5));
        json_array_append_new(found, json_pack("{s:s,s:o}", "flow_run_id", id, "data", data));
    }
    ck_assert_int_eq(collect_runs(&c, list, &err), ERR_OK);
    ck_assert_int_eq(collect_artifacts(&c, found, &err), ERR_OK);
    collect_finish(&c, &r);
    ck_assert_uint_eq(r.result_count, 6);
    for (size_t i = 0; i < 6; i++)
        ck_assert_str_eq(measurement_reason(&arena, &r.measurements[i]),
                         i == 4 ? "note: its idle current is 0.0171 A, that of the others on this "
                                  "target 0.00713 A: the total energy has the difference in it"
                                : "");
    json_decref(list);
    json_decref(found);
}
END_TEST

/* ---- the step, with a server ---- */

struct server {
    int fd, port, puts;
    const char *refuse; /* a path that is answered with 422 */
    pthread_t thread;
};

static void answer(struct server *s, int fd, const char *head)
{
    const char *body = "{}", *status = "200 OK";
    if (strstr(head, "/artifacts/filter"))
        body = artifacts;
    else if (strstr(head, "/flow_runs/filter"))
        body = runs;
    else if (strncmp(head, "GET /api/switchyard/campaigns/c/runs ", 37) == 0)
        body = "[\"r1\", \"r2\"]";
    else if (strncmp(head, "PUT /api/switchyard/files/", 26) == 0)
        s->puts++;
    if (s->refuse && strstr(head, s->refuse)) {
        status = "422 Unprocessable Entity";
        body = "no such tag";
    }
    dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", status,
            strlen(body), body);
}

/* One request per connection; the body is read to its end and forgotten. */
static void serve_one(struct server *s, int fd)
{
    static char text[1 << 16];
    size_t len = 0, body = 0, want = 0;
    char *end = NULL;
    while (!end && len < sizeof text - 1) {
        ssize_t got = read(fd, text + len, sizeof text - 1 - len);
        if (got <= 0)
            return;
        len += (size_t)got;
        text[len] = 0;
        end = strstr(text, "\r\n\r\n");
    }
    const char *length = strcasestr(text, "content-length:");
    want = length ? (size_t)atol(length + 15) : 0;
    body = len - (size_t)(end + 4 - text);
    char *rest = end + 4;
    end[2] = 0; /* the head is a text of its own */
    while (body < want) {
        ssize_t got = read(fd, rest, sizeof text - (size_t)(rest - text));
        if (got <= 0)
            return;
        body += (size_t)got;
    }
    answer(s, fd, text);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        serve_one(s, fd);
        close(fd);
    }
}

static void server_start(struct server *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(s->fd, (struct sockaddr *)&at, len), 0);
    ck_assert_int_eq(listen(s->fd, 8), 0);
    ck_assert_int_eq(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    s->port = ntohs(at.sin_port);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static void run_step(struct harness *h, const char *api_url)
{
    h->run.api_url = api_url;
    harness_run(h, step_find("report.render"), json_pack("{s:s}", "campaign", "c"));
}

static char *api_of(const struct server *s)
{
    return arena_printf(&arena, "http://127.0.0.1:%d/api", s->port);
}

START_TEST(the_step_renders_uploads_and_registers)
{
    struct server s = {0};
    struct harness h = {0};
    server_start(&s);
    run_step(&h, api_of(&s));
    server_stop(&s);
    ck_assert_msg(h.code == ERR_OK, "%s", h.call.err.detail);
    ck_assert_int_eq(s.puts, 7); /* html, csv, json, two figures in two formats */
    ck_assert_int_eq(json_integer_value(json_object_get(h.call.outputs, "results")), 1);
    ck_assert_ptr_nonnull(
        strstr(h.log, "1 measurements cannot be read: measurement: model must be a text"));
    ck_assert_uint_eq(json_array_size(h.artifacts), 2);
    json_t *text = json_array_get(h.artifacts, 0), *list = json_array_get(h.artifacts, 1);
    ck_assert_str_eq(json_string_value(json_object_get(text, "key")), "energy-report");
    ck_assert_ptr_nonnull(
        strstr(json_string_value(json_object_get(text, "data")), "not measured on hardware"));
    json_t *file = json_array_get(json_object_get(json_object_get(list, "data"), "files"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(file, "name")), "report.html");
    ck_assert_str_eq(json_string_value(json_object_get(file, "sha256")),
                     json_string_value(json_object_get(h.call.outputs, "sha256")));
    harness_free(&h);
}
END_TEST

START_TEST(a_refusal_is_passed_on)
{
    struct server s = {.refuse = "/artifacts/filter"};
    struct harness h = {0};
    server_start(&s);
    run_step(&h, api_of(&s));
    server_stop(&s);
    ck_assert_int_eq(h.code, ERR_INVALID);
    ck_assert_str_eq(h.call.err.detail,
                     "POST /artifacts/filter was answered with 422: no such tag");
    harness_free(&h);
}
END_TEST

START_TEST(without_a_server_it_says_so)
{
    struct harness h = {0};
    run_step(&h, NULL);
    ck_assert_int_eq(h.code, ERR_INVALID);
    ck_assert_str_eq(h.call.err.detail,
                     "report.render needs a server: it reads the campaign from it");
    harness_free(&h);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report_render");
    TCase *t = tcase_create("report_render");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_the_server_lists_becomes_a_report);
    tcase_add_test(t, an_idle_level_that_stands_apart_is_noted);
    tcase_add_test(t, the_step_renders_uploads_and_registers);
    tcase_add_test(t, a_refusal_is_passed_on);
    tcase_add_test(t, without_a_server_it_says_so);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
