#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/report/html.h"
#include "worker/report/report.h"

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

/* ---- scales ---- */

static const struct {
    double value;
    int digits;
    const char *text;
} si_rows[] = {
    {7.21e-4, 4, "721.0\u00a0µJ"},   {0.0101, 3, "10.1\u00a0mJ"},
    {3.3, 2, "3.3\u00a0J"},          {0, 4, "0.000\u00a0J"},
    {999.96e-6, 4, "1.000\u00a0mJ"}, {-2e-9, 3, "−2.00\u00a0nJ"},
    {1234567, 3, "1.23\u00a0MJ"},    {NAN, 3, "–"},
};

START_TEST(numbers_carry_si_prefixes)
{
    char text[SI_TEXT_BYTES];
    si_format(si_rows[_i].value, "J", si_rows[_i].digits, text);
    ck_assert_str_eq(text, si_rows[_i].text);
}
END_TEST

/* Each axis holds its data, has between 2 and 12 numbers, and takes the kind one would draw by
 * hand. */
static const struct {
    double min, max;
    bool log;
    double starts_at; /* NAN: wherever */
} axis_rows[] = {
    {0.001, 0.02, false, 0}, {0.95, 1.0, false, NAN},    {1e-6, 1e-2, true, NAN},
    {4e-6, 3e-4, true, NAN}, {0, 0, false, 0},           {5, 5, false, NAN},
    {1e-9, 10, true, NAN},   {-0.002, 0.01, false, NAN},
};

START_TEST(axes_hold_their_data)
{
    struct scale s = scale_fit(axis_rows[_i].min, axis_rows[_i].max, true);
    struct ticks ticks;
    size_t labelled = 0;
    ck_assert_int_eq(s.log, axis_rows[_i].log);
    ck_assert_double_le(s.min, axis_rows[_i].min + 1e-12);
    ck_assert_double_ge(s.max, axis_rows[_i].max);
    if (!isnan(axis_rows[_i].starts_at))
        ck_assert_double_eq(s.min, axis_rows[_i].starts_at);
    scale_ticks(&s, 8, &ticks);
    for (size_t i = 0; i < ticks.count; i++) {
        labelled += ticks.tick[i].labelled;
        double at = scale_at(&s, ticks.tick[i].value);
        ck_assert(at > -1e-6 && at < 1 + 1e-6);
    }
    ck_assert_msg(labelled >= 2 && labelled <= 12, "%zu numbers", labelled);
}
END_TEST

/* ---- documents ---- */

static const char record[] =
    "{\"model\":\"<b>ad01\",\"target\":\"netduinoplus2\",\"board\":\"sim-1\",\"meter\":null,"
    "\"emulated\":true,"
    "\"firmware_commit\":\"9f0c\",\"build_id\":\"a1b2\",\"volts\":3.3,\"sample_rate_hz\":100000,"
    "\"samples\":1250000,"
    "\"lost\":0,\"windows\":[{\"start_s\":1,\"end_s\":2,\"inferences\":100,\"energy_j\":0.0721,"
    "\"energy_per_inference_j\":7.21e-4,\"dynamic_energy_per_inference_j\":4.9e-4,\"latency_s\":0."
    "01}],"
    "\"median_energy_per_inference_j\":7.21e-4,\"mad_energy_per_inference_j\":8e-7,"
    "\"median_dynamic_energy_per_inference_j\":4.9e-4,\"latency_s\":0.01,\"baseline_a\":0.007,"
    "\"uncertainty_rel\":0.0066,\"gates\":[{\"name\":\"repeatability\",\"passed\":true,\"value\":0."
    "002,"
    "\"limit\":0.01,\"detail\":\"0.2 %\"}],\"flash_bytes\":301224,\"ram_bytes\":null,"
    "\"trace\":{\"sha256\":\"abcd\"},\"warnings\":[],\"provenance\":{\"meter_temperature_c\":27.5},"
    "\"preview\":{\"bin_s\":0.5,\"min_a\":[0.007,0.02,0.007],\"mean_a\":[0.0071,0.021,0.0071],"
    "\"max_a\":[0.0072,0.03,0.0072]}}";

static json_t *document(void)
{
    json_t *d = json_loads(record, 0, NULL);
    ck_assert_ptr_nonnull(d);
    return d;
}

START_TEST(a_record_is_read_as_documented)
{
    struct measurement m;
    json_t *d = document();
    ck_assert_msg(measurement_read(&arena, d, &m, &err) == ERR_OK, "%s", err.detail);
    json_decref(d);
    ck_assert_str_eq(m.target, "netduinoplus2");
    ck_assert_str_eq(m.meter, "");
    ck_assert_double_eq(m.energy_j, 7.21e-4);
    ck_assert_double_eq(m.windows[0].end_s, 2);
    ck_assert_uint_eq(m.point_count, 3);
    ck_assert_double_eq(m.points[1].t_s, 0.75);
    ck_assert(isnan(m.dynamic_energy_mad_j));
    ck_assert(m.passed && m.emulated);
    ck_assert_str_eq(m.trace_sha256, "abcd");
    ck_assert_double_eq(m.meter_temperature_c, 27.5);
}
END_TEST

static const struct {
    const char *member, *value, *detail;
} refused[] = {
    {"model", "null", "measurement: model is missing"},
    {"emulated", "\"yes\"", "measurement: emulated must be true or false"},
    {"samples", "1.5", "measurement: samples must be a whole number"},
    {"windows", "{}", "measurement: windows must be a list"},
    {"windows", "[3]", "measurement: windows[]. must be an object"},
    {"windows", "[{\"start_s\":1}]", "measurement: windows[].end_s is missing"},
    {"gates", "[{\"name\":\"x\"}]", "measurement: gates[].passed is missing"},
};

START_TEST(bad_records_are_refused_with_a_reason)
{
    struct measurement m;
    json_t *d = document();
    json_object_set_new(d, refused[_i].member,
                        json_loads(refused[_i].value, JSON_DECODE_ANY, NULL));
    ck_assert_int_eq(measurement_read(&arena, d, &m, &err), ERR_INVALID);
    json_decref(d);
    ck_assert_str_eq(err.detail, refused[_i].detail);
}
END_TEST

/* ---- reports ---- */

/* A result, one with a failed gate, a better one on another target, and a run without any. */
static struct report sample(void)
{
    static struct measurement m[3];
    static struct failed_run f = {.id = "1",
                                  .flow_id = "f",
                                  .name = "clever-otter",
                                  .model = "big",
                                  .target = "an386",
                                  .state = "Failed",
                                  .reason = "does not fit: <FLASH>"};
    struct report r = {.campaign = "nightly <1>",
                       .made_us = 1700000000000000,
                       .measurements = m,
                       .failures = &f,
                       .measurement_count = 3,
                       .failure_count = 1};
    json_t *d = document();
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(measurement_read(&arena, d, &m[i], &err), ERR_OK);
    json_decref(d);
    m[1].gates[0] =
        (struct measured_gate){"repeatability", "3.1 %, at most 1 %", 0.031, 0.01, false};
    m[1].passed = false;
    m[1].energy_j = 9.99e-4;
    m[2].target = "an386";
    m[2].energy_j = 5e-4;
    m[2].latency_s = 0.005;
    report_sort(&arena, &r);
    return r;
}

static const char *text_of(struct buf *b)
{
    buf_add(b, "", 1);
    ck_assert(!b->full);
    return b->bytes;
}

START_TEST(the_page_shows_results_and_what_is_none)
{
    struct report r = sample();
    struct buf b = {.max_bytes = 8 << 20};
    ck_assert_int_eq(report_html(&arena, &r, &b, &err), ERR_OK);
    const char *html = text_of(&b);
    const char *const expected[] = {"nightly &lt;1&gt;",
                                    "&lt;b&gt;ad01",
                                    "721.0\u00a0µJ",
                                    "490.0\u00a0µJ",
                                    "2 of 4",
                                    "repeatability: 3.1 %, at most 1 %",
                                    "does not fit: &lt;FLASH&gt;",
                                    "no figure in this report was measured",
                                    "content:\"EMULATED\"",
                                    "294\u00a0KiB",
                                    "1\u00a0×\u00a0100"};
    for (size_t i = 0; i < COUNT(expected); i++)
        ck_assert_msg(strstr(html, expected[i]) != NULL, "missing: %s", expected[i]);
    const char *const absent[] = {"<b>ad01", "999.0\u00a0µJ", "http://", "https://", "<script"};
    for (size_t i = 0; i < COUNT(absent); i++)
        ck_assert_msg(strstr(html, absent[i]) == NULL, "present: %s", absent[i]);
    buf_free(&b);
}
END_TEST

/* Hardware and emulator in one report: no figure says more than it is. */
START_TEST(some_are_emulated)
{
    struct report r = sample();
    struct buf b = {.max_bytes = 8 << 20}, text = {.max_bytes = 1 << 20};
    r.measurements[0].emulated = false;
    report_sort(&arena, &r);
    ck_assert_int_eq(report_html(&arena, &r, &b, &err), ERR_OK);
    const char *html = text_of(&b);
    const char *const expected[] = {"2 of 3 measurements are emulated", "latency. Partly emulated.",
                                    "content:\"PARTLY EMULATED\"", ">measured<"};
    for (size_t i = 0; i < COUNT(expected); i++)
        ck_assert_msg(strstr(html, expected[i]) != NULL, "missing: %s", expected[i]);
    report_markdown(&arena, &r, &text);
    ck_assert_ptr_nonnull(strstr(text_of(&text), "**Some figures are emulated"));
    buf_free(&b);
    buf_free(&text);
}
END_TEST

START_TEST(only_what_nothing_beats_is_on_the_front)
{
    struct report r = sample();
    for (size_t i = 0; i < r.measurement_count; i++)
        ck_assert_int_eq(report_is_pareto(&r, &r.measurements[i]),
                         strcmp(r.measurements[i].target, "an386") == 0);
}
END_TEST

START_TEST(csv_has_a_row_for_each_run)
{
    struct report r = sample();
    struct buf b = {.max_bytes = 1 << 20};
    r.failures[0].reason = "=cmd, \"x\"";
    report_csv(&r, &b);
    const char *csv = text_of(&b);
    size_t lines = 0, commas[2] = {0};
    for (const char *p = csv; *p; p++) {
        commas[lines != 0] += *p == ',' && lines < 2;
        lines += *p == '\n';
    }
    ck_assert_uint_eq(lines, 5);
    ck_assert_uint_eq(commas[0], commas[1]);
    ck_assert_ptr_nonnull(strstr(csv, "\r\nresult,emulated,,1,<b>ad01,an386,"));
    ck_assert_ptr_nonnull(
        strstr(csv, "not a result,emulated,\"repeatability: 3.1 %, at most 1 %\",1,"));
    ck_assert_ptr_nonnull(strstr(csv, "no measurement,,\"'=cmd, \"\"x\"\"\",0,big,an386,"));
    buf_free(&b);
}
END_TEST

START_TEST(json_can_be_read_back)
{
    struct report r = sample();
    struct buf b = {.max_bytes = 1 << 20};
    report_json(&r, &b);
    json_t *root = json_loads(text_of(&b), 0, NULL), *first;
    ck_assert_ptr_nonnull(root);
    ck_assert_uint_eq(json_array_size(json_object_get(root, "measurements")), 3);
    first = json_array_get(json_object_get(root, "measurements"), 0);
    ck_assert_str_eq(json_string_value(json_object_get(first, "status")), "result");
    ck_assert_double_eq(json_number_value(json_object_get(first, "median_energy_per_inference_j")),
                        5e-4);
    ck_assert(json_is_null(json_object_get(first, "mad_dynamic_energy_per_inference_j")));
    ck_assert(json_is_true(json_object_get(root, "emulated")));
    json_decref(root);
    buf_free(&b);
}
END_TEST

START_TEST(figures_are_drawn_for_any_number_of_models)
{
    static const size_t counts[] = {0, 1, 8, 30, 300};
    size_t n = counts[_i];
    struct report r = {.campaign = "c",
                       .measurements = calloc(n + 1, sizeof *r.measurements),
                       .measurement_count = n};
    for (size_t i = 0; i < n; i++)
        r.measurements[i] =
            (struct measurement){.model = arena_printf(&arena, "model_%03zu_with_a_long_name", i),
                                 .target = i % 2 ? "a" : "b",
                                 .energy_j = 1e-6 * (double)(i + 1),
                                 .latency_s = 1e-3,
                                 .dynamic_energy_j = NAN,
                                 .uncertainty_rel = 0.2,
                                 .passed = true};
    report_sort(&arena, &r);
    for (int theme = CHART_LIGHT; theme <= CHART_DARK; theme++) {
        struct buf svg = {.max_bytes = 8 << 20}, png = {.max_bytes = 8 << 20};
        struct chart_target to_svg = {CHART_SVG, (enum chart_theme)theme, &svg};
        struct chart_target to_png = {CHART_PNG, (enum chart_theme)theme, &png};
        ck_assert_int_eq(report_figure_energy(&arena, &r, to_svg, &err), ERR_OK);
        ck_assert_int_eq(report_figure_pareto(&arena, &r, to_png, &err), ERR_OK);
        ck_assert(svg.len > 500 && memcmp(svg.bytes, "<?xml", 5) == 0);
        ck_assert(png.len > 500 && memcmp(png.bytes, "\x89PNG", 4) == 0);
        buf_free(&svg);
        buf_free(&png);
    }
    free(r.measurements);
}
END_TEST

START_TEST(a_full_buffer_is_an_error)
{
    struct report r = sample();
    struct buf b = {.max_bytes = 3000};
    ck_assert_int_eq(report_figure_trace(&r.measurements[0],
                                         (struct chart_target){CHART_PNG, CHART_LIGHT, &b}, &err),
                     ERR_TOO_LARGE);
    ck_assert_str_eq(err.detail, "plot: larger than 3000 bytes");
    buf_free(&b);
}
END_TEST

START_TEST(a_report_is_a_folder_of_files)
{
    struct report r = sample();
    struct report_files files;
    char folder[] = "/tmp/test_report_XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_msg(report_write(&arena, &r, folder, &files, &err) == ERR_OK, "%s", err.detail);
    ck_assert_uint_eq(files.count, 3 + 2 * 5);
    for (size_t i = 0; i < files.count; i++) {
        const char *path = arena_printf(&arena, "%s/%s", folder, files.file[i].name);
        ck_assert_msg(unlink(path) == 0, "%s is not there", path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(an_unwritable_folder_is_named)
{
    struct report r = sample();
    struct report_files files;
    ck_assert_int_eq(report_write(&arena, &r, "/nonexistent", &files, &err), ERR_IO);
    ck_assert_str_eq(err.detail, "/nonexistent/report.html: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *t = tcase_create("report");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, numbers_carry_si_prefixes, 0, COUNT(si_rows));
    tcase_add_loop_test(t, axes_hold_their_data, 0, COUNT(axis_rows));
    tcase_add_test(t, a_record_is_read_as_documented);
    tcase_add_loop_test(t, bad_records_are_refused_with_a_reason, 0, COUNT(refused));
    tcase_add_test(t, the_page_shows_results_and_what_is_none);
    tcase_add_test(t, some_are_emulated);
    tcase_add_test(t, only_what_nothing_beats_is_on_the_front);
    tcase_add_test(t, csv_has_a_row_for_each_run);
    tcase_add_test(t, json_can_be_read_back);
    tcase_add_loop_test(t, figures_are_drawn_for_any_number_of_models, 0, 5);
    tcase_add_test(t, a_full_buffer_is_an_error);
    tcase_add_test(t, a_report_is_a_folder_of_files);
    tcase_add_test(t, an_unwritable_folder_is_named);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
