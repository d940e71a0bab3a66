#include "server/services/services.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/db/db.h"
#include "server/services/device_health.h"
#include "server/services/liveness.h"
#include "server/services/retention.h"
#include "server/services/run_upkeep.h"
#include "server/services/scheduler.h"
#include "server/settings.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"

#define SECOND_US INT64_C(1000000)
/* Without any hint it is looked at least this often; between two looks lies at least this much. */
#define LOOK_US  (60 * SECOND_US)
#define PAUSE_US (20 * INT64_C(1000))
#define RETRY_US (2 * SECOND_US)

enum thread_id { PROMPT, PATIENT, THREADS };

struct service {
    const char *name;
    enum agenda_kind kind;
    enum thread_id thread;
    enum setting_id enabled; /* SETTING_NONE: always */
    enum setting_id loop;    /* a longer time than LOOK_US is kept to */
    bool first;              /* before the first request */
    enum err_code (*run)(struct pass *p);
};

/* clang-format off */
static const struct service services[] = {
    /* name                 due                   thread   setting                                       loop                                                 first  what it does */
    {"scheduler",           AGENDA_SCHEDULES,     PROMPT,  SETTING_SERVER_SERVICES_SCHEDULER_ENABLED,    SETTING_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS,      false, scheduler_run},
    {"misfires",            AGENDA_MISFIRES,      PROMPT,  SETTING_SERVER_SERVICES_SCHEDULER_ENABLED,    SETTING_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS,      true,  misfires_run},
    {"late_runs",           AGENDA_LATE_RUNS,     PROMPT,  SETTING_SERVER_SERVICES_LATE_RUNS_ENABLED,    SETTING_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS,      false, late_runs_run},
    {"pause_expirations",   AGENDA_PAUSES,        PROMPT,  SETTING_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED, SETTING_SERVER_SERVICES_PAUSE_EXPIRATIONS_LOOP_SECONDS, false, pause_expirations_run},
    {"cancellation_cleanup", AGENDA_CANCELLATIONS, PROMPT, SETTING_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED, SETTING_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS, false, cancellation_run},
    {"foreman",             AGENDA_LIVENESS,      PROMPT,  SETTING_SERVER_SERVICES_FOREMAN_ENABLED,      SETTING_SERVER_SERVICES_FOREMAN_LOOP_SECONDS,        false, liveness_run},
    {"repossessor",         AGENDA_LEASES,        PROMPT,  SETTING_SERVER_SERVICES_REPOSSESSOR_ENABLED,  SETTING_SERVER_SERVICES_REPOSSESSOR_LOOP_SECONDS,    false, leases_run},
    {"claims",              AGENDA_CLAIMS,        PROMPT,  SETTING_NONE,                                 SETTING_NONE,                                        true,  claims_run},
    {"device_health",       AGENDA_HEALTH,        PROMPT,  SETTING_NONE,                                 SETTING_NONE,                                        false, device_health_run},
    {"db_vacuum",           AGENDA_RETENTION,     PATIENT, SETTING_NONE,                                 SETTING_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS,      false, retention_run},
    {"partitions",          AGENDA_PARTITIONS,    PATIENT, SETTING_NONE,                                 SETTING_NONE,                                        false, partitions_run},
};
/* clang-format on */

/* What is known of a service between two looks. */
struct progress {
    int64_t expected_us; /* when the next look was due */
    int64_t not_before_us;
};

struct service_thread {
    struct services *all;
    enum thread_id id;
    pthread_t thread;
    unsigned kinds;
};

struct services {
    struct server *server;
    struct progress progress[COUNT(services)];
    struct service_thread threads[THREADS];
};

static bool is_on(const struct server *server, const struct service *s)
{
    return s->enabled == SETTING_NONE || settings_bool(&server->config.settings, s->enabled);
}

static int64_t look_again_us(const struct server *server, const struct service *s)
{
    int64_t loop_us = s->loop == SETTING_NONE ? 0 : settings_us(&server->config.settings, s->loop);
    return loop_us > LOOK_US ? loop_us : LOOK_US;
}

static void look(struct services *all, size_t i, struct work *w)
{
    const struct service *s = &services[i];
    struct progress *known = &all->progress[i];
    struct agenda *agenda = all->server->agenda;

    w->now_us = clock_now_us();
    struct pass p = {w, w->now_us - known->expected_us > ABSENT_S * SECOND_US, INT64_MAX};
    agenda_begin(agenda, s->kind);
    enum err_code rc = s->run(&p);
    int64_t now_us = clock_now_us(), look_us = now_us + look_again_us(all->server, s);
    if (rc) {
        db_rollback(w);
        log_warn("service", KV_S("service", s->name), KV_E(&w->err));
        p.next_us = now_us + RETRY_US;
        known->not_before_us = p.next_us;
    } else {
        known->expected_us = p.next_us < look_us ? p.next_us : look_us;
        known->not_before_us = now_us + PAUSE_US;
    }
    agenda_due_here(agenda, s->kind, p.next_us < look_us ? p.next_us : look_us);
    arena_reset(&w->arena);
    w->err = (struct err){0};
}

/* When it is this service's turn. */
static int64_t turn_us(const struct services *all, size_t i)
{
    int64_t due_us = agenda_when(all->server->agenda, services[i].kind);
    return due_us > all->progress[i].not_before_us ? due_us : all->progress[i].not_before_us;
}

static void *run(void *thread)
{
    struct service_thread *t = thread;
    struct services *all = t->all;
    struct work w = {.server = all->server, .db = db_open(all->server->conninfo)};
    int64_t next_us = 0;
    unsigned kinds = 0;

    while (agenda_wait(all->server->agenda, kinds, next_us)) {
        next_us = INT64_MAX;
        kinds = 0;
        for (size_t i = 0; i < COUNT(services); i++) {
            if (!(t->kinds >> services[i].kind & 1))
                continue;
            if (turn_us(all, i) <= clock_now_us())
                look(all, i, &w);
            /* A hint that comes within the pause must not wake us before its end. */
            if (all->progress[i].not_before_us <= clock_now_us())
                kinds |= 1u << services[i].kind;
            else if (all->progress[i].not_before_us < next_us)
                next_us = all->progress[i].not_before_us;
        }
    }
    db_close(w.db);
    return NULL;
}

static void look_first(struct services *all)
{
    struct work w = {.server = all->server, .db = db_open(all->server->conninfo)};

    for (size_t i = 0; i < COUNT(services); i++)
        if (services[i].first && is_on(all->server, &services[i]))
            look(all, i, &w);
    db_close(w.db);
}

struct services *services_start(struct server *server)
{
    struct services *all = calloc(1, sizeof(*all));
    if (!all)
        abort();
    all->server = server;
    look_first(all);
    for (size_t i = 0; i < COUNT(services); i++)
        if (is_on(server, &services[i]))
            all->threads[services[i].thread].kinds |= 1u << services[i].kind;
    for (int id = 0; id < THREADS; id++) {
        struct service_thread *t = &all->threads[id];
        t->all = all;
        t->id = (enum thread_id)id;
        if (pthread_create(&t->thread, NULL, run, t))
            abort();
    }
    return all;
}

void services_stop(struct services *all)
{
    agenda_stop(all->server->agenda);
    for (int id = 0; id < THREADS; id++)
        pthread_join(all->threads[id].thread, NULL);
    free(all);
}
