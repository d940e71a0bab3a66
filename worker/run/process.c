#include "worker/run/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DRAIN_MS = 2000, CHUNK_BYTES = 16 << 10 };

static void signal_group(struct process *p, int signal)
{
    kill(-p->child.pid, signal);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct process *p = handle->data;

    if (--p->open_handles)
        return;
    buf_free(&p->lines[0]);
    buf_free(&p->lines[1]);
    p->hooks.exited(p->hooks.ctx);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void flush_line(struct process *p, int i)
{
    struct buf *line = &p->lines[i];

    if (line->len)
        p->hooks.line(p->hooks.ctx, i + 1, line->bytes, line->len);
    line->len = 0;
}

static void close_outlet(struct process *p, int i)
{
    if (uv_is_closing((uv_handle_t *)&p->outlets[i]))
        return;
    flush_line(p, i);
    uv_close((uv_handle_t *)&p->outlets[i], on_closed);
}

static void close_rest_when_done(struct process *p)
{
    if (p->left && uv_is_closing((uv_handle_t *)&p->outlets[0]) &&
        uv_is_closing((uv_handle_t *)&p->outlets[1])) {
        close_handle((uv_handle_t *)&p->child);
        close_handle((uv_handle_t *)&p->timer);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct process *p = timer->data;

    if (!p->left) {
        signal_group(p, SIGKILL);
        return;
    }
    /* Somebody outside the group still holds the pipes: what was written so far is all there is. */
    close_outlet(p, 0);
    close_outlet(p, 1);
    close_rest_when_done(p);
}

static void on_child_exit(uv_process_t *child, int64_t status, int signal)
{
    struct process *p = child->data;

    p->left = true;
    p->exit_status = status;
    p->exit_signal = signal;
    signal_group(p, SIGKILL); /* what the leader leaves behind */
    process_hold(p, false);
    uv_timer_start(&p->timer, on_timer, DRAIN_MS, 0);
    close_rest_when_done(p);
}

/* ---- output ---- */

static void take_bytes(struct process *p, int i, const char *bytes, size_t len)
{
    struct buf *line = &p->lines[i];

    while (len) {
        size_t room = PROCESS_LINE_MAX_BYTES - line->len, n = len < room ? len : room;
        const char *end = memchr(bytes, '\n', n);
        size_t take = end ? (size_t)(end - bytes) : n;
        buf_add(line, bytes, take);
        if (end || line->len == PROCESS_LINE_MAX_BYTES)
            flush_line(p, i);
        take += end ? 1 : 0;
        bytes += take;
        len -= take;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)handle, (void)suggested;
    out->base = malloc(CHUNK_BYTES);
    out->len = out->base ? CHUNK_BYTES : 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
    struct process *p = stream->data;
    int i = stream == (uv_stream_t *)&p->outlets[1];

    if (n > 0)
        take_bytes(p, i, chunk->base, (size_t)n);
    free(chunk->base);
    if (n < 0 && n != UV_ENOBUFS) {
        close_outlet(p, i);
        close_rest_when_done(p);
    }
}

void process_hold(struct process *p, bool hold)
{
    if (hold == p->held)
        return;
    p->held = hold;
    for (int i = 0; i < 2; i++) {
        uv_stream_t *pipe = (uv_stream_t *)&p->outlets[i];
        if (uv_is_closing((uv_handle_t *)pipe))
            continue;
        if (hold)
            uv_read_stop(pipe);
        else
            uv_read_start(pipe, on_alloc, on_read);
    }
}

/* ---- the start ---- */

static void on_closed_unstarted(uv_handle_t *handle)
{
    (void)handle;
}

static void init_handles(struct process *p, uv_loop_t *loop)
{
    uv_timer_init(loop, &p->timer);
    uv_pipe_init(loop, &p->outlets[0], 0);
    uv_pipe_init(loop, &p->outlets[1], 0);
    p->child.data = p->timer.data = p->outlets[0].data = p->outlets[1].data = p;
    for (int i = 0; i < 2; i++)
        p->lines[i] = (struct buf){.max_bytes = PROCESS_LINE_MAX_BYTES};
}

static void close_unstarted(struct process *p)
{
    uv_close((uv_handle_t *)&p->child, on_closed_unstarted);
    uv_close((uv_handle_t *)&p->timer, on_closed_unstarted);
    uv_close((uv_handle_t *)&p->outlets[0], on_closed_unstarted);
    uv_close((uv_handle_t *)&p->outlets[1], on_closed_unstarted);
}

enum err_code process_start(struct process *p, uv_loop_t *loop, const struct process_start *what,
                            struct process_hooks hooks, struct err *e)
{
    struct stat folder;

    if (what->cwd && (stat(what->cwd, &folder) || !S_ISDIR(folder.st_mode)))
        return err_set(e, NOT_FOUND, "working_dir %s: is not a folder", what->cwd);
    *p = (struct process){.hooks = hooks};
    init_handles(p, loop);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->outlets[0]},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&p->outlets[1]},
    };
    uv_process_options_t options = {
        .exit_cb = on_child_exit,
        .file = what->argv[0],
        .args = (char **)what->argv,
        .env = (char **)what->env,
        .cwd = what->cwd,
        .flags = UV_PROCESS_DETACHED, /* a session, so a process group, of its own */
        .stdio_count = 3,
        .stdio = stdio,
    };
    int rc = uv_spawn(loop, &p->child, &options);
    if (rc) {
        close_unstarted(p);
        enum err_code code = rc == UV_ENOENT ? ERR_NOT_FOUND : ERR_IO;
        return err_set_at(e, code, __FILE__, __LINE__, "command %s: %s", what->argv[0],
                          uv_strerror(rc));
    }
    p->open_handles = 4;
    p->held = true;
    process_hold(p, false);
    return ERR_OK;
}

void process_stop(struct process *p, int64_t grace_ms)
{
    if (p->left || !p->open_handles)
        return;
    if (uv_is_active((uv_handle_t *)&p->timer)) {
        if ((uint64_t)grace_ms < uv_timer_get_due_in(&p->timer))
            uv_timer_start(&p->timer, on_timer, (uint64_t)grace_ms, 0);
        return;
    }
    process_hold(p, false); /* its last words shall not block it */
    signal_group(p, SIGTERM);
    uv_timer_start(&p->timer, on_timer, (uint64_t)grace_ms, 0);
}
