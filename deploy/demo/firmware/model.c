#include "model.h"

#include MODEL_HEADER

const char build_id[] = BUILD_ID;
const char model_name[] = MODEL_NAME;
const uint8_t *const model_bytes = g_model;
const uint32_t model_size = sizeof(g_model);
