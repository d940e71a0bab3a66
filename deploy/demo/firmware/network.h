/* Evaluates a chain of int8 fully connected layers, bit for bit as TFLite's reference kernels do.
 * Source: TFLite kernels/internal/reference/integer_ops/fully_connected.h and gemmlowp's fixed
 * point. */
#pragma once
#include "tflite.h"

/* `in` has the first layer's inputs, `out` room for the last layer's outputs. */
void network_run(const struct network *net, const int8_t *in, int8_t *out);

/* The inputs of inference number k: the same bytes on the board and in the reference. */
void network_input(const struct network *net, uint32_t k, int8_t *in);

uint16_t network_inputs(const struct network *net);
uint16_t network_outputs(const struct network *net);

/* CRC-32 (IEEE 802.3) of more bytes; start with 0. */
uint32_t crc32_add(uint32_t crc, const int8_t *bytes, uint32_t count);
