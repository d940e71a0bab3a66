/* The sample stream of STLINK-V3PWR and X-NUCLEO-LPM01A, decoded as it arrives.
 *
 * Happy path, binary.  Two bytes per sample, high byte first: n (4 bits), m (12 bits), m * 16^-n A.
 * n = 15 is reserved, so an aligned pair that begins with F0 F1..FE is a frame; each ends with FF
 * FF at a known length.  A time stamp frame (F3) stands before sample 0 and after every 1000
 * samples: it closes a block.  F4 ends the acquisition; text follows.
 *
 * Failures.  A byte lost or doubled shifts the alignment; pairs keep looking like samples until one
 * begins with F.  From there the decoder hunts for the next whole frame (trailing FF FF included,
 * as a lost byte can forge the pair F0 F3), and the block is reported as suspect.  Nothing is
 * re-timed: time is index / rate within good blocks.  A time stamp frame that is missing altogether
 * is accepted when count and clock agree that no sample is; so is the very first one, when exactly
 * one block came before the second.
 *
 * ASCII.  `DDDD[+-]EE` per line, metadata in lines that begin with a letter, the same blocks.
 *
 *     SYNC --time stamp--> ALIGNED --no sense--> HUNT --time stamp--> ALIGNED
 *                             '--F4, `end`--> TEXT
 *
 * Borrows: what the sink points to.  Memory: none but the struct.  Order: any chunking of the same
 * bytes gives the same samples and events.  Source: power-and-boards, sections 2.1 to 2.4. */
#pragma once
#include "worker/lab/energy.h"

enum {
    STREAM_BLOCK_SAMPLES = 1000,
    STREAM_TEXT_MAX = 400,
    STREAM_EARLY_MAX = STREAM_BLOCK_SAMPLES * 4 + 64,
};

enum stream_phase { STREAM_SYNC, STREAM_ALIGNED, STREAM_HUNT, STREAM_TEXT };

enum stream_verdict {
    BLOCK_GOOD,
    BLOCK_NO_STAMP, /* a frame was missing between two good ones; no sample is */
    BLOCK_COUNT,    /* not 1000 samples */
    BLOCK_DAMAGED,  /* bytes that make no sense */
    BLOCK_CLOCK,    /* the meter's clock contradicts the number of samples */
};
/* One sentence's end: "has 999 samples, 1000 expected". */
extern const char *const stream_verdict_texts[];

enum stream_event_kind {
    STREAM_BLOCK,   /* `block` */
    STREAM_RESTART, /* what came so far belongs to an older acquisition: drop it */
    STREAM_ENDED,   /* `block` holds the open tail, without clock */
    STREAM_ERROR,   /* `text` */
    STREAM_OVERCURRENT,
    STREAM_TARGET_RESET,
    STREAM_VOLTAGE,     /* `value`: V */
    STREAM_TEMPERATURE, /* `value`: degC */
    STREAM_POWER,       /* `value`: 0 or 1 */
    STREAM_MARK,        /* `text`: an edge on the trigger input, at sample `at` */
    STREAM_UNKNOWN,     /* `value`: the tag */
    STREAM_LINE,        /* `text`: information, summary, answers */
};

struct stream_block {
    uint64_t first, count; /* samples */
    uint32_t stamp_ms;     /* 31 bits */
    uint32_t buffer_pct;
    enum stream_verdict verdict;
    uint32_t took_ms; /* by the meter's clock */
};

struct stream_event {
    enum stream_event_kind kind;
    uint64_t at; /* samples delivered before it */
    double value;
    struct stream_block block;
    const char *text; /* valid during the call */
};

struct stream_sink {
    void *ctx;
    /* `raw` in the form of enum sample_code. */
    void (*samples)(void *ctx, const uint8_t *raw, size_t count);
    void (*event)(void *ctx, const struct stream_event *event);
};

struct v3pwr_stream {
    enum sample_code code; /* HEX16: binary, DEC32: ASCII */
    double rate_hz;        /* 0: no check of the clock */
    struct stream_sink sink;
    enum stream_phase phase;
    uint64_t samples; /* delivered */
    uint64_t block_first;
    bool damaged; /* in the open block */
    bool bad;     /* a block was */
    bool anchored;
    uint64_t anchor_sample;
    uint32_t stamp_ms;
    uint64_t clock_ms; /* since the anchor */
    size_t len, pos;   /* of hold; one byte before pos is kept for the hunt */
    uint8_t hold[1024];
    /* What came before the first stamp: the first block, when the meter sends none at 0. */
    size_t early_len;
    uint8_t early[STREAM_EARLY_MAX];
};

void stream_init(struct v3pwr_stream *s, enum sample_code code, double rate_hz,
                 struct stream_sink sink);
void stream_feed(struct v3pwr_stream *s, const uint8_t *bytes, size_t len);

/* For the two formats only. */
void stream_stamp(struct v3pwr_stream *s, uint32_t ms, uint32_t buffer_pct);
void stream_end(struct v3pwr_stream *s);
void stream_keep_early(struct v3pwr_stream *s, const uint8_t *bytes, size_t len);
void stream_say(struct v3pwr_stream *s, enum stream_event_kind kind, double value,
                const char *text);
/* Takes complete lines from the hold; true when it wants to be called again. */
bool stream_ascii_step(struct v3pwr_stream *s);
