#include "server/model/tag_limit.h"

/* clang-format off */
static const struct field fields[] = {
    F_UUID(struct tag_limit, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(struct tag_limit, created, F_NULLABLE, .doc = "When it was made."),
    F_TIME(struct tag_limit, updated, F_NULLABLE, .doc = "When it was last changed."),
    F_STR(struct tag_limit, tag, F_REQUIRED, .column = "substr(cl.name, 5)", .doc = "Task runs with this tag take a slot."),
    F_INT(struct tag_limit, concurrency_limit, F_REQUIRED, .column = "cl.slot_limit", .doc = "Slots in all."),
    F_UUIDS(struct tag_limit, active_slots, .column = "(SELECT coalesce(jsonb_agg(l.holder_id ORDER BY l.created, l.id), '[]') FROM concurrency_lease l "
            "WHERE l.limit_id = cl.id AND l.expires > now() AND l.holder_type = 'task_run')", .doc = "The task runs that hold slots."),
};
const struct resource tag_limit_resource = RESOURCE_NAMED("ConcurrencyLimit", tag_limit, fields);

static const struct field create_fields[] = {
    F_STR(struct tag_limit, tag, F_REQUIRED, .doc = "Task runs with this tag take a slot."),
    F_INT(struct tag_limit, concurrency_limit, F_REQUIRED, .doc = "Slots in all."),
};
const struct resource tag_limit_create_resource = RESOURCE_NAMED("ConcurrencyLimitCreate", tag_limit, create_fields);

static const struct field slots_fields[] = {
    F_STRS(struct tag_slots, names, F_REQUIRED, .doc = "Tags; those without a limit are passed over."),
    F_UUID(struct tag_slots, task_run_id, F_REQUIRED, .doc = "Who holds the slots."),
};
const struct resource tag_slots_resource = RESOURCE_NAMED("TagSlots", tag_slots, slots_fields, .extra = true);

static const struct field reset_fields[] = {
    F_UUIDS(struct tag_reset, slot_override, F_NULLABLE, .doc = "Who holds slots from now on; nobody by default."),
};
const struct resource tag_reset_resource = RESOURCE_NAMED("TagReset", tag_reset, reset_fields, .extra = true);
/* clang-format on */
