/* What a WebSocket wants from the database: a job runs in a lane, then on the loop again. */
#pragma once
#include "server/db/lane.h"
#include "server/http/loop_calls.h"

/* First member of a job.  `run` has the connection and must not touch what lives on the loop;
 * `call.run` is on the loop and frees the job. */
struct socket_job {
    struct lane_item item;
    struct loop_call call;
    enum err_code (*run)(struct work *w, struct socket_job *job);
    enum err_code rc; /* of run; said in the log */
};

extern const struct lane_kind socket_jobs_lane;

/* False when the server stops or is at its limit: the job is the caller's again. */
bool socket_job_submit(struct server *server, struct socket_job *job);
