/* What agents keep alive by their heartbeat: the worker, its claims, its devices. */
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/claims.h"

enum { HEARTBEAT_S = 10, OFFLINE_S = 30 };

static enum err_code sync_devices(struct work *w, const struct agent_call *in, bool *out_changed)
{
    struct array columns[5] = {0};
    const char *parameters[6];
    struct rows rows;

    for (size_t i = 0; i < in->devices_count; i++) {
        const struct agent_device *d = &in->devices[i];
        array_string(&columns[0], d->name);
        array_string(&columns[1], d->type);
        array_string(&columns[2], d->target);
        array_raw(&columns[3], d->labels.text ? d->labels : RAW("{}"));
        array_bool(&columns[4], d->free);
    }
    parameters[0] = param_uuid(w, in->agent);
    enum err_code rc = arrays_finish(w, columns, COUNT(columns), parameters + 1);
    if (!rc)
        rc = db_query(w, Q_device_sync, parameters, &rows);
    if (!rc)
        *out_changed = rows_i64(&rows, 0, 0) > 0;
    arrays_free(columns, COUNT(columns));
    return rc;
}

enum err_code agent_heartbeat(struct work *w, const struct agent_call *in, struct rows *out_gone,
                              struct rows *out_cancel, bool *out_news)
{
    const char *agent = param_uuid(w, in->agent), *epoch = param_i64(w, in->epoch);
    const char *claims = param_uuid_array(w, in->claims);
    struct rows none;

    enum err_code rc =
        db_query(w, Q_agent_worker, PARAMS(in->name, in->pool, param_i64(w, HEARTBEAT_S)), &none);
    if (!rc)
        rc = sync_devices(w, in, out_news);
    if (!rc)
        rc = db_query(w, Q_claim_extend, PARAMS(claims, agent, epoch, claim_term_s(w)), &none);
    if (!rc)
        rc = db_query(w, Q_claim_gone, PARAMS(claims, agent, epoch), out_gone);
    return rc ? rc : db_query(w, Q_claim_cancelling, PARAMS(agent), out_cancel);
}

enum err_code devices_list(struct work *w, struct rows *out)
{
    return db_query(w, Q_device_list, PARAMS(param_i64(w, OFFLINE_S)), out);
}
