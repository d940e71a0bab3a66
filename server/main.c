/* switchyard-server: reads its settings, starts what it is made of, runs the loop, stops in order.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/api/access.h"
#include "server/api/catch_up.h"
#include "server/api/events_out.h"
#include "server/api/logs_out.h"
#include "server/api/task_workers.h"
#include "server/api/worker_channel.h"
#include "server/db/cluster.h"
#include "server/db/db.h"
#include "server/db/filter.h"
#include "server/db/migrate.h"
#include "server/http/auth.h"
#include "server/http/csrf.h"
#include "server/http/executor.h"
#include "server/http/listener.h"
#include "server/http/loop_calls.h"
#include "server/http/openapi.h"
#include "server/http/parking.h"
#include "server/http/route.h"
#include "server/http/websocket.h"
#include "server/lanes.h"
#include "server/model/limits.h"
#include "server/model/zone.h"
#include "server/news.h"
#include "server/reset.h"
#include "server/secrets.h"
#include "server/server.h"
#include "server/services/actions.h"
#include "server/services/event_emitter.h"
#include "server/services/notifications.h"
#include "server/services/services.h"
#include "server/services/triggers.h"
#include "server/store/block_types.h"
#include "server/store/event_outbox.h"
#include "server/store/event_wake.h"
#include "server/watch.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

enum {
    EXIT_USAGE = 2,
    EXIT_UNAVAILABLE = 69,
    STOP_POLL_MS = 10,
    STOP_TIMEOUT_S = 10,
    MIGRATE_TRIES = 50
};

struct program {
    struct server server;
    struct arena arena;
    struct cluster cluster;
    uv_signal_t term, intr, child;
    uv_timer_t parking_timer, stop_timer;
    int64_t stop_deadline_us;
    int lock_fd;
};

static int fail(const struct err *e)
{
    fprintf(stderr, "switchyard-server: %s\n", e->detail);
    return e->code == ERR_INVALID ? EXIT_USAGE : EXIT_UNAVAILABLE;
}

/* One server per data folder. */
static enum err_code take_folder(struct program *p, struct err *e)
{
    struct config *c = &p->server.config;
    const char *folders[] = {c->data, c->spool, arena_printf(&p->arena, "%s/files", c->data)};
    char resolved[4096];

    for (size_t i = 0; i < COUNT(folders); i++)
        if (mkdir(folders[i], i ? 0700 : 0755) && errno != EEXIST)
            return err_set(e, IO, "%s: %s", folders[i], strerror(errno));
    if (!realpath(c->data, resolved))
        return err_set(e, IO, "%s: %s", c->data, strerror(errno));
    c->data = arena_printf(&p->arena, "%s", resolved);
    c->spool = arena_printf(&p->arena, "%s/spool", c->data);
    p->lock_fd =
        open(arena_printf(&p->arena, "%s/lock", c->data), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (p->lock_fd < 0)
        return err_set(e, IO, "%s/lock: %s", c->data, strerror(errno));
    if (flock(p->lock_fd, LOCK_EX | LOCK_NB))
        return err_set(e, CONFLICT,
                       "another switchyard-server uses %s: stop it or choose another --data",
                       c->data);
    return ERR_OK;
}

static enum err_code start_database(struct program *p, struct err *e)
{
    struct server *s = &p->server;
    enum err_code rc;

    if (!s->config.dev) {
        s->conninfo = s->config.database;
        return ERR_OK;
    }
    if ((rc = cluster_start(&p->arena, s->config.data, &p->cluster, e)))
        return rc;
    s->cluster = &p->cluster;
    s->conninfo = p->cluster.conninfo;
    return ERR_OK;
}

/* A database that is still starting is waited for. */
static enum err_code bring_up_to_date(struct server *s, struct err *e)
{
    struct work w = {.server = s, .db = db_open(s->conninfo), .now_us = clock_now_us()};
    int applied = 0;
    enum err_code rc = ERR_DB;

    for (int i = 0; i < MIGRATE_TRIES && rc == ERR_DB; i++) {
        if (i)
            usleep(200000);
        rc = migrate(&w, &applied);
    }
    if (!rc && settings_bool(&s->config.settings, SETTING_SERVER_REGISTER_BLOCKS_ON_START))
        rc = block_types_install_system(&w);
    if (!rc)
        rc = access_load(&w);
    *e = w.err;
    db_close(w.db);
    arena_reset(&w.arena);
    return rc;
}

/* ---- the loop ---- */

static void on_parking_time(uv_timer_t *timer)
{
    struct program *p = timer->data;
    int64_t now_us = clock_monotonic_us();
    int64_t next_us = parking_expire(p->server.parking, now_us);

    if (next_us != INT64_MAX)
        uv_timer_start(timer, on_parking_time,
                       next_us > now_us ? (uint64_t)(next_us - now_us) / 1000 + 1 : 0, 0);
}

static void on_parking_wake(uv_async_t *async)
{
    on_parking_time(&((struct program *)async->data)->parking_timer);
}

/* Requests finish, long polls are told to come back, then the loop ends. */
static void on_stop_time(uv_timer_t *timer)
{
    struct program *p = timer->data;
    bool done = listener_in_flight(p->server.listener) == 0 && !p->server.websockets;

    if (done || clock_monotonic_us() > p->stop_deadline_us)
        uv_stop(&p->server.loop);
}

static void on_quit(uv_signal_t *handle, int signal)
{
    struct program *p = handle->data;

    if (atomic_exchange(&p->server.stopping, true))
        return;
    log_info("stopping", KV_I("signal", signal));
    p->stop_deadline_us = clock_monotonic_us() + STOP_TIMEOUT_S * INT64_C(1000000);
    listener_quiesce(p->server.listener);
    parking_ring_all(p->server.parking);
    websockets_close_all(&p->server, 1001, "the server stops");
    uv_timer_start(&p->stop_timer, on_stop_time, 0, STOP_POLL_MS);
}

static void on_child(uv_signal_t *handle, int signal)
{
    struct program *p = handle->data;
    (void)signal;
    if (p->server.cluster && !atomic_load(&p->server.stopping))
        cluster_revive(p->server.cluster);
}

static void watch_signals(struct program *p)
{
    uv_signal_t *const handles[] = {&p->term, &p->intr, &p->child};
    static const int signals[] = {SIGTERM, SIGINT, SIGCHLD};
    static const uv_signal_cb callbacks[] = {on_quit, on_quit, on_child};

    for (size_t i = 0; i < COUNT(signals); i++) {
        uv_signal_init(&p->server.loop, handles[i]);
        handles[i]->data = p;
        uv_signal_start(handles[i], callbacks[i], signals[i]);
    }
    uv_timer_init(&p->server.loop, &p->parking_timer);
    uv_timer_init(&p->server.loop, &p->stop_timer);
    uv_async_init(&p->server.loop, &p->server.parking_wake, on_parking_wake);
    p->parking_timer.data = p->stop_timer.data = p->server.parking_wake.data = p;
}

static void close_handle(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void say_ready(const struct program *p)
{
    const char *listen = p->server.config.listen;
    printf("ready http://%.*s:%u\n", (int)(strrchr(listen, ':') - listen), listen,
           listener_port(p->server.listener));
    fflush(stdout);
}

/* What works beside the requests, on threads of its own. */
struct background {
    struct event_emitter *emitter;
    struct services *services;
    struct triggers *triggers; /* NULL: switched off, as actions */
    struct actions *actions;
};

/* What requests need, without the listener. */
static void start_core(struct server *s)
{
    s->parking = parking_start(s);
    s->loop_calls = loop_calls_start(s);
    s->executor =
        executor_start(s, (size_t)s->config.executor_threads, (size_t)s->config.queue_max);
    s->outbox = event_outbox_start();
    s->event_broadcast = broadcast_start(s, &events_broadcast);
    if (settings_bool(&s->config.settings, SETTING_SERVER_LOGS_STREAM_PUBLISHING_ENABLED))
        s->log_broadcast = broadcast_start(s, &logs_broadcast);
    s->wake = event_wake_start();
    s->action_wake = event_wake_start();
    s->catch_up = catch_up_start(s);
    s->task_workers = task_workers_start(s);
    s->worker_channels = worker_channels_start(s);
    lanes_start(s);
}

static struct background start_background(struct server *s)
{
    bool automations = settings_bool(&s->config.settings, SETTING_SERVER_SERVICES_TRIGGERS_ENABLED);
    struct background b = {.emitter = event_emitter_start(s)};

    s->agenda = agenda_new(s);
    s->checks = watch_new();
    news_start(s);
    b.services = services_start(s);
    b.triggers = automations ? triggers_start(s) : NULL;
    b.actions = automations ? actions_start(s) : NULL;
    return b;
}

/* Nobody moves a run or waits for an answer afterwards. */
static void stop_work(struct server *s, const struct background *b)
{
    services_stop(b->services);
    triggers_stop(b->triggers);
    actions_stop(b->actions);
    executor_stop(s->executor); /* before the lanes: whoever waits for one is answered */
    lanes_stop(s);
    event_emitter_stop(b->emitter); /* after whoever moves runs */
    news_stop(s);
    event_outbox_stop(s->outbox);
    event_wake_stop(s->wake);
    event_wake_stop(s->action_wake);
    catch_up_stop(s->catch_up);
    agenda_free(s->agenda);
    watch_free(s->checks);
}

static void stop_loop(struct server *s)
{
    if (s->listener)
        listener_stop(s->listener);
    uv_walk(&s->loop, close_handle, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    parking_stop(s->parking);
    loop_calls_stop(s->loop_calls);
    broadcast_stop(s->event_broadcast);
    broadcast_stop(s->log_broadcast);
    task_workers_stop(s->task_workers);
    worker_channels_stop(s->worker_channels);
    uv_loop_close(&s->loop);
}

static int serve(struct program *p)
{
    struct server *s = &p->server;
    struct err e;

    if (!notifications_init()) {
        (void)err_set(&e, INTERNAL, "libcurl cannot be used");
        return fail(&e);
    }
    uv_loop_init(&s->loop);
    watch_signals(p);
    start_core(s);
    struct background background = start_background(s);
    int status = EXIT_SUCCESS;
    if (listener_start(s, &e, &s->listener) != ERR_OK) {
        status = fail(&e);
    } else {
        say_ready(p);
        uv_run(&s->loop, UV_RUN_DEFAULT);
        log_info("drained", KV_I("requests_left", (int64_t)listener_in_flight(s->listener)),
                 KV_I("sockets_left", (int64_t)websockets_count(s)));
    }
    stop_work(s, &background);
    stop_loop(s);
    log_info("stopped", KV_S("program", "switchyard-server"));
    return status;
}

static void set_limits(const struct settings *s)
{
    int64_t wait_us = settings_us(s, SETTING_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS);

    limits_set(&(struct limits){
        .parameters_bytes = settings_int(s, SETTING_SERVER_API_MAX_PARAMETER_SIZE),
        .cache_key_chars = settings_int(s, SETTING_SERVER_TASKS_MAX_CACHE_KEY_LENGTH),
        .scheduled_runs = settings_int(s, SETTING_SERVER_DEPLOYMENT_SCHEDULE_MAX_SCHEDULED_RUNS),
        .tag_wait_s = (double)wait_us / 1e6,
    });
}

static void open_access(struct server *s)
{
    const struct settings *settings = &s->config.settings;

    s->auth = auth_open(&s->config);
    if (settings_bool(settings, SETTING_SERVER_API_CSRF_PROTECTION_ENABLED))
        s->csrf = csrf_open(settings_us(settings, SETTING_SERVER_API_CSRF_TOKEN_EXPIRATION));
}

static int run(struct program *p, enum server_command command)
{
    struct err e = {0};

    settings_warn();
    set_limits(&p->server.config.settings);
    p->server.zones = zones_new(NULL);
    enum err_code rc = take_folder(p, &e);
    if (!rc)
        rc = secrets_open(p->server.config.data, &p->server.secrets, &e);
    open_access(&p->server);
    if (!rc)
        rc = start_database(p, &e);
    if (!rc)
        rc = bring_up_to_date(&p->server, &e);
    int status = EXIT_SUCCESS;
    if (rc)
        status = fail(&e);
    else if (command == COMMAND_SERVE)
        status = serve(p);
    if (p->server.cluster)
        cluster_stop(&p->cluster);
    csrf_close(p->server.csrf);
    auth_close(p->server.auth);
    secrets_close(p->server.secrets);
    zones_free(p->server.zones);
    return status;
}

/* Also below a server that runs on the same folder or database. */
static int reset(struct program *p)
{
    struct server *s = &p->server;
    const struct config *c = &s->config;
    int64_t began_us = clock_monotonic_us();
    struct err e = {0};
    enum err_code rc = c->dev ? take_folder(p, &e) : ERR_OK;

    if (rc == ERR_CONFLICT) {
        s->conninfo = cluster_conninfo(&p->arena, c->data);
        rc = ERR_OK;
    } else if (!rc) {
        rc = start_database(p, &e);
    }
    open_access(s);
    if (!rc)
        rc = bring_up_to_date(s, &e);
    if (!rc) {
        struct work w = {.server = s, .db = db_open(s->conninfo), .now_us = clock_now_us()};
        rc = reset_database(&w, c->dev ? arena_printf(&p->arena, "%s/files", c->data) : NULL, &e);
        db_close(w.db);
        arena_reset(&w.arena);
    }
    if (s->cluster)
        cluster_stop(&p->cluster);
    csrf_close(s->csrf);
    auth_close(s->auth);
    if (rc)
        return fail(&e);
    printf("deleted everything in %.2f s\n", (double)(clock_monotonic_us() - began_us) / 1e6);
    return EXIT_SUCCESS;
}

static int dispatch(struct program *p, enum server_command command)
{
    switch (command) {
    case COMMAND_HELP:
        config_print_help();
        return EXIT_SUCCESS;
    case COMMAND_VERSION:
        puts("switchyard-server " VERSION);
        return EXIT_SUCCESS;
    case COMMAND_OPENAPI:
        return openapi_print(stdout) ? EXIT_SUCCESS : EXIT_FAILURE;
    case COMMAND_CHECK_CONFIG:
        config_print(&p->server.config);
        return EXIT_SUCCESS;
    case COMMAND_RESET:
        return reset(p);
    default:
        return run(p, command);
    }
}

int main(int argc, char **argv)
{
    struct program p = {.server = {.started_us = clock_monotonic_us()}, .lock_fd = -1};
    enum server_command command;
    struct err e;

    signal(SIGPIPE, SIG_IGN);
    umask(022);
    routes_index();
    filters_build();
    int status;
    if (config_read(&p.arena, argc, argv, &p.server.config, &command, &e) != ERR_OK)
        status = fail(&e);
    else
        status = dispatch(&p, command);
    arena_reset(&p.arena);
    return status;
}
