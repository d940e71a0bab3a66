#include "worker/power_cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/lab/recorder.h"
#include "worker/power_analyze.h"

/* Exit codes, as in docs/measurement.md. */
enum { EXIT_DONE = 0, EXIT_LOCAL = 1, EXIT_USAGE = 2, EXIT_REFUSED = 3, EXIT_NO_METER = 4 };

enum { WARM_UP_MS = 150, WARM_UP_MAX_MS = 2000, WAIT_FOR_STAMP_S = 10, EDGE_WAIT_S = 60 };
enum { STAMP_WORD_MS = 3000, LATE_MS = 15000 };

static const char usage[] =
    "usage: switchyard-worker power record --port TTY --volts V --rate R --seconds S\n"
    "                                      [--trace FILE] [--trigger sw|hw] [--json]\n"
    "       switchyard-worker power analyze PATH [--json]\n"
    "\n"
    "record   supply a board with V volts and record its current for S seconds\n"
    "  --port TTY     the meter's serial port (STLINK-V3PWR: interface 4)\n"
    "  --volts V      1.6 to 3.6\n"
    "  --rate R       100k 50k 20k 10k 5k 2k 1k 500 200 100 50 20 10 5 2 1\n"
    "  --trace FILE   keep the samples\n"
    "  --trigger hw   sample 0 is an edge on the meter's trigger input\n"
    "analyze  a trace, or a folder of MLPerf Tiny\n"
    "\n"
    "exit: 0 figures hold, 1 local failure, 2 usage, 3 refused (damage or fault), 4 no meter\n";

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "switchyard-worker power: %s%s%s\n%s", what, value ? " " : "",
            value ? value : "", usage);
    return EXIT_USAGE;
}

static int exit_for(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return EXIT_DONE;
    case ERR_LOCKED:
    case ERR_NETWORK:
    case ERR_TIMEOUT:
        return EXIT_NO_METER;
    case ERR_INVALID:
        return EXIT_REFUSED;
    default:
        return EXIT_LOCAL;
    }
}

static int report_error(enum err_code code, const struct err *e)
{
    fprintf(stderr, "switchyard-worker power: %s\n", e->detail);
    return exit_for(code);
}

/* ---- record ----
 *
 *   SETTING_UP --READY--> POWERING --READY--> WARMING --STREAMING, 150 ms--> COOLING --READY-->
 *   (ARMING --READY-->) RECORDING --enough--> STOPPING --READY--> OVER;  FAILED: any --> OVER
 *
 * The first acquisition after power-up is biased, so a short one is made and thrown away; it ends
 * after 2 s when the first time stamp stands behind 1000 slow samples. */

enum phase { SETTING_UP, POWERING, WARMING, COOLING, ARMING, RECORDING, STOPPING, OVER };

struct record {
    enum phase phase;
    uv_loop_t loop;
    uv_timer_t timer;
    bool hardware_trigger;
    struct meter_config config;
    uint64_t wanted, until; /* samples; the second includes what closes the last block */
    struct meter *meter;
    struct meter_info info;
    struct recorder recorder;
    enum err_code code;
    struct err err;
};

struct record_options {
    const char *port, *trace;
    double volts_v, rate_hz, seconds;
    bool json, hardware_trigger;
};

static void finish(struct record *r, enum err_code code)
{
    if (r->phase == OVER)
        return;
    r->phase = OVER;
    r->code = code;
    v3pwr_meter.close(r->meter);
    uv_close((uv_handle_t *)&r->timer, NULL);
}

static double block_s(const struct record *r)
{
    return STREAM_BLOCK_SAMPLES / r->config.rate_hz;
}

static void stop_recording(struct record *r)
{
    r->phase = STOPPING;
    v3pwr_meter.stop(r->meter);
}

static void on_time(uv_timer_t *timer)
{
    struct record *r = timer->data;
    bool none = !trace_count(&r->recorder.trace);
    if (r->phase == WARMING) {
        r->phase = COOLING;
        v3pwr_meter.stop(r->meter);
    } else if (r->phase == RECORDING && none && r->hardware_trigger)
        finish(r, err_set(&r->err, TIMEOUT, "no edge came on the meter's trigger input within %d s",
                          EDGE_WAIT_S));
    else if (r->phase == RECORDING && none)
        fprintf(stderr,
                "switchyard-worker power: the meter sends its first time stamp behind 1000 "
                "samples; samples count from then on, in %.0f s\n",
                block_s(r));
    else if (r->phase == RECORDING) /* what came is judged */
        stop_recording(r);
}

/* Streaming takes as long as the samples do; twice that, and there is something to say. */
static void on_streaming(struct record *r)
{
    double samples = (double)(r->until ? r->until : r->wanted);
    double due_s = ceil(samples / STREAM_BLOCK_SAMPLES) * block_s(r);
    if (!r->until)
        due_s = samples / r->config.rate_hz;
    uv_timer_start(&r->timer, on_time, (uint64_t)(2000 * due_s) + LATE_MS, 0);
}

static void start_recording(struct record *r)
{
    r->phase = RECORDING;
    if (r->hardware_trigger)
        uv_timer_start(&r->timer, on_time, EDGE_WAIT_S * 1000 + (uint64_t)(1000 * block_s(r)), 0);
    v3pwr_meter.start(r->meter);
}

static void on_ready(struct record *r)
{
    switch (r->phase) {
    case SETTING_UP:
        r->info = *v3pwr_meter.info(r->meter);
        recorder_init(&r->recorder, &r->info, &r->config, r->wanted);
        r->phase = POWERING;
        v3pwr_meter.power(r->meter, true);
        break;
    case POWERING:
        r->phase = WARMING;
        v3pwr_meter.start(r->meter);
        break;
    case COOLING:
        if (r->hardware_trigger) {
            r->phase = ARMING;
            v3pwr_meter.trigger(r->meter, true);
            break;
        } /* fall through */
    case ARMING:
        start_recording(r);
        break;
    case STOPPING:
        finish(r, ERR_OK);
        break;
    default:
        break;
    }
}

static void on_recorded(struct record *r)
{
    bool enough = trace_count(&r->recorder.trace) >= r->wanted;
    if (r->until && r->recorder.closed < r->until && !r->recorder.trace.suspect_count)
        enough = false; /* a time stamp has yet to vouch for the last block */
    if (!enough && !r->recorder.full)
        return;
    stop_recording(r);
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct record *r = ctx;
    if (news->kind == METER_FAILED) {
        r->err = *news->err;
        finish(r, news->err->code);
    } else if (news->kind == METER_READY)
        on_ready(r);
    else if (news->kind == METER_STARTED && r->phase == WARMING)
        uv_timer_start(&r->timer, on_time, WARM_UP_MAX_MS, 0);
    else if (news->kind == METER_STREAMING && r->phase == WARMING)
        uv_timer_start(&r->timer, on_time, WARM_UP_MS, 0);
    else if (news->kind == METER_STARTED && r->phase == RECORDING && !r->hardware_trigger &&
             1000 * block_s(r) > STAMP_WORD_MS)
        uv_timer_start(&r->timer, on_time, STAMP_WORD_MS, 0);
    else if (news->kind == METER_STREAMING && r->phase == RECORDING)
        on_streaming(r);
    else if (news->kind == METER_WARNING)
        recorder_warn(&r->recorder, "%s", news->text);
    else if (r->phase == WARMING)
        recorder_warm(&r->recorder, news);
    else if (r->phase == RECORDING || r->phase == STOPPING) {
        recorder_take(&r->recorder, news);
        if (r->phase == RECORDING)
            on_recorded(r);
    }
}

static enum err_code run_record(struct record *r, const struct record_options *o)
{
    /* the meters are told whole millivolts, and the figures are of what they supply */
    double volts_v = round(o->volts_v * 1000) / 1000;
    r->config = (struct meter_config){.port = o->port, .volts_v = volts_v, .rate_hz = o->rate_hz};
    r->hardware_trigger = o->hardware_trigger;
    r->wanted = (uint64_t)llround(o->seconds * o->rate_hz);
    uint64_t rest =
        (STREAM_BLOCK_SAMPLES - r->wanted % STREAM_BLOCK_SAMPLES) % STREAM_BLOCK_SAMPLES;
    if ((double)rest / o->rate_hz <= WAIT_FOR_STAMP_S)
        r->until = r->wanted;
    uv_loop_init(&r->loop);
    struct meter_listener listener = {r, on_news};
    enum err_code code = v3pwr_meter.open(&r->loop, &r->config, listener, &r->meter, &r->err);
    if (code) {
        uv_loop_close(&r->loop);
        return code == ERR_IO ? ERR_NETWORK : code;
    }
    uv_timer_init(&r->loop, &r->timer);
    r->timer.data = r;
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    return r->code ? r->code : recorder_judge(&r->recorder, &r->err);
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static enum err_code keep_trace(struct record *r, const char *path)
{
    char sha256[TRACE_SHA_TEXT];
    uint64_t bytes;
    r->recorder.trace.provenance =
        json_pack("{s:s,s:s,s:s,s:o}", "meter", r->info.model, "serial", r->info.serial, "version",
                  r->info.version, "temperature_c", number_or_null(r->info.temperature_c));
    return path ? trace_write(&r->recorder.trace, path, sha256, &bytes, &r->err) : ERR_OK;
}

static void print_record(struct record *r, bool json)
{
    struct samples samples = trace_samples(&r->recorder.trace);
    struct sample_sum sum = {0};
    sum_add(&sum, &samples, 0, samples.count);
    double rate_hz = r->config.rate_hz, charge_c = sum_total_a(&sum) / rate_hz;
    char meter[160];
    snprintf(meter, sizeof(meter), "%s%s%s (version %s)", r->info.model, *r->info.serial ? " " : "",
             r->info.serial, *r->info.version ? r->info.version : "unknown");
    json_t *out = json_pack(
        "{s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:s,s:O}", "samples", (json_int_t)samples.count, "lost",
        (json_int_t)r->recorder.trace.lost, "duration_s", (double)samples.count / rate_hz, "volts",
        r->config.volts_v, "mean_a", sum_mean_a(&sum), "charge_c", charge_c, "energy_j",
        charge_c * r->config.volts_v, "meter", meter, "warnings", r->recorder.warnings);
    if (json)
        power_print(out);
    else
        printf(
            "%s\n%zu samples, %.6g s at %.4g V\nmean    %.6g A\ncharge  %.6g C\nenergy  %.6g J\n",
            meter, samples.count, (double)samples.count / rate_hz, r->config.volts_v,
            sum_mean_a(&sum), charge_c, charge_c * r->config.volts_v);
    size_t i;
    json_t *warning;
    json_array_foreach(r->recorder.warnings, i, warning)
        fprintf(stderr, "switchyard-worker power: warning: %s\n", json_string_value(warning));
    json_decref(out);
}

/* A figure that nobody can read is no success. */
static int end_output(void)
{
    if (!fflush(stdout) && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "switchyard-worker power: cannot write the result: %s\n", strerror(errno));
    return EXIT_LOCAL;
}

static int record(const struct record_options *o)
{
    struct record *r = calloc(1, sizeof(*r));
    if (!r)
        return EXIT_LOCAL;
    enum err_code code = run_record(r, o);
    if (!code)
        code = keep_trace(r, o->trace);
    int status = code ? report_error(code, &r->err) : EXIT_DONE;
    if (!code) {
        print_record(r, o->json);
        status = end_output();
    }
    recorder_free(&r->recorder);
    free(r);
    return status;
}

/* ---- the command line ---- */

static bool parse_number(const char *text, double low, double high, double *out)
{
    char *rest;
    double value = strtod(text, &rest);
    if (rest == text || *rest || !(value >= low && value <= high))
        return false;
    *out = value;
    return true;
}

/* *out_status: of the program, where it ends here. */
static bool take_option(int c, struct record_options *o, int *out_status)
{
    const char *wrong = NULL;

    if (c == 'p')
        o->port = optarg;
    else if (c == 't')
        o->trace = optarg;
    else if (c == 'j')
        o->json = true;
    else if (c == 'e' && strcmp(optarg, "sw") != 0 && strcmp(optarg, "hw") != 0)
        wrong = "--trigger is sw or hw, not";
    else if (c == 'e')
        o->hardware_trigger = strcmp(optarg, "hw") == 0;
    else if (c == 'v' && !parse_number(optarg, 1.6, 3.6, &o->volts_v))
        wrong = "--volts is 1.6 to 3.6, not";
    else if (c == 'r' && !meter_parse_rate(optarg, &o->rate_hz))
        wrong = "--rate is one of the meter's rates, not";
    else if (c == 's' && !parse_number(optarg, 1e-5, 86400, &o->seconds))
        wrong = "--seconds is up to 86400, not";
    if (wrong)
        *out_status = usage_error(wrong, optarg);
    else if (c == 'h')
        *out_status = printf("%s", usage) < 0 ? EXIT_LOCAL : EXIT_DONE;
    else if (c == '?')
        *out_status = EXIT_USAGE;
    return !wrong && c != 'h' && c != '?';
}

static int record_main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"port", required_argument, NULL, 'p'},
        {"volts", required_argument, NULL, 'v'},
        {"rate", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 's'},
        {"trace", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"trigger", required_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct record_options o = {0};
    int status;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;)
        if (!take_option(c, &o, &status))
            return status;
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    if (!o.port || !(o.volts_v > 0) || !(o.rate_hz > 0) || !(o.seconds > 0))
        return usage_error("--port, --volts, --rate and --seconds are needed", NULL);
    double samples = o.seconds * o.rate_hz;
    if (samples < 1 || samples > TRACE_MAX_BYTES / 4.0)
        return usage_error("rate x seconds is 1 to 134 million samples", NULL);
    return record(&o);
}

static int analyze_main(int argc, char **argv)
{
    const char *path = NULL;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            json = true;
        else if (!strcmp(argv[i], "--help"))
            return printf("%s", usage), EXIT_DONE;
        else if (argv[i][0] == '-' || path)
            return usage_error("unexpected argument", argv[i]);
        else
            path = argv[i];
    }
    if (!path)
        return usage_error("analyze needs a path", NULL);
    struct err e = {0};
    enum err_code code = power_analyze(path, json, &e);
    return code ? report_error(code, &e) : end_output();
}

int power_main(int argc, char **argv)
{
    if (argc < 2)
        return usage_error("record or analyze?", NULL);
    if (!strcmp(argv[1], "record"))
        return record_main(argc - 1, argv + 1);
    if (!strcmp(argv[1], "analyze"))
        return analyze_main(argc - 1, argv + 1);
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return printf("%s", usage), EXIT_DONE;
    return usage_error("no such command:", argv[1]);
}
