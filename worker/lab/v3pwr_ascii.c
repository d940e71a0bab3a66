/* The ASCII form of the stream, and the text that follows a binary one. */
#include "worker/lab/v3pwr_stream.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "worker/lab/v3pwr_dialect.h"

enum { EXPONENT_DIGITS = 2, MANTISSA_DIGITS_MAX = 6 };

/* One record `DDDD[+-]EE` at the start of p; its length, or 0. */
static size_t record_at(const char *p, uint32_t *out_raw)
{
    size_t digits = strspn(p, "0123456789");
    if (digits < 1 || digits > MANTISSA_DIGITS_MAX || (p[digits] != '-' && p[digits] != '+'))
        return 0;
    const char *e = p + digits + 1;
    if (!isdigit((unsigned char)e[0]) || !isdigit((unsigned char)e[1]))
        return 0;
    int exponent = (e[0] - '0') * 10 + e[1] - '0';
    if (p[digits] == '-')
        exponent = -exponent;
    if (exponent < SAMPLE_DEC_MIN || exponent > SAMPLE_DEC_MAX)
        return 0;
    *out_raw = sample_dec32((uint32_t)strtoul(p, NULL, 10), exponent);
    return digits + 1 + EXPONENT_DIGITS;
}

/* Records, two of which may be glued together.  Debris makes the block suspect. */
static void take_records(struct v3pwr_stream *s, const char *line)
{
    bool early = s->phase == STREAM_SYNC;
    if (!early && s->phase != STREAM_ALIGNED)
        return;
    while (*line) {
        uint32_t raw;
        size_t length = record_at(line, &raw);
        if (!length) {
            s->damaged = true;
            return;
        }
        uint8_t bytes[4] = {(uint8_t)raw, (uint8_t)(raw >> 8), (uint8_t)(raw >> 16),
                            (uint8_t)(raw >> 24)};
        line += length;
        if (early) {
            stream_keep_early(s, bytes, sizeof(bytes));
            continue;
        }
        s->samples++;
        s->sink.samples(s->sink.ctx, bytes, 1);
    }
}

/* `TimeStamp: 003s 421ms, buff 02%`; also `Timestamp`, and `>` or `<` after the colon. */
static bool take_stamp(struct v3pwr_stream *s, const char *line)
{
    if (strncasecmp(line, "timestamp", 9) != 0)
        return false;
    const char *p = line + 9 + strspn(line + 9, " :<>");
    char *rest;
    unsigned long seconds = strtoul(p, &rest, 10);
    if (rest == p || *rest != 's' || seconds > 0x7FFFFFFF / 1000) {
        s->damaged = true;
        return true;
    }
    p = rest + 1;
    unsigned long ms = strtoul(p, &rest, 10);
    if (rest == p || strncmp(rest, "ms", 2) != 0 || ms > 999) {
        s->damaged = true;
        return true;
    }
    const char *buffer = strstr(rest, "buff");
    unsigned long pct = buffer ? strtoul(buffer + 4, NULL, 10) : 0;
    stream_stamp(s, (uint32_t)(seconds * 1000 + ms), (uint32_t)(pct > 255 ? 255 : pct));
    return true;
}

static void take_line(struct v3pwr_stream *s, char *whole)
{
    bool text = s->phase == STREAM_TEXT;
    /* The prompt that follows `ack start` stands in front of the first record. */
    const char *line = text || !strncasecmp(whole, "timestamp", 9) ? whole : answer_strip(whole);
    if (!*line)
        return;
    if (!text && isdigit((unsigned char)*line))
        take_records(s, line);
    else if (!text && take_stamp(s, line))
        return;
    else if (!text && !strcmp(line, "end"))
        stream_end(s);
    else if (strstr(line, "vercurrent"))
        stream_say(s, STREAM_OVERCURRENT, 0, line);
    else if (!strncasecmp(line, "err", 3) || strstr(line, "nterrupted"))
        stream_say(s, STREAM_ERROR, 0, line);
    else if (!strncmp(line, "event", 5))
        stream_say(s, STREAM_MARK, 0, line);
    else if (!text && !strcmp(line, "pwr on"))
        stream_say(s, STREAM_POWER, 1, line);
    else if (!text && !strcmp(line, "pwr off"))
        stream_say(s, STREAM_POWER, 0, line);
    else if (!text && strstr(line, "ack targrst"))
        stream_say(s, STREAM_TARGET_RESET, 0, line);
    else if (isalpha((unsigned char)*line) || text)
        stream_say(s, STREAM_LINE, 0, line);
    else if (s->phase == STREAM_ALIGNED)
        s->damaged = true;
}

bool stream_ascii_step(struct v3pwr_stream *s)
{
    const uint8_t *p = s->hold + s->pos;
    size_t left = s->len - s->pos, end = 0;
    while (end < left && p[end] != '\n' && p[end] != '\r')
        end++;
    bool whole = end < left;
    if (!whole && left <= STREAM_TEXT_MAX)
        return false;
    char line[STREAM_TEXT_MAX + 1];
    size_t n = 0;
    if (end > STREAM_TEXT_MAX) { /* cut at the same place whether its end is here already or not */
        end = STREAM_TEXT_MAX;
        whole = false;
    }
    for (size_t i = 0; i < end; i++)
        if (p[i] && (n || p[i] != ' ')) /* zeros stand before some records */
            line[n++] = (char)(p[i] < 0x7F && p[i] >= ' ' ? p[i] : '?');
    while (n && line[n - 1] == ' ')
        n--;
    line[n] = 0;
    s->pos += end + whole;
    take_line(s, line);
    return true;
}
