/* A flow run's own process: started in a session of its own, its output read line by line.
 *
 *   process_start --> running -- its leader exits --> rest of the group killed --> `exited`
 *   process_stop: TERM to the group, KILL after the grace
 *
 * `exited` waits for the end of both pipes, 2 s at most.
 * Owns:   its handles; the struct is the caller's and must live until `exited`.
 * Thread: the loop thread. */
#pragma once
#include <uv.h>

#include "shared/base/buf.h"
#include "shared/base/err.h"

enum { PROCESS_LINE_MAX_BYTES = 16 << 10 };

struct process_hooks {
    /* One line without its end, or a piece of one that is longer than PROCESS_LINE_MAX_BYTES. */
    void (*line)(void *ctx, int fd, const char *text, size_t len);
    /* All handles are closed: the struct may be freed or used again. */
    void (*exited)(void *ctx);
    void *ctx;
};

struct process {
    uv_process_t child;
    uv_pipe_t outlets[2]; /* its stdout and stderr */
    uv_timer_t timer;
    struct buf lines[2];
    struct process_hooks hooks;
    int open_handles;
    bool left, held; /* left: the leader has exited */
    int64_t exit_status;
    int exit_signal;
};

struct process_start {
    char *const *argv; /* NULL at the end; argv[0] is looked up in PATH of `env` */
    char *const *env;  /* complete, NULL at the end */
    const char *cwd;   /* NULL: the agent's */
};

/* On an error `exited` is never called. Errors: ERR_NOT_FOUND (program or folder), ERR_IO. */
MUST_CHECK enum err_code process_start(struct process *p, uv_loop_t *loop,
                                       const struct process_start *what, struct process_hooks hooks,
                                       struct err *e);

/* Harmless when repeated: a shorter grace counts, a longer one does not. */
void process_stop(struct process *p, int64_t grace_ms);

/* Back-pressure: stops reading its output, so that it blocks when the pipe is full. */
void process_hold(struct process *p, bool hold);
