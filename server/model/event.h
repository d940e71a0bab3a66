/* An event as clients send it: {occurred, event, resource, related, payload, id, follows}. */
#pragma once
#include "shared/json/codec.h"

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

/* What the settings allow. */
struct event_limits {
    int64_t name_chars, labels, related, bytes;
};
extern const struct event_limits event_limits_default;

/* What the rows of event_resource cannot say.  Errors go to `bad`, with their place below `at`. */
MUST_CHECK enum err_code event_check(const struct event_limits *limits, const struct event *e,
                                     const struct loc *at, struct invalid *bad);

/* Too large events are passed over without an error, as Prefect does. */
bool event_fits(const struct event_limits *limits, const struct event *e);

/* As readers get it: ReceivedEvent. */
void event_write(struct buf *b, const struct event *e, int64_t received_us);
extern const struct resource received_event_resource; /* for OpenAPI */
