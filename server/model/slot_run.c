#include "server/model/slot_run.h"

static const struct field fields[] = {
    F_UUID(struct slot_run, id, F_REQUIRED, .doc = "The flow run."),
    F_STR(struct slot_run, name, F_REQUIRED, .doc = "Its name."),
    F_STR(struct slot_run, state_type, F_NULLABLE, .doc = "Its state's type."),
    F_STR(struct slot_run, state_name, F_NULLABLE, .doc = "Its state's name."),
    F_TIME(struct slot_run, start_time, F_NULLABLE, .doc = "When it started."),
    F_TIME(struct slot_run, state_timestamp, F_NULLABLE, .doc = "When it came into its state."),
    F_NUM(struct slot_run, time_in_current_state, F_NULLABLE, .doc = "Seconds since then."),
};
const struct resource slot_run_resource = RESOURCE_NAMED("FlowRunSlotSummary", slot_run, fields);
