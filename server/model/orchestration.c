#include "server/model/orchestration.h"

#include <assert.h>
#include <stdlib.h>

#include "server/model/orchestration_rules.h"

/* A rule that was entered, and the outcome it left behind. */
struct entered {
    const struct rule *rule;
    enum state_type believed;
};

struct run_through {
    struct entered entered[RULES_MAX];
    size_t count;
};

static enum state_type outcome(const struct transition *t)
{
    return t->proposed ? t->proposed->type : STATE_NONE;
}

static bool applies(const struct rule *r, const struct transition *t, enum state_type intended)
{
    if (!(r->policies & t->proposal->policy))
        return false;
    if (r->to == TO_TRANSFORM)
        return t->proposed;
    return r->from & (1u << current(t)->type) && r->to & (1u << intended) && outcome(t) == intended;
}

static void enter(struct transition *t, const struct rule_list *list, enum state_type intended,
                  struct run_through *done)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct rule *r = &list->rules[i];
        if (!applies(r, t, intended))
            continue;
        if (r->before)
            r->before(t);
        assert(done->count < RULES_MAX);
        done->entered[done->count++] = (struct entered){r, outcome(t)};
    }
}

static void leave(struct transition *t, const struct run_through *done)
{
    for (size_t i = done->count; i-- > 0;) {
        const struct rule *r = done->entered[i].rule;
        bool fizzled = r->to != TO_TRANSFORM && done->entered[i].believed != outcome(t);
        bool meant = r->to == TO_TRANSFORM || r->to & (1u << outcome(t));
        void (*hook)(struct transition *) = fizzled ? r->cleanup : meant ? r->after : NULL;
        if (hook)
            hook(t);
    }
}

static bool same_policy(const struct retry_policy *a, const struct retry_policy *b)
{
    return a->pause_keys.items == b->pause_keys.items &&
           a->pause_keys.count == b->pause_keys.count && a->resuming == b->resuming &&
           a->retry_type == b->retry_type;
}

void orchestrate(struct arena *a, const struct run_facts *facts, const struct proposal *proposal,
                 struct verdict *out)
{
    struct run_through done = {.count = 0};
    struct transition t = {.arena = a, .facts = facts, .proposal = proposal, .out = out};
    enum state_type intended = proposal->state->type;

    *out = (struct verdict){.status = VERDICT_ACCEPT, .run = facts->run};
    t.storage = *proposal->state;
    state_complete(&t.storage, proposal->now_us);
    t.proposed = &t.storage;

    enter(&t, facts->kind == RUN_FLOW ? &flow_rules : &task_rules, intended, &done);
    enter(&t, &global_transforms, intended, &done);
    if (!t.proposed) {
        out->state = facts->state;
        out->run = facts->run;
        out->effects = 0;
        return;
    }
    leave(&t, &done);
    out->writes = true;
    out->state = t.storage;
    out->policy_changed = !same_policy(&out->run.policy, &facts->run.policy);
}

enum policy_id policy_for(enum run_kind kind, const struct state *proposed, bool force)
{
    if (kind == RUN_FLOW)
        return force ? POLICY_FLOW_FORCED : POLICY_FLOW;
    if (proposed->details.deferred == TRI_TRUE)
        return POLICY_TASK_BACKGROUND;
    return force ? POLICY_TASK_FORCED : POLICY_TASK;
}

void run_facts_apply(struct run_facts *facts, const struct verdict *v)
{
    if (!v->writes)
        return;
    facts->run = v->run;
    facts->state = v->state;
    if (v->effects & EFFECT_TAKE_SLOT) {
        facts->deployment.slot_held = true;
        facts->deployment.free_slots--;
    }
    if (v->effects & EFFECT_RELEASE_SLOT) {
        facts->deployment.slot_held = false;
        facts->deployment.free_slots++;
    }
    if (v->effects & EFFECT_TAKE_TAG_SLOTS)
        facts->tag_slots_held = true;
    if (v->effects & EFFECT_RELEASE_TAG_SLOTS)
        facts->tag_slots_held = false;
}

struct state verdict_mirror(const struct verdict *verdict, struct uuid flow_run_id)
{
    struct state s = verdict->state;
    s.details.child_flow_run_id = flow_run_id;
    return s;
}

const char *verdict_status_name(enum verdict_status status)
{
    static const char *const names[] = {"ACCEPT", "REJECT", "ABORT", "WAIT"};
    return names[status];
}

static int32_t version_parse(const char *text)
{
    enum { PART_MAX = 999 };
    long parts[3];

    for (int i = 0; i < 3; i++) {
        char *end;
        if (*text < '0' || *text > '9')
            return 0;
        parts[i] = strtol(text, &end, 10);
        if (parts[i] > PART_MAX || (i < 2 && *end != '.'))
            return 0;
        text = end + 1;
    }
    return (int32_t)VERSION_NUMBER(parts[0], parts[1], parts[2]);
}

int32_t client_version_parse(const char *user_agent)
{
    static const char prefix[] = "prefect/";
    if (!user_agent || strncmp(user_agent, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    return version_parse(user_agent + sizeof(prefix) - 1);
}

int32_t api_version_parse(const char *header)
{
    return header ? version_parse(header) : 0;
}
