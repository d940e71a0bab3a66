/* Frames of the WebSocket of workers, work_pool_worker_channel.v1: what clients send.
 * Source: the wire facts, section 4.5. */
#pragma once
#include "shared/json/codec.h"

#define CHANNEL_VERSION "work_pool_worker_channel.v1"

struct channel_frame {
    struct given given;
    const char *type;
    struct uuid id;
    int64_t sent_at_us;
    struct raw payload;
};

struct channel_hello {
    struct given given;
    struct uuid consumer_id;
    const char *worker_name, *worker_type;
    int64_t heartbeat_interval_seconds;
    struct strings supported_channel_versions, requested_capabilities, work_queue_names,
        handled_cleanup_kinds;
    int64_t max_cleanup_concurrency;
    bool create_pool_if_not_found;
    struct raw default_base_job_template, worker_metadata;
};

struct channel_heartbeat {
    struct given given;
    struct uuid consumer_id;
    const char *worker_name;
    int64_t heartbeat_interval_seconds;
};

/* cleanup.ack.v1, .release.v1 and .renew.v1 */
struct channel_cleanup {
    struct given given;
    struct uuid message_id;
    const char *reservation_token, *reason;
};

extern const struct resource channel_frame_resource, channel_hello_resource,
    channel_heartbeat_resource, channel_cleanup_resource;

bool strings_have(struct strings list, const char *item);
/* Is the hello one that the protocol allows: kinds that exist, cleanup asked for with a concurrency
 * and the reverse, the capabilities without which there is no channel? */
bool channel_hello_is_good(const struct channel_hello *hello);
/* Does the worker take cleanup messages? */
bool channel_cleans_up(const struct channel_hello *hello);
