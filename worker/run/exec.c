/* step_exec(): a child process of a step, in a process group of its own.
 *
 *   RUNNING ──stop, time-out──> STOPPING ──5 s──> KILL
 *      └──────────exit─────────────┴──> DRAINING ──both pipes at their end, or 1 s──> CLOSING ──>
 * `exited`
 *
 * What the group leaves behind when its leader exits is killed: a step that is over holds no board.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shared/base/fault.h"
#include "worker/run/call.h"

enum { LINE_BYTES = 16 << 10, CHUNK_BYTES = 32 << 10, GRACE_MS = 5000, DRAIN_MS = 1000 };

enum exec_phase { EXEC_RUNNING, EXEC_STOPPING, EXEC_DRAINING, EXEC_CLOSING };

struct outlet {
    struct exec *exec;
    uv_pipe_t pipe;
    bool ended, overlong, reading;
    size_t len;
    char line[LINE_BYTES + 1];
};

struct exec {
    struct step_job job; /* first: the list of the call holds it */
    enum exec_phase phase;
    int open_handles;
    pid_t group;
    uv_process_t process;
    uv_timer_t timer;
    struct outlet outlets[2]; /* stdout, stderr */
    struct step_exit how;
    void (*line)(struct step_call *, int, const char *);
    void (*exited)(struct step_call *, const struct step_exit *);
    char program[128];
    char last[400];
    char chunk[CHUNK_BYTES];
};

static void on_timer(uv_timer_t *timer);

static void arm(struct exec *x, double delay_s)
{
    uv_timer_start(&x->timer, on_timer, (uint64_t)(delay_s * 1000), 0);
}

static void signal_group(struct exec *x, int signal)
{
    kill(-x->group, signal);
}

static void finish(struct exec *x)
{
    struct step_call *call = x->job.call;
    if (call->phase == CALL_RUNNING) {
        x->how.cancelled = call->cancelled;
        x->how.last = x->last;
        if (x->exited)
            x->exited(call, &x->how);
        else
            step_done(call, step_exit_code(call, x->program, &x->how));
    }
    call_remove_job(call, &x->job);
    free(x);
}

static void on_closed(uv_handle_t *handle)
{
    struct exec *x = handle->data;
    if (--x->open_handles == 0)
        finish(x);
}

static void close_handle(struct exec *x, void *handle)
{
    ((uv_handle_t *)handle)->data = x;
    uv_close(handle, on_closed);
}

static void close_all(struct exec *x)
{
    if (x->phase == EXEC_CLOSING)
        return;
    x->phase = EXEC_CLOSING;
    signal_group(x, SIGKILL);
    close_handle(x, &x->process);
    close_handle(x, &x->timer);
    close_handle(x, &x->outlets[0].pipe);
    close_handle(x, &x->outlets[1].pipe);
}

static void hold(struct step_job *job, bool hold);

static void stop(struct step_job *job)
{
    struct exec *x = (struct exec *)job;
    hold(job, false); /* its last words shall not block it */
    if (x->phase != EXEC_RUNNING)
        return;
    x->phase = EXEC_STOPPING;
    signal_group(x, SIGTERM);
    arm(x, GRACE_MS / 1000.0);
}

static void on_timer(uv_timer_t *timer)
{
    struct exec *x = timer->data;
    switch (x->phase) {
    case EXEC_RUNNING:
        x->how.timed_out = true;
        stop(&x->job);
        break;
    case EXEC_STOPPING:
        signal_group(x, SIGKILL);
        break;
    case EXEC_DRAINING:
        close_all(x);
        break;
    case EXEC_CLOSING:
        break;
    }
}

static void drained(struct exec *x)
{
    if (x->phase == EXEC_DRAINING && x->outlets[0].ended && x->outlets[1].ended)
        close_all(x);
}

static void on_process_exit(uv_process_t *process, int64_t status, int signal)
{
    struct exec *x = process->data;
    x->how.status = (int)status;
    x->how.signal = signal;
    x->phase = EXEC_DRAINING;
    hold(&x->job, false); /* what is left fits into the pipes */
    arm(x, DRAIN_MS / 1000.0);
    drained(x);
}

/* A carriage return draws over what stood before it, as on a terminal. */
static void give_line(struct outlet *o)
{
    struct exec *x = o->exec;
    int fd = o == &x->outlets[0] ? 1 : 2;
    if (o->len && o->line[o->len - 1] == '\r')
        o->len--;
    o->line[o->len] = 0;
    char *drawn = memrchr(o->line, '\r', o->len);
    char *line = drawn ? drawn + 1 : o->line;
    o->len = 0;
    o->overlong = false;
    text_clean(line);
    if (line[0]) {
        size_t keep = strnlen(line, sizeof(x->last) - 1);
        memcpy(x->last, line, keep);
        x->last[keep] = 0;
        text_clean(x->last);
    }
    if (x->job.call->phase != CALL_RUNNING)
        return;
    if (x->line)
        x->line(x->job.call, fd, line);
    else
        step_log(x->job.call, LOG_INFO, "%s", line);
}

static void take_bytes(struct outlet *o, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n')
            give_line(o);
        else if (o->len < LINE_BYTES)
            o->line[o->len++] = (char)(bytes[i] ? bytes[i] : ' ');
        else
            o->overlong = true;
    }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    (void)size;
    struct outlet *o = handle->data;
    *out = uv_buf_init(o->exec->chunk, CHUNK_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *chunk)
{
    struct outlet *o = stream->data;
    if (len > 0)
        take_bytes(o, chunk->base, (size_t)len);
    if (len >= 0)
        return;
    if (o->len)
        give_line(o);
    o->ended = true;
    uv_read_stop(stream);
    drained(o->exec);
}

static void hold(struct step_job *job, bool hold)
{
    struct exec *x = (struct exec *)job;
    for (int i = 0; i < 2; i++) {
        struct outlet *o = &x->outlets[i];
        if (o->ended || x->phase == EXEC_CLOSING || o->reading != hold)
            continue;
        o->reading = !hold;
        if (hold)
            uv_read_stop((uv_stream_t *)&o->pipe);
        else
            uv_read_start((uv_stream_t *)&o->pipe, on_alloc, on_read);
    }
}

/* The agent's environment with what the step adds. */
static char **merge_env(struct arena *arena, const char *const *added)
{
    size_t count = 0, added_count = 0, n = 0;
    while (environ[count])
        count++;
    while (added && added[added_count])
        added_count++;
    char **env = arena_array(arena, char *, count + added_count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t name_len = strcspn(environ[i], "=") + 1;
        bool replaced = false;
        for (size_t k = 0; k < added_count && !replaced; k++)
            replaced = !strncmp(environ[i], added[k], name_len);
        if (!replaced)
            env[n++] = environ[i];
    }
    for (size_t k = 0; k < added_count; k++)
        env[n++] = (char *)(uintptr_t)added[k];
    return env;
}

/* Standard input is a file in memory, so that nothing has to be written while the process runs. */
static int open_input(const struct step_exec *what)
{
    int fd = memfd_create("input", MFD_CLOEXEC);
    size_t at = 0;
    while (fd >= 0 && at < what->input_len) {
        ssize_t n = write(fd, what->input + at, what->input_len - at);
        if (n < 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static int spawn(struct step_call *call, struct exec *x, const struct step_exec *what)
{
    int input = open_input(what);
    if (input < 0)
        return uv_translate_sys_error(errno);
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_INHERIT_FD, .data.fd = input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&x->outlets[0].pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&x->outlets[1].pipe},
        {.flags = UV_INHERIT_FD, .data.fd = what->keep_fd},
    };
    uv_process_options_t options = {
        .file = what->argv[0],
        .args = (char **)(uintptr_t)what->argv,
        .cwd = what->cwd ? what->cwd : call->run->work_dir,
        .env = merge_env(call->arena, what->env),
        .exit_cb = on_process_exit,
        .flags = UV_PROCESS_DETACHED, /* a new session, so a group of its own */
        .stdio = stdio,
        .stdio_count = what->keep_fd ? 4 : 3,
    };
    int rc = FAULT("exec.spawn") ? UV_EAGAIN : uv_spawn(call->loop, &x->process, &options);
    close(input);
    return rc;
}

static void on_closed_unstarted(uv_handle_t *handle)
{
    struct exec *x = handle->data;
    if (--x->open_handles == 0) {
        call_remove_job(x->job.call, &x->job);
        free(x);
    }
}

static void discard(struct exec *x)
{
    uv_handle_t *handles[] = {(uv_handle_t *)&x->timer, (uv_handle_t *)&x->outlets[0].pipe,
                              (uv_handle_t *)&x->outlets[1].pipe, (uv_handle_t *)&x->process};
    x->phase = EXEC_CLOSING;
    x->open_handles =
        x->process.loop ? 4 : 3; /* uv_spawn() may not have come to the process handle */
    for (int i = 0; i < x->open_handles; i++) {
        handles[i]->data = x;
        uv_close(handles[i], on_closed_unstarted);
    }
}

static enum err_code refuse(struct step_call *call, const struct step_exec *what, int rc)
{
    const char *cwd = what->cwd ? what->cwd : call->run->work_dir;
    if (rc == UV_ENOENT && access(cwd, X_OK) != 0)
        return err_set(&call->err, NOT_FOUND, "cannot start %s: there is no folder %s",
                       what->argv[0], cwd);
    if (rc == UV_ENOENT)
        return err_set(&call->err, NOT_FOUND,
                       "cannot start %s: there is no such program on this machine", what->argv[0]);
    return err_set(&call->err, IO, "cannot start %s: %s", what->argv[0], uv_strerror(rc));
}

static struct exec *new_exec(struct step_call *call, const struct step_exec *what)
{
    struct exec *x = calloc(1, sizeof(*x));
    const char *slash = strrchr(what->argv[0], '/');
    if (!x)
        abort();
    x->line = what->line;
    x->exited = what->exited;
    x->job.stop = stop;
    x->job.hold = hold;
    strncpy(x->program, slash ? slash + 1 : what->argv[0], sizeof(x->program) - 1);
    uv_timer_init(call->loop, &x->timer);
    x->process.data = x->timer.data = x;
    for (int i = 0; i < 2; i++) {
        uv_pipe_init(call->loop, &x->outlets[i].pipe, 0);
        x->outlets[i].exec = x;
        x->outlets[i].pipe.data = &x->outlets[i];
    }
    return x;
}

enum err_code step_exec(struct step_call *call, const struct step_exec *what)
{
    if (call->cancelled)
        return err_set(&call->err, CANCELLED, "cancelled before %s was started", what->argv[0]);
    struct exec *x = new_exec(call, what);
    call_add_job(call, &x->job);
    int rc = spawn(call, x, what);
    if (rc) {
        discard(x);
        return refuse(call, what, rc);
    }
    x->open_handles = 4;
    x->group = x->process.pid;
    hold(&x->job, call->held);
    if (what->timeout_s > 0)
        arm(x, what->timeout_s);
    return ERR_OK;
}

enum err_code step_exit_code(struct step_call *call, const char *program,
                             const struct step_exit *how)
{
    const char *colon = how->last[0] ? ": " : "";
    if (how->cancelled)
        return err_set(&call->err, CANCELLED, "%s was cancelled", program);
    if (how->timed_out)
        return err_set(&call->err, TIMEOUT, "%s did not end in time%s%s", program, colon,
                       how->last);
    if (how->signal)
        return err_set(&call->err, IO, "%s was killed by signal %d (%s)%s%s", program, how->signal,
                       strsignal(how->signal), colon, how->last);
    if (how->status)
        return err_set(&call->err, IO, "%s ended with status %d%s%s", program, how->status, colon,
                       how->last);
    return ERR_OK;
}
