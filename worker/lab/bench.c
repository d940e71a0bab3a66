#include "worker/lab/bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/base/arena.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "worker/lab/bench_config.h"
#include "worker/lab/usb.h"

enum {
    LOOK_MS = 50,    /* for the ports of a simulator that starts */
    WATCH_MS = 1000, /* for ports that come and go */
    FIRST_PAUSE_MS = 200,
    LAST_PAUSE_MS = 10000,
    KILL_AFTER_MS = 3000,
};

struct slot {
    struct bench face;
    struct lab *lab;
    uv_timer_t timer;
    uv_process_t child;
    uv_pipe_t leash; /* the child's standard input: it ends when this end is gone */
    enum { CHILD_NONE, CHILD_ALIVE, CHILD_STOPPING } state;
    bool has_handles; /* child and leash are initialised */
    int64_t started_us;
    int pause_ms;
    const struct bench_ticket *holder;
    int64_t token; /* of the newest lease that was given to a run */
    struct bench_health health;
};

struct lab {
    uv_loop_t *loop;
    struct arena memory;
    char *simulator;
    struct slot slots[BENCHES_MAX];
    size_t count;
    struct bench_ticket *line; /* who waits, first come first */
    uv_timer_t later;          /* grants outside the caller's stack */
    int open_handles;
    bool closing;
    void (*closed)(void *);
    void *closed_ctx;
    const char *health_path;
};

static void start_child(struct slot *s);
static void settle_soon(struct lab *lab);

/* ---- handles ---- */

static void release(struct lab *lab)
{
    if (--lab->open_handles > 0 || !lab->closing)
        return;
    void (*closed)(void *) = lab->closed;
    void *ctx = lab->closed_ctx;
    arena_reset(&lab->memory);
    free(lab->simulator);
    free(lab);
    if (closed)
        closed(ctx);
}

static void on_closed(uv_handle_t *handle)
{
    struct slot *s = handle->data;
    release(s->lab);
}

static void on_later_closed(uv_handle_t *handle)
{
    release(handle->data);
}

/* ---- the state of a bench ---- */

static void set_status(struct slot *s, enum bench_status status)
{
    if (s->face.status == status)
        return;
    s->face.status = status;
    log_info(status == BENCH_READY ? "bench is ready" : "bench is down",
             KV_S("bench", s->face.name));
    settle_soon(s->lab);
}

static bool port_is_there(const char *spec)
{
    char path[USB_PATH_BYTES];
    struct err ignored = {0};
    return !usb_resolve(spec, path, &ignored) && !access(path, R_OK | W_OK);
}

static bool ports_are_there(const struct bench *b)
{
    return port_is_there(b->uart) && port_is_there(b->meter_port);
}

static void on_timer(uv_timer_t *timer)
{
    struct slot *s = timer->data;

    if (s->state == CHILD_STOPPING) {
        uv_process_kill(&s->child, SIGKILL);
    } else if (s->face.emulated && s->state == CHILD_NONE) {
        start_child(s);
    } else {
        bool there = ports_are_there(&s->face);
        set_status(s, there ? BENCH_READY : BENCH_DOWN);
        uv_timer_start(timer, on_timer, there || !s->face.emulated ? WATCH_MS : LOOK_MS, 0);
    }
}

/* ---- the simulator ---- */

static void on_child_closed(uv_handle_t *handle)
{
    struct slot *s = handle->data;
    if (!s->lab->closing)
        uv_timer_start(&s->timer, on_timer, (uint64_t)s->pause_ms, 0);
    release(s->lab);
}

static void close_child(struct slot *s)
{
    if (!s->has_handles)
        return;
    s->has_handles = false;
    uv_close((uv_handle_t *)&s->leash, on_closed);
    uv_close((uv_handle_t *)&s->child, on_child_closed);
}

static void after_child(struct slot *s)
{
    bool lived = clock_monotonic_us() - s->started_us > LAST_PAUSE_MS * 1000ll;

    s->pause_ms = lived || !s->pause_ms ? FIRST_PAUSE_MS : 2 * s->pause_ms;
    if (s->pause_ms > LAST_PAUSE_MS)
        s->pause_ms = LAST_PAUSE_MS;
    s->state = CHILD_NONE;
    uv_timer_stop(&s->timer);
    set_status(s, BENCH_DOWN);
    close_child(s);
}

static void on_child_exit(uv_process_t *child, int64_t status, int signal)
{
    struct slot *s = child->data;

    if (!s->lab->closing)
        log_warn("bench simulator ended", KV_S("bench", s->face.name), KV_I("status", status),
                 KV_I("signal", signal));
    after_child(s);
}

/* Ports of an earlier life must not be taken for those of this one. */
static int make_dir(const struct slot *s)
{
    char *parent = strdup(s->face.dir);
    int rc = 0;

    if (!parent)
        return UV_ENOMEM;
    *strrchr(parent, '/') = 0;
    if ((mkdir(parent, 0700) && errno != EEXIST) || (mkdir(s->face.dir, 0700) && errno != EEXIST))
        rc = uv_translate_sys_error(errno);
    free(parent);
    unlink(s->face.uart);
    unlink(s->face.meter_port);
    return rc;
}

static int spawn(struct slot *s)
{
    char *argv[] = {s->lab->simulator,
                    "--dir",
                    (char *)(uintptr_t)s->face.dir,
                    "--machine",
                    (char *)(uintptr_t)s->face.target,
                    NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&s->leash},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    uv_process_options_t options = {.file = argv[0],
                                    .args = argv,
                                    .exit_cb = on_child_exit,
                                    .stdio = stdio,
                                    .stdio_count = COUNT(stdio)};
    return uv_spawn(s->lab->loop, &s->child, &options);
}

static void start_child(struct slot *s)
{
    int rc = make_dir(s);

    s->child = (uv_process_t){0};
    s->child.data = s->leash.data = s;
    s->started_us = clock_monotonic_us();
    uv_pipe_init(s->lab->loop, &s->leash, 0);
    if (!rc)
        rc = spawn(s);
    if (!rc || s->child.loop) { /* even a failed uv_spawn() leaves a handle behind */
        s->has_handles = true;
        s->lab->open_handles += 2;
    } else {
        s->lab->open_handles++;
        uv_close((uv_handle_t *)&s->leash, on_closed);
    }
    if (!rc) {
        s->state = CHILD_ALIVE;
        uv_timer_start(&s->timer, on_timer, LOOK_MS, 0);
        return;
    }
    log_warn("bench simulator cannot be started", KV_S("bench", s->face.name),
             KV_S("program", s->lab->simulator), KV_S("reason", uv_strerror(rc)));
    bool waits_for_handle = s->has_handles;
    after_child(s);
    if (!waits_for_handle)
        uv_timer_start(&s->timer, on_timer, (uint64_t)s->pause_ms, 0);
}

/* ---- opening and closing ---- */

/* Next to this program when it is there, else whatever PATH has. */
static char *find_simulator(void)
{
    static const char name[] = "switchyard-benchsim";
    char path[4096 + sizeof(name)];
    ssize_t len = readlink("/proc/self/exe", path, 4096);

    while (len > 0 && path[len - 1] != '/')
        len--;
    if (len > 0) {
        memcpy(path + len, name, sizeof(name));
        if (!access(path, X_OK))
            return strdup(path);
    }
    return strdup(name);
}

static void open_slot(struct lab *lab, struct slot *s, const struct bench *b)
{
    s->face = *b;
    s->lab = lab;
    uv_timer_init(lab->loop, &s->timer);
    s->timer.data = s;
    lab->open_handles++;
    if (b->emulated)
        start_child(s);
    else
        on_timer(&s->timer);
}

enum err_code lab_open(struct lab **out, uv_loop_t *loop, const json_t *config,
                       const char *data_dir, const char *simulator, struct err *e)
{
    struct lab *lab = calloc(1, sizeof(*lab));
    struct bench benches[BENCHES_MAX];

    if (!lab || !(lab->simulator = simulator ? strdup(simulator) : find_simulator())) {
        free(lab);
        return err_set(e, INTERNAL, "out of memory");
    }
    enum err_code code = bench_config_read(config, data_dir, &lab->memory, benches, &lab->count, e);
    if (code) {
        arena_reset(&lab->memory);
        free(lab->simulator);
        free(lab);
        return code;
    }
    lab->loop = loop;
    uv_timer_init(loop, &lab->later);
    lab->later.data = lab;
    lab->open_handles = 1;
    for (size_t i = 0; i < lab->count; i++)
        open_slot(lab, &lab->slots[i], &benches[i]);
    *out = lab;
    return ERR_OK;
}

static void close_slot(struct slot *s)
{
    if (s->state == CHILD_ALIVE) {
        s->state = CHILD_STOPPING;
        uv_process_kill(&s->child, SIGTERM);
        uv_timer_start(&s->timer, on_timer, KILL_AFTER_MS, 0);
    }
}

static void close_timers(struct lab *lab)
{
    for (size_t i = 0; i < lab->count; i++)
        if (lab->slots[i].state == CHILD_NONE &&
            !uv_is_closing((uv_handle_t *)&lab->slots[i].timer))
            uv_close((uv_handle_t *)&lab->slots[i].timer, on_closed);
}

/* Until the last child is gone the lab looks again and again. */
static void on_closing(uv_timer_t *later)
{
    struct lab *lab = later->data;
    bool all_gone = true;

    for (size_t i = 0; i < lab->count; i++)
        all_gone &= lab->slots[i].state == CHILD_NONE;
    close_timers(lab);
    if (all_gone)
        uv_close((uv_handle_t *)later, on_later_closed);
    else
        uv_timer_start(later, on_closing, 10, 0);
}

void lab_close(struct lab *lab, void (*closed)(void *), void *ctx)
{
    lab->closing = true;
    lab->closed = closed;
    lab->closed_ctx = ctx;
    for (size_t i = 0; i < lab->count; i++)
        close_slot(&lab->slots[i]);
    uv_timer_start(&lab->later, on_closing, 0, 0);
}

/* ---- who has which bench ---- */

static bool fits(const struct bench *b, const struct bench_ticket *t)
{
    return (!t->name || !strcmp(t->name, b->name)) && (!t->target || !strcmp(t->target, b->target));
}

static struct slot *slot_for(struct lab *lab, const struct bench_ticket *t)
{
    for (size_t i = 0; i < lab->count; i++) {
        struct slot *s = &lab->slots[i];
        if (s->face.status == BENCH_READY && !s->health.quarantined && !s->holder &&
            fits(&s->face, t))
            return s;
    }
    return NULL;
}

/* `granted` may wait and leave again, so the line is read anew after each grant. */
static void settle(uv_timer_t *later)
{
    struct lab *lab = later->data;

again:
    for (struct bench_ticket **at = &lab->line; *at; at = &(*at)->next) {
        struct bench_ticket *t = *at;
        struct slot *s = slot_for(lab, t);
        if (!s)
            continue;
        *at = t->next;
        t->waiting = false;
        t->bench = &s->face;
        s->holder = t;
        t->granted(t);
        goto again;
    }
}

static void settle_soon(struct lab *lab)
{
    if (!lab->closing)
        uv_timer_start(&lab->later, settle, 0, 0);
}

enum err_code lab_wait(struct lab *lab, struct bench_ticket *ticket, struct err *e)
{
    struct bench_ticket **end = &lab->line;
    bool possible = false;

    for (size_t i = 0; i < lab->count; i++)
        possible |= fits(&lab->slots[i].face, ticket);
    if (!possible)
        return err_set(e, NOT_FOUND, "this agent has no bench%s%s%s%s",
                       ticket->name ? " named " : "", ticket->name ? ticket->name : "",
                       ticket->target ? " for the target " : "",
                       ticket->target ? ticket->target : "");
    while (*end)
        end = &(*end)->next;
    ticket->next = NULL;
    ticket->bench = NULL;
    ticket->waiting = true;
    *end = ticket;
    settle_soon(lab);
    return ERR_OK;
}

void lab_leave(struct lab *lab, struct bench_ticket *ticket)
{
    for (struct bench_ticket **at = &lab->line; ticket->waiting && *at; at = &(*at)->next) {
        if (*at == ticket) {
            *at = ticket->next;
            break;
        }
    }
    for (size_t i = 0; ticket->bench && i < lab->count; i++)
        if (lab->slots[i].holder == ticket)
            lab->slots[i].holder = NULL;
    ticket->waiting = false;
    ticket->bench = NULL;
    settle_soon(lab);
}

/* ---- looking ---- */

size_t lab_count(const struct lab *lab)
{
    return lab->count;
}

const struct bench *lab_at(const struct lab *lab, size_t index)
{
    return &lab->slots[index].face;
}

const struct bench *lab_find(const struct lab *lab, const char *name)
{
    for (size_t i = 0; i < lab->count; i++)
        if (!strcmp(lab->slots[i].face.name, name))
            return &lab->slots[i].face;
    return NULL;
}

void bench_part_name(const struct bench *bench, const char *part, char *out, size_t size)
{
    snprintf(out, size, "%s.%s", bench->name, part);
}

const struct bench *lab_find_device(const struct lab *lab, const char *name)
{
    const struct bench *found = lab_find(lab, name);
    const char *dot = strrchr(name, '.');

    if (found || !dot || (strcmp(dot, ".board") != 0 && strcmp(dot, ".meter") != 0))
        return found;
    for (size_t i = 0; i < lab->count; i++) {
        const char *own = lab->slots[i].face.name;
        if (strlen(own) == (size_t)(dot - name) && !memcmp(own, name, strlen(own)))
            return &lab->slots[i].face;
    }
    return NULL;
}

static struct slot *slot_of(const struct lab *lab, const struct bench *bench)
{
    for (size_t i = 0; i < lab->count; i++)
        if (&lab->slots[i].face == bench)
            return (struct slot *)(uintptr_t)&lab->slots[i];
    return NULL;
}

struct bench_health *lab_health(const struct lab *lab, const struct bench *bench)
{
    struct slot *s = slot_of(lab, bench);
    return s ? &s->health : NULL;
}

void lab_leased(struct lab *lab, const struct bench *bench, int64_t token)
{
    struct slot *s = slot_of(lab, bench);
    if (s && token > s->token)
        s->token = token;
}

int64_t lab_token(const struct lab *lab, const struct bench *bench)
{
    const struct slot *s = slot_of(lab, bench);
    return s ? s->token : 0;
}

void lab_set_health_path(struct lab *lab, const char *path)
{
    lab->health_path = arena_printf(&lab->memory, "%s", path);
}

const char *lab_health_path(const struct lab *lab)
{
    return lab->health_path;
}

void lab_changed(struct lab *lab)
{
    settle_soon(lab);
}
