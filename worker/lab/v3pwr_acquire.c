/* One acquisition: `start`, the stream, `stop`, and what a meter says when it ends it by itself. */
#include <stdio.h>
#include <string.h>

#include "worker/lab/v3pwr_internal.h"

/* ---- the stream ---- */

static void start_line(struct meter *m, const char *line)
{
    enum answer answer = answer_classify(line, "start");
    if (answer == ANSWER_REFUSED && !m->set_up_again) {
        m->start_pending = true;
        meter_set_up_again(m);
    } else if (answer == ANSWER_REFUSED)
        meter_fail(m, ERR_INVALID, "the meter refused `start`: %s", line);
    if (answer == ANSWER_OTHER)
        snprintf(m->foreign, sizeof(m->foreign), "%s", line);
    if (answer != ANSWER_ACK)
        return;
    uint64_t stamp_ms = STAMP_MS + (uint64_t)(1000 * STREAM_BLOCK_SAMPLES / m->config.rate_hz);
    meter_enter(m, STREAMING, m->config.hardware_trigger ? 0 : stamp_ms);
    meter_tell(m, &(struct meter_news){METER_STARTED});
}

void acquire_start_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    size_t used = meter_each_line(m, bytes, len, start_line);
    if (m->state == STREAMING)
        acquire_stream_bytes(m, bytes + used, len - used);
}

void acquire_start_timeout(struct meter *m)
{
    meter_fail(m, ERR_TIMEOUT, "the meter on %s did not acknowledge `start` within %.1f s%s%s",
               m->port, START_MS / 1000.0, meter_foreign_text(m), m->foreign);
}

static void add_fault(struct meter *m, const char *text)
{
    size_t len = strlen(m->fault);
    if (text && *text && !strstr(m->fault, text))
        snprintf(m->fault + len, sizeof(m->fault) - len, "%s%s", len ? "; " : "", text);
    if (m->state != FAULTED)
        meter_enter(m, FAULTED, FAULT_MS);
}

static void announce(struct meter *m)
{
    if (m->announced || !m->stream.anchored)
        return;
    m->announced = true;
    meter_tell(m, &(struct meter_news){METER_STREAMING});
}

static void on_samples(void *ctx, const uint8_t *raw, size_t count)
{
    struct meter *m = ctx;
    announce(m);
    if (m->state == STREAMING)
        meter_tell(m, &(struct meter_news){METER_SAMPLES, .raw = raw, .count = count});
}

/* A second `stop` is refused when the first one was obeyed in between. */
static void warn_stopping(struct meter *m, const struct stream_event *event)
{
    bool second_stop = event->kind == STREAM_ERROR && m->ended &&
                       answer_classify(event->text, "stop") == ANSWER_REFUSED;
    if (!second_stop)
        meter_warn(m, "while it was stopped the meter reported: %s",
                   event->text ? event->text : "overcurrent");
}

static void on_event(void *ctx, const struct stream_event *event)
{
    struct meter *m = ctx;
    bool busy = m->state == STREAMING || m->state == FAULTED;
    m->ended |=
        event->kind == STREAM_ENDED || (m->state == STOPPING && event->kind == STREAM_LINE &&
                                        answer_classify(event->text, "stop") == ANSWER_ACK);
    announce(m);
    if (busy && event->kind == STREAM_OVERCURRENT) {
        m->overcurrent = true;
        add_fault(m, event->text);
    } else if (busy && event->kind == STREAM_ERROR)
        add_fault(m, event->text);
    else if (m->state == STREAMING && event->kind == STREAM_ENDED)
        add_fault(m, NULL);
    else if (m->state == STOPPING &&
             (event->kind == STREAM_ERROR || event->kind == STREAM_OVERCURRENT))
        warn_stopping(m, event);
    else if (m->state == STREAMING || (m->state == STOPPING && event->kind != STREAM_LINE))
        meter_tell(m, &(struct meter_news){METER_EVENT, .event = event});
}

void acquire_feed(struct meter *m, const uint8_t *bytes, size_t len)
{
    while (len && m->state != FAILED && m->state != READY && !m->closing) {
        size_t part = len < 512 ? len : 512; /* the listener may stop or close in between */
        stream_feed(&m->stream, bytes, part);
        bytes += part;
        len -= part;
    }
}

void acquire_stream_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    acquire_feed(m, bytes, len);
    if (m->state != STREAMING || m->closing || !m->stream.anchored)
        return;
    uint64_t open = m->stream.samples - m->stream.block_first;
    if (open > (uint64_t)BLOCKS_WITHOUT_STAMP * STREAM_BLOCK_SAMPLES) {
        meter_fail(m, ERR_INVALID,
                   "the stream has no time stamp for %llu samples, one per 1000 expected",
                   (unsigned long long)open);
        return;
    }
    meter_set_timer(m, STALL_MS + (uint64_t)(3000 / m->config.rate_hz));
}

void acquire_stream_timeout(struct meter *m)
{
    if (m->stream.anchored)
        meter_fail(m, ERR_TIMEOUT,
                   "the stream of the meter on %s stopped after %llu samples, without an end mark",
                   m->port, (unsigned long long)m->stream.samples);
    else
        meter_fail(m, ERR_TIMEOUT,
                   "the meter on %s acknowledged `start`, sent %zu samples, and no time stamp "
                   "within %.1f s, one per 1000 samples expected",
                   m->port, m->stream.early_len / (size_t)m->info.code,
                   (double)meter_in_state_ms(m) / 1000);
}

void acquire_send_stop(struct meter *m)
{
    m->stop_ms = uv_now(m->timer.loop);
    meter_send(m, "stop");
}

void acquire_stop_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    acquire_feed(m, bytes, len);
    if (m->state != STOPPING || m->closing)
        return;
    if (meter_in_state_ms(m) > STOP_LIMIT_MS) {
        meter_fail(m, ERR_TIMEOUT, "the meter on %s does not obey `stop`", m->port);
        return;
    }
    if (!m->ended && uv_now(m->timer.loop) - m->stop_ms > STOP_AGAIN_MS)
        acquire_send_stop(m);
    if (m->state == STOPPING)
        meter_set_timer(m, m->ended ? END_QUIET_MS : STOP_QUIET_MS);
}

void acquire_stop_timeout(struct meter *m)
{
    if (!m->ended)
        meter_warn(m, "the meter stopped without an end mark");
    meter_ready(m);
}

void acquire_begin(struct meter *m)
{
    struct stream_sink sink = {m, on_samples, on_event};
    stream_init(&m->stream, m->info.code, m->config.rate_hz, sink);
    m->announced = m->ended = m->overcurrent = m->start_pending = false;
    m->fault[0] = m->foreign[0] = 0;
    m->line_len = 0;
    meter_enter(m, STARTING, START_MS);
    meter_send(m, "start");
}

/* ---- the meter ended the acquisition by itself: find out why ---- */

void acquire_say_fault(struct meter *m)
{
    bool excess = m->overcurrent || strstr(m->fault, "vercurrent");
    unsigned long long samples = m->stream.samples;
    double at_s = (double)samples / m->config.rate_hz;
    const char *text = m->fault[0] ? m->fault
                       : excess    ? "the meter's limit was passed"
                                   : "no reason given (some meters end so at an overcurrent)";
    meter_fail(m, ERR_INVALID,
               "%sthe meter ended the acquisition by itself after %.3f s (%llu samples): %s",
               excess ? "overcurrent: " : "", at_s, samples, text);
}

void acquire_fault_timeout(struct meter *m)
{
    if (m->overcurrent || strcasestr(m->fault, "err")) {
        acquire_say_fault(m);
        return;
    }
    m->line_len = 0;
    meter_enter(m, ASKING, ASK_MS);
    meter_send(m, "status");
}

static void ask_line(struct meter *m, const char *line)
{
    if (strncmp(line, "ack", 3) != 0 && strcasestr(line, "err"))
        add_fault(m, line);
    if (m->fault[0] || answer_classify(line, "status") == ANSWER_ACK)
        acquire_say_fault(m);
}

void acquire_ask_bytes(struct meter *m, const uint8_t *bytes, size_t len)
{
    meter_each_line(m, bytes, len, ask_line);
}
