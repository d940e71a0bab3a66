#include "server/model/ui.h"

enum { IDS_MAX = 200 };

/* clang-format off */
static const struct field flow_run_ids_fields[] = {
    F_UUIDS(struct ui_ids, flow_run_ids, F_REQUIRED, F_LEN(0, IDS_MAX), .doc = "At most 200."),
};
const struct resource ui_flow_run_ids_resource = RESOURCE_NAMED("UiFlowRunIds", ui_ids, flow_run_ids_fields, .extra = true);
static const struct field flow_ids_fields[] = {
    F_UUIDS(struct ui_ids, flow_ids, F_REQUIRED, F_LEN(0, IDS_MAX), .doc = "At most 200."),
};
const struct resource ui_flow_ids_resource = RESOURCE_NAMED("UiFlowIds", ui_ids, flow_ids_fields, .extra = true);

static const struct field run_fields[] = {
    F_UUID(struct ui_run, id, .doc = "The flow run."),
    F_STR(struct ui_run, state_type, .doc = "Its state's type."),
    F_TIME(struct ui_run, timestamp, .column = "coalesce(fr.start_time, fr.expected_start_time)", .doc = "When it started, or is to start."),
    F_NUM(struct ui_run, duration, .column = RUN_ESTIMATED_RUN_TIME("fr"), .doc = "Seconds it ran."),
    F_NUM(struct ui_run, lateness, .column = RUN_ESTIMATED_DELTA("fr"), .doc = "Seconds it was late."),
};
const struct resource ui_run_resource = RESOURCE_NAMED("SimpleFlowRun", ui_run, run_fields);

static const struct field next_run_fields[] = {
    F_UUID(struct ui_run, id, .doc = "The flow run."),
    F_UUID(struct ui_run, flow_id, .doc = "Its flow."),
    F_STR(struct ui_run, name, .doc = "Its name."),
    F_STR(struct ui_run, state_name, .doc = "Its state's name."),
    F_STR(struct ui_run, state_type, .doc = "Its state's type."),
    F_TIME(struct ui_run, next_scheduled_start_time, .doc = "When it is to start."),
};
const struct resource ui_next_run_resource = RESOURCE_NAMED("SimpleNextFlowRun", ui_run, next_run_fields);

static const struct field validation_fields[] = {
    F_DICT(struct ui_validation, schema, F_REQUIRED, .doc = "A JSON Schema."),
    F_DICT(struct ui_validation, values, F_REQUIRED, .doc = "What is to fit it."),
};
const struct resource ui_validation_resource = RESOURCE_NAMED("UiValidation", ui_validation, validation_fields, .extra = true);
/* clang-format on */
