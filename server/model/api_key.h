/* An API key as its owner sees it: never the key itself but once, when it is made. */
#pragma once
#include "shared/json/field.h"

struct api_key {
    struct given given;
    struct uuid id;
    int64_t created_us, expires_us;
    const char *name;
};

extern const struct resource api_key_resource, api_key_create_resource;
