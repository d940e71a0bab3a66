/* Concurrency limits and the leases on their slots. */
#pragma once
#include "shared/json/codec.h"

struct concurrency_limit {
    struct given given;
    struct uuid id;
    int64_t created_us, updated_us;
    enum tri active;
    const char *name;
    int64_t limit, active_slots, denied_slots;
    double slot_decay_per_second, avg_slot_occupancy_seconds;
};

enum slot_mode { SLOTS_CONCURRENCY, SLOTS_RATE_LIMIT };

struct lease_holder {
    struct given given;
    int type; /* enum of lease_holder_types */
    struct uuid id;
};

/* Bodies of increment, decrement and their forms with a lease. */
struct slots_wanted {
    struct given given;
    int64_t slots;
    struct strings names;
    enum slot_mode mode;
    bool create_if_missing; /* accepted without effect */
    double lease_duration, occupancy_seconds;
    struct lease_holder *holder;
};

struct lease_named {
    struct given given;
    struct uuid lease_id;
    double lease_duration;
};

extern const struct enum_name lease_holder_types[];
extern const struct resource lease_holder_resource;
extern const struct resource concurrency_limit_resource, concurrency_limit_read_resource;
extern const struct resource concurrency_limit_create_resource, concurrency_limit_update_resource;
extern const struct resource increment_resource, increment_with_lease_resource, decrement_resource;
extern const struct resource decrement_with_lease_resource, renew_lease_resource;

/* Slots in use: what was taken without a lease, less what decayed since, and the live leases. */
#define LIMIT_ACTIVE_SLOTS                                                                         \
    "(greatest(0, cl.active_slots - floor(cl.slot_decay_per_second * extract(epoch FROM now() - "  \
    "cl.updated)))::bigint "                                                                       \
    "+ coalesce((SELECT sum(l.slots) FROM concurrency_lease l WHERE l.limit_id = cl.id AND "       \
    "l.expires > now()), 0))::bigint"
