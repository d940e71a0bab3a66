#include "server/model/flow.h"

static const struct field flow_fields[] = {
    F_UUID(struct flow, id, F_REQUIRED, .doc = "Assigned by the server."),
    F_TIME(struct flow, created, F_NULLABLE, .doc = "When the flow was made."),
    F_TIME(struct flow, updated, F_NULLABLE, .doc = "When the flow was last changed."),
    F_STR(struct flow, name, F_REQUIRED, F_PATTERN(NAME_PATTERN), .doc = "Unique among flows."),
    F_STRS(struct flow, tags, .doc = "For filters."),
    F_LABELS(struct flow, labels, F_NULLABLE, .doc = "Inherited by runs."),
};
const struct resource flow_resource = RESOURCE_NAMED("Flow", flow, flow_fields);

static const struct field flow_create_fields[] = {
    F_STR(struct flow_create, name, F_REQUIRED, F_PATTERN(NAME_PATTERN),
          .doc = "Unique among flows."),
    F_STRS(struct flow_create, tags, .def = "[]", .doc = "For filters."),
    F_LABELS(struct flow_create, labels, F_NULLABLE, .def = "{}", .doc = "Inherited by runs."),
};
const struct resource flow_create_resource =
    RESOURCE_NAMED("FlowCreate", flow_create, flow_create_fields);

static const struct field flow_update_fields[] = {
    F_STRS(struct flow_update, tags, .def = "[]", .doc = "For filters."),
};
const struct resource flow_update_resource =
    RESOURCE_NAMED("FlowUpdate", flow_update, flow_update_fields);
