/* The driver of STLINK-V3PWR and X-NUCLEO-LPM01A.
 *
 *            quiet            last row                 start            ack start
 *   DRAINING -----> COMMAND ----------> READY ----------------> STARTING -----> STREAMING
 *      | noise        | ^ next row      ^ |  |                                 |   | error, F4, F5
 *      v stop         '-'               | |  '-> COMMAND (power, command)  stop|   v
 *   (drains on)                         | |                                    v  FAULTED -> ASKING
 *                                       | '------------------------------ STOPPING      |
 *                                       '---------- end, then quiet ---------'          v
 *   any state: port gone, no answer, no sense -----------------------------------> FAILED
 *
 * A state is a row: what its bytes mean, and what its time-out means.  meter_enter() is the only
 * place where the state changes.  Commands are rows of v3pwr_dialect.c. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/lab/v3pwr_internal.h"

void meter_tell(struct meter *m, const struct meter_news *news)
{
    if (!m->closing)
        m->listener.news(m->listener.ctx, news);
}

static void on_timer(uv_timer_t *timer)
{
    struct meter *m = timer->data;
    if (meter_states[m->state].timeout)
        meter_states[m->state].timeout(m);
}

void meter_set_timer(struct meter *m, uint64_t timeout_ms)
{
    if (timeout_ms)
        uv_timer_start(&m->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&m->timer);
}

void meter_enter(struct meter *m, enum state state, uint64_t timeout_ms)
{
    m->state = state;
    m->since_ms = uv_now(m->timer.loop);
    meter_set_timer(m, timeout_ms);
}

uint64_t meter_in_state_ms(const struct meter *m)
{
    return uv_now(m->timer.loop) - m->since_ms;
}

void meter_fail(struct meter *m, enum err_code code, const char *fmt, ...)
{
    if (m->state == FAILED)
        return;
    char text[sizeof(m->err.detail)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set_at(&m->err, code, __FILE__, __LINE__, "%s", text);
    meter_enter(m, FAILED, 0);
    meter_tell(m, &(struct meter_news){METER_FAILED, .err = &m->err});
}

void meter_warn(struct meter *m, const char *fmt, ...)
{
    char text[500];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    meter_tell(m, &(struct meter_news){METER_WARNING, .text = text});
}

bool meter_send(struct meter *m, const char *command)
{
    char text[COMMAND_MAX + 2];
    int len = snprintf(text, sizeof(text), "%s\r\n", command);
    struct err e = {0};
    if (!uv_serial_write(m->serial, text, (size_t)len, &e))
        return true;
    meter_fail(m, ERR_NETWORK, "cannot send `%s` to the meter on %s: %s", command, m->port,
               e.detail);
    return false;
}

void meter_ready(struct meter *m)
{
    meter_enter(m, READY, 0);
    meter_tell(m, &(struct meter_news){METER_READY, .text = m->answer});
}

/* Calls `take` for each line; bytes behind the line after which the state changed are returned. */
size_t meter_each_line(struct meter *m, const uint8_t *bytes, size_t len,
                       void (*take)(struct meter *m, const char *line))
{
    enum state state = m->state;
    for (size_t i = 0; i < len; i++) {
        bool end = bytes[i] == '\n' || bytes[i] == '\r';
        if (!end && bytes[i] && m->line_len < sizeof(m->line) - 1)
            m->line[m->line_len++] = (char)bytes[i];
        if (!end)
            continue;
        m->line[m->line_len] = 0;
        m->line_len = 0;
        const char *line = answer_strip(m->line);
        if (*line)
            take(m, line);
        if (m->state != state || m->closing)
            return i + 1;
    }
    return len;
}

/* ---- what was left in the line ---- */

static void drain_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    (void)bytes, (void)len;
    if (m->config.identify && meter_in_state_ms(m) > QUIET_MS) {
        meter_fail(m, ERR_BUSY, "the meter on %s is measuring: somebody uses it", m->port);
        return;
    }
    if (meter_in_state_ms(m) > DRAIN_LIMIT_MS) {
        meter_fail(m, ERR_INVALID, "the meter on %s keeps sending and does not obey `stop`",
                   m->port);
        return;
    }
    if (meter_in_state_ms(m) > (uint64_t)4 * QUIET_MS && !m->asked) {
        m->asked = true; /* an acquisition of an earlier program still runs */
        if (!meter_send(m, "stop"))
            return;
    }
    meter_set_timer(m, m->asked ? END_QUIET_MS : m->config.identify ? IDLE_MS : QUIET_MS);
}

static void drain_timeout(struct meter *m)
{
    m->line_len = 0;
    m->asked = false;
    meter_run_script(m, m->config.identify ? script_identify : script_setup);
}

const struct state_row meter_states[FAILED + 1] = {
    [DRAINING] = {"draining", drain_bytes, drain_timeout},
    [COMMAND] = {"command", meter_command_bytes, meter_command_timeout},
    [READY] = {"ready", NULL, NULL},
    [STARTING] = {"starting", acquire_start_bytes, acquire_start_timeout},
    [STREAMING] = {"streaming", acquire_stream_bytes, acquire_stream_timeout},
    [STOPPING] = {"stopping", acquire_stop_bytes, acquire_stop_timeout},
    [FAULTED] = {"faulted", acquire_feed, acquire_fault_timeout},
    [ASKING] = {"asking", acquire_ask_bytes, acquire_say_fault},
    [FAILED] = {"failed", NULL, NULL},
};

/* ---- the interface ---- */

static void on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct meter *m = ctx;
    if (!m->closing && meter_states[m->state].bytes)
        meter_states[m->state].bytes(m, bytes, len);
}

static void on_gone(void *ctx, const char *why)
{
    struct meter *m = ctx;
    if (m->state == STREAMING || m->state == FAULTED)
        meter_fail(m, ERR_NETWORK, "the meter on %s was unplugged after %llu samples (%s)", m->port,
                   (unsigned long long)m->stream.samples, why);
    else
        meter_fail(m, ERR_NETWORK, "the meter on %s was unplugged (%s)", m->port, why);
}

static enum err_code v3pwr_open(uv_loop_t *loop, const struct meter_config *config,
                                struct meter_listener listener, struct meter **out, struct err *e)
{
    struct meter *m = calloc(1, sizeof(*m));
    if (!m)
        return err_set(e, INTERNAL, "no memory for a meter");
    m->config = *config;
    m->listener = listener;
    snprintf(m->port, sizeof(m->port), "%s", config->port);
    m->config.port = m->port;
    m->info.temperature_c = NAN;
    struct uv_serial_listener serial = {m, on_bytes, on_gone};
    enum err_code code =
        uv_serial_open(loop, m->port, config->baud ? config->baud : BAUD, serial, &m->serial, e);
    if (code) {
        free(m);
        return code;
    }
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    meter_enter(m, DRAINING, config->identify ? IDLE_MS : QUIET_MS);
    *out = m;
    return ERR_OK;
}

static const struct meter_info *v3pwr_info(const struct meter *m)
{
    return &m->info;
}

static void v3pwr_power(struct meter *m, bool on)
{
    meter_run_script(m, on ? script_power_on : script_power_off);
}

static void v3pwr_trigger(struct meter *m, bool hardware)
{
    m->config.hardware_trigger = hardware;
    meter_run_script(m, script_trigger);
}

static void v3pwr_start(struct meter *m)
{
    acquire_begin(m);
}

static void v3pwr_stop(struct meter *m)
{
    if (m->state != STREAMING)
        return;
    meter_enter(m, STOPPING, STOP_QUIET_MS);
    acquire_send_stop(m);
}

static void v3pwr_command(struct meter *m, const char *text)
{
    snprintf(m->caller_text, sizeof(m->caller_text), "%s", text);
    if (m->state == STREAMING) { /* the answer is a frame */
        meter_send(m, m->caller_text);
        return;
    }
    m->caller_row = (struct command_row){{m->caller_text}, DIALECT_BOTH, DIALECT_BOTH, 10000, 1,
                                         .use = USE_CALLER};
    meter_run_script(m, (struct command_script){&m->caller_row, 1});
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void v3pwr_close(struct meter *m)
{
    if (!m || m->closing)
        return;
    struct err ignored = {0};
    bool running = m->state >= STARTING && m->state <= FAULTED;
    if (running && uv_serial_write(m->serial, "stop\r\n", 6, &ignored) == ERR_OK)
        m->ended = true;
    if (m->dialect == DIALECT_LPM01A && !m->config.identify &&
        uv_serial_write(m->serial, "hrc\r\n", 5, &ignored) == ERR_OK)
        m->ended = true;
    m->closing = true;
    uv_serial_close(m->serial);
    uv_close((uv_handle_t *)&m->timer, on_closed);
}

const struct meter_ops v3pwr_meter = {
    "v3pwr",     v3pwr_open, v3pwr_info,    v3pwr_power, v3pwr_trigger,
    v3pwr_start, v3pwr_stop, v3pwr_command, v3pwr_close,
};
