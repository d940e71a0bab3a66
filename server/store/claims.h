/* Claims of agents (docs/agent-protocol.md): who executes what.
 *
 *   claims_take -> OFFERED -ack-> LIVE -claims_end-> ENDED
 *   OFFERED -> RETURNED, CLAIM_OFFER_S without an acknowledgement
 *   LIVE -> LOST, claim_term_s() without a heartbeat, or a newer epoch
 *
 * The schema keeps a run and a device from being held twice.  Functions with a transition_list give
 * back what they did to runs; the caller passes it to transitions_announce() after its commit.
 *
 * Order:  agent before claims before runs, so that transactions cannot wait in a circle.
 * Thread: that of the work; all but claims_look() within db_begin() ... db_commit(). */
#pragma once
#include "server/model/agent.h"
#include "server/store/transitions.h"

/* The grace is for the last heartbeat before an outage (10 s) and for the journal to get through
 * after it: a request that hangs takes 30 s, the pause behind it 10 s at the most. */
enum { CLAIM_GRACE_S = 60, CLAIM_OFFER_S = 5 };

/* How long a live claim lasts without a heartbeat: the outage that is allowed, and the grace. */
int64_t claim_term(const struct work *w);
const char *claim_term_s(struct work *w);

struct transition_list {
    struct transition **items;
    size_t count, room;
};

/* Rung when a run got due or is to be stopped, or when a slot or a device got free. */
uint64_t claims_topic(void);

/* The agent is there, with that epoch; with `slots`, how much it takes.  What earlier epochs held
 * is dropped. CONFLICT: its epoch is over.  NOT_FOUND: no such pool. */
MUST_CHECK enum err_code agent_seen(struct work *w, const struct agent_call *in, bool with_slots,
                                    struct transition_list *done);

/* What an agent sees. */
struct claim_view {
    int64_t due;     /* runs of its pool, maybe not for it; counted up to some */
    bool cancels;    /* runs of its own are to be stopped */
    bool refused;    /* no such agent, or its epoch is over: agent_seen() says why */
    int64_t next_us; /* when the first gets due, TIME_NONE: one is, or none will */
};

/* Without a transaction, one query for all: is there anything for them? */
MUST_CHECK enum err_code claims_look(struct work *w, const struct agent_call *const *calls,
                                     size_t count, struct claim_view *out_views);

/* Takes what is due and fits.  One row with one column, a JSON object, per claim. */
MUST_CHECK enum err_code claims_take(struct work *w, const struct agent_call *in, struct rows *out,
                                     struct transition_list *done);
/* Runs to be stopped that the agent was not told of: one id per row. */
MUST_CHECK enum err_code claims_cancels(struct work *w, struct uuid agent, struct rows *out);

/* Claims that may be executed: one id per row. */
MUST_CHECK enum err_code claims_ack(struct work *w, struct uuid agent, int64_t epoch,
                                    const struct claim_ref *claims, size_t count, struct rows *out);

/* What a heartbeat is answered: one id or name per row. */
struct heartbeat {
    struct rows gone;    /* claims that are not its own any more */
    struct rows cancel;  /* runs to be stopped */
    struct rows returns; /* devices whose quarantine is over */
    struct rows held;    /* devices that people keep from runs */
    bool news;           /* its devices changed */
};
/* Keeps the worker online and its claims alive. */
MUST_CHECK enum err_code agent_heartbeat(struct work *w, const struct agent_call *in,
                                         struct heartbeat *out);

/* Claims that are over with their agent's word: what becomes of their runs. */
struct claim_end {
    int64_t token;
    struct uuid flow_run_id;
    const char *message;
    bool lost;      /* a lost attempt */
    bool cancelled; /* stopped because it was told to */
};
MUST_CHECK enum err_code claims_end(struct work *w, const struct claim_end *ends, size_t count,
                                    struct transition_list *done);

/* Drops what expired, a bounded number; *out_more: there may be more. */
MUST_CHECK enum err_code claims_expire(struct work *w, struct transition_list *done,
                                       bool *out_more);
/* When the first of them expires; TIME_NONE: there is none. */
MUST_CHECK enum err_code claims_next(struct work *w, int64_t *out_us);
/* After an absence of the server: all live claims get a full term. */
MUST_CHECK enum err_code claims_spare(struct work *w);
