/* Concurrency limits of task tags as the first API knows them: a view of the limits that are named
 * "tag:" and the tag. */
#pragma once
#include "shared/json/codec.h"

struct tag_limit {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us, concurrency_limit;
    const char *tag;
    struct uuids active_slots;
};

/* Bodies of increment and decrement. */
struct tag_slots {
    struct given given;
    struct strings names;
    struct uuid task_run_id;
};

struct tag_reset {
    struct given given;
    struct uuids slot_override;
};

extern const struct resource tag_limit_resource, tag_limit_create_resource, tag_slots_resource,
    tag_reset_resource;
