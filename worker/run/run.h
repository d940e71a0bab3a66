/* One run on this agent, from the claim to the last record.
 *
 *   OFFERED --acked--> STARTING --started--> RUNNING --ended--> REPORTING --written--> gone
 *      |                  |  `--failed-----------------------------^
 *     lost                |--cancel--> STOPPING --ended------------^
 *      v                  `--lost----> ABANDONING --ended--> gone
 *     gone
 *
 * RUNNING is left by cancel and lost in the same way.  ABANDONING says no word to the server: the
 * claim is another's.
 *
 * Owns:   the claim's JSON, its process or native flow, its work folder.
 * Order:  a record in the journal precedes whatever the server is told; `ended` comes when `done`
 *         is on the disk.
 * Thread: the loop thread. */
#pragma once
#include "shared/base/arena.h"
#include "worker/lab/lease.h"
#include "worker/run/process.h"
#include "worker/run/run_log.h"

struct lab;
struct native;
struct roll_call;
struct supply;
struct bench;
struct run;
struct run_lookup;

/* What all runs of an agent share. */
struct run_host {
    uv_loop_t *loop;
    struct http *http;
    struct journal *journal;
    struct lab *lab;             /* NULL: no benches */
    struct roll_call *roll_call; /* which benches are being asked who they are; NULL: none */
    const char *api_url;         /* "http://host:port/api" */
    const char *auth_string;     /* NULL: none */
    const char *authorization;   /* the header's value; NULL: none */
    const char *data_dir;
    const char *agent_name;
    void (*ended)(void *ctx, struct run *run); /* the run is freed afterwards */
    void *ctx;
    uv_timer_t log_timer;
    struct run *runs;
    size_t count;
};

enum run_state {
    RUN_OFFERED,
    RUN_STARTING,
    RUN_RUNNING,
    RUN_STOPPING,
    RUN_CUTTING, /* it is over; the supply of its boards goes off */
    RUN_ABANDONING,
    RUN_REPORTING,
    RUN_DONE,
};

enum run_event {
    EV_ACKED,
    EV_LOST,
    EV_CANCEL,
    EV_STARTED,
    EV_FAILED,
    EV_ENDED,
    EV_CUT,
    EV_WRITTEN
};

/* How a run is executed.  start() answers with EV_STARTED or EV_FAILED, then EV_ENDED; after stop()
 * too.  A second stop() stops the clean-up. */
struct run_kind {
    void (*start)(struct run *run);
    void (*stop)(struct run *run);
    void (*hold)(struct run *run, bool hold);
    void (*free)(struct run *run);
};

struct run {
    struct run *next;
    struct run_host *host;
    const struct run_kind *kind;
    enum run_state state;
    const json_t *claim; /* as the server sent it; kept by the arena */
    const char *claim_id, *flow_run_id, *flow_run_name;
    int64_t token;
    const json_t *job;
    struct arena arena;
    struct run_log log;
    struct err err;
    char *folder;      /* NULL: not made */
    char message[400]; /* for `done` */
    struct process process;
    struct native *native;
    struct http_call *fetch;
    struct run_lookup *lookups;
    bool cancelled; /* the server asked for the end */
    bool lost;      /* the agent stops it for reasons of its own: another attempt may follow */
    const char *why_stopped;
    bool has_devices;
    size_t cut;            /* devices of the claim whose supply was looked after */
    struct supply *supply; /* that goes off */
    bool fenced;           /* its lease is over, and it knows */
    struct lease lease;    /* of its devices */
};

void run_host_init(struct run_host *host);
void run_host_close(struct run_host *host);
/* Back-pressure of the journal. */
void run_host_hold(struct run_host *host, bool hold);
struct run *run_find(const struct run_host *host, const char *claim_id);
struct run *run_find_flow_run(const struct run_host *host, const char *flow_run_id);

/* Stops the runs whose lease of devices is about to be over: `seconds` is how long one is. */
void run_host_leases(struct run_host *host, double seconds);

/* Whether a run of it has the bench, or a part of it. */
bool run_host_uses(const struct run_host *host, const struct bench *bench);

/* Takes a reference to the claim.  ERR_INVALID: a member is missing; ERR_BUSY: a run that is being
 * stopped has not left a device yet, or the device is being asked who it is. */
MUST_CHECK enum err_code run_new(struct run_host *host, json_t *claim, struct err *e);

/* News for a run; what its state does not wait for is ignored. */
void run_event(struct run *run, enum run_event event);

void run_say(struct run *run, const char *logger, int level, const char *task_run_id,
             const char *text, size_t len);
/* Adds {"flow_run_id", "token", NAME: value}; takes the reference to `value`. */
void run_record(struct run *run, const char *kind, const char *name, json_t *value);
/* A state of the flow run, in the shape of StateCreate, with the time of now. */
void run_record_state(struct run *run, const json_t *state);

extern const struct run_kind run_process_kind, run_native_kind;
