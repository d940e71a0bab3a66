/* Any bytes in any chunks: the same samples and events as at once, never more samples than bytes
 * allow, blocks that tile the samples without gap or overlap. */
#include <stdlib.h>
#include <string.h>

#include "worker/lab/v3pwr_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct digest {
    uint64_t hash, samples, events, next_block;
    enum sample_code code;
};

static void mix(struct digest *d, const void *bytes, size_t len)
{
    for (const uint8_t *p = bytes, *end = p + len; p < end; p++)
        d->hash = (d->hash ^ *p) * 1099511628211u;
}

static void on_samples(void *ctx, const uint8_t *raw, size_t count)
{
    struct digest *d = ctx;
    struct samples s = {d->code, raw, count};
    struct sample_sum sum = {0};
    sum_add(&sum, &s, 0, count);
    if (!(sum_total_a(&sum) >= 0))
        abort();
    mix(d, raw, count * (size_t)d->code);
    d->samples += count;
}

static void on_event(void *ctx, const struct stream_event *e)
{
    struct digest *d = ctx;
    d->events++;
    mix(d, &e->kind, sizeof(e->kind));
    mix(d, &e->at, sizeof(e->at));
    mix(d, &e->value, sizeof(e->value));
    if (e->text)
        mix(d, e->text, strlen(e->text));
    if (e->kind == STREAM_RESTART)
        d->next_block = 0, d->samples = 0;
    if (e->kind != STREAM_BLOCK)
        return;
    if (e->block.first != d->next_block || e->block.first + e->block.count != d->samples)
        abort();
    if (e->block.verdict == BLOCK_GOOD && e->block.count != STREAM_BLOCK_SAMPLES)
        abort();
    d->next_block = d->samples;
}

static struct digest run(const uint8_t *data, size_t size, enum sample_code code, size_t chunk)
{
    struct digest d = {.hash = 1469598103934665603u, .code = code};
    struct v3pwr_stream s;
    stream_init(&s, code, 1000, (struct stream_sink){&d, on_samples, on_event});
    for (size_t at = 0; at < size; at += chunk)
        stream_feed(&s, data + at, size - at < chunk ? size - at : chunk);
    return d;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum sample_code code = data[0] & 1 ? SAMPLE_DEC32 : SAMPLE_HEX16;
    size_t chunk = (size_t)(data[0] >> 1) + 1;
    struct digest once = run(data + 1, size - 1, code, size),
                  parts = run(data + 1, size - 1, code, chunk);
    if (once.hash != parts.hash || once.samples != parts.samples || once.events != parts.events)
        abort();
    if (once.samples * 2 > size)
        abort();
    return 0;
}
