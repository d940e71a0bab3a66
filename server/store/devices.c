/* What agents keep alive by their heartbeat: the worker, its claims, its devices. */
#include "server/store/devices.h"
#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/claims.h"
#include "server/store/claims_left.h"
#include "server/store/liveness.h"
#include "server/store/placement.h"
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
    return rc ? rc : db_query(w, Q_claim_cancelling, PARAMS(agent), &out->cancel);
}

enum err_code devices_list(struct work *w, const char *name, struct rows *out)
{
    return db_query(w, Q_device_list, PARAMS(param_i64(w, AGENT_OFFLINE_S), name), out);
}

/* The one agent that has it. */
static enum err_code find_one(struct work *w, const char *name, const char *agent,
                              const char **out_agent)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_device_of, PARAMS(name, agent), &rows);

    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "there is no device %s%s%s", name,
                       agent ? " of the agent " : "", agent ? agent : "");
    if (rows.count > 1)
        return err_set(&w->err, CONFLICT, "%d agents have a device %s: say which `agent`",
                       rows.count, name);
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
        rc = db_query(w, Q_device_hold, PARAMS(name, in->agent, in->by, minutes, in->comment),
                      &rows);
    if (rc)
        return rc;
    if (!rows_i64(&rows, 0, 2))
        return err_set(&w->err, CONFLICT, "the device %s is held by %s", name,
                       rows_text(&rows, 0, 1));
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
        rc = db_query(w, Q_device_release, PARAMS(name, in->agent), &rows);
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
        rc = db_query(w, Q_device_release, PARAMS(name, in->agent), &none);
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

/* ---- why ---- */

static const char *describe(struct arena *a, const struct selector *s)
{
    if (s->never)
        return "device for a parameter that is not given";
    if (s->target && !s->name && (!s->type || strcmp(s->type, "bench") == 0))
        return arena_printf(a, "bench for the target %s", s->target);
    return arena_printf(
        a, "%s%s%s%s%s%s", s->type ? s->type : "device", s->name ? " " : "", s->name ? s->name : "",
        s->target ? " for the target " : "", s->target ? s->target : "",
        val_count(s->labels) || val_count(s->capabilities) ? " with these labels and capabilities"
                                                           : "");
}

/* In words what keeps runs from this device; NULL: nothing. */
static enum err_code obstacle(struct work *w, const struct placed_device *d, bool health,
                              const char **out)
{
    struct rows rows;

    *out = d->obstacle;
    if (!d->obstacle && d->probation && !health)
        *out = "waits for its health check";
    if (*out || d->used < d->capacity)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_placement_leases, PARAMS(d->agent, d->name), &rows);
    if (!rc && rows_text(&rows, 0, 0))
        *out = arena_printf(&w->arena, "is leased by %s", rows_text(&rows, 0, 0));
    return rc;
}

/* How many devices are like that, how many of them are free, and why not the others. */
static enum err_code survey(struct work *w, const struct placement *p, const struct selector *s,
                            struct run_placement *out)
{
    enum err_code rc = ERR_OK;

    out->wanted = describe(&w->arena, s);
    out->benches = out->free_benches = 0;
    out->obstacles = NULL;
    for (size_t i = 0; i < p->count && !rc; i++) {
        const char *text;
        if (!selector_matches(s, &p->devices[i]))
            continue;
        rc = obstacle(w, &p->devices[i], s->health, &text);
        out->benches++;
        out->free_benches += !rc && !text;
        if (!rc && text)
            out->obstacles =
                arena_printf(&w->arena, "%s%s%s %s", out->obstacles ? out->obstacles : "",
                             out->obstacles ? "; " : "", p->devices[i].name, text);
    }
    return rc;
}

/* Whether the devices of one agent, from `first` on, would do; *out_end: where its devices end. */
static bool fits_one(const struct placement *all, size_t first, const struct selector *wanted,
                     size_t count, size_t *out_end)
{
    size_t picks[PLACEMENT_PICKS_MAX], end_at = first;

    while (end_at < all->count &&
           strcmp(all->devices[end_at].agent, all->devices[first].agent) == 0)
        end_at++;
    *out_end = end_at;
    struct placement one = {all->devices + first, end_at - first};
    return placement_take(&one, wanted, count, picks);
}

/* The selector that cannot be had, or that they cannot be had together. */
static enum err_code survey_all(struct work *w, const char *pool, struct raw asked,
                                struct run_placement *out)
{
    struct selector wanted[PLACEMENT_PICKS_MAX];
    struct placement p;
    size_t count = selectors_parse(&w->arena, asked.text, asked.len, wanted);
    enum err_code rc = count && pool ? placement_read(w, NULL, pool, &p) : ERR_OK;

    if (rc || !count || !pool)
        return rc;
    for (size_t i = 0; i < count; i++) {
        rc = survey(w, &p, &wanted[i], out);
        if (rc || !out->free_benches)
            return rc;
    }
    bool fits = false;
    for (size_t first = 0; first < p.count && !fits;)
        fits = fits_one(&p, first, wanted, count, &first);
    if (!fits) {
        out->wanted = "set of its devices";
        out->free_benches = 0;
        out->obstacles = NULL;
    }
    return ERR_OK;
}

/* The columns of run_why. */
enum {
    W_TYPE,
    W_NAME,
    W_DUE,
    W_EARLY,
    W_IN_PROCESS,
    W_POOL,
    W_POOL_PAUSED,
    W_POOL_LIMIT,
    W_POOL_BUSY,
    W_QUEUE,
    W_QUEUE_PAUSED,
    W_QUEUE_LIMIT,
    W_QUEUE_BUSY,
    W_WORKERS,
    W_SLOTS,
    W_DEVICES,
    W_POOL_ID,
    W_BEFORE
};

enum err_code run_placement(struct work *w, struct uuid run, struct run_placement *out)
{
    struct rows r;
    enum err_code rc =
        db_query(w, Q_run_why, PARAMS(param_uuid(w, run), param_i64(w, AGENT_OFFLINE_S)), &r);
    if (rc || !r.count)
        return rc ? rc : err_set(&w->err, NOT_FOUND, "Flow run not found");
    *out = (struct run_placement){
        .state_type = rows_text(&r, 0, W_TYPE),
        .state_name = rows_text(&r, 0, W_NAME),
        .due = rows_text(&r, 0, W_DUE),
        .early = rows_bool(&r, 0, W_EARLY),
        .in_process = rows_bool(&r, 0, W_IN_PROCESS),
        .pool = rows_text(&r, 0, W_POOL),
        .pool_paused = rows_bool(&r, 0, W_POOL_PAUSED),
        .pool_limit = rows_text(&r, 0, W_POOL_LIMIT) ? rows_i64(&r, 0, W_POOL_LIMIT) : -1,
        .pool_busy = rows_i64(&r, 0, W_POOL_BUSY),
        .queue = rows_text(&r, 0, W_QUEUE),
        .queue_paused = rows_bool(&r, 0, W_QUEUE_PAUSED),
        .queue_limit = rows_text(&r, 0, W_QUEUE_LIMIT) ? rows_i64(&r, 0, W_QUEUE_LIMIT) : -1,
        .queue_busy = rows_i64(&r, 0, W_QUEUE_BUSY),
        .workers = rows_i64(&r, 0, W_WORKERS),
        .free_slots = rows_text(&r, 0, W_SLOTS) ? rows_i64(&r, 0, W_SLOTS) : -1,
        .before = rows_i64(&r, 0, W_BEFORE),
    };
    return survey_all(w, rows_text(&r, 0, W_POOL_ID),
                      (struct raw){rows_text(&r, 0, W_DEVICES), rows_len(&r, 0, W_DEVICES)}, out);
}
