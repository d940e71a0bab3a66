/* What agents keep alive by their heartbeat: the worker, its claims, its devices. */
#include "server/store/devices.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/claims.h"
#include "server/store/liveness.h"

enum { HEARTBEAT_S = 10, OFFLINE_S = 30 };

static enum err_code sync_devices(struct work *w, const struct agent_call *in, bool *out_changed)
{
    struct array columns[6] = {0};
    const char *parameters[7];
    struct rows rows;

    for (size_t i = 0; i < in->devices_count; i++) {
        const struct agent_device *d = &in->devices[i];
        array_string(&columns[0], d->name);
        array_string(&columns[1], d->type);
        array_string(&columns[2], d->target);
        array_raw(&columns[3], d->labels.text ? d->labels : RAW("{}"));
        array_raw(&columns[4], d->health.text ? d->health : RAW("{}"));
        array_bool(&columns[5], d->free);
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
    struct rows ready, none;

    enum err_code rc =
        db_query(w, Q_agent_worker, PARAMS(in->name, in->pool, param_i64(w, HEARTBEAT_S)), &ready);
    if (!rc)
        rc = liveness_tell_ready(w, &ready);
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

enum err_code device_hold(struct work *w, const char *name, const struct device_hold *in)
{
    struct rows rows;
    const char *minutes = arena_printf(&w->arena, "%.17g", in->minutes);
    enum err_code rc =
        db_query(w, Q_device_hold, PARAMS(name, in->agent, in->by, minutes, in->comment), &rows);
    if (rc)
        return rc;
    int64_t found = rows_i64(&rows, 0, 0);
    if (!found)
        return err_set(&w->err, NOT_FOUND, "there is no device %s%s%s", name,
                       in->agent ? " of the agent " : "", in->agent ? in->agent : "");
    if (found > 1)
        return err_set(&w->err, CONFLICT, "%lld agents have a device %s: say which `agent`",
                       (long long)found, name);
    if (!rows_i64(&rows, 0, 2))
        return err_set(&w->err, CONFLICT, "the device %s is held by %s", name,
                       rows_text(&rows, 0, 1));
    return ERR_OK;
}

enum err_code device_release(struct work *w, const char *name, const char *agent)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_device_release, PARAMS(name, agent), &rows);
    return rc || rows.count ? rc : err_set(&w->err, NOT_FOUND, "there is no device %s", name);
}

enum err_code run_placement(struct work *w, struct uuid run, struct run_placement *out)
{
    struct rows r;
    enum err_code rc =
        db_query(w, Q_run_why, PARAMS(param_uuid(w, run), param_i64(w, OFFLINE_S)), &r);
    if (rc || !r.count)
        return rc ? rc : err_set(&w->err, NOT_FOUND, "Flow run not found");
    *out = (struct run_placement){
        .state_type = rows_text(&r, 0, 0),
        .state_name = rows_text(&r, 0, 1),
        .due = rows_text(&r, 0, 2),
        .early = rows_bool(&r, 0, 3),
        .in_process = rows_bool(&r, 0, 4),
        .pool = rows_text(&r, 0, 5),
        .pool_paused = rows_bool(&r, 0, 6),
        .pool_limit = rows_text(&r, 0, 7) ? rows_i64(&r, 0, 7) : -1,
        .pool_busy = rows_i64(&r, 0, 8),
        .queue = rows_text(&r, 0, 9),
        .queue_paused = rows_bool(&r, 0, 10),
        .queue_limit = rows_text(&r, 0, 11) ? rows_i64(&r, 0, 11) : -1,
        .queue_busy = rows_i64(&r, 0, 12),
        .workers = rows_i64(&r, 0, 13),
        .free_slots = rows_text(&r, 0, 14) ? rows_i64(&r, 0, 14) : -1,
        .target = rows_text(&r, 0, 15),
        .benches = rows_i64(&r, 0, 16),
        .free_benches = rows_i64(&r, 0, 17),
        .obstacles = rows_text(&r, 0, 18),
        .before = rows_i64(&r, 0, 19),
    };
    return ERR_OK;
}
