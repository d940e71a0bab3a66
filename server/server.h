/* The context of the program, passed down; made by main.c. */
#pragma once
#include <stdatomic.h>
#include <uv.h>

#include "server/config.h"
#include "shared/base/base.h"

struct server {
    struct config config;
    const char *conninfo; /* for db_open() */
    uv_loop_t loop;
    struct listener *listener;
    struct executor *executor;
    struct parking *parking;
    struct loop_calls *loop_calls;
    struct websocket *websockets; /* all that are open; loop thread */
    struct cluster *cluster;      /* --dev, else NULL */
    struct secrets *secrets;      /* encryption of blocks at rest */
    struct auth *auth;            /* who may call */
    struct csrf *csrf;            /* NULL: protection is off */
    struct lane *transitions;     /* flow-run set_state */
    struct lane *creations;       /* POST /flow_runs/ */
    struct lane *reads;           /* GET /flow_runs/{id} */
    struct lane *logs;            /* POST /logs/ */
    struct lane *events;          /* events in: stored, and task runs recorded */
    struct lane *looks;           /* of agents that wait for runs */
    struct lane *socket_jobs;     /* what WebSockets of workers want */
    struct task_workers *task_workers;
    struct worker_channels *worker_channels;
    struct event_outbox *outbox; /* states of flow runs that have no event yet */
    struct broadcast *event_broadcast, *log_broadcast; /* to /events/out and /logs/out */
    struct lane *streams;                              /* what is stored, to the same */
    struct catch_up *catch_up;                         /* with what other servers stored */
    struct event_wake *wake;                           /* rung when events were stored */
    struct event_wake *action_wake;                    /* rung when actions were queued */
    uv_async_t parking_wake;                           /* a long poll came: set the timer */
    atomic_bool stopping;                              /* long polls answer at once, lanes drain */
    struct agenda *agenda; /* when upkeep is due; the services wait for it */
    struct watch *checks;  /* runs of health checks that are open */
    struct notify *notify; /* news between servers of one database */
    struct zones *zones;   /* time zones of schedules */
    int64_t started_us;
};
