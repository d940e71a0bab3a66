#include "tflite.h"

#include <stddef.h>

/* Slots of the schema's tables and the values used here. */
enum { MODEL_CODES = 1, MODEL_SUBGRAPHS = 2, MODEL_BUFFERS = 4 };
enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
enum { TENSOR_SHAPE, TENSOR_TYPE, TENSOR_BUFFER, TENSOR_QUANT = 4 };
enum { QUANT_SCALE = 2, QUANT_ZERO = 3, QUANT_DIMENSION = 6 };
enum { OP_CODE, OP_INPUTS, OP_OUTPUTS, OP_OPTIONS = 4 };
enum { CODE_OLD_BUILTIN, CODE_BUILTIN = 3 };
enum { TYPE_INT32 = 2, TYPE_INT8 = 9 };
enum { BUILTIN_FULLY_CONNECTED = 9 };
enum { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_RELU6 = 3 };

/* A flatbuffer.  Offsets are from its start; 0 stands for "absent", because nothing lies there. */
struct file {
    const uint8_t *bytes;
    uint32_t size;
};

struct vector {
    uint32_t at, count; /* of the first element */
};

struct tensor {
    struct vector scales, zeros, shape, data;
    uint8_t type;
    uint32_t dimension; /* that the scales run along */
};

struct reader {
    struct file file;
    struct network *net;
    struct vector codes, tensors, buffers, operators;
    uint32_t current; /* the tensor that the chain has reached */
};

static bool inside(const struct file *f, uint32_t at, uint32_t size)
{
    return size <= f->size && at <= f->size - size;
}

static uint32_t u16_at(const struct file *f, uint32_t at)
{
    return inside(f, at, 2) ? f->bytes[at] | (uint32_t)f->bytes[at + 1] << 8 : 0;
}

static uint32_t u32_at(const struct file *f, uint32_t at)
{
    return inside(f, at, 4) ? u16_at(f, at) | u16_at(f, at + 2) << 16 : 0;
}

static float f32_at(const struct file *f, uint32_t at)
{
    union {
        uint32_t bits;
        float value;
    } u = {.bits = u32_at(f, at)};
    return u.value;
}

/* Where a table keeps the slot, or 0. */
static uint32_t slot_at(const struct file *f, uint32_t table, uint32_t slot)
{
    if (!table || !inside(f, table, 4))
        return 0;
    uint32_t vtable = table - u32_at(f, table);
    if (!inside(f, vtable, 4) || 6 + 2 * slot > u16_at(f, vtable))
        return 0;
    uint32_t offset = u16_at(f, vtable + 4 + 2 * slot);
    return offset && inside(f, table, offset) ? table + offset : 0;
}

static uint32_t follow(const struct file *f, uint32_t at)
{
    uint32_t offset = at ? u32_at(f, at) : 0;
    return offset && inside(f, at, offset) ? at + offset : 0;
}

static uint32_t u32_slot(const struct file *f, uint32_t table, uint32_t slot)
{
    uint32_t at = slot_at(f, table, slot);
    return at ? u32_at(f, at) : 0;
}

static uint8_t u8_slot(const struct file *f, uint32_t table, uint32_t slot)
{
    uint32_t at = slot_at(f, table, slot);
    return at && inside(f, at, 1) ? f->bytes[at] : 0;
}

static struct vector vector_slot(const struct file *f, uint32_t table, uint32_t slot,
                                 uint32_t width)
{
    uint32_t at = follow(f, slot_at(f, table, slot));
    if (!at || !inside(f, at, 4))
        return (struct vector){0};
    uint32_t count = u32_at(f, at);
    if (count > f->size / width || !inside(f, at + 4, count * width))
        return (struct vector){0};
    return (struct vector){at + 4, count};
}

static uint32_t table_of(const struct file *f, struct vector v, uint32_t index)
{
    return index < v.count ? follow(f, v.at + 4 * index) : 0;
}

static uint32_t u32_of(const struct file *f, struct vector v, uint32_t index)
{
    return index < v.count ? u32_at(f, v.at + 4 * index) : UINT32_MAX;
}

static bool tensor_read(const struct reader *r, uint32_t index, struct tensor *out)
{
    const struct file *f = &r->file;
    uint32_t table = table_of(f, r->tensors, index);
    if (!table)
        return false;
    uint32_t quant = follow(f, slot_at(f, table, TENSOR_QUANT));
    uint32_t buffer = table_of(f, r->buffers, u32_slot(f, table, TENSOR_BUFFER));
    *out = (struct tensor){
        .type = u8_slot(f, table, TENSOR_TYPE),
        .shape = vector_slot(f, table, TENSOR_SHAPE, 4),
        .scales = vector_slot(f, quant, QUANT_SCALE, 4),
        .zeros = vector_slot(f, quant, QUANT_ZERO, 8),
        .dimension = u32_slot(f, quant, QUANT_DIMENSION),
        .data = vector_slot(f, buffer, 0, 1),
    };
    return true;
}

/* TFLite's QuantizeMultiplier: value = factor / 2^31 * 2^-shift, factor in [2^30, 2^31). */
static const char *quantise(double value, struct scale *out)
{
    union {
        double value;
        uint64_t bits;
    } u = {.value = value};
    int exponent = (int)(u.bits >> 52) - 1022;
    if (u.bits >> 63 || exponent > 0 || exponent < -31)
        return "a scale is not in (2^-32, 1)";
    uint64_t mantissa = (u.bits & ((1ull << 52) - 1)) | 1ull << 52;
    uint64_t rounded = (mantissa + (1u << 21)) >> 22;
    if (rounded == 1ull << 31) {
        rounded >>= 1;
        exponent++;
    }
    *out = (struct scale){.factor = (int32_t)rounded, .shift = (int8_t)-exponent};
    return exponent > 0 ? "a scale is not below 1" : NULL;
}

/* An activation: int8, one scale, and a zero point that fits. */
static const char *check_activation(const struct file *f, const struct tensor *t, int16_t *out_zero)
{
    if (t->type != TYPE_INT8)
        return "an activation is not int8";
    if (t->scales.count != 1 || t->zeros.count != 1)
        return "an activation has not one scale";
    int32_t zero = (int32_t)u32_at(f, t->zeros.at);
    if (zero < -128 || zero > 127)
        return "a zero point does not fit into int8";
    *out_zero = (int16_t)zero;
    return NULL;
}

static const char *check_weights(const struct reader *r, const struct tensor *w,
                                 struct layer *layer)
{
    const struct file *f = &r->file;
    uint32_t outputs = u32_of(f, w->shape, 0), inputs = u32_of(f, w->shape, 1);
    if (w->type != TYPE_INT8 || w->shape.count != 2)
        return "weights are not a matrix of int8";
    if (!outputs || !inputs || outputs > MAX_WIDTH || inputs > MAX_WIDTH)
        return "a layer is empty or too wide";
    if (w->data.count != outputs * inputs)
        return "weights have not the size of their shape";
    if (w->scales.count != 1 && (w->scales.count != outputs || w->dimension != 0))
        return "weights have neither one scale nor one per output";
    if (w->zeros.count > w->scales.count)
        return "weights have more zero points than scales";
    for (uint32_t i = 0; i < w->zeros.count; i++) {
        if (u32_at(f, w->zeros.at + 8 * i) != 0)
            return "weights have a zero point other than 0";
    }
    layer->outputs = (uint16_t)outputs;
    layer->inputs = (uint16_t)inputs;
    layer->weights = (const int8_t *)f->bytes + w->data.at;
    layer->scale_step = w->scales.count > 1;
    return NULL;
}

/* As TFLite does it: the product of one weight scale is rounded to float, that of a channel is not.
 */
static const char *add_scales(struct reader *r, const struct tensor *t, struct layer *layer)
{
    const struct file *f = &r->file;
    struct network *net = r->net;
    const struct tensor *in = &t[0], *weights = &t[1], *out = &t[2];
    float from = f32_at(f, in->scales.at), to = f32_at(f, out->scales.at);

    layer->scales = &net->scales[net->scale_count];
    for (uint32_t i = 0; i < weights->scales.count; i++) {
        if (net->scale_count == MAX_SCALES)
            return "the model has too many scales";
        float w = f32_at(f, weights->scales.at + 4 * i);
        double product = layer->scale_step ? (double)from * (double)w : (double)(from * w);
        const char *wrong = quantise(product / (double)to, &net->scales[net->scale_count++]);
        if (wrong)
            return wrong;
    }
    return NULL;
}

static const char *set_activation(uint8_t kind, float scale, struct layer *layer)
{
    layer->lowest = -128;
    layer->highest = 127;
    if (kind != ACTIVATION_NONE && kind != ACTIVATION_RELU && kind != ACTIVATION_RELU6)
        return "an activation is neither none, RELU nor RELU6";
    if (kind != ACTIVATION_NONE)
        layer->lowest = layer->output_zero;
    if (kind == ACTIVATION_RELU6) {
        float steps = 6.0f / scale;
        if (!(steps >= 0.0f))
            return "a scale is not a positive number";
        int32_t top = layer->output_zero + (steps < 255.0f ? (int32_t)(steps + 0.5f) : 255);
        layer->highest = (int16_t)(top < 127 ? top : 127);
    }
    return NULL;
}

static const char *set_bias(const struct reader *r, struct vector inputs, struct layer *layer)
{
    uint32_t index = u32_of(&r->file, inputs, 2);
    struct tensor bias;

    layer->bias = NULL;
    if (inputs.count < 3 || index == UINT32_MAX)
        return NULL;
    if (!tensor_read(r, index, &bias) || bias.type != TYPE_INT32)
        return "a bias is not int32";
    if (bias.data.count != 4u * layer->outputs)
        return "a bias has not one value per output";
    layer->bias = r->file.bytes + bias.data.at;
    return NULL;
}

static bool is_fully_connected(const struct reader *r, uint32_t op)
{
    uint32_t code = table_of(&r->file, r->codes, u32_slot(&r->file, op, OP_CODE));
    if (!code)
        return false;
    uint32_t builtin = u32_slot(&r->file, code, CODE_BUILTIN);
    return (builtin ? builtin : u8_slot(&r->file, code, CODE_OLD_BUILTIN)) ==
           BUILTIN_FULLY_CONNECTED;
}

static const char *layer_read(struct reader *r, uint32_t op)
{
    const struct file *f = &r->file;
    struct vector inputs = vector_slot(f, op, OP_INPUTS, 4),
                  outputs = vector_slot(f, op, OP_OUTPUTS, 4);
    struct tensor t[3]; /* input, weights, output */
    struct layer layer = {0};
    const char *wrong;

    if (!is_fully_connected(r, op))
        return "an operator is not FULLY_CONNECTED";
    if (u32_of(f, inputs, 0) != r->current || inputs.count < 2 || outputs.count != 1)
        return "the operators are not a chain";
    if (!tensor_read(r, r->current, &t[0]) || !tensor_read(r, u32_of(f, inputs, 1), &t[1]) ||
        !tensor_read(r, u32_of(f, outputs, 0), &t[2]))
        return "an operator names a tensor that is not there";
    if ((wrong = check_activation(f, &t[0], &layer.input_zero)) ||
        (wrong = check_activation(f, &t[2], &layer.output_zero)) ||
        (wrong = check_weights(r, &t[1], &layer)) || (wrong = add_scales(r, t, &layer)) ||
        (wrong = set_bias(r, inputs, &layer)))
        return wrong;
    uint8_t activation = u8_slot(f, follow(f, slot_at(f, op, OP_OPTIONS)), 0);
    wrong = set_activation(activation, f32_at(f, t[2].scales.at), &layer);
    if (wrong)
        return wrong;
    if (r->net->layer_count && r->net->layers[r->net->layer_count - 1].outputs != layer.inputs)
        return "a layer does not take what the one before gives";
    r->net->layers[r->net->layer_count++] = layer;
    r->current = u32_of(f, outputs, 0);
    return NULL;
}

const char *network_read(struct network *net, const uint8_t *bytes, uint32_t size)
{
    struct reader r = {.file = {bytes, size}, .net = net};
    const struct file *f = &r.file;

    net->layer_count = net->scale_count = 0;
    if (size < 8 || u32_at(f, 4) != 0x334c4654) /* "TFL3" */
        return "the file has no TFL3 id";
    uint32_t model = u32_at(f, 0); /* the root */
    struct vector graphs = vector_slot(f, model, MODEL_SUBGRAPHS, 4);
    if (graphs.count != 1)
        return "the model has not one subgraph";
    uint32_t graph = table_of(f, graphs, 0);
    struct vector inputs = vector_slot(f, graph, GRAPH_INPUTS, 4);
    struct vector outputs = vector_slot(f, graph, GRAPH_OUTPUTS, 4);
    r.codes = vector_slot(f, model, MODEL_CODES, 4);
    r.buffers = vector_slot(f, model, MODEL_BUFFERS, 4);
    r.tensors = vector_slot(f, graph, GRAPH_TENSORS, 4);
    r.operators = vector_slot(f, graph, GRAPH_OPERATORS, 4);
    if (inputs.count != 1 || outputs.count != 1)
        return "the model has not one input and one output";
    if (!r.operators.count || r.operators.count > MAX_LAYERS)
        return "the model has no or too many operators";
    r.current = u32_of(f, inputs, 0);
    for (uint32_t i = 0; i < r.operators.count; i++) {
        const char *wrong = layer_read(&r, table_of(f, r.operators, i));
        if (wrong)
            return wrong;
    }
    return r.current == u32_of(f, outputs, 0) ? NULL : "the chain does not end at the output";
}
