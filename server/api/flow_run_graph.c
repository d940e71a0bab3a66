#include "server/api/flow_run_graph.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/flow_run.h"
#include "server/server.h"
#include "shared/base/clock.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

/* ---- version 1: task runs and their upstream task runs ---- */

struct dependency {
    struct given given;
    struct uuid id;
    const char *name;
    struct raw upstream_dependencies;
    struct state_read *state;
    int64_t expected_start_time_us, start_time_us, end_time_us;
    double total_run_time, estimated_run_time;
    bool untrackable_result;
};

/* clang-format off */
#define D struct dependency
static const struct field dependency_fields[] = {
    F_UUID(D, id, .doc = "The task run."),
    F_STR(D, name, .doc = "Its name."),
    F_JSON(D, upstream_dependencies, .doc = "Task runs it waits for."),
    F_ROW("state", D, state, FIELD_OBJECT, struct state_read *, .of = &run_state_resource, F_NULLABLE, F_INLINED, .doc = "Its state."),
    F_TIME(D, expected_start_time, F_NULLABLE, .doc = "When it was first meant to start."),
    F_TIME(D, start_time, F_NULLABLE, .doc = "When it first ran."),
    F_TIME(D, end_time, F_NULLABLE, .doc = "When it ended."),
    F_NUM(D, total_run_time, .doc = "Seconds in RUNNING, up to the last state."),
    F_NUM(D, estimated_run_time, .doc = "Seconds in RUNNING, up to now."),
    F_BOOL(D, untrackable_result, .doc = "Its result cannot be followed."),
};
#undef D
/* clang-format on */
const struct resource dependency_resource =
    RESOURCE_NAMED("DependencyResult", dependency, dependency_fields);

static enum err_code find_run(struct request *rq, const char *missing, struct rows *out)
{
    char id[UUID_TEXT_BYTES];
    enum err_code rc =
        db_query(&rq->work, Q_graph_run, PARAMS(param_uuid(&rq->work, rq->ids[0])), out);

    uuid_format(rq->ids[0], id);
    return rc || out->count
               ? rc
               : err_set_object(&rq->work.err, NOT_FOUND, "Flow run %s%s not found", missing, id);
}

enum err_code flow_runs_graph(struct request *rq)
{
    struct rows rows;
    enum err_code rc = find_run(rq, "with id ", &rows);

    if (!rc)
        rc = db_query(&rq->work, Q_graph_dependencies, PARAMS(param_uuid(&rq->work, rq->ids[0])),
                      &rows);
    return rc ? rc : reply_rows(rq, &dependency_resource, &rows);
}

/* ---- version 2 ---- */

struct graph {
    struct rows run, nodes, artifacts, states;
};

static void write_text(struct buf *b, const char *key, const struct rows *r, int row, int column)
{
    write_key(b, key);
    write_string(b, rows_text(r, row, column));
}

static void write_moment(struct buf *b, const char *key, const struct rows *r, int row, int column)
{
    write_key(b, key);
    write_time(b, rows_time(r, row, column));
}

static void write_json(struct buf *b, const char *key, const struct rows *r, int row, int column,
                       const char *otherwise)
{
    const char *text = rows_text(r, row, column);

    write_key(b, key);
    write_raw(b, text ? (struct raw){text, rows_len(r, row, column)}
                      : (struct raw){otherwise, strlen(otherwise)});
}

static void write_artifact(struct buf *b, const struct rows *r, int row)
{
    write_object(b);
    write_text(b, "id", r, row, 1);
    write_moment(b, "created", r, row, 2);
    write_text(b, "key", r, row, 3);
    write_text(b, "type", r, row, 4);
    write_key(b, "is_latest");
    write_bool(b, rows_bool(r, row, 5));
    write_json(b, "data", r, row, 6, "null");
    write_end_object(b);
}

/* The artifacts of one task run; NULL: of none.  Rows are in the order of task runs. */
static void write_artifacts(struct buf *b, const struct rows *r, const char *task_run)
{
    int low = 0, high = r->count;

    while (low < high) {
        int middle = (low + high) / 2;
        const char *owner = rows_text(r, middle, 0);
        if (task_run && (!owner || strcmp(owner, task_run) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    write_array(b);
    for (int i = low; i < r->count; i++) {
        const char *owner = rows_text(r, i, 0);
        if (task_run ? !owner || strcmp(owner, task_run) != 0 : owner != NULL)
            break;
        write_artifact(b, r, i);
    }
    write_end_array(b);
}

static void write_node(struct buf *b, const struct graph *g, int row)
{
    const struct rows *n = &g->nodes;

    write_array(b);
    write_string(b, rows_text(n, row, 0));
    write_object(b);
    write_text(b, "kind", n, row, 1);
    write_text(b, "id", n, row, 0);
    write_text(b, "label", n, row, 2);
    write_text(b, "state_type", n, row, 3);
    write_moment(b, "start_time", n, row, 4);
    write_moment(b, "end_time", n, row, 5);
    write_json(b, "parents", n, row, 6, "[]");
    write_json(b, "children", n, row, 7, "[]");
    write_json(b, "encapsulating", n, row, 8, "[]");
    write_key(b, "artifacts");
    write_artifacts(b, &g->artifacts, rows_text(n, row, 0));
    write_end_object(b);
    write_end_array(b);
}

static void write_states(struct buf *b, const struct rows *r)
{
    write_array(b);
    for (int i = 0; i < r->count; i++) {
        write_object(b);
        write_text(b, "id", r, i, 0);
        write_moment(b, "timestamp", r, i, 3);
        write_text(b, "type", r, i, 1);
        write_text(b, "name", r, i, 2);
        write_end_object(b);
    }
    write_end_array(b);
}

static void write_graph(struct buf *b, const struct graph *g)
{
    write_object(b);
    write_moment(b, "start_time", &g->run, 0, 0);
    write_moment(b, "end_time", &g->run, 0, 1);
    write_key(b, "root_node_ids");
    write_array(b);
    for (int i = 0; i < g->nodes.count; i++)
        if (!rows_text(&g->nodes, i, 6))
            write_string(b, rows_text(&g->nodes, i, 0));
    write_end_array(b);
    write_key(b, "nodes");
    write_array(b);
    for (int i = 0; i < g->nodes.count; i++)
        write_node(b, g, i);
    write_end_array(b);
    write_key(b, "artifacts");
    write_artifacts(b, &g->artifacts, NULL);
    write_key(b, "states");
    write_states(b, &g->states);
    write_end_object(b);
}

/* ?since=; everything when it is absent. */
struct graph_query {
    struct given given;
    int64_t since_us;
};
static const struct field graph_query_fields[] = {
    F_TIME(struct graph_query, since, .read = read_plain_time,
           .doc = "Nodes that ended before it are left out."),
};
static const struct resource graph_query_resource =
    RESOURCE(graph_query, graph_query_fields, .extra = true);

static enum err_code read_since(struct request *rq, const char **out)
{
    struct graph_query in;
    enum err_code rc = request_decode_query(rq, &graph_query_resource, &in);

    if (!rc)
        *out = given(&in, since_us) ? param_time(&rq->work, in.since_us) : "-infinity";
    return rc;
}

static enum err_code read_graph(struct request *rq, const char *since, struct graph *g)
{
    struct work *w = &rq->work;
    const struct settings *settings = &w->server->config.settings;
    int64_t nodes_max = settings_int(settings, SETTING_SERVER_FLOW_RUN_GRAPH_MAX_NODES);
    int64_t artifacts_max = settings_int(settings, SETTING_SERVER_FLOW_RUN_GRAPH_MAX_ARTIFACTS);
    const char *id = param_uuid(w, rq->ids[0]);
    enum err_code rc = find_run(rq, "", &g->run);

    if (rc)
        return rc;
    struct db_step steps[] = {
        {Q_graph_nodes, PARAMS(id, since, param_i64(w, nodes_max + 1)), {0}},
        {Q_graph_artifacts, PARAMS(id, param_i64(w, artifacts_max)), {0}},
        {Q_flow_run_states, PARAMS(id), {0}},
    };
    rc = db_pipeline(w, steps, COUNT(steps));
    g->nodes = steps[0].rows;
    g->artifacts = steps[1].rows;
    g->states = steps[2].rows;
    if (!rc && g->nodes.count > nodes_max)
        rc = err_set(&w->err, BAD_REQUEST,
                     "The graph of flow run %s has more than %" PRId64 " nodes.", id, nodes_max);
    return rc;
}

enum err_code flow_runs_graph_v2(struct request *rq)
{
    const char *since;
    struct graph g = {0};
    enum err_code rc = read_since(rq, &since);

    if (!rc)
        rc = read_graph(rq, since, &g);
    if (rc)
        return rc;
    write_graph(&rq->reply.body, &g);
    return reply_status(rq, 200);
}
