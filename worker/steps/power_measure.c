/* power.measure: the energy of one inference on the run's board.
 *
 * The measurement itself is worker/lab/measure.c.  Here: parameters, the trace file, the record
 * (docs/measurement.md) as output and artifact.  A record with a failed gate is stored, and the
 * task fails with the gate's reason: its figures are not a result. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/lab/bench.h"
#include "worker/lab/console.h"
#include "worker/lab/measure.h"
#include "worker/steps.h"

static const struct step_param params[] = {
    /* clang-format off */
    BENCH_PARAM,
    {"model",           FLOW_STRING,   true,  NULL,       "name of the model"},
    {"build_id",        FLOW_STRING,   true,  NULL,       "what the boot banner must show"},
    {"firmware_commit", FLOW_STRING,   false, "\"\"",     "commit of the firmware, for the record"},
    {"flash_bytes",     FLOW_INTEGER,  false, NULL,       "flash use of the image, for the record"},
    {"ram_bytes",       FLOW_INTEGER,  false, NULL,       "static RAM of the image, for the record"},
    {"volts",           FLOW_NUMBER,   false, "3.3",      "supply of the board, 1.6 to 3.6"},
    {"rate",            FLOW_STRING,   false, "\"100k\"", "samples per second: 100k 50k 20k 10k 5k 2k 1k ..."},
    {"windows",         FLOW_INTEGER,  false, "5",        "measured windows; the median is reported"},
    {"window",          FLOW_DURATION, false, "1",        "length of a window, when `inferences` is 0"},
    {"inferences",      FLOW_INTEGER,  false, "0",        "inferences per window; 0: as many as fill it"},
    {"baseline",        FLOW_DURATION, false, "1",        "idle current, before and after the windows"},
    {"boot_timeout",    FLOW_DURATION, false, "10",       "from supply on to the banner"},
    {"attempts",        FLOW_INTEGER,  false, "2",        "tries, each with a power cycle, before the task fails"},
    {"trace",           FLOW_STRING,   false, "\"trace.syt\"", "where the samples go; relative to the run's work folder"},
    /* clang-format on */
};

static const struct step_output outputs[] = {
    {"measurement", FLOW_MAP, "the record, as in docs/measurement.md"},
    {"energy_per_inference_j", FLOW_NUMBER, "median of the windows"},
    {"latency_s", FLOW_NUMBER, "of one inference, by the firmware's own clock"},
    {"trace", FLOW_STRING, "absolute path of the trace"},
};

struct power {
    const struct bench *bench;
    struct measure *measure;
    const char *trace_path;
    char sha256[TRACE_SHA_TEXT];
    uint64_t trace_bytes;
};

static void free_measure(void *object)
{
    measure_free(object);
}

static void on_log(void *ctx, enum log_level level, const char *text)
{
    step_log(ctx, level, "%s", text);
}

static void on_progress(void *ctx, double done, double total)
{
    step_progress(ctx, done, total);
}

static enum err_code may_drive(void *ctx, struct err *err)
{
    struct step_call *call = ctx;
    const struct power *p = call->state;
    return bench_may_drive(call->run, p->bench, err);
}

/* ---- the record ---- */

static json_t *text_or_null(const char *text)
{
    return text && *text ? json_string(text) : json_null();
}

static json_t *integer_or_null(const struct step_call *call, const char *name)
{
    json_t *value = json_object_get(call->with, name);
    return json_is_integer(value) ? json_incref(value) : json_null();
}

/* Versions and serial numbers that led to the figure; what the record says itself is not told
 * again. */
static json_t *make_provenance(const struct step_call *call)
{
    const struct power *p = call->state;
    const struct meter_info *meter = &measure_result(p->measure)->meter;
    const struct bench_health *health = lab_health(call->run->lab, p->bench);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:o}", "agent_version", VERSION, "bench",
                     p->bench->name, "flash_backend", p->bench->backend, "meter_model",
                     meter->model, "meter_serial", meter->serial, "meter_version", meter->version,
                     "meter_temperature_c",
                     isfinite(meter->temperature_c) ? json_real(meter->temperature_c) : json_null(),
                     "probe_version", text_or_null(health ? health->probe_version : NULL));
}

static json_t *make_record(struct step_call *call)
{
    struct power *p = call->state;
    struct measure_result *r = measure_result(p->measure);
    char meter[160];
    lab_note_meter(call->run->lab, p->bench, r->meter.serial, r->meter.version);
    snprintf(meter, sizeof(meter), "%s %s (version %s)", r->meter.model, r->meter.serial,
             r->meter.version);
    json_t *record = json_pack(
        "{s:s,s:s,s:s,s:s,s:b,s:o,s:s,s:o,s:o,s:{s:s,s:I,s:s},s:O,s:o}", "model",
        step_string(call, "model"), "target", p->bench->target, "board",
        p->bench->board_serial[0] ? p->bench->board_serial : p->bench->name, "meter", meter,
        "emulated", p->bench->emulated, "firmware_commit",
        text_or_null(step_string(call, "firmware_commit")), "build_id",
        step_string(call, "build_id"), "flash_bytes", integer_or_null(call, "flash_bytes"),
        "ram_bytes", integer_or_null(call, "ram_bytes"), "trace", "sha256", p->sha256, "bytes",
        (json_int_t)p->trace_bytes, "path", step_string(call, "trace"), "warnings",
        r->recorder.warnings, "provenance", make_provenance(call));
    json_t *figures = figures_json(&r->figures, &r->recorder.trace);
    json_object_update(record, figures);
    json_decref(figures);
    return record;
}

static void report(struct step_call *call, enum err_code code)
{
    struct power *p = call->state;
    struct figures *f = &measure_result(p->measure)->figures;
    if (code) {
        step_done(call, code);
        return;
    }
    json_t *record = make_record(call);
    step_output(call, "measurement", json_incref(record));
    step_output(call, "energy_per_inference_j", json_real(f->median_j));
    step_output(call, "latency_s", json_real(f->latency_s));
    step_output(call, "trace", json_string(p->trace_path));
    step_artifact(call, json_pack("{s:s,s:s,s:o}", "type", "measurement", "description",
                                  step_string(call, "model"), "data", record));
    const struct gate *gate = figures_failed_gate(f);
    if (gate)
        code = err_set(&call->err, INVALID, "the measurement is not a result: gate %s failed: %s",
                       gate->name, gate->detail);
    else
        step_log(call, LOG_INFO, "%.4g J per inference (+-%.2f %%), %.4g s", f->median_j,
                 f->uncertainty_rel * 100, f->latency_s);
    step_done(call, code);
}

/* For who reads the trace alone. */
static json_t *failed_gates(const struct figures *f)
{
    json_t *names = json_array();
    for (size_t i = 0; i < f->gate_count; i++)
        if (!f->gates[i].passed)
            json_array_append_new(names, json_string(f->gates[i].name));
    return names;
}

/* On a thread: hashing and syncing megabytes would hold up the meters of other runs. */
static enum err_code write_trace(struct step_work *work)
{
    struct power *p = work->arg;
    struct trace *t = &measure_result(p->measure)->recorder.trace;
    return trace_write(t, p->trace_path, p->sha256, &p->trace_bytes, &work->err);
}

static void on_done(void *ctx, enum err_code code, const struct err *err)
{
    struct step_call *call = ctx;
    struct power *p = call->state;
    if (code) {
        call->err = *err;
        step_done(call, code);
        return;
    }
    struct measure_result *r = measure_result(p->measure);
    r->recorder.trace.provenance =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:b,s:o,s:o}", "model", step_string(call, "model"),
                  "build_id", step_string(call, "build_id"), "target", p->bench->target, "bench",
                  p->bench->name, "meter", r->meter.model, "emulated", p->bench->emulated,
                  "failed_gates", failed_gates(&r->figures), "provenance", make_provenance(call));
    step_work(call, write_trace, report, p);
}

/* ---- start ---- */

static enum err_code check(struct step_call *call, struct measure_config *out)
{
    double volts = step_number(call, "volts");
    int64_t windows = step_integer(call, "windows"), inferences = step_integer(call, "inferences");
    int64_t attempts = step_integer(call, "attempts");
    if (!meter_parse_rate(step_string(call, "rate"), &out->rate_hz))
        return err_set(&call->err, INVALID,
                       "`rate` is one of 100k 50k 20k 10k 5k 2k 1k 500 ... 1, not %s",
                       step_string(call, "rate"));
    if (!(volts >= 1.6 && volts <= 3.6))
        return err_set(&call->err, INVALID, "`volts` is 1.6 to 3.6, not %g", volts);
    if (windows < 1 || windows >= FIGURES_WINDOWS_MAX || inferences < 0 || inferences > 1000000)
        return err_set(&call->err, INVALID, "`windows` is 1 to %d and `inferences` 0 to 1000000",
                       FIGURES_WINDOWS_MAX - 1);
    if (attempts < 1 || attempts > 10)
        return err_set(&call->err, INVALID, "`attempts` is 1 to 10, not %lld", (long long)attempts);
    out->volts_v = volts;
    out->windows = (unsigned)windows;
    out->inferences = (uint64_t)inferences;
    out->attempts = (unsigned)attempts;
    out->window_s = step_number(call, "window");
    out->baseline_s = step_number(call, "baseline");
    out->boot_timeout_s = step_number(call, "boot_timeout");
    return ERR_OK;
}

/* Said since an earlier step listened. */
static void tell_kept(void *ctx, double at_s, const char *text)
{
    step_log(ctx, LOG_INFO, "[%9.3f] %s", at_s, text);
}

static void start(struct step_call *call)
{
    struct power *p = arena_new(call->arena, struct power);
    struct measure_config config = {0};
    call->state = p;
    enum err_code code = bench_of(call, &p->bench);
    if (!code)
        code = check(call, &config);
    if (code) {
        step_done(call, code);
        return;
    }
    p->trace_path = step_path(call, step_string(call, "trace"));
    config.meter_port = p->bench->meter_port;
    console_drop(call->run->consoles, p->bench->uart, tell_kept, call);
    config.uart_path = p->bench->uart;
    config.build_id = step_string(call, "build_id");
    struct measure_listener listener = {call, on_log, on_progress, on_done, may_drive};
    code = measure_start(call->loop, &config, listener, &p->measure, &call->err);
    if (code)
        step_done(call, code);
    else
        arena_defer(call->arena, free_measure, p->measure);
}

static void cancel(struct step_call *call)
{
    struct power *p = call->state;
    if (p->measure)
        measure_cancel(p->measure);
}

const struct step power_measure_step = {
    .schema = {.name = "power.measure",
               .doc = "Measures the energy of an inference on the run's board.",
               STEP_PARAMS(params),
               STEP_OUTPUTS(outputs)},
    .hardware = true,
    .start = start,
    .cancel = cancel,
};
