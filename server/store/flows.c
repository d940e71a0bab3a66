#include "server/store/flows.h"

#include "server/db/params.h"
#include "server/store/event_emit.h"

static enum err_code not_found(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Flow not found");
}

enum err_code flow_upsert(struct work *w, const struct flow_create *in, struct rows *out,
                          bool *out_created)
{
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(
            w, Q_flow_insert,
            PARAMS(param_uuid(w, uuid_v4()), in->name, param_strings(w, in->tags), in->labels.text),
            out);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_FLOW, "created", out);
    rc = event_end(w, own, rc);
    if (rc)
        return rc;
    *out_created = out->count == 1;
    return *out_created ? ERR_OK : flow_get_by_name(w, in->name, out);
}

enum err_code flow_get(struct work *w, struct uuid id, struct rows *out)
{
    enum err_code rc = db_query(w, Q_flow_by_id, PARAMS(param_uuid(w, id)), out);
    return rc ? rc : out->count ? ERR_OK : not_found(w);
}

enum err_code flow_get_by_name(struct work *w, const char *name, struct rows *out)
{
    enum err_code rc = db_query(w, Q_flow_by_name, PARAMS(name), out);
    return rc ? rc : out->count ? ERR_OK : not_found(w);
}

enum err_code flow_update(struct work *w, struct uuid id, const struct flow_update *in)
{
    struct rows rows;
    const char *tags = given(in, tags) ? param_strings(w, in->tags) : NULL;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_flow_update, PARAMS(param_uuid(w, id), tags), &rows);
    if (!rc)
        rc = rows.count ? event_emit_rows(w, SUBJECT_FLOW, "updated", &rows) : not_found(w);
    return event_end(w, own, rc);
}

enum err_code flow_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = event_emit(w, SUBJECT_FLOW, "deleted", id);
    if (!rc)
        rc = db_query(w, Q_flow_run_delete, PARAMS(NULL, param_uuid(w, id)), &rows);
    if (!rc)
        rc = db_query(w, Q_flow_delete, PARAMS(param_uuid(w, id)), &rows);
    if (!rc && !rows.count)
        rc = not_found(w);
    return event_end(w, own, rc);
}
