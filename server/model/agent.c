#include "server/model/agent.h"

/* clang-format off */
static const struct field agent_device_fields[] = {
    F_STR(struct agent_device, name, F_REQUIRED, F_LEN(1, 200), .doc = "Unique on its agent."),
    F_STR(struct agent_device, type, F_REQUIRED, F_LEN(1, 100), .doc = "`bench`, ..."),
    F_STR(struct agent_device, target, F_NULLABLE, F_LEN(0, 200), .doc = "What it is: the board."),
    F_DICT(struct agent_device, labels, .def = "{}", .doc = "Anything else that tells it apart."),
    F_DICT(struct agent_device, health, .def = "{}", .doc = "Flashes, failures, recoveries; `quarantined` and the `reason`."),
    F_STRS(struct agent_device, capabilities, .def = "[]", .doc = "What it can do."),
    F_STR(struct agent_device, location, F_NULLABLE, F_LEN(0, 200), .doc = "Where it stands."),
    F_DICT(struct agent_device, firmware, .def = "{}", .doc = "Versions by part: board, meter, probe."),
    F_STR(struct agent_device, bench, F_NULLABLE, F_LEN(0, 200), .doc = "The device that it is a part of; they are leased together."),
    F_INT(struct agent_device, capacity, F_GE(1), F_LE(1000), .def = "1", .doc = "Leases at the same time."),
    F_BOOL(struct agent_device, free, .def = "true", .doc = "Whether the agent can use it."),
};
static const struct resource agent_device_resource = RESOURCE_NAMED("AgentDevice", agent_device, agent_device_fields, .extra = true);

static const struct field device_hold_fields[] = {
    F_STR(struct device_hold, by, F_REQUIRED, F_LEN(1, 200), .doc = "Who keeps it."),
    F_NUM(struct device_hold, minutes, F_GT(0), F_LE(DEVICE_HOLD_MAX_MINUTES), .def = "60", .doc = "It is released by itself after that."),
    F_STR(struct device_hold, comment, F_NULLABLE, F_LEN(0, 1000), .doc = "Why, for others."),
    F_STR(struct device_hold, agent, F_NULLABLE, F_LEN(1, 200), .doc = "Its agent's name, when several have such a device."),
};
const struct resource device_hold_resource = RESOURCE_NAMED("DeviceHold", device_hold, device_hold_fields);

static const struct field device_release_fields[] = {
    F_STR(struct device_release, agent, F_NULLABLE, F_LEN(1, 200), .doc = "Its agent's name, when several have such a device."),
    F_STR(struct device_release, by, F_NULLABLE, F_LEN(1, 200), .doc = "Who asks for it."),
    F_STR(struct device_release, comment, F_NULLABLE, F_LEN(0, 1000), .doc = "Why, for others."),
};
const struct resource device_release_resource = RESOURCE_NAMED("DeviceRelease", device_release, device_release_fields);

static const struct field device_maintenance_fields[] = {
    F_BOOL(struct device_maintenance, on, F_REQUIRED, .doc = "Into maintenance, or out of it."),
    F_STR(struct device_maintenance, by, F_REQUIRED, F_LEN(1, 200), .doc = "Who."),
    F_STR(struct device_maintenance, comment, F_NULLABLE, F_LEN(0, 1000), .doc = "Why, for others."),
    F_STR(struct device_maintenance, agent, F_NULLABLE, F_LEN(1, 200), .doc = "Its agent's name, when several have such a device."),
};
const struct resource device_maintenance_resource = RESOURCE_NAMED("DeviceMaintenance", device_maintenance, device_maintenance_fields);

static const struct field agent_call_fields[] = {
    F_UUID(struct agent_call, agent, F_REQUIRED, .doc = "Kept in the agent's data folder."),
    F_STR(struct agent_call, name, F_REQUIRED, F_LEN(1, 200), .doc = "How the worker is shown."),
    F_INT(struct agent_call, epoch, F_REQUIRED, F_GE(1), .doc = "Grows with each start of the agent."),
    F_STR(struct agent_call, pool, F_REQUIRED, F_LEN(1, 500), .doc = "Name of the work pool."),
    F_STRS(struct agent_call, queues, F_NULLABLE, .doc = "Names of its queues; all by default."),
    F_INT(struct agent_call, slots, F_GE(0), F_LE(CLAIM_SLOTS_MAX), .def = "0", .doc = "Runs at once."),
    F_LIST(struct agent_call, devices, agent_device, F_LEN(0, AGENT_DEVICES_MAX), .def = "[]", .doc = "What the agent offers."),
    F_NUM(struct agent_call, wait_s, F_GE(0), F_LE(CLAIM_WAIT_MAX_S), .def = "0", .doc = "How long to wait for work."),
    F_UUIDS(struct agent_call, claims, .def = "[]", .doc = "Claims that the agent works on."),
};
const struct resource agent_call_resource = RESOURCE_NAMED("AgentCall", agent_call, agent_call_fields, .extra = true);

static const struct field claim_ref_fields[] = {
    F_UUID(struct claim_ref, claim_id, F_REQUIRED, .doc = "As claimed."),
    F_INT(struct claim_ref, token, F_REQUIRED, .doc = "Its fencing token."),
};
static const struct resource claim_ref_resource = RESOURCE_NAMED("ClaimRef", claim_ref, claim_ref_fields, .extra = true);

static const struct field claim_ack_fields[] = {
    F_UUID(struct claim_ack, agent, F_REQUIRED, .doc = "The agent."),
    F_INT(struct claim_ack, epoch, F_REQUIRED, F_GE(1), .doc = "Its epoch."),
    F_LIST(struct claim_ack, claims, claim_ref, F_REQUIRED, F_LEN(0, CLAIM_SLOTS_MAX), .doc = "What it is going to execute."),
};
const struct resource claim_ack_resource = RESOURCE_NAMED("ClaimAck", claim_ack, claim_ack_fields, .extra = true);

static const struct field journal_record_fields[] = {
    F_INT(struct journal_record, seq, F_REQUIRED, F_GE(1), .doc = "Grows; taken once."),
    F_STR(struct journal_record, kind, F_REQUIRED, .doc = "`state`, `events`, `logs`, `artifact`, `done`."),
    F_DICT(struct journal_record, body, F_REQUIRED, .doc = "See docs/agent-protocol.md."),
};
static const struct resource journal_record_resource = RESOURCE_NAMED("JournalRecord", journal_record, journal_record_fields, .extra = true);

static const struct field journal_call_fields[] = {
    F_UUID(struct journal_call, agent, F_REQUIRED, .doc = "The agent."),
    F_INT(struct journal_call, epoch, F_REQUIRED, F_GE(1), .doc = "In which the records were written."),
    F_LIST(struct journal_call, records, journal_record, F_REQUIRED, F_LEN(0, JOURNAL_RECORDS_MAX), .doc = "In the order of seq."),
};
const struct resource journal_call_resource = RESOURCE_NAMED("JournalCall", journal_call, journal_call_fields, .extra = true);

static const struct field journal_body_fields[] = {
    F_UUID(struct journal_body, flow_run_id, F_REQUIRED, .doc = "The run."),
    F_INT(struct journal_body, token, F_REQUIRED, .doc = "Of the claim that it is executed under."),
    F_OBJECT(struct journal_body, state, state_create, F_NULLABLE, .doc = "state: what is proposed."),
    F_BOOL(struct journal_body, force, .def = "false", .doc = "state: skip the rules that could refuse it."),
    F_TIME(struct journal_body, timestamp, F_NULLABLE, .doc = "state: when it happened."),
    F_ROW("logs", struct journal_body, logs, FIELD_LIST, struct log *, .of = &log_create_resource,
          .count_offset = offsetof(struct journal_body, logs_count), .def = "[]", .doc = "logs: lines."),
    F_LIST(struct journal_body, events, event, .def = "[]", .doc = "events."),
    F_DICT(struct journal_body, artifact, F_NULLABLE, .doc = "artifact."),
    F_UUID(struct journal_body, id, F_NULLABLE, .doc = "artifact: its id."),
    F_UUID(struct journal_body, claim_id, F_NULLABLE, .doc = "done: the claim."),
    F_STR(struct journal_body, message, F_NULLABLE, .doc = "done: how it ended."),
    F_BOOL(struct journal_body, lost, .def = "false", .doc = "done: another attempt may follow."),
    F_BOOL(struct journal_body, cancelled, .def = "false", .doc = "done: the agent stopped it because it was told to."),
};
const struct resource journal_body_resource = RESOURCE_NAMED("JournalBody", journal_body, journal_body_fields, .extra = true);

static const struct field file_name_fields[] = {
    F_STR(struct file_name, sha256, F_REQUIRED, F_PATTERN("^[0-9a-f]{64}$"), .doc = "The content it points at."),
};
const struct resource file_name_resource = RESOURCE_NAMED("FileName", file_name, file_name_fields);
/* clang-format on */
