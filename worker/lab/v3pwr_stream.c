#include "worker/lab/v3pwr_stream.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    NEED_MORE = 0,
    NO_FRAME = -1,
    TEXT_FRAME_MAX = 512,
    UNKNOWN_FRAME_MAX = 16,
    OVERCURRENT_MAX = 8,
    END_BYTES = 4,
    EARLY_TEXT_MAX = 60
};

const char *const stream_verdict_texts[] = {
    [BLOCK_GOOD] = "is good",
    [BLOCK_NO_STAMP] = "lacks a time stamp in between, but no sample",
    [BLOCK_COUNT] = "does not have the 1000 samples expected",
    [BLOCK_DAMAGED] = "holds bytes that are neither samples nor frames",
    [BLOCK_CLOCK] = "contradicts the meter's own clock",
};

void stream_init(struct v3pwr_stream *s, enum sample_code code, double rate_hz,
                 struct stream_sink sink)
{
    *s = (struct v3pwr_stream){.code = code, .rate_hz = rate_hz, .sink = sink};
}

void stream_say(struct v3pwr_stream *s, enum stream_event_kind kind, double value, const char *text)
{
    struct stream_event event = {.kind = kind, .at = s->samples, .value = value, .text = text};
    s->sink.event(s->sink.ctx, &event);
}

static void say_block(struct v3pwr_stream *s, enum stream_event_kind kind,
                      const struct stream_block *b)
{
    struct stream_event event = {.kind = kind, .at = s->samples, .block = *b};
    s->sink.event(s->sink.ctx, &event);
}

/* Is the clock where `samples` samples since the anchor put it?  The stamp has 1 ms of resolution;
 * crystals are good to 0.1 %. */
static bool clock_agrees(const struct v3pwr_stream *s, uint64_t samples, uint64_t clock_ms)
{
    if (!(s->rate_hz > 0))
        return true;
    double expected_ms = (double)samples * 1000 / s->rate_hz;
    return fabs((double)clock_ms - expected_ms) <= 2 + expected_ms / 1000;
}

static enum stream_verdict judge(const struct v3pwr_stream *s, uint64_t count, uint64_t clock_ms)
{
    if (s->damaged)
        return BLOCK_DAMAGED;
    bool whole = count && count % STREAM_BLOCK_SAMPLES == 0;
    if (!whole || (count != STREAM_BLOCK_SAMPLES && !(s->rate_hz > 0)))
        return BLOCK_COUNT;
    /* Both: a long recording forgives more milliseconds than a lost block takes. */
    if (!clock_agrees(s, s->samples - s->anchor_sample, clock_ms) ||
        !clock_agrees(s, count, clock_ms - s->clock_ms))
        return count == STREAM_BLOCK_SAMPLES ? BLOCK_CLOCK : BLOCK_COUNT;
    return count == STREAM_BLOCK_SAMPLES ? BLOCK_GOOD : BLOCK_NO_STAMP;
}

/* Keeps what may be the first block; too much of it is none. */
void stream_keep_early(struct v3pwr_stream *s, const uint8_t *bytes, size_t len)
{
    size_t room = sizeof(s->early) - s->early_len;
    memcpy(s->early + s->early_len, bytes, len < room ? len : room);
    s->early_len += len < room ? len : room;
}

static bool is_line_end(uint8_t byte)
{
    return !byte || byte == '\r' || byte == '\n';
}

/* What may stand between `ack start` and the first sample: line ends, a prompt; any text when the
 * clock says that the samples are the first ones. */
static bool is_text(const uint8_t *bytes, size_t len, bool clock_fits)
{
    size_t end = len;
    while (end && is_line_end(bytes[end - 1]))
        end--;
    bool prompt = end > 2 && bytes[end - 1] == ' ' && bytes[end - 2] == '>';
    for (size_t i = 0; i < len; i++)
        if (bytes[i] >= 0x7F || !(clock_fits || prompt || is_line_end(bytes[i])))
            return false;
    return true;
}

/* Does the text end where the samples begin?  After a lost or doubled byte it does not, and each
 * sample would be put together from two. */
static bool text_ends(const uint8_t *bytes, size_t len)
{
    uint8_t last = len ? bytes[len - 1] : '\n';
    const uint8_t *next = bytes + len;
    /* as samples: above 1 A, a zero that stands alone, above 0.8 A */
    bool goes_on = next[0] == '\r' || next[0] == '\n' || (!next[0] && (next[1] || next[2])) ||
                   (next[0] == '>' && next[1] == ' ') || (next[0] == ' ' && last == '>');
    if (goes_on)
        return false;
    return last == ' ' || last == '>' || is_line_end(last);
}

/* Does a first stamp stand behind 1000 samples, on a clock that began with them? */
static bool is_first_block_end(const struct v3pwr_stream *s, uint32_t ms)
{
    double expected_ms = STREAM_BLOCK_SAMPLES * 1000 / s->rate_hz;
    return s->rate_hz > 0 && fabs(ms - expected_ms) <= 1 + expected_ms / 1000;
}

/* The first block without a stamp before it: exactly 1000 samples after line ends; after a prompt
 * too when the clock began with them. */
static bool early_is_block(struct v3pwr_stream *s, uint32_t ms)
{
    size_t block = (size_t)STREAM_BLOCK_SAMPLES * (size_t)s->code;
    size_t before_max = s->code == SAMPLE_HEX16 ? EARLY_TEXT_MAX : 0;
    if (!(s->rate_hz > 0) || s->damaged || s->early_len < block ||
        s->early_len > block + before_max)
        return false;
    size_t first = s->early_len - block;
    bool clock_fits = is_first_block_end(s, ms);
    bool binary = s->code == SAMPLE_HEX16;
    if (!is_text(s->early, first, clock_fits) || (binary && !text_ends(s->early, first)))
        return false;
    for (size_t i = first; binary && i < s->early_len; i += 2) {
        uint8_t high = s->early[i];
        if (high >= 0xF0)
            return false;
        s->early[i] = s->early[i + 1];
        s->early[i + 1] = high;
    }
    memmove(s->early, s->early + first, block);
    return true;
}

static void anchor(struct v3pwr_stream *s, uint32_t ms)
{
    s->anchored = true;
    s->anchor_sample = s->block_first = s->samples;
    s->clock_ms = 0;
    s->stamp_ms = ms;
    s->damaged = false;
}

/* What came before the first stamp is no whole block: a damaged first one, of which no sample is
 * delivered.  When the clock begins with the stamp it is of an older acquisition. */
static void begin(struct v3pwr_stream *s, uint32_t ms)
{
    anchor(s, ms);
    struct stream_block block = {s->samples, 0, ms, 0, BLOCK_DAMAGED, 0};
    if (ms && s->early_len > EARLY_TEXT_MAX)
        say_block(s, STREAM_BLOCK, &block);
}

void stream_stamp(struct v3pwr_stream *s, uint32_t raw_ms, uint32_t buffer_pct)
{
    uint32_t ms = raw_ms & 0x7FFFFFFF;
    s->phase = STREAM_ALIGNED;
    if (!s->anchored && early_is_block(s, ms)) {
        anchor(s, (ms - (uint32_t)lround(STREAM_BLOCK_SAMPLES * 1000 / s->rate_hz)) & 0x7FFFFFFF);
        s->samples = STREAM_BLOCK_SAMPLES;
        s->sink.samples(s->sink.ctx, s->early, STREAM_BLOCK_SAMPLES);
    } else if (!s->anchored) {
        begin(s, ms);
        return;
    }
    uint32_t step_ms = (ms - s->stamp_ms) & 0x7FFFFFFF;
    bool backward = step_ms > 0x40000000;
    /* A new clock, and nothing wrong so far: what came is of an older acquisition. */
    if (backward && ms <= 1 && !s->bad && s->samples <= (uint64_t)2 * STREAM_BLOCK_SAMPLES) {
        s->samples = 0;
        anchor(s, ms);
        stream_say(s, STREAM_RESTART, 0, NULL);
        return;
    }
    uint64_t clock_ms = s->clock_ms + step_ms, count = s->samples - s->block_first;
    struct stream_block block = {s->block_first, count, ms, buffer_pct, judge(s, count, clock_ms),
                                 step_ms};
    say_block(s, STREAM_BLOCK, &block);
    /* after damage the clock starts anew, so that one fault is reported once */
    bool good = block.verdict <= BLOCK_NO_STAMP;
    s->bad |= !good;
    s->block_first = s->samples;
    s->anchor_sample = good ? s->anchor_sample : s->samples;
    s->clock_ms = good ? clock_ms : 0;
    s->stamp_ms = ms;
    s->damaged = false;
}

void stream_end(struct v3pwr_stream *s)
{
    uint64_t count = s->samples - s->block_first;
    struct stream_block tail = {s->block_first, count, s->stamp_ms, 0, BLOCK_GOOD, 0};
    if (s->damaged)
        tail.verdict = BLOCK_DAMAGED;
    else if (count > STREAM_BLOCK_SAMPLES)
        tail.verdict = BLOCK_COUNT;
    s->phase = STREAM_TEXT;
    say_block(s, STREAM_ENDED, &tail);
}

static uint32_t be(const uint8_t *p, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

/* A frame of a text or of unknown length: up to the first FF FF, at most max_bytes. */
static int open_length(const uint8_t *p, size_t n, size_t max_bytes)
{
    for (size_t i = 2; i + 2 <= n && i + 2 <= max_bytes; i++)
        if (p[i] == 0xFF && p[i + 1] == 0xFF)
            return (int)i + 2;
    return n >= max_bytes ? NO_FRAME : NEED_MORE;
}

static int fixed_length(const uint8_t *p, size_t n, size_t length)
{
    if (n < length)
        return NEED_MORE;
    return p[length - 2] == 0xFF && p[length - 1] == 0xFF ? (int)length : NO_FRAME;
}

/* `p` holds F0 and a tag. */
static int frame_length(const uint8_t *p, size_t n)
{
    static const uint8_t fixed[16] = {[3] = 9, [6] = 4, [7] = 6, [8] = 6, [9] = 5};
    uint8_t tag = p[1] & 15;
    if (fixed[tag])
        return fixed_length(p, n, fixed[tag]);
    if (tag == 4 || tag == 5) /* overcurrent: LPM01A sends 4 bytes, V3PWR 8 */
        return open_length(p, n, OVERCURRENT_MAX);
    return open_length(p, n, tag <= 2 ? TEXT_FRAME_MAX : UNKNOWN_FRAME_MAX);
}

static void take_text(struct v3pwr_stream *s, enum stream_event_kind kind, const uint8_t *p,
                      int length)
{
    char text[STREAM_TEXT_MAX];
    size_t n = 0;
    for (int i = 2; i < length - 2 && n < sizeof(text) - 1; i++)
        if (p[i] >= ' ' && p[i] < 0x7F)
            text[n++] = (char)p[i];
        else if (n && text[n - 1] != ' ')
            text[n++] = ' ';
    while (n && text[n - 1] == ' ')
        n--;
    text[n] = 0;
    stream_say(s, kind, 0, text);
}

static void take_frame(struct v3pwr_stream *s, const uint8_t *p, int length)
{
    switch (p[1]) {
    case 0xF1:
        take_text(s, STREAM_ERROR, p, length);
        break;
    case 0xF2:
        take_text(s, STREAM_LINE, p, length);
        break;
    case 0xF3:
        stream_stamp(s, be(p + 2, 4), p[6]);
        break;
    case 0xF4: /* with a payload it is what one document calls F4 and the others F5 */
        if (length > END_BYTES)
            stream_say(s, STREAM_OVERCURRENT, 0, NULL);
        else
            stream_end(s);
        break;
    case 0xF5:
        stream_say(s, STREAM_OVERCURRENT, 0, NULL);
        break;
    case 0xF6:
        stream_say(s, STREAM_TARGET_RESET, 0, NULL);
        break;
    case 0xF7:
        stream_say(s, STREAM_VOLTAGE, be(p + 2, 2) / 1000.0, NULL);
        break;
    case 0xF8:
        stream_say(s, STREAM_TEMPERATURE, (int16_t)be(p + 2, 2), NULL);
        break;
    case 0xF9:
        stream_say(s, STREAM_POWER, p[2], NULL);
        break;
    default:
        stream_say(s, STREAM_UNKNOWN, p[1], NULL);
    }
}

static bool is_tag(const uint8_t *p)
{
    return p[0] == 0xF0 && p[1] >= 0xF1 && p[1] <= 0xFE;
}

/* Samples up to the next pair that begins with F. */
static void take_samples(struct v3pwr_stream *s)
{
    uint8_t raw[sizeof(s->hold)];
    size_t n = 0;
    while (s->len - s->pos >= 2 && s->hold[s->pos] < 0xF0) {
        raw[n++] = s->hold[s->pos + 1];
        raw[n++] = s->hold[s->pos];
        s->pos += 2;
    }
    if (!n)
        return;
    s->samples += n / 2;
    s->sink.samples(s->sink.ctx, raw, n / 2);
}

static bool aligned_step(struct v3pwr_stream *s)
{
    take_samples(s);
    if (s->len - s->pos < 2)
        return false;
    const uint8_t *p = s->hold + s->pos;
    int length = is_tag(p) ? frame_length(p, s->len - s->pos) : NO_FRAME;
    if (length == NEED_MORE)
        return false;
    if (length == NO_FRAME) {
        s->damaged = true;
        s->phase = STREAM_HUNT;
        s->pos -= s->pos > 0; /* the F0 of a frame may have passed as a low byte */
        return true;
    }
    s->pos += (size_t)length;
    take_frame(s, p, length);
    return true;
}

/* While hunting only frames that prove themselves count; a stamp must also fit the clock. */
static bool convincing(const struct v3pwr_stream *s, const uint8_t *p, int length)
{
    if (p[1] == 0xF3) {
        uint32_t step_ms = (be(p + 2, 4) - s->stamp_ms) & 0x7FFFFFFF;
        double limit_ms = s->rate_hz > 0 ? 60000 + 1e7 / s->rate_hz : 0x7FFFFFFF;
        return p[6] <= 100 && (!s->anchored || (step_ms && step_ms <= limit_ms));
    }
    if (p[1] == 0xF4 || p[1] == 0xF5)
        return true;
    if (p[1] >= 0xF6 && p[1] <= 0xF9) /* between samples of a first block without a stamp */
        return s->phase == STREAM_SYNC;
    return p[1] == 0xF1 && length > 6 && p[2] >= ' ' && p[2] < 0x7F;
}

static bool hunt_step(struct v3pwr_stream *s)
{
    while (s->len - s->pos >= 2) {
        const uint8_t *p = s->hold + s->pos;
        int length = is_tag(p) ? frame_length(p, s->len - s->pos) : NO_FRAME;
        if (length == NEED_MORE)
            return false;
        if (length == NO_FRAME || !convincing(s, p, length)) {
            if (s->phase == STREAM_SYNC)
                stream_keep_early(s, p, 1);
            s->pos++;
            continue;
        }
        s->pos += (size_t)length;
        take_frame(s, p, length);
        return true;
    }
    return false;
}

/* Before the first stamp a long text frame must not hide one: whatever F1 or F2 opens while in SYNC
 * is read like any other frame. */
static bool step(struct v3pwr_stream *s)
{
    if (s->phase == STREAM_TEXT || s->code == SAMPLE_DEC32)
        return stream_ascii_step(s);
    return s->phase == STREAM_ALIGNED ? aligned_step(s) : hunt_step(s);
}

void stream_feed(struct v3pwr_stream *s, const uint8_t *bytes, size_t len)
{
    while (len) {
        size_t keep = s->pos ? s->pos - 1 : 0;
        memmove(s->hold, s->hold + keep, s->len - keep);
        s->len -= keep;
        s->pos -= keep;
        size_t room = sizeof(s->hold) - s->len, take = len < room ? len : room;
        memcpy(s->hold + s->len, bytes, take);
        s->len += take;
        bytes += take;
        len -= take;
        while (step(s))
            ;
    }
}
