/* The published answers of MLPerf Tiny v1.2, and folders with damage in them. */
#include "worker/lab/energy.h"
#include "worker/lab/mlperf.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const folders[] = {
    "NUCLEO_L4R5ZI/ad",   "NUCLEO_L4R5ZI/ic",   "NUCLEO_L4R5ZI/kws",   "NUCLEO_L4R5ZI/vww",
    "NUCLEO_U575ZI_Q/ad", "NUCLEO_U575ZI_Q/ic", "NUCLEO_U575ZI_Q/kws", "NUCLEO_U575ZI_Q/vww",
};
static const double medians_uj[] = {203.368, 6919.375, 1820.454, 3894.566,
                                    81.875,  2578.969, 656.163,  1354.685};

static const char *shared_data(void)
{
    static char path[512];
    const char *given = getenv("SWITCHYARD_SHARED");
    const char *const tries[] = {given ? given : "../shared", "../shared", "../../shared"};
    for (size_t i = 0; i < COUNT(tries); i++) {
        snprintf(path, sizeof(path), "%s/data/mlperf-tiny-v1.2", tries[i]);
        if (!access(path, R_OK))
            return path;
    }
    return NULL;
}

START_TEST(reproduces_every_published_window)
{
    const char *base = shared_data();
    if (!base) {
        printf("mlperf: skipped, no shared data\n");
        return;
    }
    size_t windows = 0;
    for (size_t i = 0; i < COUNT(folders); i++) {
        char path[600];
        snprintf(path, sizeof(path), "%s/%s", base, folders[i]);
        struct mlperf m;
        struct err e = {0};
        ck_assert_msg(!mlperf_read(path, &m, &e), "%s: %s", path, e.detail);
        ck_assert(m.published);
        ck_assert_double_lt(m.worst_published_rel, 1e-8);
        double per_inference[8];
        for (size_t w = 0; w < m.window_count; w++)
            per_inference[w] = m.windows[w].energy_j * 1e6 / (double)m.windows[w].inferences;
        ck_assert_double_lt(fabs(stat_median(per_inference, m.window_count) - medians_uj[i]),
                            0.00051);
        windows += m.window_count;
        mlperf_free(&m);
    }
    ck_assert_uint_eq(windows, 40);
}
END_TEST

/* A small folder of our own: 1 kS/s, 100 samples, two windows; then one thing is broken. */
struct damage {
    const char *what;
    size_t bin_bytes; /* 0: whole */
    size_t flip_at;   /* 0: none, else this byte of the bin is replaced by flip_to */
    uint8_t flip_to;
    const char *stamps, *results; /* NULL: intact; "": no file */
    const char *reason;           /* NULL: is accepted */
};

#define STAMPS "[0.001, 0.010, 0.030, 0.050, 0.070]"
#define RESULTS                                                                                    \
    "1 ulp-ml: Energy data for window 2 at time 0.01 for 0.02 sec.:\n"                             \
    "1 ulp-ml:   Energy       :       40.000 uJ\n"                                                 \
    "1 ulp-ml:   Energy/Inf.  :       4.000 uJ/inf.\n"                                             \
    "1 ulp-ml: Energy data for window 4 at time 0.05 for 0.02 sec.:\n"                             \
    "1 ulp-ml:   Energy       :       40.000 uJ\n"                                                 \
    "1 ulp-ml:   Energy/Inf.  :       4.000 uJ/inf.\n"                                             \
    "1 ulp-ml: Performance results for window 2:\n1 ulp-ml:   # Inferences :    10\n"              \
    "1 ulp-ml: Performance results for window 4:\n1 ulp-ml:   # Inferences :    10\n"

static const struct damage damages[] = {
    {"intact"},
    {"unpublished", .results = ""},
    {"cut inside a sample", .bin_bytes = 403, .reason = "5 + 4N"},
    {"cut before the last window", .bin_bytes = 205, .reason = "is cut off"},
    {"empty", .bin_bytes = 1, .reason = "head"},
    {"first byte", .flip_at = 805, .reason = "0xF1"},
    {"rate", .flip_at = 4, .flip_to = 0xC4, .reason = "sample rate"},
    {"exponent of a sample", .flip_at = 5 + 4 * 15 + 3, .flip_to = 0x7F, .reason = "sample 15"},
    {"high bit of a mantissa", .flip_at = 5 + 4 * 15 + 2, .flip_to = 0x40, .reason = "damaged"},
    {"spike, unpublished", .flip_at = 5 + 4 * 15 + 3, .flip_to = 0x41, .results = "",
     .reason = "stands alone"},
    {"gap, unpublished", .flip_at = 5 + 4 * 15 + 3, .flip_to = 0, .results = "", .reason = "a gap"},
    {"another median", .results = RESULTS "1 ulp-ml: Median energy cost is 5.000 uJ/inf.\n",
     .reason = "the median is"},
    {"no stamps", .stamps = "", .reason = "trace1-timestamps.json"},
    {"stamps cut", .stamps = "[0.001, 0.010, 0.0", .reason = "damaged at line"},
    {"one stamp missing", .stamps = "[0.010, 0.030, 0.050, 0.070]", .reason = "2N + 1"},
    {"stamps not in order", .stamps = "[0.001, 0.030, 0.010, 0.050, 0.070]", .reason = "stamp 2"},
    {"stamp is a text", .stamps = "[0.001, \"x\", 0.030, 0.050, 0.070]", .reason = "stamp 1"},
    {"stamp moved", .stamps = "[0.001, 0.013, 0.030, 0.050, 0.070]", .reason = "window 2"},
    {"stamp beyond", .stamps = "[0.001, 0.010, 0.030, 0.050, 0.170]", .reason = "another trace"},
    {"another number of inferences", .results = RESULTS "1 ulp-ml:   # Inferences :    11\n",
     .reason = "is not 4.000"},
    {"another throughput",
     .results = RESULTS "1 ulp-ml:   Runtime      :        0.020 sec.\n"
                        "1 ulp-ml:   Throughput   :      550.000 inf./sec.\n",
     .reason = "are not 550.000 a second"},
    {"a window of 1e300", .results = RESULTS "Performance results for window 1e300:\n",
     .reason = "names window 1e+300"},
    {"results of another run",
     .results = "1 ulp-ml: Energy data for window 2 at time 0.01 for 0.02 sec.:\n",
     .reason = "1 windows"},
};

/* 40 uJ / 4.000 uJ is 10 and nothing else; 40 uJ / 0.004 uJ is anything from 8000 to 12000. */
static const struct {
    const char *each;
    uint64_t inferences;
} implied[] = {{"4.000", 10}, {"40.000", 1}, {"0.004", 0}, {"0.000", 0}};

static void write_file(const char *folder, const char *name, const void *bytes, size_t len)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    unlink(path);
    if (!len)
        return;
    FILE *f = fopen(path, "wb");
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    fclose(f);
}

START_TEST(names_the_damage)
{
    const struct damage *d = &damages[_i];
    char folder[] = "/tmp/mlperf-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    uint8_t bin[405] = {0xF1, 0, 0, 0x7A, 0x44}; /* 1000.0f */
    for (int i = 0; i < 100; i++)
        memcpy(bin + 5 + 4 * i, (uint8_t[]){0, 0, 0, 0x40}, 4); /* 2.0f */
    if (d->flip_at)
        bin[d->flip_at % 805] = d->flip_to;
    write_file(folder, "trace1-energy.bin", bin, d->bin_bytes ? d->bin_bytes : sizeof(bin));
    const char *stamps = d->stamps ? d->stamps : STAMPS,
               *results = d->results ? d->results : RESULTS;
    write_file(folder, "trace1-timestamps.json", stamps, strlen(stamps));
    write_file(folder, "results.txt", results, strlen(results));

    struct mlperf m = {0};
    struct err e = {0};
    enum err_code code = mlperf_read(folder, &m, &e);
    if (d->reason) {
        ck_assert_msg(code, "%s: accepted", d->what);
        ck_assert_msg(strstr(e.detail, d->reason), "%s: \"%s\" lacks \"%s\"", d->what, e.detail,
                      d->reason);
    } else {
        ck_assert_msg(!code, "%s: %s", d->what, e.detail);
        ck_assert_uint_eq(m.window_count, 2);
        ck_assert_double_eq_tol(m.windows[1].energy_j, 40e-6, 1e-15);
        ck_assert_uint_eq(m.windows[0].inferences, m.published ? 10 : 0);
    }
    mlperf_free(&m);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(cut_results_imply_inferences_or_none)
{
    char folder[] = "/tmp/mlperf-XXXXXX", results[512] = "";
    ck_assert_ptr_nonnull(mkdtemp(folder));
    uint8_t bin[405] = {0xF1, 0, 0, 0x7A, 0x44};
    for (int i = 0; i < 100; i++)
        memcpy(bin + 5 + 4 * i, (uint8_t[]){0, 0, 0, 0x40}, 4);
    for (int w = 0; w < 2; w++)
        snprintf(results + strlen(results), sizeof(results) - strlen(results),
                 "1 ulp-ml: Energy data for window %d at time 0.0%d for 0.02 sec.:\n"
                 "1 ulp-ml:   Energy       :       40.000 uJ\n"
                 "1 ulp-ml:   Energy/Inf.  :       %s uJ/inf.\n",
                 2 * w + 2, 4 * w + 1, implied[_i].each);
    write_file(folder, "trace1-energy.bin", bin, sizeof(bin));
    write_file(folder, "trace1-timestamps.json", STAMPS, strlen(STAMPS));
    write_file(folder, "results.txt", results, strlen(results));
    struct mlperf m;
    struct err e = {0};
    ck_assert_msg(!mlperf_read(folder, &m, &e), "%s", e.detail);
    ck_assert_uint_eq(m.windows[0].inferences, implied[_i].inferences);
    ck_assert_uint_eq(m.published, 2);
    mlperf_free(&m);
    char command[64];
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mlperf");
    TCase *t = tcase_create("read");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, reproduces_every_published_window);
    tcase_add_loop_test(t, names_the_damage, 0, (int)COUNT(damages));
    tcase_add_loop_test(t, cut_results_imply_inferences_or_none, 0, (int)COUNT(implied));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
