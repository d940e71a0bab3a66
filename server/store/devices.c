/* What agents keep alive by their heartbeat: the worker, its claims, its devices. */
#include "server/store/devices.h"
#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/claims.h"
#include "server/store/claims_left.h"
#include "server/store/liveness.h"
#include "shared/json/write.h"

#include <string.h>

enum { HEARTBEAT_S = 10, HISTORY_MAX = 100 };

static struct raw capabilities_json(struct work *w, const struct agent_device *d)
{
    struct buf b = {.max_bytes = 1 << 20};

    write_array(&b);
    for (size_t i = 0; i < d->capabilities.count; i++)
        write_string(&b, d->capabilities.items[i]);
    write_end_array(&b);
    struct raw out = {arena_strndup(&w->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return out;
}

static enum err_code sync_devices(struct work *w, const struct agent_call *in, bool *out_changed)
{
    struct array columns[11] = {0};
    const char *parameters[12];
    struct rows rows;

    for (size_t i = 0; i < in->devices_count; i++) {
        const struct agent_device *d = &in->devices[i];
        array_string(&columns[0], d->name);
        array_string(&columns[1], d->type);
        array_string(&columns[2], d->target);
        array_raw(&columns[3], d->labels.text ? d->labels : RAW("{}"));
        array_raw(&columns[4], d->health.text ? d->health : RAW("{}"));
        array_bool(&columns[5], d->free);
        array_raw(&columns[6], capabilities_json(w, d));
        array_string(&columns[7], d->location);
        array_raw(&columns[8], d->firmware.text ? d->firmware : RAW("{}"));
        array_string(&columns[9], d->bench);
        array_int(&columns[10], d->capacity > 0 ? d->capacity : 1);
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

enum err_code agent_heartbeat(struct work *w, const struct agent_call *in, struct heartbeat *out)
{
    const char *agent = param_uuid(w, in->agent), *epoch = param_i64(w, in->epoch);
    const char *claims = param_uuid_array(w, in->claims);
    struct rows ready, none;

    enum err_code rc =
        db_query(w, Q_agent_worker, PARAMS(in->name, in->pool, param_i64(w, HEARTBEAT_S)), &ready);
    if (!rc)
        rc = liveness_tell_ready(w, &ready);
    if (!rc)
        rc = sync_devices(w, in, &out->news);
    if (!rc)
        rc = db_query(w, Q_claim_extend, PARAMS(claims, agent, epoch, claim_term_s(w)), &none);
    if (!rc)
        rc = db_query(w, Q_claim_gone, PARAMS(claims, agent, epoch), &out->gone);
    if (!rc)
        rc = db_query(w, Q_device_returns, PARAMS(agent), &out->returns);
    if (!rc)
        rc = db_query(w, Q_device_kept, PARAMS(agent), &out->held);
    return rc ? rc : db_query(w, Q_claim_cancelling, PARAMS(agent), &out->cancel);
}

enum err_code devices_list(struct work *w, const char *name, struct rows *out)
{
    return db_query(w, Q_device_list, PARAMS(param_i64(w, AGENT_OFFLINE_S), name), out);
}

/* The one agent that has it; of several the one that is there. */
static enum err_code find_one(struct work *w, const char *name, const char *agent,
                              const char **out_agent)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_device_of, PARAMS(name, agent, param_i64(w, AGENT_OFFLINE_S)), &rows);

    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "there is no device %s%s%s", name,
                       agent ? " of the agent " : "", agent ? agent : "");
    if (rows.count > 1 && (!rows_bool(&rows, 0, 1) || rows_bool(&rows, 1, 1)))
        return err_set(&w->err, CONFLICT,
                       "%d agents have a device %s: say which `agent`, by its name or id, such as "
                       "%s (%s)",
                       rows.count, name, rows_text(&rows, 0, 2), rows_text(&rows, 0, 0));
    *out_agent = rows_text(&rows, 0, 0);
    return ERR_OK;
}

static enum err_code note(struct work *w, const char *agent, const char *name, const char *kind,
                          const char *by, const char *comment)
{
    struct rows none;
    return db_query(w, Q_device_note, PARAMS(agent, name, kind, by, comment, NULL), &none);
}

static enum err_code hold(struct work *w, const char *name, const struct device_hold *in)
{
    const char *minutes = arena_printf(&w->arena, "%.17g", in->minutes), *agent;
    struct rows rows;
    enum err_code rc = find_one(w, name, in->agent, &agent);

    if (!rc)
        rc = db_query(w, Q_device_hold, PARAMS(agent, name, in->by, minutes, in->comment), &rows);
    if (rc)
        return rc;
    if (rows_bool(&rows, 0, 1))
        return err_set(&w->err, CONFLICT, "the device %s is held by %s", name,
                       rows_text(&rows, 0, 0));
    return note(w, agent, name, "hold", in->by, in->comment);
}

enum err_code device_hold(struct work *w, const char *name, const struct device_hold *in)
{
    enum err_code rc = db_begin(w);
    return rc ? rc : db_end(w, hold(w, name, in));
}

static enum err_code release(struct work *w, const char *name, const struct device_release *in)
{
    struct rows rows;
    const char *agent;
    enum err_code rc = find_one(w, name, in->agent, &agent);

    if (!rc)
        rc = db_query(w, Q_device_release, PARAMS(agent, name), &rows);
    return rc ? rc : note(w, agent, name, "release", in->by, NULL);
}

enum err_code device_release(struct work *w, const char *name, const struct device_release *in)
{
    enum err_code rc = db_begin(w);
    return rc ? rc : db_end(w, release(w, name, in));
}

/* Each run of the device: told in its history, and stopped. */
static enum err_code stop_runs(struct work *w, const char *name, const char *agent,
                               const struct device_release *in, struct transition_list *done)
{
    struct rows runs, none;
    const char *why =
        arena_printf(&w->arena, "%s was kicked by %s%s%s", name, in->by ? in->by : "somebody",
                     in->comment ? ": " : "", in->comment ? in->comment : "");
    enum err_code rc = db_query(w, Q_device_runs, PARAMS(agent, name), &runs);

    if (!rc && !runs.count)
        return note(w, agent, name, "kick", in->by, in->comment);
    struct transition **items =
        arena_array(&w->arena, struct transition *, rc ? 1 : (size_t)runs.count);
    for (int i = 0; i < runs.count && !rc; i++) {
        items[i] = arena_new(&w->arena, struct transition);
        items[i]->proposed = claims_proposal(STATE_CANCELLING, "Cancelling", why);
        items[i]->policy = POLICY_FLOW;
        if (!uuid_parse(rows_text(&runs, i, 0), rows_len(&runs, i, 0), &items[i]->run_id))
            rc = err_set(&w->err, INTERNAL, "the id of a run");
        if (!rc)
            rc = db_query(w, Q_device_note,
                          PARAMS(agent, name, "kick", in->by, in->comment, rows_text(&runs, i, 0)),
                          &none);
    }
    if (!rc)
        rc = transitions_apply(w, items, (size_t)runs.count);
    if (!rc)
        transition_list_add(w, done, items, (size_t)runs.count);
    return rc;
}

enum err_code device_kick(struct work *w, const char *name, const struct device_release *in,
                          struct transition_list *done)
{
    struct rows none;
    const char *agent;
    enum err_code rc = db_begin(w);

    if (rc)
        return rc;
    rc = find_one(w, name, in->agent, &agent);
    if (!rc)
        rc = db_query(w, Q_device_release, PARAMS(agent, name), &none);
    return db_end(w, rc ? rc : stop_runs(w, name, agent, in, done));
}

static enum err_code maintain(struct work *w, const char *name, const struct device_maintenance *in)
{
    struct rows none;
    const char *agent;
    enum err_code rc = find_one(w, name, in->agent, &agent);

    if (!rc)
        rc = db_query(w, Q_device_maintain,
                      PARAMS(agent, name, param_bool(in->on), in->by, in->comment), &none);
    return rc ? rc
              : note(w, agent, name, in->on ? "maintenance on" : "maintenance off", in->by,
                     in->comment);
}

enum err_code device_maintain(struct work *w, const char *name, const struct device_maintenance *in)
{
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = db_end(w, maintain(w, name, in));
    agenda_due(w->server->agenda, AGENDA_HEALTH, w->now_us);
    return rc;
}

static enum err_code ask_return(struct work *w, const char *name, const struct device_release *in)
{
    struct rows none;
    const char *agent;
    enum err_code rc = find_one(w, name, in->agent, &agent);

    if (!rc)
        rc = db_query(w, Q_device_ask_return, PARAMS(agent, name), &none);
    return rc ? rc : note(w, agent, name, "return asked", in->by, NULL);
}

enum err_code device_return(struct work *w, const char *name, const struct device_release *in)
{
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = db_end(w, ask_return(w, name, in));
    agenda_due(w->server->agenda, AGENDA_HEALTH, w->now_us);
    return rc;
}

enum err_code device_history(struct work *w, const char *name, const char *agent, struct rows *out)
{
    enum err_code rc = find_one(w, name, agent, &agent);
    return rc ? rc
              : db_query(w, Q_device_history, PARAMS(agent, name, param_i64(w, HISTORY_MAX)), out);
}
