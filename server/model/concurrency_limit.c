#include "server/model/concurrency_limit.h"

#include "server/model/flow.h"

const struct enum_name lease_holder_types[] = {
    {"flow_run", 0}, {"task_run", 1}, {"deployment", 2}, {NULL, 0}};
static const struct enum_name modes[] = {
    {"concurrency", SLOTS_CONCURRENCY}, {"rate_limit", SLOTS_RATE_LIMIT}, {NULL, 0}};

/* clang-format off */
#define L struct concurrency_limit
#define READ_FIELDS \
    F_UUID(L, id, F_REQUIRED, .doc = "Assigned by the server."), \
    F_TIME(L, created, F_NULLABLE, .doc = "When it was made."), \
    F_TIME(L, updated, F_NULLABLE, .doc = "When it was last changed."), \
    F_TRI(L, active, .doc = "A limit that is not active does not limit."), \
    F_STR(L, name, F_REQUIRED, .doc = "Unique among limits."), \
    F_INT(L, limit, F_REQUIRED, .column = "cl.slot_limit", .doc = "Slots in all."), \
    F_INT(L, active_slots, .column = LIMIT_ACTIVE_SLOTS, .doc = "Slots in use."), \
    F_NUM(L, slot_decay_per_second, .doc = "Slots that become free by themselves.")
static const struct field limit_fields[] = {
    READ_FIELDS,
    F_INT(L, denied_slots, .doc = "Slots asked for in vain."),
    F_NUM(L, avg_slot_occupancy_seconds, .doc = "How long a slot is held."),
};
const struct resource concurrency_limit_resource = RESOURCE_NAMED("ConcurrencyLimitV2", concurrency_limit, limit_fields);
static const struct field read_fields[] = { READ_FIELDS };
const struct resource concurrency_limit_read_resource = RESOURCE_NAMED("GlobalConcurrencyLimitResponse", concurrency_limit, read_fields);

static const struct field create_fields[] = {
    F_TRI(L, active, .def = "true", .doc = "A limit that is not active does not limit."),
    F_STR(L, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "Unique among limits."),
    F_INT(L, limit, F_REQUIRED, F_GE(0), .column = "slot_limit", .doc = "Slots in all."),
    F_INT(L, active_slots, F_GE(0), .def = "0", .doc = "Slots in use."),
    F_INT(L, denied_slots, F_GE(0), .def = "0", .doc = "Slots asked for in vain."),
    F_NUM(L, slot_decay_per_second, F_GE(0), .def = "0", .doc = "Slots that become free by themselves."),
};
const struct resource concurrency_limit_create_resource = RESOURCE_NAMED("ConcurrencyLimitV2Create", concurrency_limit, create_fields);
static const struct field update_fields[] = {
    F_TRI(L, active, F_NULLABLE, .doc = "A limit that is not active does not limit."),
    F_STR(L, name, F_NULLABLE, F_PATTERN(NAME_PATTERN), .doc = "Unique among limits."),
    F_INT(L, limit, F_NULLABLE, F_GE(0), .column = "slot_limit", .doc = "Slots in all."),
    F_INT(L, active_slots, F_NULLABLE, F_GE(0), .doc = "Slots in use."),
    F_INT(L, denied_slots, F_NULLABLE, F_GE(0), .doc = "Slots asked for in vain."),
    F_NUM(L, slot_decay_per_second, F_NULLABLE, F_GE(0), .doc = "Slots that become free by themselves."),
};
const struct resource concurrency_limit_update_resource = RESOURCE_NAMED("ConcurrencyLimitV2Update", concurrency_limit, update_fields);
#undef L

static const struct field holder_fields[] = {
    F_ENUM(struct lease_holder, type, lease_holder_types, F_REQUIRED, F_LITERAL, .doc = "What holds the slots."),
    F_UUID(struct lease_holder, id, F_REQUIRED, .doc = "Its id."),
};
const struct resource lease_holder_resource = RESOURCE_NAMED("ConcurrencyLeaseHolder", lease_holder, holder_fields);

#define W struct slots_wanted
#define WANTED_FIELDS \
    F_INT(W, slots, F_REQUIRED, F_GT(0), .doc = "How many."), \
    F_STRS(W, names, F_REQUIRED, F_LEN(1, 0), .doc = "Of these limits, all or nothing; unknown names are passed over.")
static const struct field increment_fields[] = {
    WANTED_FIELDS,
    F_ENUM(W, mode, modes, F_LITERAL, .def = "\"concurrency\"", .doc = "rate_limit needs limits that decay."),
    F_BOOL(W, create_if_missing, .def = "false", .doc = "Accepted without effect."),
};
const struct resource increment_resource = RESOURCE_NAMED("IncrementSlots", slots_wanted, increment_fields, .extra = true);
static const struct field increment_with_lease_fields[] = {
    WANTED_FIELDS,
    F_ENUM(W, mode, modes, F_LITERAL, .def = "\"concurrency\"", .doc = "rate_limit needs limits that decay."),
    F_NUM(W, lease_duration, F_GE(60), F_LE(86400), .def = "300", .doc = "Seconds until the slots come back by themselves."),
    F_OBJECT(W, holder, lease_holder, F_NULLABLE, .doc = "Who holds them."),
};
const struct resource increment_with_lease_resource = RESOURCE_NAMED("IncrementSlotsWithLease", slots_wanted, increment_with_lease_fields, .extra = true);
static const struct field decrement_fields[] = {
    WANTED_FIELDS,
    F_NUM(W, occupancy_seconds, F_NULLABLE, F_GT(0), .doc = "How long they were held."),
    F_BOOL(W, create_if_missing, .def = "false", .doc = "Accepted without effect."),
};
const struct resource decrement_resource = RESOURCE_NAMED("DecrementSlots", slots_wanted, decrement_fields, .extra = true);
#undef W

static const struct field give_back_fields[] = {
    F_UUID(struct lease_named, lease_id, F_REQUIRED, .doc = "The lease that ends."),
};
const struct resource decrement_with_lease_resource = RESOURCE_NAMED("DecrementSlotsWithLease", lease_named, give_back_fields, .extra = true);
static const struct field renew_fields[] = {
    F_NUM(struct lease_named, lease_duration, F_GE(60), F_LE(86400), .def = "300", .doc = "Seconds from now."),
};
const struct resource renew_lease_resource = RESOURCE_NAMED("RenewLease", lease_named, renew_fields, .extra = true);
/* clang-format on */
