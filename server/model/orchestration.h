/* What becomes of a proposed state: the orchestration rules as one pure function.
 *
 * The caller locks the run, gathers the facts, asks, and applies the verdict in the same
 * transaction.  Rules that need the outcome of an effect ("is a slot free?") find it among the
 * facts; the caller keeps these facts true while it holds the lock.  In a batch the runs are
 * decided one after the other: run_facts_apply() makes a run's facts those of its next proposal,
 * and the caller lowers `deployment.free_slots` of the other runs of a deployment by itself.
 *
 * Owns:   nothing.  Borrows facts and proposal; texts of the verdict live in the arena, the
 *         facts, the proposal or the program.
 * Errors: none; a refusal is a verdict.
 * Thread: any.
 * Order:  rules in Prefect's order, then the global transforms, then the exit phase backwards. */
#pragma once
#include "server/model/retry_policy.h"
#include "server/model/state.h"
#include "shared/base/arena.h"

/* Which rules apply. */
enum policy_id {
    POLICY_FLOW = 1 << 0,        /* set_state, resume, bulk */
    POLICY_FLOW_FORCED = 1 << 1, /* force=true, and the first state of a new run */
    POLICY_FLOW_LATE = 1 << 2,   /* the late-runs service */
    POLICY_TASK = 1 << 3,
    POLICY_TASK_BACKGROUND = 1 << 4, /* the proposed state is deferred, forced or not */
    POLICY_TASK_FORCED = 1 << 5,     /* force=true, and the mirror of a subflow's state */
};

/* The columns of a run that orchestration changes. */
struct run_columns {
    enum state_type state_type;
    const char *state_name; /* NULL without a state */
    int64_t state_timestamp_us;
    int64_t start_time_us, end_time_us;
    int64_t expected_start_time_us, next_scheduled_start_time_us;
    int64_t total_run_time_us;
    int64_t run_count;
    int64_t flow_run_run_count; /* task runs only */
    struct retry_policy policy;
};
#define RUN_COLUMNS_INIT                                                                           \
    {                                                                                              \
        .state_timestamp_us = TIME_NONE, .start_time_us = TIME_NONE, .end_time_us = TIME_NONE,     \
        .expected_start_time_us = TIME_NONE, .next_scheduled_start_time_us = TIME_NONE,            \
        .policy = RETRY_POLICY_INIT                                                                \
    }

enum collision_strategy { COLLISION_ENQUEUE, COLLISION_CANCEL_NEW };

struct deployment_facts {
    struct uuid id;            /* nil: the run has no deployment */
    bool exists;               /* deployment ids have no foreign key */
    bool limited;              /* has a concurrency limit */
    int64_t limit, free_slots; /* free_slots = limit - live leases */
    bool slot_held;            /* this run has a live lease, or a slot without end */
    enum collision_strategy collision;
    int64_t grace_period_s; /* 0: not set, Prefect's default applies */
    int64_t slot_wait_s;    /* how long a run waits that found no slot; 0: Prefect's default */
};

struct tag_limit_facts {
    const char *tag;
    int64_t limit, active_slots;
    double average_occupancy_s; /* 0: not known */
};

/* The flow run around a task run. */
struct parent_facts {
    bool exists; /* false: free-standing, or deleted */
    struct uuid id;
    enum state_type state_type;
    int64_t pause_timeout_us;
    bool pause_reschedule;
    int64_t run_count;
};

/* Versions as number: 3.4.11 is VERSION_NUMBER(3, 4, 11); 0 is "not told". */
#define VERSION_NUMBER(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
struct client_facts {
    int32_t version;     /* of the SDK, from User-Agent; not told counts as older than leases */
    int32_t api_version; /* X-PREFECT-API-VERSION; not told counts as newest */
};

/* Everything a rule may look at.  Members of the other kind of run stay zero. */
struct run_facts {
    enum run_kind kind;
    struct uuid id;
    struct run_columns run;
    struct state state;             /* the current one, data included; type NONE: there is none */
    struct uuid flow_run_id;        /* task run: of its flow run; nil: free-standing */
    struct uuid parent_task_run_id; /* flow run: of a subflow */
    bool has_infrastructure_pid;
    struct deployment_facts deployment;
    struct client_facts client;
    struct parent_facts parent;
    const struct state *cached; /* latest unexpired state under the proposed cache_key */
    const struct tag_limit_facts *tag_limits; /* active limits `tag:...` of the run's tags */
    size_t tag_limit_count;
    bool tag_slots_held; /* this run has a live lease on them */
};

struct proposal {
    const struct state *state; /* id, timestamp and unset defaults are filled in */
    enum policy_id policy;
    int64_t now_us;
    struct uuid state_id; /* for the state that gets written, fresh */
    struct uuid lease_id; /* for a lease that gets taken, fresh */
    uint64_t random;      /* spreads waits and retries */
};

enum verdict_status { VERDICT_ACCEPT, VERDICT_REJECT, VERDICT_ABORT, VERDICT_WAIT };

/* To be done in the transaction that writes the state. */
enum effect {
    EFFECT_TAKE_SLOT = 1 << 0,      /* insert the deployment lease `lease_id`, `lease_ttl_s` */
    EFFECT_RENEW_LEASE = 1 << 1,    /* of this run's deployment slot, `lease_ttl_s` from now */
    EFFECT_PIN_SLOT = 1 << 2,       /* old client: the run's slot does not expire from now on */
    EFFECT_RELEASE_SLOT = 1 << 3,   /* delete this run's deployment lease */
    EFFECT_TAKE_TAG_SLOTS = 1 << 4, /* insert `lease_id` on all tag limits, no expiry */
    EFFECT_RELEASE_TAG_SLOTS = 1 << 5,
    EFFECT_DELETE_INPUTS = 1 << 6,    /* flow run inputs under the values of run_input_keyset */
    EFFECT_MIRROR_TO_PARENT = 1 << 7, /* decide verdict_mirror() for the parent task run, forced */
    EFFECT_WRITE_RESULT = 1 << 8,     /* an artifact row for state.data */
    EFFECT_WRITE_CACHE = 1 << 9,      /* state.details.cache_key -> state.id */
    EFFECT_ENQUEUE_TASK = 1 << 10,    /* after commit: to the queue of its task key */
    EFFECT_ENQUEUE_RETRY = 1 << 11,   /* the same, to the retry queue */
    EFFECT_EVENT = 1 << 12,           /* after commit: prefect.flow-run.<name> */
};

struct verdict {
    enum verdict_status status;
    const char *reason;     /* NULL for ACCEPT */
    int64_t delay_s;        /* WAIT only */
    bool writes;            /* `state` and `run` are new and must be stored */
    struct state state;     /* the run's state from now on: new if writes, else the current one */
    struct run_columns run; /* likewise */
    bool policy_changed;    /* run.policy differs from the facts' */
    unsigned effects;       /* enum effect; 0 unless writes */
    struct uuid lease_id;   /* of the lease to take */
    int64_t lease_ttl_s;
};

void orchestrate(struct arena *a, const struct run_facts *facts, const struct proposal *proposal,
                 struct verdict *out);

/* The policy of a set_state request. */
enum policy_id policy_for(enum run_kind kind, const struct state *proposed, bool force);

/* The facts after the verdict was applied: state, columns, slots held and free. */
void run_facts_apply(struct run_facts *facts, const struct verdict *verdict);

/* The state that a subflow's verdict gives its parent task run. */
struct state verdict_mirror(const struct verdict *verdict, struct uuid flow_run_id);

const char *verdict_status_name(enum verdict_status status);

/* `prefect/3.9.1 (API 0.8.4)` and `0.8.4`; NULL or unreadable is "not told". */
int32_t client_version_parse(const char *user_agent);
int32_t api_version_parse(const char *header);
