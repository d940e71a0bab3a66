/* The commands of a script, one after the other: answers, other spellings, further attempts.
 *
 * A refusal may leave an error behind that forbids everything until `status` is read, so that is
 * done before the next command. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "worker/lab/v3pwr_internal.h"

/* Both meters' supplies are as good as this; a reading nearby is one of their own converter. */
static const double volts_rel = 0.01, volts_warn_rel = 0.003;

static const struct command_row *row_now(const struct meter *m)
{
    return &m->script.rows[m->row];
}

static bool required(const struct meter *m)
{
    return row_now(m)->required & (m->dialect ? m->dialect : DIALECT_BOTH);
}

static void send_row(struct meter *m)
{
    command_format(m->command, row_now(m), m->spelling, &m->config, m->dialect);
    m->refusal[0] = m->foreign[0] = 0;
    m->owed++;
    meter_enter(m, COMMAND, row_now(m)->timeout_ms + 2 * m->lag_ms);
    meter_send(m, m->command);
}

static void read_status(struct meter *m)
{
    m->refused = false;
    m->clearing = true;
    m->owed++;
    meter_enter(m, COMMAND, CLEAR_MS + 2 * m->lag_ms);
    meter_send(m, "status");
}

static void go_on(struct meter *m)
{
    m->clearing = false;
    if (m->refused)
        read_status(m);
    else if (m->row < m->script.count)
        send_row(m);
    else if (m->start_pending)
        acquire_begin(m);
    else
        meter_ready(m);
}

static void next_row(struct meter *m)
{
    do
        m->row++;
    while (m->row < m->script.count && !(row_now(m)->dialects & m->dialect));
    m->spelling = m->attempt = 0;
    m->row_ms = uv_now(m->timer.loop);
    m->first_refusal[0] = 0;
    go_on(m);
}

void meter_run_script(struct meter *m, struct command_script script)
{
    m->script = script;
    m->owed = 0;
    m->late = 0;
    m->refused = false;
    m->row_ms = uv_now(m->timer.loop);
    m->row = 0;
    m->spelling = m->attempt = 0;
    m->first_refusal[0] = 0;
    m->answer[0] = 0;
    go_on(m);
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
    bool other = m->contradicted;
    m->contradicted = false;
    if (!m->first_refusal[0] || other)
        snprintf(m->first_refusal, sizeof(m->first_refusal), "`%s`: %.300s", m->command,
                 m->refusal);
    m->refused = row->use != USE_STATUS;
    if (row->use == USE_STATUS) {
        status_refused(m);
    } else if (m->spelling + 1 < SPELLINGS_MAX && row->spellings[m->spelling + 1]) {
        m->spelling++;
        go_on(m);
    } else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        m->spelling = 0;
        go_on(m);
    } else if (!required(m) && !other) {
        bool lacks_it = strstr(m->refusal, "nknown"); /* firmware 1.0.0 */
        if (m->script.rows == script_power_on.rows && !lacks_it)
            meter_warn(m, "the meter refused %s; it supplies the board while it measures",
                       m->first_refusal);
        next_row(m);
    } else if (m->script.count == script_setup.count && !m->set_up_again) {
        meter_set_up_again(m);
    } else {
        meter_fail(m, ERR_INVALID, "the meter refused %s%s", m->first_refusal,
                   m->late < LATE_FEW ? "" : "; its answers come late, each to an earlier command");
    }
}

/* In front of the answer to another command, if there was one. */
const char *meter_foreign_text(const struct meter *m)
{
    return m->foreign[0] ? "; the answer that came is to another command: " : "";
}

void meter_command_timeout(struct meter *m)
{
    if (m->clearing) {
        go_on(m);
        return;
    }
    const struct command_row *row = row_now(m);
    if (m->refusal[0])
        command_refused(m);
    else if (m->attempt + 1 < row->attempts) {
        m->attempt++;
        /* an acquisition of an earlier program, slow or armed, may keep it from answering */
        if (row->use == USE_IDENTITY && !m->config.identify && !meter_send(m, "stop"))
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
    double temperature_c;
    if (answer_temperature(line, &temperature_c)) /* in the answer, or in a line behind it */
        m->info.temperature_c = temperature_c;
    if (m->refusal[0] && !m->clearing) { /* details */
        size_t len = strlen(m->refusal);
        snprintf(m->refusal + len, sizeof(m->refusal) - len, "; %s", line);
        return;
    }
    enum answer answer = answer_classify(line, m->clearing ? "status" : m->command);
    m->owed -= answer != ANSWER_NONE && m->owed > 0;
    if (m->clearing) {
        if (answer == ANSWER_ACK || answer == ANSWER_REFUSED)
            go_on(m);
        return;
    }
    if (answer == ANSWER_ACK && row_now(m)->timeout_ms <= START_MS)
        note_lag(m);
    if (answer == ANSWER_OTHER) {
        m->late++;
        snprintf(m->foreign, sizeof(m->foreign), "%s", line);
    }
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

void meter_command_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    while (len && m->state == COMMAND) {
        size_t used = meter_each_line(m, bytes, len, command_line);
        bytes += used;
        len -= used;
    }
}
