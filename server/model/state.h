/* A state: what a run is doing and since when, with the details that the orchestration rules and
 * the clients look at.  Pure data.
 *
 * Owns:   nothing; every text belongs to the arena (or the literal) it was made with.
 * Units:  *_us microseconds since 1970 UTC, TIME_NONE when not set; a nil UUID means not set.
 * Source: the wire shapes `State`, `StateCreate`, `StateDetails` of Prefect 3.9.1. */
#pragma once
#include "shared/base/clock.h"
#include "shared/json/codec.h"

/* STATE_NONE is "the run has no state yet"; it is a member of every "any state" set. */
#define STATE_TYPES_NAMED(X)                                                                       \
    X(SCHEDULED)                                                                                   \
    X(PENDING) X(RUNNING) X(COMPLETED) X(FAILED) X(CANCELLED) X(CRASHED) X(PAUSED) X(CANCELLING)

enum state_type {
    STATE_NONE,
#define X(name) STATE_##name,
    STATE_TYPES_NAMED(X)
#undef X
        STATE_TYPE_COUNT,
};

/* Sets of state types are bit masks. */
#define STATE_SET(name) (1u << STATE_##name)
#define STATES_ANY      ((1u << STATE_TYPE_COUNT) - 1)
#define STATES_TERMINAL                                                                            \
    (STATE_SET(COMPLETED) | STATE_SET(FAILED) | STATE_SET(CANCELLED) | STATE_SET(CRASHED))

struct state_details {
    struct given given;
    struct uuid flow_run_id, task_run_id, child_flow_run_id;
    struct uuid transition_id, task_parameters_id, deployment_concurrency_lease_id;
    int64_t scheduled_time_us, cache_expiration_us, pause_timeout_us;
    const char *cache_key, *pause_key, *traceparent;
    struct raw run_input_keyset; /* {"response": key of a flow run input, ...} */
    enum tri deferred, refresh_cache, retriable;
    bool untrackable_result, pause_reschedule;
};

/* Nothing set. */
#define STATE_DETAILS_INIT                                                                         \
    {                                                                                              \
        .scheduled_time_us = TIME_NONE, .cache_expiration_us = TIME_NONE,                          \
        .pause_timeout_us = TIME_NONE, .refresh_cache = TRI_NONE, .retriable = TRI_NONE            \
    }

struct state {
    struct uuid id;
    enum state_type type;
    const char *name;
    int64_t timestamp_us;
    const char *message; /* NULL is null */
    struct raw data;     /* opaque; no text is null */
    bool data_persisted; /* data says where a result is: an object, not empty, not "unpersisted" */
    bool data_stored;    /* data is kept, as an artifact too: all but null and "unpersisted" */
    const char *artifact_key, *artifact_type, *artifact_description; /* of that artifact */
    struct state_details details;
};

/* "SCHEDULED"; "" for STATE_NONE. */
const char *state_type_name(enum state_type type);
/* STATE_NONE when it is none of the nine (exact, upper case). */
enum state_type state_type_parse(const char *text, size_t len);
/* "Scheduled": the name of a state that was created without one. */
const char *state_default_name(enum state_type type);
bool state_is_terminal(enum state_type type);

/* Fills what a client may leave out: the name, and the scheduled time of a SCHEDULED state. */
void state_complete(struct state *s, int64_t now_us);

/* ---- as JSON ---- */

/* What a client proposes. */
struct state_create {
    struct given given;
    enum state_type type;
    const char *name, *message;
    struct raw data;
    struct state_details *state_details;
};

/* What a client reads, and what a row of *_state holds. */
struct state_read {
    struct given given;
    struct uuid id;
    enum state_type type;
    const char *name;
    int64_t timestamp_us;
    const char *message;
    struct raw data;
    struct state_details *state_details;
};

extern const struct enum_name state_type_names[];
extern const struct resource state_details_resource, state_create_resource, state_read_resource;

/* Borrows all texts; the arena is for working memory. */
struct state state_from_create(struct arena *a, const struct state_create *in);
struct state state_from_read(struct arena *a, const struct state_read *in);
void state_encode(struct buf *b, const struct state *s);
/* For the database: what is set, `{}` when nothing is. */
void state_details_store(struct buf *b, const struct state_details *d);
/* Reads what data says about itself; moves artifact_key and so on out of it. */
void state_set_data(struct arena *a, struct state *s, struct raw data);
