/* A flow: the name under which runs and deployments are gathered. */
#pragma once
#include "shared/json/field.h"

struct flow {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    const char *name;
    struct strings tags;
    struct raw labels;
};

struct flow_create {
    struct given given;
    const char *name;
    struct strings tags;
    struct raw labels;
};

struct flow_update {
    struct given given;
    struct strings tags;
};

extern const struct resource flow_resource, flow_create_resource, flow_update_resource;

/* What names may not contain, and what Prefect says then. */
#define NAME_PATTERN "^[^/%&><]+$"
