/* The block document in which the SDK keeps results when a flow names no other. */
#pragma once
#include "shared/json/field.h"

struct result_storage {
    struct given given;
    struct uuid default_result_storage_block_id;
};

extern const struct resource result_storage_resource, result_storage_update_resource;
