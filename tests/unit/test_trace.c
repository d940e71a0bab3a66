/* Traces: what is written is read, and no damage passes. */
#include "worker/lab/trace.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/base/fault.h"

static char folder[] = "/tmp/trace-XXXXXX";
static char path[64];

static void make_folder(void)
{
    strcpy(folder, "/tmp/trace-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/t.syt", folder);
}

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

static void fill(struct trace *t, size_t samples)
{
    trace_init(t, SAMPLE_HEX16, 1000, 3.3);
    for (size_t k = 0; k < samples; k++) {
        uint8_t raw[2] = {(uint8_t)k, (uint8_t)(0x41 + k % 3)};
        ck_assert(trace_add(t, raw, 1));
    }
    trace_mark(t, 10, "start", "SY-START n=5");
    trace_window(t, &(struct trace_window){0.1, 0.2, 5, 0.1});
    trace_suspect(t, &(struct stream_block){300, 20, 0, 0, BLOCK_COUNT});
    t->provenance = json_pack("{s:s}", "meter", "m1");
}

static void write_trace(size_t samples)
{
    struct trace t;
    struct err e = {0};
    char sha256[TRACE_SHA_TEXT];
    uint64_t bytes;
    fill(&t, samples);
    ck_assert_msg(!trace_write(&t, path, sha256, &bytes, &e), "%s", e.detail);
    ck_assert_uint_eq(strlen(sha256), 64);
    trace_free(&t);
}

START_TEST(what_is_written_is_read)
{
    struct trace t, wrote;
    struct err e = {0};
    write_trace(700);
    fill(&wrote, 700);
    ck_assert_msg(!trace_read(path, &t, &e), "%s", e.detail);
    ck_assert_uint_eq(trace_count(&t), 700);
    ck_assert(!memcmp(t.raw.bytes, wrote.raw.bytes, 1400));
    ck_assert(t.rate_hz == 1000 && t.volts_v == 3.3 && t.lost == 20);
    ck_assert_uint_eq(t.mark_count, 1);
    ck_assert_str_eq(t.marks[0].text, "SY-START n=5");
    ck_assert(t.windows[0].start_s == 0.1 && t.windows[0].inferences == 5);
    ck_assert_uint_eq(t.suspects[0].verdict, BLOCK_COUNT);
    ck_assert_str_eq(json_string_value(json_object_get(t.provenance, "meter")), "m1");
    trace_free(&t);
    trace_free(&wrote);
}
END_TEST

static uint8_t *read_file(size_t *out_len)
{
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    uint8_t *bytes = malloc(1 << 20);
    *out_len = fread(bytes, 1, 1 << 20, f);
    fclose(f);
    return bytes;
}

static void check_refused(const uint8_t *bytes, size_t len, const char *what, size_t at)
{
    struct trace t;
    struct err e = {0};
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
    ck_assert_msg(trace_read(path, &t, &e) == ERR_INVALID, "%s %zu was accepted", what, at);
    ck_assert_msg(strstr(e.detail, "damaged") || strstr(e.detail, "cut off") ||
                      strstr(e.detail, "not a trace") || strstr(e.detail, "after its end"),
                  "%s", e.detail);
}

START_TEST(no_damage_passes)
{
    size_t len;
    write_trace(210);
    uint8_t *bytes = read_file(&len);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0x10;
        check_refused(bytes, len, "byte", at);
        bytes[at] ^= 0x10;
        check_refused(bytes, at, "length", at);
    }
    bytes[len] = 0;
    check_refused(bytes, len + 1, "length", len + 1);
    free(bytes);
}
END_TEST

START_TEST(a_full_disk_leaves_nothing)
{
    struct trace t;
    struct err e = {0};
    char sha256[TRACE_SHA_TEXT];
    uint64_t bytes;
    fill(&t, 10);
    fault_arm("trace.write", 3);
    ck_assert_int_eq(trace_write(&t, path, sha256, &bytes, &e), ERR_IO);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(trace_write(&t, "/dev/full", sha256, &bytes, &e), ERR_IO);
    ck_assert_ptr_nonnull(strstr(e.detail, "No space left"));
    trace_free(&t);
}
END_TEST

START_TEST(views_cover_all_samples)
{
    struct trace t;
    struct trace_point points[10];
    fill(&t, 95);
    ck_assert_uint_eq(trace_view(&t, 0, 95, 10, points), 10);
    struct samples s = trace_samples(&t);
    double max = 0;
    for (size_t k = 10; k < 20; k++)
        max = sample_a(&s, k) > max ? sample_a(&s, k) : max;
    ck_assert_float_eq(points[1].max_a, (float)max);
    ck_assert(points[1].min_a <= points[1].mean_a && points[1].mean_a <= points[1].max_a);
    ck_assert_uint_eq(trace_view(&t, 90, 1000, 10, points), 5);
    ck_assert_uint_eq(trace_view(&t, 95, 95, 10, points), 0);
    trace_free(&t);
}
END_TEST

/* Each level {width, bins} as u32, then a point per `width` samples: also when they do not divide
 * the recording. */
START_TEST(suspect_blocks_count_nowhere)
{
    struct trace t;
    fill(&t, 700); /* window 0.1 to 0.2 s, suspect 300 to 320 */
    struct samples s = trace_samples(&t);
    double sum = 0;
    for (size_t k = 290; k < 330; k++)
        sum += k < 300 || k >= 320 ? sample_a(&s, k) : 0;
    ck_assert_double_eq_tol(trace_mean_a(&t, 290, 330), sum / 20, 1e-15);
    ck_assert_double_eq_tol(trace_mean_a(&t, 310, 330), trace_mean_a(&t, 320, 330), 1e-15);
    ck_assert(trace_mean_a(&t, 305, 315) == 0 && trace_mean_a(&t, 690, 9000) > 0);
    ck_assert(!trace_lost_inside(&t));
    trace_window(&t, &(struct trace_window){0.25, 0.301, 5, 0.051});
    ck_assert(trace_lost_inside(&t));
    ck_assert_double_lt(trace_clock_error_rel(&t), 1e-9);
    trace_window(&t, &(struct trace_window){0.4, 0.5, 5, 0.08});
    ck_assert_double_eq_tol(trace_clock_error_rel(&t), 0.25, 1e-9);
    trace_window(&t, &(struct trace_window){0.5, 0.6, 5, 0});
    ck_assert(trace_clock_error_rel(&t) == 1);
    trace_free(&t);
}
END_TEST

START_TEST(the_pyramid_has_bins_of_its_width)
{
    enum { SAMPLES = 4500, PART_HEAD = 12 };
    struct trace t;
    size_t len;
    uint32_t head[2];
    struct trace_point point;
    fill(&t, SAMPLES);
    struct samples s = trace_samples(&t);
    write_trace(SAMPLES);
    uint8_t *bytes = read_file(&len);
    const uint8_t *p = memmem(bytes, len, "PYRA", 4), *end;
    ck_assert_ptr_nonnull(p);
    end = p + PART_HEAD + (p[4] | p[5] << 8);
    p += PART_HEAD;
    for (uint32_t width = 256; width <= SAMPLES; width *= 16) {
        memcpy(head, p, sizeof(head));
        p += sizeof(head);
        ck_assert_uint_eq(head[0], width);
        ck_assert_uint_eq(head[1], (SAMPLES + width - 1) / width);
        for (size_t bin = 0; bin < head[1]; bin++, p += sizeof(point)) {
            size_t first = bin * width, stop = first + width < SAMPLES ? first + width : SAMPLES;
            double sum = 0;
            for (size_t k = first; k < stop; k++)
                sum += sample_a(&s, k);
            memcpy(&point, p, sizeof(point));
            ck_assert_float_eq(point.mean_a, (float)(sum / (double)(stop - first)));
            ck_assert(point.min_a <= point.mean_a && point.mean_a <= point.max_a);
        }
    }
    ck_assert_ptr_eq(p, end);
    free(bytes);
    trace_free(&t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("trace");
    TCase *t = tcase_create("trace");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, what_is_written_is_read);
    tcase_add_test(t, no_damage_passes);
    tcase_add_test(t, a_full_disk_leaves_nothing);
    tcase_add_test(t, views_cover_all_samples);
    tcase_add_test(t, suspect_blocks_count_nowhere);
    tcase_add_test(t, the_pyramid_has_bins_of_its_width);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
