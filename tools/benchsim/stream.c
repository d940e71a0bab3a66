#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

static void overflow(struct sim *s);

void stream_put(struct sim *s, const void *bytes, size_t len)
{
    struct meter *m = &s->meter;
    if (len > TX_BYTES - m->tx_len) {
        overflow(s);
        return;
    }
    memcpy(m->tx + m->tx_len, bytes, len);
    m->tx_len += len;
}

void stream_flush(struct sim *s)
{
    struct meter *m = &s->meter;
    while (m->tx_len && m->fd >= 0) {
        ssize_t n = write(m->fd, m->tx, m->tx_len);
        if (n <= 0)
            return;
        m->tx_len -= (size_t)n;
        memmove(m->tx, m->tx + n, m->tx_len);
    }
}

static void put_text(struct sim *s, const char *text)
{
    stream_put(s, text, strlen(text));
}

static void put_frame(struct sim *s, uint8_t tag, const void *payload, size_t len)
{
    uint8_t frame[TEXT_MAX + 8] = {0xF0, tag};
    memcpy(frame + 2, payload, len);
    frame[len + 2] = frame[len + 3] = 0xFF;
    stream_put(s, frame, len + 4);
}

static void put_error(struct sim *s, const char *text)
{
    char line[TEXT_MAX];
    int n = snprintf(line, sizeof(line), "error: %s\r\n", text);
    if (s->meter.ascii)
        put_text(s, line);
    else
        put_frame(s, 0xF1, line, (size_t)n);
}

static void put_stamp(struct sim *s)
{
    struct meter *m = &s->meter;
    uint64_t ms = m->clock_base_ms + (uint64_t)(m->block_clock_ms + 0.5);
    uint32_t word = (uint32_t)(ms & 0x7FFFFFFF) | (ms > 0x7FFFFFFF ? 0x80000000u : 0);
    uint32_t pct = (uint32_t)(m->tx_len * 100 / TX_BYTES);
    if (stream_fault(s, "buffer-99"))
        pct = 99;
    if (stream_fault(s, "no-stamp"))
        return;
    if (m->ascii) {
        char line[TEXT_MAX];
        snprintf(line, sizeof(line), "\r\nTimeStamp: %03lus %03lums, buff %02u%%\r\n",
                 (unsigned long)(ms / 1000), (unsigned long)(ms % 1000), pct);
        put_text(s, line);
        stream_put(s, "\0", 1);
        return;
    }
    uint8_t payload[5] = {(uint8_t)(word >> 24), (uint8_t)(word >> 16), (uint8_t)(word >> 8),
                          (uint8_t)word, (uint8_t)pct};
    put_frame(s, 0xF3, payload, 5);
}

static void put_summary(struct sim *s, bool interrupted)
{
    struct meter *m = &s->meter;
    char text[TEXT_MAX * 2];
    if (m->ascii)
        put_text(s, "\r\nend\r\n");
    else
        put_frame(s, 0xF4, "", 0);
    snprintf(text, sizeof(text),
             "\r\nsummary beg\r\n%.4g\r\n%.4g\r\n%ssummary end\r\n\r\n%sAcquisition completed\r\n",
             m->min_a, m->max_a, interrupted ? "Measurement interrupted\r\n" : "",
             m->quiet ? "" : "PowerShield > ");
    if (fault_for_command(s, "split-summary", "stop"))
        meter_say_slowly(s, text);
    else
        put_text(s, text);
}

void stream_end(struct sim *s, const char *why)
{
    struct meter *m = &s->meter;
    if (m->mode != METER_RUNNING)
        return;
    m->mode = METER_HOST;
    struct truth_run *run = truth_run(s);
    if (run) {
        run->samples = m->samples;
        if (run->window_count && !run->windows[run->window_count - 1].end)
            run->windows[run->window_count - 1].end = m->samples;
    }
    if (why) {
        snprintf(m->error, sizeof(m->error), "%s", why);
        put_error(s, why);
    }
    put_summary(s, why != NULL);
    truth_write(s);
}

static void overflow(struct sim *s)
{
    s->meter.tx_len = 0; /* what was not fetched is lost */
    stream_end(s, "Buffer overflow, acquisition stopped");
}

void stream_begin(struct sim *s, uint64_t now)
{
    struct meter *m = &s->meter;
    struct truth_run *run = &s->runs[s->run_count++ % ACQUISITIONS_MAX];
    free(run->blocks_c);
    *run = (struct truth_run){.rate_hz = m->rate_hz, .volts_v = m->volts_v};
    run->blocks_c = calloc(TRUTH_BLOCKS_MAX, sizeof(double));
    m->mode = METER_RUNNING;
    m->samples = m->in_block = 0;
    m->block_clock_ms = 0;
    m->origin_ns = now;
    m->run++;
    m->min_a = INFINITY;
    m->max_a = 0;
    m->zero = m->stuck = false;
    m->clock_base_ms = 0;
    if (stream_fault(s, "stamp-f0f3"))
        m->clock_base_ms = 0x00F0F300 - 100;
    if (stream_fault(s, "wrap"))
        m->clock_base_ms = 0x7FFFFFFF - 300;
    if (stream_fault(s, "odd-start"))
        stream_put(s, "\x42", 1);
    put_stamp(s);
}

static void end_overcurrent(struct sim *s, size_t payload)
{
    struct meter *m = &s->meter;
    put_frame(s, 0xF5, "\x00\x00\x02\x26", payload);
    snprintf(m->error, sizeof(m->error), "Overcurrent, acquisition stopped");
    stream_end(s, NULL);
}

/* True when the acquisition is over. */
static bool fatal_faults(struct sim *s)
{
    if (stream_fault(s, "overcurrent"))
        stream_end(s, s->meter.personality == V3PWR
                          ? "Overcurrent >550mA, acquisition stopped"
                          : "Overcurrent >59mA, dynamic acquisition stopped");
    else if (stream_fault(s, "overcurrent-4"))
        end_overcurrent(s, 0);
    else if (stream_fault(s, "overcurrent-8"))
        end_overcurrent(s, 4);
    else if (stream_fault(s, "error-text"))
        stream_end(s, "Internal ADC calibration lost");
    else if (stream_fault(s, "overflow"))
        overflow(s);
    else if (stream_fault(s, "early-end")) {
        snprintf(s->meter.error, sizeof(s->meter.error), "Supply output lost");
        stream_end(s, NULL);
    } else if (stream_fault(s, "stall")) {
        s->meter.mode = METER_HOST;
    } else if (stream_fault(s, "unplug")) {
        stream_put(s, "\xF0\xF3\x00", 3); /* in the middle of a frame */
        stream_flush(s);
        meter_unplug(s, 0);
    } else if (stream_fault(s, "replug"))
        meter_unplug(s, 0.5);
    return s->meter.mode != METER_RUNNING;
}

static void damage_faults(struct sim *s)
{
    struct meter *m = &s->meter;
    struct fault *flip;
    if (stream_fault(s, "brown-out")) {
        put_frame(s, 0xF6, "", 0);
        board_brown_out(s, 100000000);
    }
    struct fault *unknown = stream_fault(s, "unknown-tag");
    if (unknown)
        put_frame(s, (uint8_t)(0xFA + (int)unknown->value), "", 0);
    m->zero |= stream_fault(s, "zero") != NULL;
    m->stuck |= stream_fault(s, "stuck") != NULL;
    stream_fault(s, "idle-step");
    stream_fault(s, "drift");
    stream_fault(s, "skew");
    if (m->run == 1)
        stream_fault(s, "bias");
    if (m->tx_len && stream_fault(s, "drop-byte"))
        m->tx_len--;
    if (m->tx_len && stream_fault(s, "dup-byte"))
        stream_put(s, &m->tx[m->tx_len - 1], 1);
    if (m->tx_len > 1 && (flip = stream_fault(s, "flip-byte")))
        m->tx[m->tx_len - 2] ^= (uint8_t)(flip->has_value ? flip->value : 255);
}

static void put_sample(struct sim *s, uint16_t raw)
{
    if (!s->meter.ascii) {
        uint8_t bytes[2] = {(uint8_t)(raw >> 8), (uint8_t)raw};
        stream_put(s, bytes, 2);
        return;
    }
    double a = quantised_a(raw);
    int exponent = 10;
    while (exponent > 0 && a * pow(10, exponent) >= 9999.5)
        exponent--;
    char text[32];
    snprintf(text, sizeof(text), "%04ld-%02d\r\n", lround(a * pow(10, exponent)), exponent);
    put_text(s, text);
}

/* What the text of an ASCII sample says, for the truth. */
static double sent_a(const struct sim *s, uint16_t raw)
{
    double a = quantised_a(raw);
    if (!s->meter.ascii)
        return a;
    int exponent = 10;
    while (exponent > 0 && a * pow(10, exponent) >= 9999.5)
        exponent--;
    return (double)lround(a * pow(10, exponent)) / pow(10, exponent);
}

static void count_truth(struct sim *s, double drawn_a, double a)
{
    struct truth_run *run = truth_run(s);
    double dt_s = 1 / s->meter.rate_hz;
    run->drawn_c += drawn_a * dt_s;
    run->sent_c += a * dt_s;
    run->samples = s->meter.samples;
    struct truth_window *w = run->window_count ? &run->windows[run->window_count - 1] : NULL;
    if (w && !w->end) {
        w->drawn_c += drawn_a * dt_s;
        w->sent_c += a * dt_s;
    }
}

static void close_block(struct sim *s)
{
    struct meter *m = &s->meter;
    struct truth_run *run = truth_run(s);
    struct fault *skew = fault_find(s, "skew");
    double rate = skew && skew->fired ? 1 + (skew->has_value ? skew->value : 0.01) : 1;
    m->block_clock_ms += 1000.0 * BLOCK_SAMPLES / m->rate_hz * rate;
    if (run->block_count < TRUTH_BLOCKS_MAX)
        run->blocks_c[run->block_count++] = run->sent_c;
    m->in_block = 0;
    put_stamp(s);
}

static void one_sample(struct sim *s, uint64_t now)
{
    struct meter *m = &s->meter;
    double drawn_a = m->zero ? 0 : current_drawn_a(s, m->samples, now);
    uint16_t raw = quantise(current_measured_a(s, drawn_a));
    if (m->stuck)
        raw = m->stuck_raw;
    m->stuck_raw = raw;
    bool last = m->in_block == BLOCK_SAMPLES - 1;
    if (last && stream_fault(s, "f0f0f3"))
        raw = (uint16_t)((raw & 0xFF00) | 0xF0);
    double a = sent_a(s, raw);
    m->min_a = fmin(m->min_a, a);
    m->max_a = fmax(m->max_a, a);
    bool skip = last && stream_fault(s, "short-block");
    if (!skip)
        put_sample(s, raw);
    if (last && stream_fault(s, "long-block"))
        put_sample(s, raw);
    m->samples++;
    m->in_block++;
    count_truth(s, drawn_a, a);
}

static void advance(struct sim *s, uint64_t now)
{
    struct meter *m = &s->meter;
    if (m->mode != METER_RUNNING)
        return;
    uint64_t due = now > m->origin_ns
                       ? (uint64_t)((double)(now - m->origin_ns) / 1e9 * m->rate_hz * s->speed)
                       : 0;
    uint64_t limit = m->acqtime_s > 0 ? (uint64_t)(m->acqtime_s * m->rate_hz + 0.5) : UINT64_MAX;
    uint64_t from = m->samples;
    while (m->samples < due && m->samples < limit && m->mode == METER_RUNNING) {
        /* each sample at its own time, so that late wake-ups do not show */
        uint64_t at = now - (uint64_t)((double)(due - m->samples) / (m->rate_hz * s->speed) * 1e9);
        one_sample(s, at);
        damage_faults(s);
        if (m->in_block >= BLOCK_SAMPLES)
            close_block(s);
        if (fatal_faults(s))
            return;
        if (m->samples - from >= BLOCK_SAMPLES) {
            stream_flush(s);
            from = m->samples;
        }
    }
    if (m->samples >= limit)
        stream_end(s, NULL);
}

void stream_advance(struct sim *s, uint64_t now)
{
    uint64_t release = s->board.release_at_ns;
    if (release && now >= release)
        board_release(s); /* advances up to the end of the window first */
    advance(s, now);
}
