#include "worker/lab/measure.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/base/clock.h"
#include "worker/io/uv_serial.h"
#include "worker/lab/usb.h"

enum stage {
    CONNECT,
    CUT,
    DARK,
    SUPPLY,
    BOOT,
    WARM_START,
    WARM_RUN,
    WARM_STOP,
    START,
    BASELINE,
    WINDOW,
    GAP,
    STOP,
    OVER,
};

enum {
    UART_BAUD = 115200,
    LINE_BYTES = 256,
    METER_TIMEOUT_MS = 30000,
    DARK_MS = 300,
    GAP_MS = 300,
    ANSWER_MS = 3000,
    RETRY_MS = 1000,
    REPEATS = 3,
    INFERENCES_MAX = 1000000,
};
static const double warm_up_s = 0.1;

struct measure {
    enum stage stage;
    uv_loop_t *loop;
    uv_timer_t *timer; /* outlives the object by a loop round */
    struct measure_config config;
    char meter_port[256], uart_path[256], build_id[80];
    struct measure_listener listener;
    struct meter *meter;
    struct uv_serial *uart;
    unsigned attempt, recordings, boots;
    bool retrying;
    uint64_t inferences, last_us; /* of the run under way; of the last one */
    struct run_mark marks[FIGURES_WINDOWS_MAX];
    size_t mark_count;
    bool mark_open;
    char line[LINE_BYTES], seen_build[80];
    size_t line_len;
    double line_since_s;
    struct err err;
    struct measure_result result;
};

static void enter(struct measure *m, enum stage stage);

static double now_s(void)
{
    return (double)clock_monotonic_us() / 1e6;
}

static void say(struct measure *m, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void say(struct measure *m, enum log_level level, const char *fmt, ...)
{
    char text[500];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    m->listener.log(m->listener.ctx, level, text);
}

/* ---- ends ---- */

static void on_timer(uv_timer_t *timer);

static void wait_ms(struct measure *m, double timeout_ms)
{
    if (m->stage != OVER)
        uv_timer_start(m->timer, on_timer, (uint64_t)fmax(timeout_ms, 1), 0);
}

static void disconnect(struct measure *m)
{
    if (m->meter)
        v3pwr_meter.close(m->meter);
    uv_serial_close(m->uart);
    m->meter = NULL;
    m->uart = NULL;
}

static void on_timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void finish(struct measure *m, enum err_code code)
{
    if (m->stage == OVER)
        return;
    m->stage = OVER;
    disconnect(m);
    uv_close((uv_handle_t *)m->timer, on_timer_closed);
    m->timer = NULL;
    m->listener.done(m->listener.ctx, code, &m->err);
}

/* The reason stands in m->err. */
static void failed(struct measure *m, enum err_code code)
{
    if (m->stage == OVER || m->retrying)
        return;
    if (code == ERR_CANCELLED || m->attempt >= m->config.attempts) {
        finish(m, code);
        return;
    }
    say(m, LOG_WARN, "attempt %u of %u failed: %s; trying again with a power cycle", m->attempt,
        m->config.attempts, m->err.detail);
    disconnect(m);
    m->retrying = true;
    wait_ms(m, RETRY_MS);
}

/* ---- the UART ---- */

static void command(struct measure *m, uint64_t inferences)
{
    char text[32];
    int len = snprintf(text, sizeof(text), "run %llu\n", (unsigned long long)inferences);
    m->inferences = inferences;
    m->mark_open = false;
    wait_ms(m, ANSWER_MS);
    enum err_code code = uv_serial_write(m->uart, text, (size_t)len, &m->err);
    if (code)
        failed(m, code);
}

static uint64_t number_after(const char *line, const char *key)
{
    const char *at = strstr(line, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void on_boot_line(struct measure *m, const char *line)
{
    const char *id = strstr(line, "build=");
    size_t len = id ? strcspn(id + 6, " ") : 0;
    snprintf(m->seen_build, sizeof(m->seen_build), "%.*s", (int)len, id ? id + 6 : "");
    snprintf(m->result.boot_line, sizeof(m->result.boot_line), "%.190s", line);
    m->boots++;
    if (m->stage == BOOT)
        enter(m, WARM_START);
    else if (m->stage > BOOT)
        failed(m, err_set(&m->err, INVALID,
                          "the board rebooted during the measurement (brown-out or crash)"));
}

static void on_start_line(struct measure *m, const char *line, double now)
{
    if (number_after(line, "n=") != m->inferences || (m->stage != WARM_RUN && m->stage != WINDOW))
        return;
    m->mark_open = true;
    m->marks[m->mark_count] = (struct run_mark){.start_s = now, .inferences = m->inferences};
    double expected_s = m->last_us ? 4.0 * (double)m->last_us / 1e6 * (double)m->inferences : 60;
    wait_ms(m, 5000 + 1000 * expected_s);
}

static void after_warm_run(struct measure *m, uint64_t us)
{
    double each_us = fmax((double)us / (double)m->inferences, 0.5);
    bool again = m->inferences == 1 && (double)us < warm_up_s * 1e6;
    double fill_s = again ? warm_up_s : m->config.window_s;
    uint64_t count = (uint64_t)fmin(fmax(ceil(fill_s * 1e6 / each_us), 1), INFERENCES_MAX);
    m->last_us = (uint64_t)each_us + 1;
    if (again && count > 1) {
        command(m, count);
        return;
    }
    m->inferences = m->config.inferences ? m->config.inferences : count;
    say(m, LOG_INFO, "one inference takes %.3f ms: %llu per window", each_us / 1000,
        (unsigned long long)m->inferences);
    enter(m, WARM_STOP);
}

static void on_end_line(struct measure *m, const char *line)
{
    uint64_t us = number_after(line, " us=");
    if (!m->mark_open || number_after(line, "n=") != m->inferences)
        return;
    m->mark_open = false;
    if (m->stage == WARM_RUN) {
        after_warm_run(m, us);
        return;
    }
    struct run_mark *mark = &m->marks[m->mark_count++];
    mark->end_s = m->line_since_s;
    mark->device_us = us;
    m->listener.progress(m->listener.ctx, (double)m->mark_count, m->config.windows);
    enter(m, m->mark_count < m->config.windows ? GAP : BASELINE);
}

static void on_line(struct measure *m, const char *line, double now)
{
    if (!strncmp(line, "SY-BOOT", 7))
        on_boot_line(m, line);
    else if (!strncmp(line, "SY-START", 8))
        on_start_line(m, line, now);
    else if (!strncmp(line, "SY-END", 6))
        on_end_line(m, line);
    else if (!strncmp(line, "SY-ERR", 6))
        failed(m, err_set(&m->err, INVALID, "the firmware says: %.200s", line + 6));
}

static void on_uart_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct measure *m = ctx;
    double now = now_s();
    for (size_t i = 0; i < len && m->stage != OVER && !m->retrying; i++) {
        if (bytes[i] == '\n') {
            m->line[m->line_len] = 0;
            m->line_len = 0;
            on_line(m, m->line, now);
        } else if (bytes[i] >= ' ' && bytes[i] < 0x7F && m->line_len < LINE_BYTES - 1) {
            if (!m->line_len)
                m->line_since_s = now;
            m->line[m->line_len++] = (char)bytes[i];
        }
    }
}

static void on_uart_gone(void *ctx, const char *why)
{
    struct measure *m = ctx;
    failed(m,
           err_set(&m->err, NETWORK, "the board's UART %s was unplugged (%s)", m->uart_path, why));
}

/* ---- the meter ---- */

static void evaluate(struct measure *m)
{
    struct figures_input in = {&m->result.recorder,
                               &m->result.meter,
                               m->marks,
                               m->mark_count,
                               m->config.windows,
                               m->boots,
                               m->build_id[0] ? m->build_id : NULL,
                               m->seen_build};
    figures_evaluate(&in, &m->result.figures);
    const struct gate *gate = figures_failed_gate(&m->result.figures);
    if (gate && m->recordings < REPEATS && figures_worth_repeating(&m->result.figures)) {
        say(m, LOG_WARN, "gate %s failed (%s): recording again", gate->name, gate->detail);
        enter(m, START);
        return;
    }
    finish(m, ERR_OK);
}

static void on_ready(struct measure *m)
{
    static const enum stage next[OVER] = {
        [CONNECT] = CUT, [CUT] = DARK, [SUPPLY] = BOOT, [WARM_STOP] = START};
    if (m->stage == CONNECT)
        m->result.meter = *v3pwr_meter.info(m->meter);
    if (m->stage == STOP)
        evaluate(m);
    else if (next[m->stage])
        enter(m, next[m->stage]);
}

static void on_streaming(struct measure *m)
{
    if (m->stage == WARM_START)
        enter(m, WARM_RUN);
    else if (m->stage == START)
        enter(m, BASELINE);
}

static void take_samples(struct measure *m, const struct meter_news *news)
{
    struct recorder *r = &m->result.recorder;
    bool alarmed = r->buffer_max_pct >= BUFFER_ALARM_PCT;
    recorder_take(r, news);
    if (!alarmed && r->buffer_max_pct >= BUFFER_ALARM_PCT)
        say(m, LOG_WARN, "the meter's buffer is %u %% full: the host lags", r->buffer_max_pct);
}

static void on_news(void *ctx, const struct meter_news *news)
{
    struct measure *m = ctx;
    bool recording = m->stage >= START && m->stage <= STOP;
    if (m->stage == OVER || m->retrying)
        return;
    if (news->kind == METER_FAILED) {
        m->err = *news->err;
        failed(m, news->err->code);
    } else if (news->kind == METER_READY)
        on_ready(m);
    else if (news->kind == METER_STREAMING)
        on_streaming(m);
    else if (news->kind == METER_WARNING)
        say(m, LOG_WARN, "%s", news->text);
    else if (recording)
        take_samples(m, news);
    if (m->stage != OVER && !m->retrying && m->result.recorder.full)
        failed(m, err_set(&m->err, TOO_LARGE, "the recording is larger than %d MB",
                          TRACE_MAX_BYTES >> 20));
}

/* ---- stages ---- */

static void connect_both(struct measure *m)
{
    struct uv_serial_listener uart = {m, on_uart_bytes, on_uart_gone};
    char meter_path[USB_PATH_BYTES], uart_path[USB_PATH_BYTES];
    struct meter_config meter = {
        .port = meter_path, .volts_v = m->config.volts_v, .rate_hz = m->config.rate_hz};
    m->attempt++;
    m->boots = m->recordings = 0;
    m->line_len = 0;
    m->last_us = 0;
    enum err_code code = usb_resolve(m->meter_port, meter_path, &m->err);
    if (!code)
        code = usb_resolve(m->uart_path, uart_path, &m->err);
    if (!code)
        code = uv_serial_open(m->loop, uart_path, UART_BAUD, uart, &m->uart, &m->err);
    if (!code)
        code = v3pwr_meter.open(m->loop, &meter, (struct meter_listener){m, on_news}, &m->meter,
                                &m->err);
    if (code)
        failed(m, code);
    else
        wait_ms(m, METER_TIMEOUT_MS);
}

static void begin_recording(struct measure *m)
{
    struct meter_config config = {.volts_v = m->config.volts_v, .rate_hz = m->config.rate_hz};
    recorder_free(&m->result.recorder);
    recorder_init(&m->result.recorder, &m->result.meter, &config, 0);
    m->mark_count = 0;
    m->recordings++;
    v3pwr_meter.start(m->meter);
}

/* False when the bench is no longer leased: that ends the measurement, another attempt would be no
 * better. */
static bool may_drive(struct measure *m)
{
    enum err_code code =
        m->listener.may_drive ? m->listener.may_drive(m->listener.ctx, &m->err) : ERR_OK;

    if (code)
        finish(m, code);
    return !code;
}

static void enter(struct measure *m, enum stage stage)
{
    if (m->stage == OVER) /* cancelled by the one who was just told something */
        return;
    if (!may_drive(m))
        return;
    m->stage = stage;
    wait_ms(m, METER_TIMEOUT_MS);
    switch (stage) {
    case CONNECT:
        connect_both(m);
        break;
    case CUT:
        v3pwr_meter.power(m->meter, false);
        break;
    case DARK:
        m->boots = 0;
        wait_ms(m, DARK_MS);
        break;
    case SUPPLY:
        v3pwr_meter.power(m->meter, true);
        break;
    case BOOT:
        wait_ms(m, m->config.boot_timeout_s * 1000);
        if (m->boots) /* it booted before the meter's answer came */
            enter(m, WARM_START);
        break;
    case WARM_START:
        v3pwr_meter.start(m->meter);
        break;
    case WARM_RUN:
        m->mark_count = 0;
        command(m, 1);
        break;
    case WARM_STOP:
    case STOP:
        v3pwr_meter.stop(m->meter);
        break;
    case START:
        begin_recording(m);
        break;
    case BASELINE:
        wait_ms(m, m->config.baseline_s * 1000);
        break;
    case WINDOW:
        command(m, m->inferences);
        break;
    case GAP:
        wait_ms(m, GAP_MS);
        break;
    case OVER:
        break;
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct measure *m = timer->data;
    if (m->retrying) {
        m->retrying = false;
        enter(m, CONNECT);
    } else if (m->stage == DARK)
        enter(m, SUPPLY);
    else if (m->stage == GAP || (m->stage == BASELINE && m->mark_count < m->config.windows))
        enter(m, WINDOW);
    else if (m->stage == BASELINE)
        enter(m, STOP);
    else if (m->stage == BOOT)
        failed(m, err_set(&m->err, TIMEOUT,
                          "the board did not boot: no line `SY-BOOT` within %g s of power-on",
                          m->config.boot_timeout_s));
    else if (m->stage == WARM_RUN || m->stage == WINDOW)
        failed(m, err_set(&m->err, TIMEOUT,
                          m->mark_open ? "the board did not finish `run %llu` in time"
                                       : "the board did not answer `run %llu`",
                          (unsigned long long)m->inferences));
    else
        failed(m, err_set(&m->err, TIMEOUT, "the meter on %s does not answer", m->meter_port));
}

/* ---- the interface ---- */

enum err_code measure_start(uv_loop_t *loop, const struct measure_config *config,
                            struct measure_listener listener, struct measure **out, struct err *e)
{
    if (!config->windows || config->windows > FIGURES_WINDOWS_MAX - 1)
        return err_set(e, INVALID, "windows is 1 to %d, not %u", FIGURES_WINDOWS_MAX - 1,
                       config->windows);
    struct measure *m = calloc(1, sizeof(*m));
    uv_timer_t *timer = calloc(1, sizeof(*timer));
    if (!m || !timer) {
        free(m);
        free(timer);
        return err_set(e, INTERNAL, "no memory for a measurement");
    }
    m->loop = loop;
    m->config = *config;
    m->listener = listener;
    snprintf(m->meter_port, sizeof(m->meter_port), "%s", config->meter_port);
    snprintf(m->uart_path, sizeof(m->uart_path), "%s", config->uart_path);
    snprintf(m->build_id, sizeof(m->build_id), "%s", config->build_id ? config->build_id : "");
    m->config.attempts = config->attempts ? config->attempts : 1;
    uv_timer_init(loop, timer);
    timer->data = m;
    m->timer = timer;
    m->retrying = true; /* the first CONNECT comes from the loop, not from inside this call */
    wait_ms(m, 1);
    *out = m;
    return ERR_OK;
}

void measure_cancel(struct measure *m)
{
    if (m->stage == OVER)
        return;
    err_set(&m->err, CANCELLED, "the measurement was cancelled");
    finish(m, ERR_CANCELLED);
}

struct measure_result *measure_result(struct measure *m)
{
    return &m->result;
}

void measure_free(struct measure *m)
{
    if (!m)
        return;
    recorder_free(&m->result.recorder);
    free(m);
}
