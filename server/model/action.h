/* Actions of automations: what is done when a trigger fires.
 *
 * Clients send them as JSON; actions_read() checks them and writes the canonical form that is
 * stored and that action_load() reads.  Borrows: the arena.   Thread: any.
 * Source: prefect-api.md 5.4, and a running Prefect 3.9.1. */
#pragma once
#include "shared/json/codec.h"

enum { ACTIONS_MAX = 200, ACTION_TEXT_MAX_BYTES = 1 << 20, CANONICAL_MAX_BYTES = 16 << 20 };

/* In the order in which Prefect tries them. */
enum action_kind {
    ACTION_DO_NOTHING,
    ACTION_RUN_DEPLOYMENT,
    ACTION_PAUSE_DEPLOYMENT,
    ACTION_RESUME_DEPLOYMENT,
    ACTION_CANCEL_FLOW_RUN,
    ACTION_DELETE_FLOW_RUN,
    ACTION_CHANGE_FLOW_RUN_STATE,
    ACTION_PAUSE_WORK_QUEUE,
    ACTION_RESUME_WORK_QUEUE,
    ACTION_SEND_NOTIFICATION,
    ACTION_CALL_WEBHOOK,
    ACTION_PAUSE_AUTOMATION,
    ACTION_RESUME_AUTOMATION,
    ACTION_SUSPEND_FLOW_RUN,
    ACTION_RESUME_FLOW_RUN,
    ACTION_PAUSE_WORK_POOL,
    ACTION_RESUME_WORK_POOL,
    ACTION_KINDS,
};

enum action_source { SOURCE_SELECTED, SOURCE_INFERRED };

struct action {
    struct given given;
    const char *type;
    int source;
    struct uuid target; /* deployment, work pool, work queue or automation; nil: inferred */
    struct raw parameters, job_variables;
    int64_t schedule_after_us;
    const char *name, *message; /* of a state */
    int state;                  /* enum state_type */
    bool force;
    struct uuid block_document_id;
    const char *subject, *body, *payload; /* templates */
    /* Made by action_load(). */
    enum action_kind kind;
};

struct reading;
/* The `read` of a row of kind FIELD_JSON: a list in canonical JSON. */
bool actions_read(const struct reading *r, void *out_raw);

/* One action in canonical JSON. */
MUST_CHECK enum err_code action_load(struct arena *a, struct raw json, struct action *out,
                                     struct err *e);

/* Appends the parameters with the templates among their strings as objects that hydrate() knows:
 * `{{ x }}` alone keeps the type of x, text around it makes a string. */
void action_write_parameters(struct arena *a, struct buf *b, struct val parameters);
