#include "server/store/deployments.h"
#include "server/store/deployment_runs.h"

#include <string.h>

#include "server/db/params.h"
#include "server/db/update.h"
#include "server/model/job_template.h"
#include "server/store/deployment_schedules.h"
#include "server/store/event_emit.h"
#include "server/store/work_pools.h"

/* What the columns of a deployment follow from. */
struct placement {
    const char *queue_id;
    struct raw template; /* of the pool; no text: no pool */
    const char *labels;  /* of a POST */
};

/* ---- reading ---- */

static enum err_code select_one(struct work *w, const char *where, const char *const *values,
                                size_t count, struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &deployment_resource, "d");
    sql_add(&s, " FROM " DEPLOYMENT_TABLES);
    sql_add(&s, where);
    for (size_t i = 0; i < count; i++)
        s.parameters[s.count++] = values[i];
    enum err_code rc = sql_run(&s, out);
    return rc ? rc : out->count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Deployment not found");
}

enum err_code deployment_get(struct work *w, struct uuid id, struct rows *out)
{
    return select_one(w, " WHERE d.id = $1", PARAMS(param_uuid(w, id)), 1, out);
}

enum err_code deployment_get_by_name(struct work *w, const char *flow, const char *name,
                                     struct rows *out)
{
    return select_one(w, " JOIN flow f ON f.id = d.flow_id WHERE f.name = $1 AND d.name = $2",
                      PARAMS(flow, name), 2, out);
}

/* ---- where it runs ---- */

enum err_code default_pool_ensure(struct work *w)
{
    struct uuid pool = uuid_v4();
    struct rows queue;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query_text(
            w,
            "WITH p AS (INSERT INTO work_pool (id, name, type, default_queue_id) VALUES ($1, "
            "'" DEFAULT_POOL "', 'prefect-agent', $2) ON CONFLICT (name) DO NOTHING RETURNING id) "
            "INSERT INTO work_queue (id, name, description, work_pool_id) SELECT $2::uuid, "
            "'default', 'The work pool''s default queue.', id FROM p "
            "RETURNING id",
            2, PARAMS(param_uuid(w, pool), param_uuid(w, uuid_v4())), &queue);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_WORK_QUEUE, "created", &queue);
    if (!rc && queue.count)
        rc = event_emit(w, SUBJECT_WORK_POOL, "created", pool);
    return event_end(w, own, rc);
}

static enum err_code read_template(struct work *w, const char *pool, struct placement *out)
{
    struct rows rows;
    enum err_code rc = db_query_text(w, "SELECT base_job_template FROM work_pool WHERE name = $1",
                                     1, PARAMS(pool), &rows);
    if (!rc && rows.count)
        out->template = (struct raw){rows_text(&rows, 0, 0), rows_len(&rows, 0, 0)};
    return rc;
}

static enum err_code place(struct work *w, const char *pool, const char *queue,
                           struct placement *out)
{
    enum err_code rc = ERR_OK;

    *out = (struct placement){0};
    if (!pool && !queue)
        return ERR_OK;
    if (!pool) {
        pool = DEFAULT_POOL;
        rc = default_pool_ensure(w);
    } else {
        rc = read_template(w, pool, out);
    }
    if (!rc)
        rc = work_queue_ensure(w, pool, queue, &out->queue_id);
    return rc;
}

static enum err_code check_job_variables(struct work *w, const struct placement *where,
                                         struct raw variables)
{
    struct doc template, layer;
    struct doc_error bad;

    if (!where->template.text || !variables.text ||
        !doc_parse(&w->arena, where->template.text, where->template.len, &template, &bad) ||
        !doc_parse(&w->arena, variables.text, variables.len, &layer, &bad))
        return ERR_OK;
    struct val layers[] = {doc_root(&layer)};
    const char *why =
        job_variables_check(&w->arena, doc_root(&template), JOB_DEPLOYMENT, layers, 1);
    return why ? err_set(&w->err, INVALID, "Error creating deployment: %s", why) : ERR_OK;
}

/* Prefect names the block that is not there. */
static enum err_code check_blocks(struct work *w, const struct deployment_write *in)
{
    const struct {
        const char *what;
        struct uuid id;
    } blocks[] = {{"infrastructure", in->infrastructure_document_id},
                  {"storage", in->storage_document_id}};
    enum err_code rc = ERR_OK;
    struct rows rows;

    for (size_t i = 0; i < COUNT(blocks) && !rc; i++) {
        if (uuid_is_nil(blocks[i].id))
            continue;
        rc = db_query_text(w, "SELECT 1 FROM block_document WHERE id = $1", 1,
                           PARAMS(param_uuid(w, blocks[i].id)), &rows);
        if (!rc && !rows.count)
            rc = err_set(&w->err, CONFLICT,
                         "Error creating deployment. Could not find %s block with id: %s. This "
                         "usually occurs when applying a deployment specification that was built "
                         "against a different Prefect database / workspace.",
                         blocks[i].what, param_uuid(w, blocks[i].id));
    }
    return rc;
}

/* ---- what hangs on it ---- */

static enum err_code set_limit(struct work *w, const char *id, const struct deployment_write *in)
{
    struct rows rows;

    if (given(in, global_concurrency_limit_id)) {
        const char *limit = param_uuid(w, in->global_concurrency_limit_id);
        enum err_code rc =
            db_query_text(w,
                          "UPDATE deployment SET concurrency_limit_id = $2 WHERE id = $1 "
                          "AND ($2::uuid IS NULL OR EXISTS (SELECT 1 FROM concurrency_limit WHERE "
                          "id = $2)) RETURNING id",
                          2, PARAMS(id, limit), &rows);
        return rc           ? rc
               : rows.count ? ERR_OK
                            : err_set(&w->err, NOT_FOUND, "Concurrency limit not found");
    }
    if (!given(in, concurrency_limit))
        return ERR_OK;
    if (in->concurrency_limit == INT_NONE)
        return db_query(w, Q_deployment_drop_limit, PARAMS(id), &rows);
    return db_query(w, Q_deployment_set_limit,
                    PARAMS(id, param_uuid(w, uuid_v4()), param_i64(w, in->concurrency_limit)),
                    &rows);
}

/* ---- making and changing ---- */

/* Those of the flow, the flow's id, and its own. */
static enum err_code find_labels(struct work *w, const struct deployment_write *in,
                                 const char **out)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_deployment_labels,
                                PARAMS(param_uuid(w, in->flow_id), in->labels.text), &rows);

    *out = rc || !rows.count ? "{}" : rows_text(&rows, 0, 0);
    return rc;
}

static enum err_code insert(struct work *w, const struct deployment_write *in,
                            const struct placement *where, const char *id)
{
    const struct extra_column extra[] = {
        {"id", id}, {"work_queue_id", where->queue_id}, {"labels", where->labels}};
    struct rows none;
    struct sql s;

    sql_begin(&s, w);
    sql_insert(&s, "deployment", &deployment_create_resource, in, extra, COUNT(extra));
    return sql_run(&s, &none);
}

static enum err_code change(struct work *w, const char *id, const struct resource *r,
                            const struct deployment_write *in, const struct placement *where,
                            bool moved)
{
    struct rows none;
    struct sql s;

    sql_begin(&s, w);
    sql_update(&s, "deployment", r, in);
    if (where->labels) { /* a POST that finds its deployment */
        sql_add(&s, ", labels = ");
        sql_param(&s, where->labels);
        sql_add(&s, given(in, parameters) ? "::jsonb" : "::jsonb, parameters = '{}'");
    }
    if (moved) {
        sql_add(&s, ", work_queue_id = ");
        sql_param(&s, where->queue_id);
    }
    sql_add(&s, " WHERE id = ");
    sql_param(&s, id);
    enum err_code rc = sql_run(&s, &none);
    if (!rc)
        rc = set_limit(w, id, in);
    return rc ? rc : schedules_drop_runs(w, id);
}

/* All that is looked at before a row is written. */
static enum err_code prepare(struct work *w, const struct deployment_write *in,
                             struct placement *where)
{
    enum err_code rc = place(w, in->work_pool_name, in->work_queue_name, where);

    if (!rc)
        rc = check_job_variables(w, where, in->job_variables);
    if (!rc)
        rc = check_blocks(w, in);
    if (!rc)
        rc = find_labels(w, in, &where->labels);
    return rc;
}

static enum err_code upsert(struct work *w, const struct deployment_write *in, struct uuid *id,
                            bool *created)
{
    struct placement where;
    struct event_before before;
    struct rows found;
    enum err_code rc = prepare(w, in, &where);

    if (!rc)
        rc = db_query(w, Q_deployment_find, PARAMS(param_uuid(w, in->flow_id), in->name), &found);
    if (rc)
        return rc;
    *created = !found.count;
    *id = uuid_v4();
    if (found.count && !uuid_parse(rows_text(&found, 0, 0), rows_len(&found, 0, 0), id))
        return err_set(&w->err, INTERNAL, "a deployment has no id");
    const char *text = param_uuid(w, *id);
    if (!*created)
        rc = event_before_update(w, SUBJECT_DEPLOYMENT, *id, &before);
    if (rc)
        return rc;
    rc = *created ? insert(w, in, &where, text)
                  : change(w, text, &deployment_create_resource, in, &where,
                           in->work_pool_name || in->work_queue_name);
    if (!rc && *created)
        rc = set_limit(w, text, in);
    if (!rc)
        rc = schedules_replace(w, text, in->schedules, in->schedules_count);
    if (rc)
        return rc;
    return *created ? event_emit(w, SUBJECT_DEPLOYMENT, "created", *id)
                    : event_emit_updated(w, &before);
}

enum err_code deployment_upsert(struct work *w, const struct deployment_write *in,
                                struct uuid *out_id, bool *out_created)
{
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = upsert(w, in, out_id, out_created);
    return schedules_end(w, rc);
}

/* Those of a PATCH against the schema that it brings or that is there. */
static enum err_code check_new_parameters(struct work *w, const struct rows *found,
                                          const struct deployment_write *in)
{
    struct raw schema = in->parameter_openapi_schema;
    struct doc doc;
    struct doc_error bad;
    struct val hydrated;

    if (!in->parameters.text ||
        !doc_parse(&w->arena, in->parameters.text, in->parameters.len, &doc, &bad))
        return ERR_OK;
    enum err_code rc = parameters_hydrate(w, doc_root(&doc), "deployment", &hydrated);
    bool enforce = in->enforce_parameter_schema == TRI_NONE
                       ? rows_bool(found, 0, 6)
                       : in->enforce_parameter_schema == TRI_TRUE;
    if (rc || !enforce)
        return rc;
    if (!given(in, parameter_openapi_schema) && rows_text(found, 0, 5))
        schema = (struct raw){rows_text(found, 0, 5), rows_len(found, 0, 5)};
    const char *why = deployment_parameters_check(&w->arena, schema, val_raw(hydrated));
    return why ? err_set(&w->err, CONFLICT, "Error updating deployment: %s", why) : ERR_OK;
}

static enum err_code update(struct work *w, const char *id, const struct deployment_write *in)
{
    struct placement where = {0};
    struct rows found;
    enum err_code rc = db_query(w, Q_deployment_lock, PARAMS(id), &found);

    if (!rc && !found.count)
        return err_set(&w->err, NOT_FOUND, "Deployment not found.");
    bool moved = given(in, work_pool_name) || given(in, work_queue_name);
    const char *pool = given(in, work_pool_name) ? in->work_pool_name
                       : rc                      ? NULL
                                                 : rows_text(&found, 0, 2);
    if (!rc && moved)
        rc = place(w, pool, in->work_queue_name, &where);
    else if (!rc && rows_text(&found, 0, 3))
        where.template = (struct raw){rows_text(&found, 0, 3), rows_len(&found, 0, 3)};
    if (!rc && given(in, job_variables))
        rc = check_job_variables(w, &where, in->job_variables);
    if (!rc && given(in, parameters))
        rc = check_new_parameters(w, &found, in);
    if (!rc)
        rc = change(w, id, &deployment_update_resource, in, &where, moved);
    if (!rc && given(in, schedules))
        rc = schedules_change(w, id, in->schedules, in->schedules_count);
    return rc;
}

enum err_code deployment_update(struct work *w, struct uuid id, const struct deployment_write *in)
{
    struct event_before before;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = event_before_update(w, SUBJECT_DEPLOYMENT, id, &before);
    if (!rc)
        rc = update(w, param_uuid(w, id), in);
    if (!rc)
        rc = event_emit_updated(w, &before);
    return schedules_end(w, rc);
}

enum err_code deployment_delete(struct work *w, struct uuid id)
{
    const char *text = param_uuid(w, id);
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = event_emit(w, SUBJECT_DEPLOYMENT, "deleted", id);
    if (!rc)
        rc = schedules_drop_runs(w, text);
    if (!rc)
        rc = db_query(w, Q_deployment_delete, PARAMS(text), &rows);
    if (!rc && !rows.count)
        rc = err_set(&w->err, NOT_FOUND, "Deployment not found");
    return own ? schedules_end(w, rc) : rc;
}

enum err_code deployment_pause(struct work *w, struct uuid id, bool paused)
{
    struct rows rows;
    const char *text = param_uuid(w, id);
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_deployment_set_paused, PARAMS(text, param_bool(paused)), &rows);
    if (!rc && !rows.count)
        rc = err_set(&w->err, NOT_FOUND, "Deployment not found");
    if (!rc)
        rc = schedules_drop_runs(w, text);
    return schedules_end(w, rc);
}
