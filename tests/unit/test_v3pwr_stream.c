/* The stream decoder: what each damage of the reference's list becomes, in any chunking. */
#include "worker/lab/v3pwr_stream.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A stream is written as a script:  `T500` a time stamp of 500 ms, `S1000` samples, `s1000`
 * such that make sense at either alignment, bytes in hex, `"text"`; the decoder's news come back as
 * a text: `S1000` samples, `B0` blocks by verdict, ... */
struct bytes {
    uint8_t *at;
    size_t len;
};

static void add(struct bytes *b, const void *p, size_t len)
{
    memcpy(b->at + b->len, p, len);
    b->len += len;
}

static void add_samples(struct bytes *b, unsigned count, uint8_t low_mask)
{
    for (unsigned i = 0; i < count; i++)
        add(b, (uint8_t[]){(uint8_t)(0x40 | (i & 0x0F)), (uint8_t)(i * 7) & low_mask}, 2);
}

static struct bytes write_stream(const char *script)
{
    struct bytes b = {malloc(1 << 16), 0};
    for (const char *p = script; *p;) {
        char *end = NULL;
        if (*p == ' ')
            end = (char *)(uintptr_t)(p + 1);
        else if (*p == 'T') {
            unsigned long ms = strtoul(p + 1, &end, 10);
            add(&b,
                (uint8_t[]){0xF0, 0xF3, (uint8_t)(ms >> 24), (uint8_t)(ms >> 16),
                            (uint8_t)(ms >> 8), (uint8_t)ms, 3, 0xFF, 0xFF},
                9);
        } else if (*p == 'S' || *p == 's')
            add_samples(&b, (unsigned)strtoul(p + 1, &end, 10), *p == 'S' ? 0xFF : 0x7F);
        else if (*p == '"') {
            end = strchr(p + 1, '"');
            add(&b, p + 1, (size_t)(end - p - 1));
            end++;
        } else {
            char two[3] = {p[0], p[1], 0};
            uint8_t byte = (uint8_t)strtoul(two, NULL, 16);
            add(&b, &byte, 1);
            end = (char *)(uintptr_t)(p + 2);
        }
        p = end;
    }
    return b;
}

struct news {
    char text[8192];
    size_t len, run, total;
    uint64_t sum; /* of the samples, in their order */
};

static void close_run(struct news *n)
{
    if (n->run)
        n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "S%zu ", n->run);
    n->run = 0;
}

static void on_samples(void *ctx, const uint8_t *raw, size_t count)
{
    struct news *n = ctx;
    for (size_t i = 0; i < 2 * count; i++)
        n->sum = n->sum * 31 + raw[i];
    n->run += count;
    n->total += count;
}

static void on_event(void *ctx, const struct stream_event *e)
{
    static const char *const names[] = {"B",    "RESTART", "END",   "ERROR", "OVER",    "RESET",
                                        "VOLT", "TEMP",    "POWER", "MARK",  "UNKNOWN", "LINE"};
    struct news *n = ctx;
    close_run(n);
    n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "%s", names[e->kind]);
    if (e->kind == STREAM_BLOCK || e->kind == STREAM_ENDED)
        n->len +=
            (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "%d", e->block.verdict);
    else if (e->kind == STREAM_VOLTAGE || e->kind == STREAM_TEMPERATURE ||
             e->kind == STREAM_UNKNOWN)
        n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "%g", e->value);
    else if (e->text)
        n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, "(%.60s)", e->text);
    n->len += (size_t)snprintf(n->text + n->len, sizeof(n->text) - n->len, " ");
}

/* rate 1000: one block is a second */
static void decode(const struct bytes *b, enum sample_code code, size_t chunk, struct news *n)
{
    struct v3pwr_stream s;
    *n = (struct news){0};
    stream_init(&s, code, 1000, (struct stream_sink){n, on_samples, on_event});
    for (size_t at = 0; at < b->len; at += chunk) {
        size_t left = b->len - at;
        stream_feed(&s, b->at + at, left < chunk ? left : chunk);
    }
    close_run(n);
}

static const struct {
    const char *what, *stream, *news;
    bool ascii;
} rows[] = {
    /* clang-format off */
    {"clean",             "T0 S1000 T1000 S1000 T2000", "S1000 B0 S1000 B0 "},
    {"text before",       "\"\r\n\r\nstlp > \" 00 T0 S1000 T1000", "S1000 B0 "},
    {"odd byte at start", "42 T0 S1000 T1000", "S1000 B0 "},
    {"no stamp at start", "S1000 T1000 S1000 T2000", "S1000 B0 S1000 B0 "},
    {"no stamp, text",    "\"\r\n\r\nstlp > \" S1000 T1000 S1000 T2000", "S1000 B0 S1000 B0 "},
    {"no stamp, short",   "S999 T1000 S1000 T2000", "B3 S1000 B0 "},
    {"no stamp, a clock that runs on", "\"\r\n\r\n\" S1000 T77000 S1000 T78000", "S1000 B0 S1000 B0 "},
    {"no stamp, a clock that wraps", "S1000 T2147483000 S1000 T352", "S1000 B0 S1000 B0 "},
    {"no stamp, a clock that runs on, prompt", "\"\r\n\r\nstlp > \" S1000 T77000 S1000 T78000", "S1000 B0 S1000 B0 "},
    {"no stamp, old samples", "S1010 T77000 S1000 T78000", "B3 S1000 B0 "},
    {"no stamp, a clock that runs on, prompt and zeros", "\"\r\nstlp > \" 0000 S1000 T77000 S1000 T78000", "S1000 B0 S1000 B0 "},
    {"no stamp, a byte of the first block lost", "\"\r\nstlp > \" s999 42 T1000 S1000 T2000", "B3 S1000 B0 "},
    {"no stamp, no text, a byte lost", "0A s999 42 T1000 S1000 T2000", "B3 S1000 B0 "},
    {"no stamp, a sample lost", "\"\r\nstlp > \" s999 T1000 S1000 T2000", "B3 S1000 B0 "},
    {"no stamp, zero current", "\"\r\n\" 00000000 s998 T1000 S1000 T2000", "S1000 B0 S1000 B0 "},
    {"no stamp, zeros, a byte lost", "\"\r\n\" 0000 00 s999 T1000 S1000 T2000", "B3 S1000 B0 "},
    {"no stamp, temperature and supply", "S400 F0F8001BFFFF S500 F0F901FFFF S100 T1000", "TEMP27 POWER S1000 B0 "},
    {"first stamp wrong", "T1048576 S1000 T1000 S1000 T2000", "S1000 B4 S1000 B0 "},
    {"second stamp wrong", "T0 S1000 T1048576 S1000 T2000 S1000 T3000", "S1000 B4 S1000 B4 S1000 B0 "},
    {"stamp missing",     "T0 S1000 S1000 T2000", "S2000 B1 "},
    {"999",               "T0 S999 T1000 S1000 T2000", "S999 B2 S1000 B0 "},
    {"1001",              "T0 S1001 T1000 S1000 T2000", "S1001 B2 S1000 B0 "},
    {"odd, then good",    "T0 S999 41 T1000 S1000 T2000", "S1000 B3 S1000 B0 "},
    {"two stamps and a block lost", "T0 S1000 T3000", "S1000 B4 "},
    {"F0 F0 F3",          "T0 S999 41F0 T1000 S1000 T2000", "S1000 B0 S1000 B0 "},
    {"payload like a tag", "T15790848 S1000 T15791848", "S1000 B0 "},
    {"clock wraps",       "T2147483500 S1000 T2147484500", "S1000 B0 "},
    {"wrap without flag", "T2147483500 S1000 T852", "S1000 B0 "},
    {"n = 15 in samples", "T0 S500 FF12 S499 T1000 S1000 T2000", "S500 B3 S1000 B0 "},
    {"stamp without its end", "T0 S1000 F0F3000003E803FFFE S1000 T2000 S1000 T3000", "S1000 B3 S1000 B0 "},
    {"end",               "T0 S1000 T1000 S10 F0F4FFFF \"\r\nsummary beg\r\nsummary end\r\n\"",
                          "S1000 B0 S10 END0 LINE(summary beg) LINE(summary end) "},
    {"end after a lost byte", "T0 S10 41 F0F4FFFF", "S11 END3 "},
    {"F5 of 4",           "T0 S2 F0F5FFFF S2 F0F4FFFF", "S2 OVER S2 END0 "},
    {"F5 of 8",           "T0 S2 F0F512345678FFFF S2 F0F4FFFF", "S2 OVER S2 END0 "},
    {"F4 of 8",           "T0 S2 F0F412345678FFFF S2 F0F4FFFF", "S2 OVER S2 END0 "},
    {"error text",        "T0 S2 F0F1 \"error: Overcurrent >59mA\r\n\" FFFF F0F4FFFF",
                          "S2 ERROR(error: Overcurrent >59mA) END0 "},
    {"information",       "T0 F0F2 \"hello\" FFFF S1 F0F4FFFF", "LINE(hello) S1 END0 "},
    {"target reset",      "T0 S2 F0F6FFFF S998 T1000", "S2 RESET S998 B0 "},
    {"answers",           "T0 F0F70CE4FFFF F0F8FFFBFFFF F0F901FFFF S1000 T1000", "VOLT3.3 TEMP-5 POWER S1000 B0 "},
    {"unknown tags",      "T0 S1 F0FAFFFF F0FC0102FFFF S999 T1000", "S1 UNKNOWN250 UNKNOWN252 S999 B0 "},
    {"an older acquisition", "T9000 S200 T0 S1000 T1000", "S200 RESTART S1000 B0 "},
    {"clock off by 1 %",  "T0 S1000 T1010 S1000 T2020", "S1000 B4 S1000 B4 "},
    {"ascii",             "\"\r\nTimeStamp: 000s 000ms, buff 02%\r\n\" 00 \"6409-07\r\n0023-10\r\n11958-09\r\nend\r\n\"",
                          "S3 END0 ", true},
    {"ascii, other spelling", "\"Timestamp:> 0s 5ms, buff 00%\r\n1-03\r\n\"", "S1 ", true},
    {"ascii, prompts",    "\"stlp > TimeStamp: 0s 0ms\r\nstlp > 6409-07\r\nPowerShield > 6410-07\r\nend\r\n\"", "S2 END0 ", true},
    {"ascii, glued",      "\"TimeStamp: 0s 0ms\r\n6409-076410-07\r\nend\r\n\"", "S2 END0 ", true},
    {"ascii, debris",     "\"TimeStamp: 0s 0ms\r\n6409-07\r\n64x09-07\r\nend\r\n\"", "S1 END3 ", true},
    {"ascii, short exponent", "\"TimeStamp: 0s 0ms\r\n6409-0\r\nend\r\n\"", "END3 ", true},
    {"ascii, event and error", "\"TimeStamp: 0s 0ms\r\nevent 12 ris\r\n6409-07\r\nerror: Overcurrent >59mA\r\n\"",
                          "MARK(event 12 ris) S1 OVER(error: Overcurrent >59mA) ", true},
    /* clang-format on */
};

START_TEST(damage_is_named_in_any_chunking)
{
    static const size_t chunks[] = {1 << 16, 1, 2, 3, 7, 64, 1023};
    struct bytes b = write_stream(rows[_i].stream);
    for (size_t c = 0; c < COUNT(chunks); c++) {
        struct news n;
        decode(&b, rows[_i].ascii ? SAMPLE_DEC32 : SAMPLE_HEX16, chunks[c], &n);
        ck_assert_msg(!strcmp(n.text, rows[_i].news), "%s, chunks of %zu: \"%s\", expected \"%s\"",
                      rows[_i].what, chunks[c], n.text, rows[_i].news);
    }
    free(b.at);
}
END_TEST

static const char *const whole_streams[] = {
    "T0 S1000 T1000 S1000 T2000 S1000 T3000",
    "s1000 T1000 S1000 T2000 S1000 T3000",
    "0A s1000 T1000 S1000 T2000 S1000 T3000",
    "\"\r\nstlp > \" s1000 T1000 S1000 T2000 S1000 T3000",
    "\"\nPowerShield > \" 0000 s1000 T77000 S1000 T78000 S1000 T79000",
};

/* Each byte lost or doubled: never taken for other samples. */
START_TEST(no_single_byte_damage_hides)
{
    struct bytes b = write_stream(whole_streams[_i]);
    uint8_t *copy = malloc(b.len + 1);
    struct news whole;
    decode(&b, SAMPLE_HEX16, 1 << 16, &whole);
    ck_assert_uint_eq(whole.total, 3000);
    for (size_t at = 0; at < b.len - 9; at++)
        for (int way = 0; way < 2; way++) {
            memcpy(copy, b.at, at + 1);
            memcpy(copy + at + (size_t)way, b.at + at + !way, b.len - at - !way);
            struct bytes damaged = {copy, b.len - 1 + 2 * (size_t)way};
            struct news n;
            decode(&damaged, SAMPLE_HEX16, 1 << 16, &n);
            bool named = strstr(n.text, "B2") || strstr(n.text, "B3") || strstr(n.text, "B4");
            ck_assert_msg(named || (n.total == 3000 && n.sum == whole.sum),
                          "%s of byte %zu passed: %s", way ? "doubling" : "loss", at, n.text);
        }
    free(copy);
    free(b.at);
}
END_TEST

static void count_suspects(void *ctx, const struct stream_event *e)
{
    *(int *)ctx += e->kind == STREAM_BLOCK && e->block.verdict > BLOCK_NO_STAMP;
}

static void ignore_samples(void *ctx, const uint8_t *raw, size_t count)
{
    (void)ctx, (void)raw, (void)count;
}

/* One block of 10 ms that is lost with its stamp after half a minute: less than the crystal may be
 * off by then. */
START_TEST(a_lost_block_is_seen_however_late)
{
    int suspects = 0;
    struct v3pwr_stream s;
    stream_init(&s, SAMPLE_HEX16, 100000,
                (struct stream_sink){&suspects, ignore_samples, count_suspects});
    for (int block = 0; block <= 4000; block++) {
        char script[32];
        snprintf(script, sizeof(script), "%sT%d", block ? "S1000 " : "", block * 10);
        struct bytes b = write_stream(script);
        if (block != 3000)
            stream_feed(&s, b.at, b.len);
        free(b.at);
    }
    ck_assert_int_eq(suspects, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("v3pwr_stream");
    TCase *t = tcase_create("stream");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, damage_is_named_in_any_chunking, 0, (int)COUNT(rows));
    tcase_add_loop_test(t, no_single_byte_damage_hides, 0, (int)COUNT(whole_streams));
    tcase_add_test(t, a_lost_block_is_seen_however_late);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
