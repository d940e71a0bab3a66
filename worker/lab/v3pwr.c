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

/* Both meters' supplies are as good as this; a reading nearby is one of their own converter. */
static const double volts_rel = 0.01, volts_warn_rel = 0.003;

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

/* ---- commands ---- */

static const struct command_row *row_now(const struct meter *m)
{
    return &m->script.rows[m->row];
}

static bool required(const struct meter *m)
{
    return row_now(m)->required & (m->dialect ? m->dialect : DIALECT_BOTH);
}

void meter_ready(struct meter *m)
{
    meter_enter(m, READY, 0);
    meter_tell(m, &(struct meter_news){METER_READY, .text = m->answer});
}

static void send_row(struct meter *m)
{
    command_format(m->command, row_now(m), m->spelling, &m->config, m->dialect);
    m->refusal[0] = m->foreign[0] = 0;
    m->owed++;
    meter_enter(m, COMMAND, row_now(m)->timeout_ms + 2 * m->lag_ms);
    meter_send(m, m->command);
}

static void next_row(struct meter *m)
{
    do
        m->row++;
    while (m->row < m->script.count && !(row_now(m)->dialects & m->dialect));
    m->spelling = m->attempt = 0;
    m->row_ms = uv_now(m->timer.loop);
    m->first_refusal[0] = 0;
    if (m->row < m->script.count)
        send_row(m);
    else if (m->start_pending)
        acquire_begin(m);
    else
        meter_ready(m);
}

static void run_script(struct meter *m, struct command_script script)
{
    m->script = script;
    m->owed = 0;
    m->row_ms = uv_now(m->timer.loop);
    m->row = 0;
    m->spelling = m->attempt = 0;
    m->first_refusal[0] = 0;
    m->answer[0] = 0;
    send_row(m);
}

static bool use_voltage(struct meter *m, const char *line)
{
    double volts;
    if (!answer_volts(line, &volts))
        return true;
    double apart_rel = fabs(volts / m->config.volts_v - 1);
    if (apart_rel > volts_warn_rel && apart_rel <= volts_rel)
        meter_warn(m, "the meter says that it supplies %.3f V; the figures are of %.3f V", volts,
                   m->config.volts_v);
    if (apart_rel <= volts_rel)
        return true;
    meter_fail(m, ERR_INVALID, "the meter supplies %.3f V after it was told to supply %.3f V",
               volts, m->config.volts_v);
    return false;
}

static bool use_format(struct meter *m)
{
    bool ascii = strstr(m->command, "ascii");
    m->info.code = ascii ? SAMPLE_DEC32 : SAMPLE_HEX16;
    if (!ascii || m->config.rate_hz <= ASCII_RATE_MAX_HZ)
        return true;
    meter_fail(
        m, ERR_INVALID,
        "the meter refuses the binary format, and ASCII carries at most %d samples/s, not %g",
        ASCII_RATE_MAX_HZ, m->config.rate_hz);
    return false;
}

/* False when the answer ends the matter. */
static bool use_answer(struct meter *m, const char *line)
{
    switch (row_now(m)->use) {
    case USE_IDENTITY:
        answer_identity(line, &m->info, &m->dialect);
        return true;
    case USE_VERSION: {
        const char *text = strstr(line, "version");
        text += strcspn(text, ": ");
        snprintf(m->info.version, sizeof(m->info.version), "%.40s", text + strspn(text, ": "));
        return true;
    }
    case USE_FORMAT:
        return use_format(m);
    case USE_VOLTAGE:
        return use_voltage(m, line);
    case USE_CALLER:
        snprintf(m->answer, sizeof(m->answer), "%s", line);
        return true;
    default:
        return true;
    }
}

/* Reading `status` clears an error; one that stays is a defect. */
static void status_refused(struct meter *m)
{
    const char *rest = m->refusal + strcspn(m->refusal, " :");
    bool unknown = strstr(m->refusal, "nknown") || !strncasecmp(rest, " status", 7);
    if (unknown) {
        next_row(m);
    } else if (m->attempt + 1 < row_now(m)->attempts) {
        if (!m->attempt++)
            meter_warn(m, "the meter reported an earlier error, now cleared: %s", m->refusal);
        send_row(m);
    } else
        meter_fail(m, ERR_INVALID, "the meter reports an error that does not clear: %s",
                   m->refusal);
}

void meter_set_up_again(struct meter *m)
{
    m->set_up_again = m->asked = true;
    meter_enter(m, DRAINING, END_QUIET_MS);
    meter_send(m, "stop");
}

/* Another spelling, another attempt, the next row, or the end. */
static void command_refused(struct meter *m)
{
    const struct command_row *row = row_now(m);
    if (!m->first_refusal[0])
        snprintf(m->first_refusal, sizeof(m->first_refusal), "`%s`: %.300s", m->command,
                 m->refusal);
    bool other = m->contradicted;
    m->contradicted = false;
    if (row->use == USE_STATUS) {
        status_refused(m);
    } else if (m->spelling + 1 < SPELLINGS_MAX && row->spellings[m->spelling + 1]) {
        m->spelling++;
        send_row(m);
    } else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        m->spelling = 0;
        send_row(m);
    } else if (!required(m) && !other) {
        bool lacks_it = strstr(m->refusal, "nknown"); /* firmware 1.0.0 */
        if (m->script.rows == script_power_on.rows && !lacks_it)
            meter_warn(m, "the meter refused %s; it supplies the board while it measures",
                       m->first_refusal);
        next_row(m);
    } else if (m->script.rows == script_setup.rows && !m->set_up_again) {
        meter_set_up_again(m);
    } else {
        meter_fail(m, ERR_INVALID, "the meter refused %s", m->first_refusal);
    }
}

/* In front of the answer to another command, if there was one. */
const char *meter_foreign_text(const struct meter *m)
{
    return m->foreign[0] ? "; the answer that came is to another command: " : "";
}

static void command_timeout(struct meter *m)
{
    const struct command_row *row = row_now(m);
    if (m->refusal[0])
        command_refused(m);
    else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        /* an acquisition of an earlier program, slow or armed, may keep it from answering */
        if (row->use == USE_IDENTITY && !meter_send(m, "stop"))
            return;
        send_row(m);
    } else if (row->use == USE_IDENTITY)
        meter_fail(m, ERR_TIMEOUT, "no power monitor answers on %s", m->port);
    else if (required(m))
        meter_fail(m, ERR_TIMEOUT,
                   "the meter on %s did not acknowledge `%s` within %.1f s, %d times%s%s", m->port,
                   m->command, row->timeout_ms / 1000.0, row->attempts, meter_foreign_text(m),
                   m->foreign);
    else
        next_row(m);
}

/* `volt` is slow by its nature and tells nothing about the others. */
static void note_lag(struct meter *m)
{
    uint64_t took_ms = uv_now(m->timer.loop) - m->row_ms;
    m->lag_ms = took_ms > m->lag_ms / 2 ? took_ms : m->lag_ms / 2;
    m->lag_ms = m->lag_ms < LAG_MAX_MS ? m->lag_ms : LAG_MAX_MS;
}

static void command_line(struct meter *m, const char *line)
{
    if (m->refusal[0]) { /* details */
        size_t len = strlen(m->refusal);
        snprintf(m->refusal + len, sizeof(m->refusal) - len, "; %s", line);
        return;
    }
    enum answer answer = answer_classify(line, m->command);
    m->owed -= answer != ANSWER_NONE && m->owed > 0;
    if (answer == ANSWER_ACK && row_now(m)->timeout_ms <= START_MS)
        note_lag(m);
    if (answer == ANSWER_OTHER)
        snprintf(m->foreign, sizeof(m->foreign), "%s", line);
    if (answer == ANSWER_ACK && use_answer(m, line) && m->state == COMMAND)
        next_row(m);
    else if (answer == ANSWER_REFUSED || answer == ANSWER_CONTRADICTS) {
        m->contradicted = answer == ANSWER_CONTRADICTS;
        snprintf(m->refusal, sizeof(m->refusal), m->contradicted ? "it answered `%s`" : "%s", line);
        meter_set_timer(m, DETAIL_MS);
    } else if (answer == ANSWER_OTHER && m->owed <= 1) { /* answers lag: ask rather than wait */
        uint64_t wait_ms = row_now(m)->timeout_ms > START_MS ? SLOW_FOREIGN_MS : FOREIGN_MS;
        if (uv_timer_get_due_in(&m->timer) > wait_ms)
            meter_set_timer(m, wait_ms);
    }
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

static void command_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    while (len && m->state == COMMAND) {
        size_t used = meter_each_line(m, bytes, len, command_line);
        bytes += used;
        len -= used;
    }
}

/* ---- what was left in the line ---- */

static void drain_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    (void)bytes, (void)len;
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
    meter_set_timer(m, m->asked ? END_QUIET_MS : QUIET_MS);
}

static void drain_timeout(struct meter *m)
{
    m->line_len = 0;
    m->asked = false;
    run_script(m, script_setup);
}

const struct state_row meter_states[FAILED + 1] = {
    [DRAINING] = {"draining", drain_bytes, drain_timeout},
    [COMMAND] = {"command", command_bytes, command_timeout},
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
    struct uv_serial_listener serial = {m, on_bytes, on_gone};
    enum err_code code =
        uv_serial_open(loop, m->port, config->baud ? config->baud : BAUD, serial, &m->serial, e);
    if (code) {
        free(m);
        return code;
    }
    uv_timer_init(loop, &m->timer);
    m->timer.data = m;
    meter_enter(m, DRAINING, QUIET_MS);
    *out = m;
    return ERR_OK;
}

static const struct meter_info *v3pwr_info(const struct meter *m)
{
    return &m->info;
}

static void v3pwr_power(struct meter *m, bool on)
{
    run_script(m, on ? script_power_on : script_power_off);
}

static void v3pwr_trigger(struct meter *m, bool hardware)
{
    m->config.hardware_trigger = hardware;
    run_script(m, script_trigger);
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
    run_script(m, (struct command_script){&m->caller_row, 1});
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
    if (m->dialect == DIALECT_LPM01A &&
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
