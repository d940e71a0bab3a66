#include "server/model/worker_channel.h"

#include <string.h>

/* clang-format off */
static const struct field frame_fields[] = {
    F_STR(struct channel_frame, type, F_REQUIRED, .doc = "What it is."),
    F_UUID(struct channel_frame, id, F_REQUIRED, .doc = "Names the frame in replies to it."),
    F_TIME(struct channel_frame, sent_at, F_REQUIRED, .doc = "When it was sent."),
    F_DICT(struct channel_frame, payload, F_REQUIRED, .doc = "As the type says."),
};
const struct resource channel_frame_resource = RESOURCE_NAMED("Frame", channel_frame, frame_fields);

#define H struct channel_hello
static const struct field hello_fields[] = {
    F_UUID(H, consumer_id, F_REQUIRED, .doc = "This connection of the worker."),
    F_STR(H, worker_name, F_REQUIRED, F_LEN(1, 0), .doc = "The worker."),
    F_STR(H, worker_type, F_REQUIRED, F_LEN(1, 0), .doc = "Its type."),
    F_INT(H, heartbeat_interval_seconds, F_REQUIRED, F_GT(0), .doc = "How often it will be heard."),
    F_STRS(H, supported_channel_versions, F_REQUIRED, .doc = "Versions that it speaks."),
    F_STRS(H, requested_capabilities, F_REQUIRED, .doc = "What it wants."),
    F_STRS(H, work_queue_names, .def = "[]", .doc = "Queues that it serves; none: all."),
    F_STRS(H, handled_cleanup_kinds, .def = "[]", .doc = "What it can tear down."),
    F_INT(H, max_cleanup_concurrency, F_GE(0), .def = "0", .doc = "Messages at a time."),
    F_BOOL(H, create_pool_if_not_found, .def = "false", .doc = "Make the pool when it is missing."),
    F_DICT(H, default_base_job_template, .def = "{}", .doc = "For a new pool, or one without."),
    F_JSON(H, worker_metadata, F_NULLABLE, .doc = "Not kept."),
};
const struct resource channel_hello_resource = RESOURCE_NAMED("Hello", channel_hello, hello_fields);

static const struct field heartbeat_fields[] = {
    F_UUID(struct channel_heartbeat, consumer_id, F_REQUIRED, .doc = "That of the hello."),
    F_STR(struct channel_heartbeat, worker_name, F_REQUIRED, .doc = "That of the hello."),
    F_INT(struct channel_heartbeat, heartbeat_interval_seconds, F_REQUIRED, F_GT(0), .doc = "How often it will be heard."),
};
const struct resource channel_heartbeat_resource = RESOURCE_NAMED("Heartbeat", channel_heartbeat, heartbeat_fields);

static const struct field cleanup_fields[] = {
    F_UUID(struct channel_cleanup, message_id, F_REQUIRED, .doc = "The message."),
    F_STR(struct channel_cleanup, reservation_token, F_REQUIRED, .doc = "That came with it."),
    F_STR(struct channel_cleanup, reason, F_NULLABLE, .doc = "Why it is given back."),
};
const struct resource channel_cleanup_resource = RESOURCE_NAMED("Cleanup", channel_cleanup, cleanup_fields);
/* clang-format on */

bool strings_have(struct strings list, const char *item)
{
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.items[i], item) == 0)
            return true;
    return false;
}

bool channel_cleans_up(const struct channel_hello *hello)
{
    return strings_have(hello->requested_capabilities, "cleanup_delivery.v1") &&
           hello->max_cleanup_concurrency > 0 && hello->handled_cleanup_kinds.count > 0;
}

bool channel_hello_is_good(const struct channel_hello *hello)
{
    for (size_t i = 0; i < hello->handled_cleanup_kinds.count; i++)
        if (strcmp(hello->handled_cleanup_kinds.items[i], "cancelling_timeout_teardown.v1") != 0 &&
            strcmp(hello->handled_cleanup_kinds.items[i], "pending_claim_teardown.v1") != 0)
            return false;
    return strings_have(hello->requested_capabilities, "worker_heartbeat.v1") &&
           strings_have(hello->requested_capabilities, "work_pool_snapshot.v1");
}
