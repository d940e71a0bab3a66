/* Published MLPerf Tiny traces, played by the simulator through stream and driver: each median
 * within 0.2 % (the quantiser's step).  Two traces; all eight with SWITCHYARD_ALL_TRACES set. */
#include <math.h>

#include "tests/unit/sim_harness.h"
#include "worker/lab/mlperf.h"
#include "worker/lab/trace.h"

static const char *const folders[] = {
    "NUCLEO_L4R5ZI/kws", "NUCLEO_U575ZI_Q/ad", "NUCLEO_L4R5ZI/ad",    "NUCLEO_L4R5ZI/ic",
    "NUCLEO_L4R5ZI/vww", "NUCLEO_U575ZI_Q/ic", "NUCLEO_U575ZI_Q/kws", "NUCLEO_U575ZI_Q/vww",
};
enum { FEW = 2 };

static bool find_data(const char *folder, char *out, size_t size)
{
    const char *given = getenv("SWITCHYARD_SHARED");
    const char *const tries[] = {given ? given : "../shared", "../shared", "../../shared"};
    for (size_t i = 0; i < COUNT(tries); i++) {
        snprintf(out, size, "%s/data/mlperf-tiny-v1.2/%s", tries[i], folder);
        if (!access(out, R_OK))
            return true;
    }
    return false;
}

static void record(const struct sim *sim, const struct mlperf *m, struct trace *out)
{
    char worker[600], command[1200], path[100];
    struct err e = {0};
    sim_program("switchyard-worker", worker, sizeof(worker));
    snprintf(path, sizeof(path), "%s/t.syt", sim->dir);
    snprintf(
        command, sizeof(command),
        "%s power record --port %s --volts 3.3 --rate 1k --seconds %zu --trace %s >/dev/null 2>&1",
        worker, sim->meter, m->count / 1000, path);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(!trace_read(path, out, &e), "%s", e.detail);
}

START_TEST(medians_survive_the_stream)
{
    char path[600], options[800];
    if (!find_data(folders[_i], path, sizeof(path))) {
        printf("replay: skipped, no shared data\n");
        return;
    }
    struct mlperf m;
    struct trace t;
    struct sim sim;
    struct err e = {0};
    ck_assert_msg(!mlperf_read(path, &m, &e), "%s", e.detail);
    snprintf(options, sizeof(options), "--no-board --replay %s --speed 150", path);
    sim_start(&sim, options);
    record(&sim, &m, &t);
    struct samples s = trace_samples(&t);
    double published[16], measured[16];
    for (size_t w = 0; w < m.window_count; w++) {
        double sum_a =
            span_total_a(&s, 1000, m.windows[w].start_s, m.windows[w].end_s, EDGE_HALF_OPEN);
        measured[w] = sum_a / 1000 * 3.3 / (double)m.windows[w].inferences;
        published[w] = m.windows[w].energy_j / (double)m.windows[w].inferences;
    }
    double ratio = stat_median(measured, m.window_count) / stat_median(published, m.window_count);
    ck_assert_msg(fabs(ratio - 1) < 0.002, "%s: median is off by %.4f %%", folders[_i],
                  100 * (ratio - 1));
    if (getenv("SWITCHYARD_ALL_TRACES"))
        printf("replay: %-20s median off by %+.4f %%\n", folders[_i], 100 * (ratio - 1));
    trace_free(&t);
    mlperf_free(&m);
    sim_stop(&sim);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("replay");
    TCase *t = tcase_create("replay");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, medians_survive_the_stream, 0,
                        getenv("SWITCHYARD_ALL_TRACES") ? (int)COUNT(folders) : FEW);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
