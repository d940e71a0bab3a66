/* Reads an int8 fully connected model from a .tflite file into a list of layers.
 *
 * Accepts one subgraph that is a chain of FULLY_CONNECTED operators (activation none, RELU or
 * RELU6), int8 tensors, per-tensor or per-channel weights with zero point 0, int32 bias or none.
 * Everything else is refused with a reason.  Every offset is checked: any bytes may be given.
 *
 * Borrows: the layers point into the file; it must stay where it is.
 * Source:  TensorFlow Lite schema.fbs (v3); FlatBuffers binary format. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { MAX_LAYERS = 24, MAX_WIDTH = 2048, MAX_SCALES = 4096 };

/* value * 2^31 * 2^-shift as a Q31 factor, TFLite's quantised multiplier. */
struct scale {
    int32_t factor;
    int8_t shift;
};

struct layer {
    const int8_t *weights; /* [outputs][inputs] */
    const uint8_t *bias;   /* int32 little endian per output, or NULL */
    const struct scale *scales;
    uint16_t inputs, outputs;
    uint16_t scale_step; /* 0: one scale for all outputs, 1: one each */
    int16_t input_zero, output_zero;
    int16_t lowest, highest; /* of an output after the activation */
};

struct network {
    struct layer layers[MAX_LAYERS];
    struct scale scales[MAX_SCALES];
    uint16_t layer_count, scale_count;
};

/* Returns NULL, or the reason why the file is not accepted. */
const char *network_read(struct network *net, const uint8_t *file, uint32_t size);
