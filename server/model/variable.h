/* A variable: a named JSON value for flows. */
#pragma once
#include "shared/json/field.h"

struct variable {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct raw value;
    struct strings tags;
};

struct variable_create {
    struct given given;
    const char *name;
    struct raw value;
    struct strings tags;
};

struct variable_update {
    struct given given;
    const char *name;
    struct raw value;
    struct strings tags;
};

extern const struct resource variable_resource, variable_create_resource, variable_update_resource;
