#include "server/store/artifacts.h"

#include "server/db/params.h"
#include "server/store/event_emit.h"

static enum err_code one(struct work *w, enum err_code rc, const struct rows *rows)
{
    return rc ? rc : rows->count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Artifact not found.");
}

enum err_code artifact_create(struct work *w, const struct artifact *in, struct rows *out)
{
    const char *const parameters[] = {
        param_uuid(w, uuid_v4()),
        in->key,
        in->type,
        in->description,
        in->data.text,
        artifact_metadata(&w->arena, in->metadata_).text,
        param_uuid(w, in->flow_run_id),
        param_uuid(w, in->task_run_id),
        param_uuid(w, uuid_v4()),
    };
    struct rows collection;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_artifact_insert, parameters, out);
    if (!rc && in->key)
        rc = db_query(w, Q_artifact_collection_of, PARAMS(in->key), &collection);
    if (!rc && in->key)
        rc = event_emit_rows(w, SUBJECT_ARTIFACT_COLLECTION,
                             rows_bool(&collection, 0, 1) ? "created" : "updated", &collection);
    return event_end(w, own, rc);
}

enum err_code artifacts_store(struct work *w, const char *list)
{
    struct rows none;
    return db_query(w, Q_artifacts_insert, PARAMS(list), &none);
}

void artifact_put_result(struct array *columns, const struct state *s, struct uuid flow_run,
                         struct uuid task_run)
{
    array_uuid(&columns[0], uuid_v4());
    array_string(&columns[1], s->artifact_key);
    array_string(&columns[2], s->artifact_type);
    array_string(&columns[3], s->artifact_description);
    array_raw(&columns[4], s->data);
    array_uuid(&columns[5], flow_run);
    array_uuid(&columns[6], task_run);
}

enum err_code artifact_store_result(struct work *w, const struct state *s, struct uuid flow_run,
                                    struct uuid task_run)
{
    struct array columns[ARTIFACT_RESULT_COLUMNS] = {0};
    struct rows none;

    artifact_put_result(columns, s, flow_run, task_run);
    enum err_code rc = db_arrays(w, Q_artifact_results, columns, &none);
    arrays_free(columns, COUNT(columns));
    return rc;
}

enum err_code artifact_get(struct work *w, struct uuid id, struct rows *out)
{
    return one(w, db_query(w, Q_artifact_by_id, PARAMS(param_uuid(w, id)), out), out);
}

enum err_code artifact_get_latest(struct work *w, const char *key, struct rows *out)
{
    return one(w, db_query(w, Q_artifact_latest, PARAMS(key), out), out);
}

enum err_code artifact_update(struct work *w, struct uuid id, const struct artifact_update *in)
{
    struct rows rows;
    const char *const parameters[] = {
        param_uuid(w, id),
        param_bool(given(in, data)),
        in->data.text,
        param_bool(given(in, description)),
        in->description,
        param_bool(given(in, metadata_)),
        artifact_metadata(&w->arena, in->metadata_).text,
    };
    return one(w, db_query(w, Q_artifact_update, parameters, &rows), &rows);
}

enum err_code artifact_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = one(w, db_query(w, Q_artifact_delete, PARAMS(param_uuid(w, id)), &rows), &rows);
    if (!rc && !uuid_is_nil(rows_uuid(&rows, 0, 1)))
        rc = event_emit(w, SUBJECT_ARTIFACT_COLLECTION, "updated", rows_uuid(&rows, 0, 1));
    return event_end(w, own, rc);
}
