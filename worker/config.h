/* What the agent is told: the command line, over the configuration file, over the environment.
 *
 *   name: lab-1            # default: the host's name
 *   server: http://host:4200
 *   pool: bench
 *   data: /var/lib/switchyard-worker
 *   slots: 4
 *   drain_timeout: 600     # seconds
 *   benches: [...]         # worker/lab/bench.h
 *   devices: [...]         # worker/lab/inventory.h
 *   discover: true         # false: what is plugged in and not declared is not told
 *
 * Errors: name the file, the line or the option, and what was expected. */
#pragma once
#include <jansson.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"

struct agent_config {
    const char *name, *server, *pool, *data, *file;
    int64_t slots, drain_timeout_s;
    const char *api_url;       /* "http://host:port/api" */
    const char *auth_string;   /* PREFECT_API_AUTH_STRING; NULL: none */
    const char *authorization; /* the header's value; NULL: none */
    const json_t *benches;     /* NULL: none */
    const json_t *devices;     /* NULL: none */
    bool hide;                 /* `discover: false` */
    bool help, version;
};

/* All texts live in the arena. */
MUST_CHECK enum err_code agent_config_read(struct arena *a, int argc, char *const argv[],
                                           struct agent_config *out, struct err *e);

void agent_config_help(void);
