/* The private PostgreSQL of `switchyard-server --dev`: a cluster in DATA/pg, reachable over a unix
 * socket only, started and stopped with the server.
 *
 *   no folder -> initdb -> start -> accepts -> (dies: started again) -> fast stop
 *
 * As root the cluster runs under the account postgres (or nobody), because PostgreSQL refuses root.
 * A postmaster left over by a killed server is told to stop first; its death signal does the same.
 *
 * Errors: one sentence that says what is wrong and what to do.
 * Thread: the one that runs the loop. */
#pragma once
#include <sys/types.h>

#include "shared/base/arena.h"
#include "shared/base/err.h"

struct cluster {
    const char *folder, *sockets, *binaries; /* arena of the caller */
    const char *conninfo;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    int folder_fd, sockets_fd; /* for an account that cannot get there by name, else -1 */
};

MUST_CHECK enum err_code cluster_start(struct arena *a, const char *data, struct cluster *out,
                                       struct err *e);
/* How to reach the cluster of a server that runs on the folder. */
const char *cluster_conninfo(struct arena *a, const char *data);
/* After SIGCHLD: starts PostgreSQL again when it has gone.  Returns true if it had. */
bool cluster_revive(struct cluster *c);
void cluster_stop(struct cluster *c);
