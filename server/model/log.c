#include "server/model/log.h"

/* clang-format off */
static const struct field log_fields[] = {
    F_UUID(struct log, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(struct log, created, F_NULLABLE, .column = "uuid_time(l.id)", .doc = "When the server took it."),
    F_TIME(struct log, updated, F_NULLABLE, .column = "uuid_time(l.id)", .doc = "The same: logs do not change."),
    F_STR(struct log, name, F_REQUIRED, .doc = "Of the logger."),
    F_INT(struct log, level, F_REQUIRED, .doc = "10 debug, 20 info, 30 warning, 40 error, 50 critical."),
    F_STR(struct log, message, F_REQUIRED, .doc = "The text."),
    F_TIME(struct log, timestamp, F_REQUIRED, .column = "l.\"timestamp\"", .doc = "When it was written."),
    F_UUID(struct log, flow_run_id, F_NULLABLE, .doc = "The run it belongs to."),
    F_UUID(struct log, task_run_id, F_NULLABLE, .doc = "The task run it belongs to."),
};
static const struct field log_create_fields[] = {
    F_STR(struct log, name, F_REQUIRED, .doc = "Of the logger."),
    F_INT(struct log, level, F_REQUIRED, .doc = "10 debug, 20 info, 30 warning, 40 error, 50 critical."),
    F_STR(struct log, message, F_REQUIRED, .doc = "The text."),
    F_TIME(struct log, timestamp, F_REQUIRED, .doc = "When it was written."),
    F_UUID(struct log, flow_run_id, F_NULLABLE, .doc = "The run it belongs to."),
    F_UUID(struct log, task_run_id, F_NULLABLE, .doc = "The task run it belongs to."),
};
/* clang-format on */

const struct resource log_resource = RESOURCE_NAMED("Log", log, log_fields);
const struct resource log_create_resource =
    RESOURCE_NAMED("LogCreate", log, log_create_fields, .sequence = true);
