/* What agents send (docs/agent-protocol.md). */
#pragma once
#include "server/model/event.h"
#include "server/model/log.h"
#include "server/model/state.h"

enum {
    CLAIM_SLOTS_MAX = 1000,
    CLAIM_WAIT_MAX_S = 60,
    AGENT_DEVICES_MAX = 1000,
    DEVICE_HOLD_MAX_MINUTES = 60 * 24 * 30,
    JOURNAL_RECORDS_MAX = 500
};

/* Seconds without a word. */
enum { AGENT_OFFLINE_S = 30 };

struct agent_device {
    struct given given;
    const char *name, *type, *target, *location, *bench;
    struct raw labels, health, firmware;
    struct strings capabilities;
    int64_t capacity;
    bool free;
};

/* A person keeps a device. */
struct device_hold {
    struct given given;
    const char *by, *comment, *agent;
    double minutes;
};
struct device_release {
    struct given given;
    const char *agent, *by, *comment;
};
struct device_maintenance {
    struct given given;
    const char *agent, *by, *comment;
    bool on;
};
extern const struct resource device_hold_resource, device_release_resource,
    device_maintenance_resource;

/* Claim and heartbeat: what an agent says about itself. */
struct agent_call {
    struct given given;
    struct uuid agent;
    const char *name, *pool;
    int64_t epoch;
    struct strings queues; /* NULL items: all */
    int64_t slots;
    struct agent_device *devices;
    size_t devices_count;
    double wait_s;
    struct uuids claims;
};

struct claim_ref {
    struct given given;
    struct uuid claim_id;
    int64_t token;
};

struct claim_ack {
    struct given given;
    struct uuid agent;
    int64_t epoch;
    struct claim_ref *claims;
    size_t claims_count;
};

struct journal_record {
    struct given given;
    int64_t seq;
    const char *kind;
    struct raw body;
};

struct journal_call {
    struct given given;
    struct uuid agent;
    int64_t epoch;
    struct journal_record *records;
    size_t records_count;
};

/* The body of a record; which members are set depends on its kind. */
struct journal_body {
    struct given given;
    struct uuid flow_run_id;
    int64_t token;
    struct state_create *state;
    bool force;
    int64_t timestamp_us;
    struct log *logs;
    size_t logs_count;
    struct event *events;
    size_t events_count;
    struct raw artifact;
    struct uuid id, claim_id;
    const char *message;
    bool lost, cancelled;
};

struct file_name {
    struct given given;
    const char *sha256;
};

extern const struct resource agent_call_resource, claim_ack_resource, journal_call_resource,
    journal_body_resource, file_name_resource;
