#include "server/store/flows.h"

#include "server/db/params.h"

static enum err_code not_found(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Flow not found");
}

enum err_code flow_upsert(struct work *w, const struct flow_create *in, struct rows *out,
                          bool *out_created)
{
    enum err_code rc = db_query(
        w, Q_flow_insert,
        PARAMS(param_uuid(w, uuid_v4()), in->name, param_strings(w, in->tags), in->labels.text),
        out);
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
    enum err_code rc =
        db_query(w, Q_flow_update, PARAMS(param_uuid(w, id), param_strings(w, in->tags)), &rows);
    return rc ? rc : rows.count ? ERR_OK : not_found(w);
}

enum err_code flow_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_flow_delete, PARAMS(param_uuid(w, id)), &rows);
    return rc ? rc : rows.count ? ERR_OK : not_found(w);
}
