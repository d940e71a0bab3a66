/* What differs from build to build: the model and the build id.  Made from MODEL_HEADER. */
#pragma once
#include <stdint.h>

extern const char build_id[];
extern const char model_name[];
extern const uint8_t *const model_bytes;
extern const uint32_t model_size;
