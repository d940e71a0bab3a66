/* What GET /csrf-token answers. */
#pragma once
#include "shared/json/field.h"

struct csrf_token {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us, expiration_us;
    const char *token, *client;
};

extern const struct resource csrf_token_resource;
