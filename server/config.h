/* What the server is told: command line, then environment, then defaults; rows in config.c.
 * What Prefect has a setting for stands in settings.h. */
#pragma once
#include "server/settings.h"
#include "shared/base/arena.h"
#include "shared/base/err.h"

struct config {
    struct settings settings;
    bool yes;                /* database reset: meant so */
    bool dev;                /* own PostgreSQL below `data` */
    const char *data;        /* folder for files, keys and the private cluster */
    const char *database;    /* connection URI; NULL with --dev */
    const char *listen;      /* HOST:PORT */
    const char *auth_string; /* user:password, NULL: open */
    int64_t executor_threads;
    int64_t queue_max;      /* requests that may wait for a thread */
    int64_t outage_s;       /* how long an agent may be cut off and keep its runs */
    const char *spool;      /* for bodies that go to files, below data */
    const char *ui_api_url; /* what /ui-settings tells; NULL: from the request */
};

/* The server's commands. */
enum server_command {
    COMMAND_SERVE,
    COMMAND_MIGRATE,
    COMMAND_RESET,
    COMMAND_CHECK_CONFIG,
    COMMAND_OPENAPI,
    COMMAND_HELP,
    COMMAND_VERSION
};

/* Errors: INVALID names the option or variable and what was expected. */
MUST_CHECK enum err_code config_read(struct arena *a, int argc, char **argv, struct config *out,
                                     enum server_command *out_command, struct err *e);
void config_print_help(void);
/* check-config: every setting, its value and where it came from; secrets masked. */
void config_print(const struct config *c);
