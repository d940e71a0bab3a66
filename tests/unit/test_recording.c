/* A recording at any window and width is what looking at every sample gives: traces are written by
 * the agent's code and drawn by the server's. */
#include "server/model/trace.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/lab/trace.h"

enum { PIXELS = 257 };

struct file {
    struct trace trace;
    uint8_t *bytes;
    size_t len;
    struct arena arena;
    struct recording recording;
    struct trace_bin *pyramid;
};

/* Noise whose steps differ by powers of the format's base; numbers repeat from run to run. */
static void fill(struct trace *t, enum sample_code code, size_t samples)
{
    uint32_t seed = 7;
    trace_init(t, code, 1000, 3.3);
    for (size_t k = 0; k < samples; k++) {
        seed = seed * 1664525 + 1013904223;
        uint8_t hex[2] = {(uint8_t)(seed >> 24), (uint8_t)((seed >> 16 & 0xF) | (1 + k % 5) << 4)};
        uint8_t dec[4] = {(uint8_t)(seed >> 24), (uint8_t)(seed >> 16), 0,
                          (uint8_t)(-7 - (int)(k % 4))};
        ck_assert(trace_add(t, code == SAMPLE_HEX16 ? hex : dec, 1));
    }
}

static void open_file(struct file *f)
{
    char path[] = "/tmp/recording-XXXXXX", sha256[TRACE_SHA_TEXT];
    struct err e = {0};
    uint64_t bytes;
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_msg(!trace_write(&f->trace, path, sha256, &bytes, &e), "%s", e.detail);
    FILE *in = fopen(path, "rb");
    ck_assert_ptr_nonnull(in);
    f->len = bytes;
    f->bytes = malloc(f->len);
    ck_assert_uint_eq(fread(f->bytes, 1, f->len, in), f->len);
    fclose(in);
    unlink(path);
    ck_assert_msg(!recording_open(&f->arena, f->bytes, f->len, &f->recording, &e), "%s", e.detail);
    f->pyramid = calloc(pyramid_bins(f->recording.count) + 1, sizeof(*f->pyramid));
    pyramid_build(&f->recording, f->pyramid);
    recording_use(&f->recording, f->pyramid);
}

static void close_file(struct file *f)
{
    arena_reset(&f->arena);
    trace_free(&f->trace);
    free(f->bytes);
    free(f->pyramid);
}

static bool is_suspect(const struct trace *t, uint64_t k)
{
    for (size_t i = 0; i < t->suspect_count; i++)
        if (k >= t->suspects[i].first && k < t->suspects[i].first + t->suspects[i].count)
            return true;
    return false;
}

static void check_pixel(const struct trace *t, uint64_t at, uint64_t end,
                        const struct trace_bin *got)
{
    struct samples s = trace_samples(t);
    double min = INFINITY, max = -INFINITY;
    long double sum = 0;
    uint64_t count = 0;
    for (uint64_t k = at; k < end; k++) {
        if (is_suspect(t, k))
            continue;
        double a = sample_a(&s, k);
        min = fmin(min, a);
        max = fmax(max, a);
        sum += a;
        count++;
    }
    ck_assert_uint_eq(got->count, count);
    ck_assert(got->min == min && got->max == max); /* to the bit */
    if (count)
        ck_assert_double_le(fabs(got->sum / (double)count - (double)(sum / count)),
                            1e-14 * (double)(sum / count));
}

static void check_window(const struct file *f, uint64_t first, uint64_t end, size_t pixels)
{
    static struct trace_bin bins[PIXELS];
    uint64_t stop = end < f->recording.count ? end : f->recording.count;
    size_t count = recording_view(&f->recording, first, end, pixels, bins);
    if (first >= stop) {
        ck_assert_uint_eq(count, 0);
        return;
    }
    ck_assert_uint_eq(count, stop - first < pixels ? stop - first : pixels);
    for (size_t i = 0; i < count; i++)
        check_pixel(&f->trace, first + (stop - first) * i / count,
                    first + (stop - first) * (i + 1) / count, &bins[i]);
}

static void check_windows(const struct file *f)
{
    uint64_t n = f->recording.count;
    check_window(f, 0, n, PIXELS);
    check_window(f, 0, n, 1);
    check_window(f, 0, n + 1000, 3);
    check_window(f, 1, n - 1, 7);
    check_window(f, n - 1, n, PIXELS); /* one sample */
    check_window(f, 0, 1, 1);
    check_window(f, n / 3, n / 3 + 2, PIXELS);
    check_window(f, 255, 258, 1);
    check_window(f, 256, 512, 1);
    check_window(f, n / 2, n, 2);
    uint32_t seed = 1;
    for (int i = 0; i < 40; i++) {
        seed = seed * 1664525 + 1013904223;
        uint64_t first = (seed >> 8) % n, len = 1 + (seed >> 4) % (n - first);
        check_window(f, first, first + len, 1 + seed % PIXELS);
    }
}

/* Around the widths of bins, and no multiple of anything. */
static const size_t lengths[] = {1, 2, 255, 256, 257, 700, 4096, 4097, 70001};

START_TEST(every_window_is_exact)
{
    struct file f = {0};
    fill(&f.trace, _i % 2 ? SAMPLE_DEC32 : SAMPLE_HEX16, lengths[_i / 2]);
    open_file(&f);
    ck_assert_uint_eq(f.recording.count, lengths[_i / 2]);
    if (lengths[_i / 2] > 1)
        check_windows(&f);
    else
        check_window(&f, 0, 1, PIXELS);
    close_file(&f);
}
END_TEST

START_TEST(what_is_lost_counts_nowhere)
{
    static const struct stream_block blocks[] = {
        {9000, 1000, 0, 0, BLOCK_DAMAGED}, {300, 20, 0, 0, BLOCK_COUNT},
        {310, 999, 0, 0, BLOCK_COUNT},     {5000, 0, 0, 0, BLOCK_COUNT},
        {0, 1, 0, 0, BLOCK_CLOCK},         {69990, 500, 0, 0, BLOCK_COUNT},
    };
    struct file f = {0};
    struct trace_bin bin;
    fill(&f.trace, SAMPLE_HEX16, 70001);
    for (size_t i = 0; i < COUNT(blocks); i++)
        trace_suspect(&f.trace, &blocks[i]);
    open_file(&f);
    ck_assert_uint_eq(f.recording.suspect_count, 4); /* two touch, one is empty */
    ck_assert_uint_eq(f.recording.lost, f.trace.lost);
    check_windows(&f);
    ck_assert_uint_eq(recording_view(&f.recording, 9000, 10000, 1, &bin), 1);
    ck_assert_uint_eq(bin.count, 0); /* no figure rather than a wrong one */
    close_file(&f);
}
END_TEST

START_TEST(an_empty_recording_has_no_pixel)
{
    struct file f = {0};
    struct trace_bin bin;
    fill(&f.trace, SAMPLE_HEX16, 0);
    open_file(&f);
    ck_assert_uint_eq(recording_view(&f.recording, 0, 10, 1, &bin), 0);
    close_file(&f);
}
END_TEST

/* No cut and no changed byte of the head leads outside of the file. */
START_TEST(damage_is_refused_or_harmless)
{
    struct file f = {0};
    struct arena a = {0};
    struct recording r;
    struct err e;
    fill(&f.trace, SAMPLE_HEX16, 700);
    trace_suspect(&f.trace, &(struct stream_block){300, 20, 0, 0, BLOCK_COUNT});
    open_file(&f);
    for (size_t len = 0; len < f.len; len++) {
        uint8_t *cut = malloc(len + 1); /* ASan watches its end */
        memcpy(cut, f.bytes, len);
        if (recording_open(&a, cut, len, &r, &e) == ERR_OK)
            ck_assert_uint_eq(r.count, 700);
        free(cut);
        arena_reset(&a);
    }
    for (size_t at = 0; at < 400; at++) {
        uint8_t was = f.bytes[at];
        f.bytes[at] = (uint8_t)(was + 1);
        if (recording_open(&a, f.bytes, f.len, &r, &e) == ERR_OK)
            ck_assert_uint_le(r.count * r.sample_bytes, f.len);
        f.bytes[at] = was;
        arena_reset(&a);
    }
    close_file(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("recording");
    TCase *c = tcase_create("view");
    tcase_add_loop_test(c, every_window_is_exact, 0, 2 * COUNT(lengths));
    tcase_add_test(c, what_is_lost_counts_nowhere);
    tcase_add_test(c, an_empty_recording_has_no_pixel);
    tcase_add_test(c, damage_is_refused_or_harmless);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? 1 : 0;
}
