/* One measurement from supply to figures, against the simulator; a script stands in for QEMU and
 * its firmware, the simulator paces it. */
#include <math.h>
#include <uv.h>

#include "shared/base/base.h"
#include "tests/unit/sim_harness.h"
#include "worker/lab/measure.h"

#define FIRMWARE                                                                                   \
    "#!/bin/sh\nprintf 'SY-BOOT build=b1 target=netduinoplus2 model=m\\r\\n'\n"                    \
    "while read -r word n; do\n"                                                                   \
    "printf 'SY-START n=%s\\r\\nSY-END n=%s us=%s check=0\\r\\n' $n $n $((n * 2000))\ndone\n"
#define SILENT    "#!/bin/sh\nexec sleep 100\n"
#define NO_ANSWER "#!/bin/sh\nprintf 'SY-BOOT build=b1 x\\r\\n'\nexec sleep 100\n"
#define REFUSES                                                                                    \
    "#!/bin/sh\nprintf 'SY-BOOT build=b1 x\\r\\n'\nread -r l\nprintf 'SY-ERR no TFL3 id\\r\\n'\n"  \
    "exec sleep 100\n"
#define REBOOTS                                                                                    \
    "#!/bin/sh\nprintf 'SY-BOOT build=b1 x\\r\\n'\nread -r w n\nprintf 'SY-BOOT build=b1 "         \
    "x\\r\\n'\n"                                                                                   \
    "exec sleep 100\n"

struct outcome {
    uv_loop_t loop;
    enum err_code code;
    struct err err;
    bool done;
    char log[4096];
};

static void on_log(void *ctx, enum log_level level, const char *text)
{
    struct outcome *o = ctx;
    size_t len = strlen(o->log);
    (void)level;
    snprintf(o->log + len, sizeof(o->log) - len, "%s\n", text);
}

static void on_progress(void *ctx, double done, double total)
{
    (void)ctx, (void)done, (void)total;
}

static void on_done(void *ctx, enum err_code code, const struct err *err)
{
    struct outcome *o = ctx;
    ck_assert(!o->done);
    o->done = true;
    o->code = code;
    o->err = *err;
}

static const struct {
    const char *firmware, *options;
    enum err_code code;
    const char *says;  /* in the error, or in the log */
    const char *gate;  /* failed gate, NULL: none */
    unsigned attempts; /* 0: 2 */
} rows[] = {
    /* clang-format off */
    {FIRMWARE,  "",                             ERR_OK,      "per window", NULL},
    {FIRMWARE,  "--personality lpm01a-1.0.7",   ERR_OK,      "per window", NULL},
    {FIRMWARE,  "--fault drop-byte@2:0.3",      ERR_OK,      "recording again", NULL},
    {FIRMWARE,  "--fault unplug@2:0.3",         ERR_IO,      "unplugged after", NULL},
    {FIRMWARE,  "--fault replug@2:0.3",         ERR_OK,      "trying again with a power cycle", NULL},
    {FIRMWARE,  "--fault overcurrent@2:0.03",   ERR_OK,      "overcurrent", NULL},
    {FIRMWARE,  "--fault ack-never@freq",       ERR_TIMEOUT, "did not acknowledge `freq 20k`", NULL, 1},
    {FIRMWARE,  "--fault brown-out@2:0.3",      ERR_OK,      "rebooted during the measurement", NULL},
    {FIRMWARE,  "--fault buffer-99@2:0.3",      ERR_OK,      "buffer is 99 % full: the host lags", NULL},
    {SILENT,    "",                             ERR_TIMEOUT, "the board did not boot", NULL, 1},
    {NO_ANSWER, "",                             ERR_TIMEOUT, "did not answer `run 1`", NULL, 1},
    {REFUSES,   "",                             ERR_INVALID, "no TFL3 id", NULL, 1},
    {REBOOTS,   "",                             ERR_INVALID, "rebooted during the measurement", NULL, 1},
    {FIRMWARE,  "--fault stuck@2:0.1",          ERR_OK,      "", "signal_alive"},
    /* clang-format on */
};

static void run_measure(struct sim *sim, unsigned attempts, struct outcome *o, struct measure **out)
{
    struct measure_config config = {.meter_port = sim->meter,
                                    .uart_path = sim->uart,
                                    .build_id = "b1",
                                    .volts_v = 3.3,
                                    .rate_hz = 20000,
                                    .window_s = 0.2,
                                    .baseline_s = 0.15,
                                    .boot_timeout_s = 1,
                                    .windows = 2,
                                    .attempts = attempts ? attempts : 2};
    struct measure_listener listener = {o, on_log, on_progress, on_done};
    uv_loop_init(&o->loop);
    ck_assert(!measure_start(&o->loop, &config, listener, out, &o->err));
    uv_run(&o->loop, UV_RUN_DEFAULT);
    ck_assert(o->done);
    ck_assert_int_eq(uv_loop_close(&o->loop), 0);
}

static void check_figures(struct sim *sim, const struct figures *f)
{
    json_t *truth = sim_truth(sim), *windows = json_object_get(truth, "windows");
    ck_assert_uint_eq(f->window_count, 2);
    ck_assert_uint_eq(json_array_size(windows), 2);
    for (size_t i = 0; i < 2; i++) {
        double sent_c = json_real_value(json_object_get(json_array_get(windows, i), "sent_c"));
        ck_assert_uint_eq(f->windows[i].inferences, 100);
        ck_assert_double_eq_tol(f->windows[i].latency_s, 0.002, 1e-9);
        ck_assert_msg(fabs(f->windows[i].energy_j / (3.3 * sent_c) - 1) < 0.005,
                      "window %zu: %g J, sent %g J", i, f->windows[i].energy_j, 3.3 * sent_c);
    }
    json_decref(truth);
    ck_assert_double_lt(f->median_dynamic_j, f->median_j);
    ck_assert_double_gt(f->median_dynamic_j, 0.3 * f->median_j);
    ck_assert_double_lt(f->uncertainty_rel, 0.02);
}

START_TEST(ends_with_figures_or_a_reason)
{
    struct sim sim;
    struct outcome o = {0};
    struct measure *m;
    char path[5000];
    sim_make_dir(&sim);
    sim_file(&sim, "qemu-system-arm", rows[_i].firmware, 0755);
    sim_file(&sim, "flash.elf", "image", 0644);
    snprintf(path, sizeof(path), "%s:%s", sim.dir, getenv("PATH"));
    setenv("PATH", path, 1);
    sim_run(&sim, rows[_i].options);
    run_measure(&sim, rows[_i].attempts, &o, &m);
    ck_assert_msg(o.code == rows[_i].code, "code %d: %s\n%s", o.code, o.err.detail, o.log);
    ck_assert_msg(strstr(o.log, rows[_i].says) || strstr(o.err.detail, rows[_i].says),
                  "\"%s\" lacks \"%s\"\n%s", o.err.detail, rows[_i].says, o.log);
    if (!o.code) {
        const struct figures *f = &measure_result(m)->figures;
        const struct gate *gate = figures_failed_gate(f);
        if (rows[_i].gate)
            ck_assert_msg(gate && !strcmp(gate->name, rows[_i].gate), "gate %s",
                          gate ? gate->name : "none");
        else {
            ck_assert_msg(!gate, "gate %s: %s", gate ? gate->name : "", gate ? gate->detail : "");
            check_figures(&sim, f);
        }
    }
    measure_free(m);
    sim_stop(&sim);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measure");
    TCase *t = tcase_create("measure");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ends_with_figures_or_a_reason, 0, (int)COUNT(rows));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
