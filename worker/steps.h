/* The interface of a step: what a task of a native flow does when it says `uses: git.clone`.
 *
 * A step is one `const struct step x_step` in worker/steps/x.c and one row STEP(x, "name") in
 * shared/flow/steps.def. The engine opens a call per attempt of a task and calls start().  From
 * then on the step works on the loop, helped by step_exec() (a child process) and step_work() (a
 * blocking function on the thread pool), and ends with exactly one step_done().
 *
 * Cancel (user, time-out, end of the run): `cancelled` is set, processes of step_exec() get TERM,
 * then KILL; functions of step_work() see their flag; then the step's own cancel(), if it has one,
 * is called.  The step still ends with step_done(), usually ERR_CANCELLED.  A step that waits for
 * anything else needs a cancel().
 *
 * Owns:   the call and its arena belong to the engine and outlive step_done() and every job of the
 * call. Errors: set once into call->err at the origin; the detail becomes the message of the task's
 * state. Thread: loop thread only, except the function given to step_work(). */
#pragma once
#include <jansson.h>
#include <stdatomic.h>
#include <uv.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"
#include "shared/base/log.h"
#include "shared/base/uuid.h"
#include "shared/flow/schema.h"

struct step_call;
struct step_job;
struct lab;
struct lease;
struct console_shelf;

struct step {
    struct step_schema schema;
    bool hardware; /* drives a board or a meter: not started in a dry run */
    void (*start)(struct step_call *call);
    /* NULL: step_exec() and step_work() are all it waits for */
    void (*cancel)(struct step_call *call);
};

/* What all tasks of one flow run share.  Borrowed by the calls. */
struct step_run {
    const char *work_dir;      /* absolute; exists; removed by the agent after the run */
    const char *data_dir;      /* the agent's data folder: caches that survive the run */
    const char *api_url;       /* "http://host:port/api"; NULL when there is no server */
    const char *authorization; /* value of the header Authorization; NULL: none */
    struct uuid flow_run_id;
    const char *flow_run_name;
    /* leased for this run: {"bench": {"name", "token"}}, as the flow calls them; may be empty */
    const json_t *devices;
    const struct lease *lease;      /* of all of them; NULL: nobody else can have them */
    struct lab *lab;                /* the agent's boards and meters; NULL: none */
    struct console_shelf *consoles; /* that stay open between steps; NULL: none does */
    bool dry_run;
};

/* Where a call reports to: the engine, or a test. */
struct step_sink {
    void (*log)(void *ctx, struct step_call *call, enum log_level level, const char *text);
    void (*artifact)(void *ctx, struct step_call *call, json_t *artifact); /* takes the reference */
    void (*progress)(void *ctx, struct step_call *call, double done, double total);
    void (*finished)(void *ctx, struct step_call *call, enum err_code code);
};

struct step_call {
    const struct step *step;
    const struct step_run *run;
    const char *task; /* its name in the flow file */
    struct uuid task_run_id;
    int attempt;        /* 1 is the first */
    const json_t *with; /* placeholders resolved, types checked, defaults filled in */
    json_t *outputs;    /* filled by the step; checked against its table by the engine */
    uv_loop_t *loop;
    struct arena *arena; /* lives as long as the call */
    struct err err;
    bool cancelled;
    void *state; /* the step's own, from the arena */

    /* Kept by worker/run/call.c. */
    const struct step_sink *sink;
    void *sink_ctx;
    struct arena memory;
    struct step_job *jobs;
    uv_timer_t later;
    enum { CALL_OPEN, CALL_RUNNING, CALL_DONE, CALL_FINISHED } phase;
    bool held; /* its log is full: nothing may be written */
    enum err_code code;
    int open_handles;
};

/* Members of `with`: the type is what the step's table says.  Absent without fallback: NULL, 0,
 * false. */
const char *step_string(const struct step_call *call, const char *name);
int64_t step_integer(const struct step_call *call, const char *name);
double step_number(const struct step_call *call,
                   const char *name); /* FLOW_DURATION too, in seconds */
bool step_flag(const struct step_call *call, const char *name);

void step_output(struct step_call *call, const char *name, json_t *value); /* takes the reference */

/* One line of the task's log; secrets are masked. */
void step_log(struct step_call *call, enum log_level level, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* In Prefect's shape {key?, type, description?, data}; takes the reference. */
void step_artifact(struct step_call *call, json_t *artifact);

/* Any unit; total 0: not known. */
void step_progress(struct step_call *call, double done, double total);

/* The step is over, exactly once; the engine hears of it in the next loop round, after all jobs of
 * the call have ended (those still at work are stopped).  With an error, call->err should say what
 * went wrong. */
void step_done(struct step_call *call, enum err_code code);

/* An absolute path: `path` below the run's work folder unless it is absolute already. */
const char *step_path(struct step_call *call, const char *path);

/* ---- a child process ---- */

struct step_exit {
    int status; /* exit status, when signal is 0 */
    int signal;
    bool cancelled;   /* the call was cancelled */
    bool timed_out;   /* timeout_s of the process passed */
    const char *last; /* the last non-empty line of its output, "" if none */
};

struct step_exec {
    const char *const *argv; /* NULL at the end; argv[0] is looked up in PATH */
    const char *cwd;         /* NULL: the run's work folder */
    const char *const
        *env; /* "NAME=value", NULL at the end, on top of the agent's environment; NULL: none */
    const char *input; /* its standard input; NULL: empty */
    size_t input_len;
    double timeout_s; /* 0: only the task's own */
    int keep_fd; /* becomes its descriptor 3: a lock that outlives an agent that is killed; 0: none
                  */
    /* Each line of output (fd 1 or 2) without its end, at most 16 KB, then cut; NULL: to the log.
     */
    void (*line)(struct step_call *call, int fd, const char *line);
    /* NULL: step_done(), an error unless it exited with 0. */
    void (*exited)(struct step_call *call, const struct step_exit *how);
};

/* Starts it in a process group of its own.  Argument, environment and input are copied.
 * Errors: ERR_NOT_FOUND (no such program, no such folder), ERR_IO; then `exited` is not called. */
MUST_CHECK enum err_code step_exec(struct step_call *call, const struct step_exec *what);

/* ERR_OK for status 0, else an error in call->err that names the program and how it ended. */
MUST_CHECK enum err_code step_exit_code(struct step_call *call, const char *program,
                                        const struct step_exit *how);

/* ---- a blocking function on libuv's thread pool ---- */

struct step_work {
    void *arg;
    struct err err;
    struct arena *arena;   /* the job's own; freed with the call, so results may stay in it */
    atomic_bool cancelled; /* look at it often and return ERR_CANCELLED */
    struct step_job *job;
};

/* `work` runs on a thread and must not touch the call; `after` runs on the loop with work's code,
 * and call->err holds work's error.  `after` NULL: step_done(code). */
void step_work(struct step_call *call, enum err_code (*work)(struct step_work *work),
               void (*after)(struct step_call *call, enum err_code code), void *arg);

/* Like step_log() and step_progress(), for the function on the thread. */
void step_work_log(struct step_work *work, enum log_level level, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void step_work_progress(struct step_work *work, double done, double total);

/* ---- the table ---- */

/* NULL: there is none of that name. */
const struct step *step_find(const char *name);
size_t step_count(void);
const struct step *step_at(size_t index);

/* A flow is checked against the table. */
extern const struct flow_options step_flow_options;

#define STEP(symbol, name) extern const struct step symbol##_step;
#include "shared/flow/steps.def"
#undef STEP
