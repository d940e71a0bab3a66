/* The histories of runs. */
#include "server/api/run_states.h"

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/state.h"

struct run_query {
    struct given given;
    struct uuid flow_run_id, task_run_id;
};
#define RUN_QUERY(kind)                                                                            \
    static const struct field kind##_rows[] = {                                                    \
        F_UUID(struct run_query, kind##_run_id, F_REQUIRED, .doc = "Whose states.")};              \
    static const struct resource kind##_query_resource =                                           \
        RESOURCE_NAMED(#kind "_query", run_query, kind##_rows, .extra = true)
RUN_QUERY(flow);
RUN_QUERY(task);

static enum err_code list(struct request *rq, enum query q, const struct resource *query)
{
    struct run_query in;
    struct rows rows;
    enum err_code rc = request_decode_query(rq, query, &in);

    if (rc)
        return rc;
    struct uuid id = query == &flow_query_resource ? in.flow_run_id : in.task_run_id;
    rc = db_query(&rq->work, q, PARAMS(param_uuid(&rq->work, id)), &rows);
    return rc ? rc : reply_rows(rq, &state_read_resource, &rows);
}

/* Prefect says "Flow run state" for both kinds. */
static enum err_code get(struct request *rq, enum query q)
{
    struct rows rows;
    enum err_code rc = db_query(&rq->work, q, PARAMS(param_uuid(&rq->work, rq->ids[0])), &rows);

    if (!rc && !rows.count)
        rc = err_set(&rq->work.err, NOT_FOUND, "Flow run state not found");
    return rc ? rc : reply_row(rq, 200, &state_read_resource, &rows, 0);
}

enum err_code flow_run_states_list(struct request *rq)
{
    return list(rq, Q_flow_run_states, &flow_query_resource);
}

enum err_code flow_run_states_get(struct request *rq)
{
    return get(rq, Q_flow_run_state_by_id);
}

enum err_code task_run_states_list(struct request *rq)
{
    return list(rq, Q_task_run_states, &task_query_resource);
}

enum err_code task_run_states_get(struct request *rq)
{
    return get(rq, Q_task_run_state_by_id);
}
