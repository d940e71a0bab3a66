#include "server/api/socket_jobs.h"

#include "shared/base/log.h"

static void run_lane(struct work *w, struct lane_item **items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct socket_job *job = (struct socket_job *)items[i]; /* item is the first member */
        job->rc = job->run(w, job);
        if (job->rc && job->rc != ERR_NOT_FOUND)
            log_warn("socket_job_failed", KV_E(&w->err));
        arena_reset(&w->arena);
        loop_call(w->server->loop_calls, &job->call);
    }
}

const struct lane_kind socket_jobs_lane = {"socket_jobs", 64, 65536, run_lane};

bool socket_job_submit(struct server *server, struct socket_job *job)
{
    struct err e;
    return server->socket_jobs && lane_submit(server->socket_jobs, &job->item, &e) == ERR_OK;
}
