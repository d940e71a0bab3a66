#include "network.h"

/* round(a * b / 2^31), ties away from zero; b is positive. */
static int32_t multiply_high(int32_t a, int32_t b)
{
    int64_t product = (int64_t)a * b;
    int64_t nudge = product >= 0 ? 1ll << 30 : 1 - (1ll << 30);
    return (int32_t)((product + nudge) / (1ll << 31));
}

/* round(x / 2^exponent), ties away from zero. */
static int32_t divide_pow2(int32_t x, int exponent)
{
    int32_t mask = (int32_t)((1ll << exponent) - 1);
    int32_t rest = x & mask, half = (mask >> 1) + (x < 0);
    return (x >> exponent) + (rest > half);
}

static int32_t bias_of(const struct layer *l, uint32_t output)
{
    if (!l->bias)
        return 0;
    const uint8_t *b = l->bias + 4 * output;
    return (int32_t)(b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
}

static void layer_run(const struct layer *l, const int8_t *in, int8_t *out)
{
    const int8_t *w = l->weights;

    for (uint32_t o = 0; o < l->outputs; o++) {
        int32_t sum = 0;
        for (uint32_t i = 0; i < l->inputs; i++)
            sum += (in[i] - l->input_zero) * *w++;
        sum = (int32_t)((uint32_t)sum + (uint32_t)bias_of(l, o));
        const struct scale *s = &l->scales[o * l->scale_step];
        int64_t y = (int64_t)divide_pow2(multiply_high(sum, s->factor), s->shift) + l->output_zero;
        out[o] = (int8_t)(y < l->lowest ? l->lowest : y > l->highest ? l->highest : y);
    }
}

void network_run(const struct network *net, const int8_t *in, int8_t *out)
{
    static int8_t buffers[2][MAX_WIDTH];

    for (uint32_t i = 0; i < net->layer_count; i++) {
        int8_t *to = i + 1 == net->layer_count ? out : buffers[i & 1];
        layer_run(&net->layers[i], in, to);
        in = to;
    }
}

void network_input(const struct network *net, uint32_t k, int8_t *in)
{
    uint32_t x = k;
    for (uint32_t i = 0; i < network_inputs(net); i++) {
        x = x * 1664525u + 1013904223u;
        in[i] = (int8_t)(x >> 24);
    }
}

uint16_t network_inputs(const struct network *net)
{
    return net->layers[0].inputs;
}

uint16_t network_outputs(const struct network *net)
{
    return net->layers[net->layer_count - 1].outputs;
}

uint32_t crc32_add(uint32_t crc, const int8_t *bytes, uint32_t count)
{
    crc = ~crc;
    while (count--) {
        crc ^= (uint8_t)*bytes++;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    return ~crc;
}
