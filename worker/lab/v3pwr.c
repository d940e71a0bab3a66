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
 * A state is a row: what its bytes mean, and what its time-out means.  enter() is the only place
 * where the state changes.  Commands are rows of v3pwr_dialect.c. */
#include "worker/lab/v3pwr_dialect.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/io/uv_serial.h"

enum state { DRAINING, COMMAND, READY, STARTING, STREAMING, STOPPING, FAULTED, ASKING, FAILED };

enum {
    BAUD = 921600,
    QUIET_MS = 60,
    DRAIN_LIMIT_MS = 6000,
    DETAIL_MS = 80,
    FOREIGN_MS = 400,
    START_MS = 3000,
    STALL_MS = 2000,
    STAMP_MS = 3000,
    END_QUIET_MS = 150,
    STOP_QUIET_MS = 600,
    STOP_LIMIT_MS = 6000,
    FAULT_MS = 250,
    ASK_MS = 700,
    BLOCKS_WITHOUT_STAMP = 5,
    ASCII_RATE_MAX_HZ = 10000,
};

struct meter {
    enum state state;
    uv_timer_t timer;
    struct uv_serial *serial;
    struct meter_config config;
    char port[256];
    struct meter_listener listener;
    struct meter_info info;
    enum dialect dialect;
    struct command_script script;
    struct command_row caller_row; /* of meter_ops.command */
    char caller_text[COMMAND_MAX];
    size_t row;
    int spelling, attempt;
    char command[COMMAND_MAX];
    char refusal[ANSWER_MAX]; /* of the running command; its detail follows in lines of its own */
    char answer[ANSWER_MAX];
    char line[ANSWER_MAX];
    size_t line_len;
    uint64_t since_ms; /* when the state was entered */
    bool announced, ended, asked, overcurrent, closing;
    char fault[300];
    struct v3pwr_stream stream;
    struct err err;
};

struct state_row {
    const char *name;
    void (*bytes)(struct meter *m, const uint8_t *bytes, size_t len);
    void (*timeout)(struct meter *m);
};
static const struct state_row states[FAILED + 1];

static void tell(struct meter *m, const struct meter_news *news)
{
    if (!m->closing)
        m->listener.news(m->listener.ctx, news);
}

static void on_timer(uv_timer_t *timer)
{
    struct meter *m = timer->data;
    if (states[m->state].timeout)
        states[m->state].timeout(m);
}

static void set_timer(struct meter *m, uint64_t timeout_ms)
{
    if (timeout_ms)
        uv_timer_start(&m->timer, on_timer, timeout_ms, 0);
    else
        uv_timer_stop(&m->timer);
}

static void enter(struct meter *m, enum state state, uint64_t timeout_ms)
{
    m->state = state;
    m->since_ms = uv_now(m->timer.loop);
    set_timer(m, timeout_ms);
}

static uint64_t in_state_ms(const struct meter *m)
{
    return uv_now(m->timer.loop) - m->since_ms;
}

static void fail(struct meter *m, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct meter *m, enum err_code code, const char *fmt, ...)
{
    if (m->state == FAILED)
        return;
    char text[sizeof(m->err.detail)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    err_set_at(&m->err, code, __FILE__, __LINE__, "%s", text);
    enter(m, FAILED, 0);
    tell(m, &(struct meter_news){METER_FAILED, .err = &m->err});
}

static void warn(struct meter *m, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void warn(struct meter *m, const char *fmt, ...)
{
    char text[500];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    tell(m, &(struct meter_news){METER_WARNING, .text = text});
}

static bool send_text(struct meter *m, const char *command)
{
    char text[COMMAND_MAX + 2];
    int len = snprintf(text, sizeof(text), "%s\r\n", command);
    struct err e = {0};
    if (!uv_serial_write(m->serial, text, (size_t)len, &e))
        return true;
    fail(m, ERR_NETWORK, "cannot send `%s` to the meter on %s: %s", command, m->port, e.detail);
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

static void ready(struct meter *m)
{
    enter(m, READY, 0);
    tell(m, &(struct meter_news){METER_READY, .text = m->answer});
}

static void send_row(struct meter *m)
{
    command_format(m->command, row_now(m), m->spelling, &m->config, m->dialect);
    m->refusal[0] = 0;
    enter(m, COMMAND, row_now(m)->timeout_ms);
    send_text(m, m->command);
}

static void next_row(struct meter *m)
{
    do
        m->row++;
    while (m->row < m->script.count && !(row_now(m)->dialects & m->dialect));
    m->spelling = m->attempt = 0;
    if (m->row < m->script.count)
        send_row(m);
    else
        ready(m);
}

static void run_script(struct meter *m, struct command_script script)
{
    m->script = script;
    m->row = 0;
    m->spelling = m->attempt = 0;
    m->answer[0] = 0;
    send_row(m);
}

static bool use_voltage(struct meter *m, const char *line)
{
    double volts;
    if (!answer_volts(line, &volts) || fabs(volts - m->config.volts_v) <= 0.01 * m->config.volts_v)
        return true;
    fail(m, ERR_INVALID, "the meter supplies %.3f V after it was told to supply %.3f V", volts,
         m->config.volts_v);
    return false;
}

static bool use_format(struct meter *m)
{
    bool ascii = strstr(m->command, "ascii");
    m->info.code = ascii ? SAMPLE_DEC32 : SAMPLE_HEX16;
    if (!ascii || m->config.rate_hz <= ASCII_RATE_MAX_HZ)
        return true;
    fail(m, ERR_INVALID,
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

/* Another spelling, another attempt, the next row, or the end. */
static void command_refused(struct meter *m)
{
    const struct command_row *row = row_now(m);
    if (row->use == USE_STATUS) {
        warn(m, "the meter reported an earlier error, now cleared: %s", m->refusal);
        next_row(m);
    } else if (m->spelling + 1 < SPELLINGS_MAX && row->spellings[m->spelling + 1]) {
        m->spelling++;
        send_row(m);
    } else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        m->spelling = 0;
        send_row(m);
    } else if (required(m)) {
        fail(m, ERR_INVALID, "the meter refused `%s`: %s", m->command, m->refusal);
    } else {
        next_row(m);
    }
}

static void command_timeout(struct meter *m)
{
    const struct command_row *row = row_now(m);
    if (m->refusal[0])
        command_refused(m);
    else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        send_row(m);
    } else if (row->use == USE_IDENTITY)
        fail(m, ERR_TIMEOUT, "no power monitor answers on %s", m->port);
    else if (required(m))
        fail(m, ERR_TIMEOUT, "the meter on %s did not acknowledge `%s` within %.1f s, %d times",
             m->port, m->command, row->timeout_ms / 1000.0, row->attempts);
    else
        next_row(m);
}

static void command_line(struct meter *m, const char *line)
{
    if (m->refusal[0]) { /* details */
        size_t len = strlen(m->refusal);
        snprintf(m->refusal + len, sizeof(m->refusal) - len, "; %s", line);
        return;
    }
    enum answer answer = answer_classify(line, m->command);
    if (answer == ANSWER_ACK && use_answer(m, line) && m->state == COMMAND)
        next_row(m);
    else if (answer == ANSWER_REFUSED) {
        snprintf(m->refusal, sizeof(m->refusal), "%s", line);
        set_timer(m, DETAIL_MS);
    } else if (answer == ANSWER_OTHER && uv_timer_get_due_in(&m->timer) > FOREIGN_MS &&
               row_now(m)->timeout_ms <= START_MS)
        set_timer(m, FOREIGN_MS); /* answers lag: ask again rather than wait */
}

/* Calls `take` for each line; bytes behind the line after which the state changed are returned. */
static size_t each_line(struct meter *m, const uint8_t *bytes, size_t len,
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
        size_t used = each_line(m, bytes, len, command_line);
        bytes += used;
        len -= used;
    }
}

/* ---- what was left in the line ---- */

static void drain_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    (void)bytes, (void)len;
    if (in_state_ms(m) > DRAIN_LIMIT_MS) {
        fail(m, ERR_INVALID, "the meter on %s keeps sending and does not obey `stop`", m->port);
        return;
    }
    if (in_state_ms(m) > 4 * QUIET_MS && !m->asked) {
        m->asked = true; /* an acquisition of an earlier program still runs */
        if (!send_text(m, "stop"))
            return;
    }
    set_timer(m, m->asked ? END_QUIET_MS : QUIET_MS);
}

static void drain_timeout(struct meter *m)
{
    m->line_len = 0;
    m->asked = false;
    run_script(m, script_setup);
}

/* ---- the stream ---- */

static void start_line(struct meter *m, const char *line)
{
    enum answer answer = answer_classify(line, "start");
    if (answer == ANSWER_REFUSED)
        fail(m, ERR_INVALID, "the meter refused `start`: %s", line);
    if (answer != ANSWER_ACK)
        return;
    uint64_t stamp_ms = STAMP_MS + (uint64_t)(1000 * STREAM_BLOCK_SAMPLES / m->config.rate_hz);
    enter(m, STREAMING, m->config.hardware_trigger ? 0 : stamp_ms);
}

static void stream_bytes(struct meter *m, const uint8_t *bytes, size_t len);

static void start_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    size_t used = each_line(m, bytes, len, start_line);
    if (m->state == STREAMING)
        stream_bytes(m, bytes + used, len - used);
}

static void start_timeout(struct meter *m)
{
    fail(m, ERR_TIMEOUT, "the meter on %s did not acknowledge `start` within %.1f s", m->port,
         START_MS / 1000.0);
}

static void add_fault(struct meter *m, const char *text)
{
    size_t len = strlen(m->fault);
    if (text && *text && !strstr(m->fault, text))
        snprintf(m->fault + len, sizeof(m->fault) - len, "%s%s", len ? "; " : "", text);
    if (m->state != FAULTED)
        enter(m, FAULTED, FAULT_MS);
}

static void announce(struct meter *m)
{
    if (m->announced || !m->stream.anchored)
        return;
    m->announced = true;
    tell(m, &(struct meter_news){METER_STREAMING});
}

static void on_samples(void *ctx, const uint8_t *raw, size_t count)
{
    struct meter *m = ctx;
    announce(m);
    if (m->state == STREAMING)
        tell(m, &(struct meter_news){METER_SAMPLES, .raw = raw, .count = count});
}

static void on_event(void *ctx, const struct stream_event *event)
{
    struct meter *m = ctx;
    bool busy = m->state == STREAMING || m->state == FAULTED;
    m->ended |= event->kind == STREAM_ENDED;
    announce(m);
    if (busy && event->kind == STREAM_OVERCURRENT) {
        m->overcurrent = true;
        add_fault(m, event->text);
    } else if (busy && event->kind == STREAM_ERROR)
        add_fault(m, event->text);
    else if (m->state == STREAMING && event->kind == STREAM_ENDED)
        add_fault(m, NULL);
    else if (m->state == STREAMING || (m->state == STOPPING && event->kind != STREAM_LINE))
        tell(m, &(struct meter_news){METER_EVENT, .event = event});
}

static void feed(struct meter *m, const uint8_t *bytes, size_t len)
{
    while (len && m->state != FAILED && m->state != READY && !m->closing) {
        size_t part = len < 512 ? len : 512; /* the listener may stop or close in between */
        stream_feed(&m->stream, bytes, part);
        bytes += part;
        len -= part;
    }
}

static void stream_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    feed(m, bytes, len);
    if (m->state != STREAMING || m->closing || !m->stream.anchored)
        return;
    uint64_t open = m->stream.samples - m->stream.block_first;
    if (open > BLOCKS_WITHOUT_STAMP * STREAM_BLOCK_SAMPLES) {
        fail(m, ERR_INVALID, "the stream has no time stamp for %llu samples, one per 1000 expected",
             (unsigned long long)open);
        return;
    }
    set_timer(m, STALL_MS + (uint64_t)(3000 / m->config.rate_hz));
}

static void stream_timeout(struct meter *m)
{
    if (m->stream.anchored)
        fail(m, ERR_TIMEOUT,
             "the stream of the meter on %s stopped after %llu samples, without an end mark",
             m->port, (unsigned long long)m->stream.samples);
    else
        fail(m, ERR_TIMEOUT, "the meter on %s acknowledged `start` but sent no time stamp",
             m->port);
}

static void stop_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    feed(m, bytes, len);
    if (m->state != STOPPING || m->closing)
        return;
    if (in_state_ms(m) > STOP_LIMIT_MS)
        fail(m, ERR_TIMEOUT, "the meter on %s does not obey `stop`", m->port);
    else
        set_timer(m, m->ended ? END_QUIET_MS : STOP_QUIET_MS);
}

static void stop_timeout(struct meter *m)
{
    if (!m->ended)
        warn(m, "the meter stopped without an end mark");
    ready(m);
}

/* ---- the meter ended the acquisition by itself: find out why ---- */

static void say_fault(struct meter *m)
{
    bool excess = m->overcurrent || strstr(m->fault, "vercurrent");
    unsigned long long samples = m->stream.samples;
    double at_s = (double)samples / m->config.rate_hz;
    const char *text = m->fault[0] ? m->fault : "no reason given";
    if (excess)
        fail(m, ERR_INVALID,
             "overcurrent: the meter ended the acquisition after %.3f s (%llu samples): %s", at_s,
             samples, text);
    else
        fail(m, ERR_INVALID,
             "the meter ended the acquisition by itself after %.3f s (%llu samples): %s", at_s,
             samples, text);
}

static void fault_timeout(struct meter *m)
{
    if (m->fault[0] || m->overcurrent) {
        say_fault(m);
        return;
    }
    m->line_len = 0;
    enter(m, ASKING, ASK_MS);
    send_text(m, "status");
}

static void ask_line(struct meter *m, const char *line)
{
    if (strncmp(line, "ack", 3) && strcasestr(line, "err"))
        add_fault(m, line);
    if (m->fault[0] || answer_classify(line, "status") == ANSWER_ACK)
        say_fault(m);
}

static void ask_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    each_line(m, bytes, len, ask_line);
}

static const struct state_row states[FAILED + 1] = {
    [DRAINING] = {"draining", drain_bytes, drain_timeout},
    [COMMAND] = {"command", command_bytes, command_timeout},
    [READY] = {"ready", NULL, NULL},
    [STARTING] = {"starting", start_bytes, start_timeout},
    [STREAMING] = {"streaming", stream_bytes, stream_timeout},
    [STOPPING] = {"stopping", stop_bytes, stop_timeout},
    [FAULTED] = {"faulted", feed, fault_timeout},
    [ASKING] = {"asking", ask_bytes, say_fault},
    [FAILED] = {"failed", NULL, NULL},
};

/* ---- the interface ---- */

static void on_bytes(void *ctx, const uint8_t *bytes, size_t len)
{
    struct meter *m = ctx;
    if (!m->closing && states[m->state].bytes)
        states[m->state].bytes(m, bytes, len);
}

static void on_gone(void *ctx, const char *why)
{
    struct meter *m = ctx;
    if (m->state == STREAMING || m->state == FAULTED)
        fail(m, ERR_NETWORK, "the meter on %s was unplugged after %llu samples (%s)", m->port,
             (unsigned long long)m->stream.samples, why);
    else
        fail(m, ERR_NETWORK, "the meter on %s was unplugged (%s)", m->port, why);
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
    enter(m, DRAINING, QUIET_MS);
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

static void v3pwr_start(struct meter *m)
{
    struct stream_sink sink = {m, on_samples, on_event};
    stream_init(&m->stream, m->info.code, m->config.rate_hz, sink);
    m->announced = m->ended = m->overcurrent = false;
    m->fault[0] = 0;
    m->line_len = 0;
    enter(m, STARTING, START_MS);
    send_text(m, "start");
}

static void v3pwr_stop(struct meter *m)
{
    if (m->state != STREAMING)
        return;
    enter(m, STOPPING, STOP_QUIET_MS);
    send_text(m, "stop");
}

static void v3pwr_command(struct meter *m, const char *text)
{
    snprintf(m->caller_text, sizeof(m->caller_text), "%s", text);
    if (m->state == STREAMING) { /* the answer is a frame */
        send_text(m, m->caller_text);
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
    "v3pwr",     v3pwr_open, v3pwr_info,    v3pwr_power,
    v3pwr_start, v3pwr_stop, v3pwr_command, v3pwr_close,
};
