/* The inside of orchestrate(): what a rule is and what it can do.
 *
 * A rule stands for FROM x TO sets of state types.  `before` runs while its transition is still the
 * proposed one and may refuse, replace, rename or complete the state.  Backwards afterwards:
 * `after` when the outcome is what the rule believes, `cleanup` when a later rule changed it.
 * Transforms look at no sets and run for every state that gets written. */
#pragma once
#include "server/model/orchestration.h"

struct transition {
    struct arena *arena;
    const struct run_facts *facts;
    const struct proposal *proposal;
    struct verdict *out;    /* status, columns and effects as they stand */
    struct state *proposed; /* to be written; NULL once refused without a replacement */
    struct state storage;
};

struct rule {
    const char *name;
    unsigned policies, from, to;
    void (*before)(struct transition *t);
    void (*after)(struct transition *t);
    void (*cleanup)(struct transition *t);
};

struct rule_list {
    const struct rule *rules;
    size_t count;
};

enum {
    POLICIES_FLOW = POLICY_FLOW | POLICY_FLOW_FORCED | POLICY_FLOW_LATE,
    POLICIES_TASK = POLICY_TASK | POLICY_TASK_BACKGROUND | POLICY_TASK_FORCED,
    RULES_MAX = 40,
};
/* The TO set of a transform: it sees every transition, also one that was refused. */
#define TO_TRANSFORM 0u

extern const struct rule_list flow_rules, task_rules, global_transforms;

/* `state` NULL: nothing is written, the answer carries the current state. */
void rule_reject(struct transition *t, const struct state *state, const char *reason);
void rule_abort(struct transition *t, const char *reason);
void rule_wait(struct transition *t, int64_t delay_s, const char *reason);

/* A fresh state of a rule's own. */
struct state rule_state(enum state_type type, const char *name, const char *message);

/* AwaitingRetry with message and data of the proposed state. */
struct state rule_retry(const struct transition *t, double delay_s);

/* `average_s` give or take: exponential, cut at average * (1 + factor) above, and below so that
 * the median stays put. */
double rule_spread(double average_s, double factor, uint64_t random);

/* Of both kinds of run. */
void prevent_pending(struct transition *t);
void copy_scheduled_time(struct transition *t);
void wait_for_scheduled_time(struct transition *t);

static inline const struct state *current(const struct transition *t)
{
    return &t->facts->state;
}

static inline bool api_at_least(const struct transition *t, int32_t version)
{
    int32_t told = t->facts->client.api_version;
    return !told || told >= version;
}
