/* The histories of runs. */
#include "server/api/run_states.h"

#include <string.h>

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/state.h"

/* A required UUID in the query. */
static enum err_code query_uuid(struct request *rq, const char *name, struct uuid *out)
{
    const struct loc query = {.key = "query"};
    const struct loc at = {.outer = &query, .key = name};
    const char *text = request_query(rq, name);

    rq->invalid.arena = &rq->work.arena;
    if (!text)
        invalid_add(&rq->invalid, &at, "missing", "Field required", RAW("null"), NULL);
    else if (!uuid_parse(text, strlen(text), out))
        invalid_add(&rq->invalid, &at, "uuid_parsing", "Input should be a valid UUID", RAW("null"),
                    NULL);
    else
        return ERR_OK;
    return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
}

static enum err_code list(struct request *rq, enum query q, const char *parameter)
{
    struct uuid id;
    struct rows rows;
    enum err_code rc = query_uuid(rq, parameter, &id);

    if (!rc)
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
    return list(rq, Q_flow_run_states, "flow_run_id");
}

enum err_code flow_run_states_get(struct request *rq)
{
    return get(rq, Q_flow_run_state_by_id);
}

enum err_code task_run_states_list(struct request *rq)
{
    return list(rq, Q_task_run_states, "task_run_id");
}

enum err_code task_run_states_get(struct request *rq)
{
    return get(rq, Q_task_run_state_by_id);
}
