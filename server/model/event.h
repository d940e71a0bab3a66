/* An event as clients send it: {occurred, event, resource, related, payload, id, follows}. */
#pragma once
#include "shared/json/codec.h"

enum {
    EVENT_NAME_MAX = 1024,
    EVENT_LABELS_MAX = 500,
    EVENT_RELATED_MAX = 100,
    EVENT_MAX_BYTES = 1500000
};

struct event {
    struct given given;
    struct uuid id;
    int64_t occurred_us;
    const char *event;
    struct raw resource, related, payload;
    struct uuid follows;
};

/* Unknown keys are ignored, as Prefect does. */
extern const struct resource event_resource;

/* NULL when within the limits, else which one it breaks. */
const char *event_check(struct arena *a, const struct event *e);
