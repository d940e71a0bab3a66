#include "server/store/claims.h"

#include <string.h>

#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/http/parking.h"
#include "server/model/placement.h"
#include "server/server.h"
#include "server/store/claims_left.h"
#include "server/store/placement.h"

/* Of a page more than there are slots; where to stop; different wishes that are remembered. */
enum { SPARE_CANDIDATES = 50, CANDIDATES_MAX = 10000, NEEDS_MAX = 256 };

uint64_t claims_topic(void)
{
    return parking_topic("flow_runs", "SCHEDULED");
}

static struct uuid row_uuid(const struct rows *r, int row, int column)
{
    struct uuid id = {{0}};
    const char *text = rows_text(r, row, column);
    return text && uuid_parse(text, rows_len(r, row, column), &id) ? id : (struct uuid){{0}};
}

static enum err_code epoch_is_over(struct work *w, int64_t current, int64_t given)
{
    return err_set(
        &w->err, CONFLICT,
        "epoch %lld of this agent is over: epoch %lld has started with the same data folder",
        (long long)given, (long long)current);
}

enum err_code agent_seen(struct work *w, const struct agent_call *in, bool with_slots,
                         struct transition_list *done)
{
    const char *agent = param_uuid(w, in->agent), *epoch = param_i64(w, in->epoch);
    struct rows rows;

    enum err_code rc = db_query(
        w, Q_agent_seen,
        PARAMS(agent, in->name, in->pool, epoch, with_slots ? param_i64(w, in->slots) : NULL),
        &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "Work pool \"%s\" not found.", in->pool);
    if (rows_i64(&rows, 0, 0) > in->epoch)
        return epoch_is_over(w, rows_i64(&rows, 0, 0), in->epoch);
    rc = db_query(w, Q_claim_drop_earlier, PARAMS(agent, epoch), &rows);
    return rc ? rc : claims_settle_dropped(w, &rows, "The agent was started anew.", done);
}

/* The columns of claim_look. */
enum { L_PLACE, L_EPOCH, L_FREE, L_CANCEL, L_PAUSED, L_DUE, L_NEXT };

static struct claim_view view_of(const struct rows *rows, int row, const struct agent_call *in)
{
    bool room = rows_i64(rows, row, L_FREE) > 0 && !rows_bool(rows, row, L_PAUSED);
    int64_t due = room ? rows_i64(rows, row, L_DUE) : 0;
    return (struct claim_view){.refused = rows_i64(rows, row, L_EPOCH) > in->epoch,
                               .cancels = rows_bool(rows, row, L_CANCEL),
                               .due = due,
                               .next_us = room && !due ? rows_time(rows, row, L_NEXT) : TIME_NONE};
}

enum err_code claims_look(struct work *w, const struct agent_call *const *calls, size_t count,
                          struct claim_view *out_views)
{
    struct uuids agents = {arena_array(&w->arena, struct uuid, count), count};
    struct rows rows;

    for (size_t i = 0; i < count; i++) {
        agents.items[i] = calls[i]->agent;
        out_views[i] = (struct claim_view){.refused = true, .next_us = TIME_NONE};
    }
    enum err_code rc = db_query(w, Q_claim_look, PARAMS(param_uuid_array(w, agents)), &rows);
    for (int i = 0; !rc && i < rows.count; i++) {
        int64_t place = rows_i64(&rows, i, L_PLACE) - 1;
        out_views[place] = view_of(&rows, i, calls[place]);
    }
    return rc;
}

enum err_code claims_cancels(struct work *w, struct uuid agent, struct rows *out)
{
    return db_query(w, Q_claim_cancels, PARAMS(param_uuid(w, agent)), out);
}

/* ---- choosing ---- */

/* What is left to give; counted down while choosing. */
struct room {
    const char *pool; /* id */
    int64_t slots;
    bool limited;
    int64_t pool_free;
    struct rows queues;   /* id, limit, occupied */
    int64_t *queue_taken; /* by this call */
    struct placement devices;
};

struct choice {
    struct transition transition;
    size_t devices[PLACEMENT_PICKS_MAX], device_count;
};

static enum err_code count_limits(struct work *w, struct room *room)
{
    struct rows pool;

    enum err_code rc = db_query(w, Q_claim_lock_pool, PARAMS(room->pool), &pool);
    if (!rc)
        rc = db_query(w, Q_claim_queues, PARAMS(room->pool), &room->queues);
    if (rc)
        return rc;
    if (pool.count && rows_text(&pool, 0, 0)) {
        room->pool_free = rows_i64(&pool, 0, 0);
        for (int i = 0; i < room->queues.count; i++)
            room->pool_free -= rows_i64(&room->queues, i, 2);
    }
    room->queue_taken = arena_array(&w->arena, int64_t, (size_t)room->queues.count + 1);
    return ERR_OK;
}

static enum err_code look_around(struct work *w, const struct agent_call *in, struct room *room)
{
    const char *agent = param_uuid(w, in->agent);
    struct rows rows;

    *room = (struct room){.pool_free = INT64_MAX};
    enum err_code rc = db_query(w, Q_claim_lock_agent, PARAMS(agent), &rows);
    if (rc || !rows.count)
        return rc;
    if (rows_i64(&rows, 0, 0) > in->epoch)
        return epoch_is_over(w, rows_i64(&rows, 0, 0), in->epoch);
    room->pool = rows_text(&rows, 0, 1);
    rc = db_query(w, Q_claim_room, PARAMS(agent), &rows);
    if (rc || !rows.count)
        return rc;
    room->slots = rows_bool(&rows, 0, 2) ? 0 : rows_i64(&rows, 0, 0);
    room->limited = rows_bool(&rows, 0, 1);
    if (room->slots <= 0)
        return ERR_OK;
    if (room->limited)
        rc = count_limits(w, room);
    if (!rc)
        rc = placement_read(w, agent, NULL, &room->devices);
    return rc;
}

static int64_t *queue_room(struct room *room, const char *queue, bool *out_full)
{
    for (int i = 0; i < room->queues.count; i++) {
        if (strcmp(rows_text(&room->queues, i, 0), queue) != 0)
            continue;
        const char *limit = rows_text(&room->queues, i, 1);
        int64_t occupied = rows_i64(&room->queues, i, 2) + room->queue_taken[i];
        *out_full = limit && occupied >= rows_i64(&room->queues, i, 1);
        return &room->queue_taken[i];
    }
    return NULL;
}

/* What a call has looked at; the next page leaves it out, so that what cannot be had now hides
 * nothing behind it.  Things only get scarcer within a call. */
struct seen {
    struct choice *chosen;
    size_t chosen_count;
    struct uuids runs;          /* that were chosen */
    struct strings needs, full; /* what cannot be had; queues at their limit */
};

static bool has_text(const struct strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

enum fit { FITS, NO_DEVICES, QUEUE_FULL };

static enum fit choose(struct work *w, struct room *room, const struct rows *due, int row,
                       struct choice *out)
{
    struct selector wanted[PLACEMENT_PICKS_MAX];
    bool full = false;
    int64_t *taken = room->limited ? queue_room(room, rows_text(due, row, 1), &full) : NULL;

    if (full)
        return QUEUE_FULL;
    size_t count =
        selectors_parse(&w->arena, rows_text(due, row, 2), rows_len(due, row, 2), wanted);
    if (!placement_take(&room->devices, wanted, count, out->devices))
        return NO_DEVICES;
    out->device_count = count;
    if (taken)
        ++*taken;
    room->pool_free--;
    room->slots--;
    return FITS;
}

/* Targets and names of what is idle. */
static void idle_devices(struct work *w, const struct room *room, struct strings *targets,
                         struct strings *names)
{
    targets->items = arena_array(&w->arena, const char *, room->devices.count + 1);
    names->items = arena_array(&w->arena, const char *, room->devices.count + 1);
    for (size_t i = 0; i < room->devices.count; i++) {
        const struct placed_device *d = &room->devices.devices[i];
        if (d->used >= d->capacity || d->obstacle)
            continue;
        targets->items[targets->count++] = d->target ? d->target : "";
        names->items[names->count++] = d->name;
    }
}

static void take_page(struct work *w, struct room *room, const struct rows *due, struct seen *seen)
{
    for (int i = 0; i < due->count && room->slots > 0 && room->pool_free > 0; i++) {
        struct choice *c = &seen->chosen[seen->chosen_count];
        const char *queue = rows_text(due, i, 1), *need = rows_text(due, i, 2);
        if (has_text(&seen->needs, need) || has_text(&seen->full, queue))
            continue;
        enum fit fit = choose(w, room, due, i, c);
        if (fit == NO_DEVICES && seen->needs.count < NEEDS_MAX)
            seen->needs.items[seen->needs.count++] = need;
        else if (fit == QUEUE_FULL)
            seen->full.items[seen->full.count++] = queue;
        if (fit != FITS)
            continue;
        c->transition = (struct transition){
            .run_id = row_uuid(due, i, 0),
            .proposed = claims_proposal(STATE_PENDING, NULL, NULL),
            .policy = POLICY_FLOW,
        };
        seen->runs.items[seen->runs.count++] = c->transition.run_id;
        seen->chosen_count++;
    }
}

static enum err_code next_page(struct work *w, const struct agent_call *in, const struct room *room,
                               int64_t limit, const struct seen *seen, struct rows *out)
{
    struct strings targets = {0}, names = {0};
    const char *queues = in->queues.count ? param_text_array(w, in->queues) : NULL;

    idle_devices(w, room, &targets, &names);
    return db_query(w, Q_claim_candidates,
                    PARAMS(room->pool, queues, param_text_array(w, targets),
                           param_text_array(w, names), param_i64(w, limit),
                           param_uuid_array(w, seen->runs), param_text_array(w, seen->needs),
                           param_text_array(w, seen->full)),
                    out);
}

/* Page by page, each twice as long, until there is nothing more that would fit. */
static enum err_code choose_runs(struct work *w, const struct agent_call *in, struct room *room,
                                 struct choice **out, size_t *out_count)
{
    size_t slots = (size_t)room->slots;
    int64_t limit = room->slots + SPARE_CANDIDATES;
    struct seen seen = {
        .chosen = arena_array(&w->arena, struct choice, slots),
        .runs.items = arena_array(&w->arena, struct uuid, slots),
        .needs.items = arena_array(&w->arena, const char *, NEEDS_MAX),
        .full.items = arena_array(&w->arena, const char *, (size_t)room->queues.count + 1),
    };
    enum err_code rc = ERR_OK;

    for (bool more = true; more && !rc; limit *= 2) {
        struct rows due = {0};
        rc = next_page(w, in, room, limit, &seen, &due);
        take_page(w, room, &due, &seen);
        more =
            due.count == limit && limit < CANDIDATES_MAX && room->slots > 0 && room->pool_free > 0;
    }
    *out = seen.chosen;
    *out_count = seen.chosen_count;
    return rc;
}

/* ---- taking ---- */

static bool became_pending(const struct choice *c)
{
    const struct verdict *v = &c->transition.verdict;
    return c->transition.found && v->status == VERDICT_ACCEPT && v->writes &&
           v->state.type == STATE_PENDING;
}

/* The devices of a claim, and of benches their parts. */
static void add_leases(const struct placement *p, struct uuid claim, const struct choice *c,
                       struct array columns[static 4])
{
    for (size_t k = 0; k < c->device_count; k++)
        for (size_t i = 0; i < p->count; i++) {
            bool part = placement_is_part(p, c->devices[k], i);
            if (!part && i != c->devices[k])
                continue;
            array_uuid(&columns[0], claim);
            array_string(&columns[1], p->devices[i].name);
            array_int(&columns[2], (int64_t)k);
            array_bool(&columns[3], part);
        }
}

static enum err_code insert_leases(struct work *w, const struct agent_call *in,
                                   struct array columns[static 4], bool any)
{
    const char *parameters[5];
    struct rows none;
    enum err_code rc = any ? arrays_finish(w, columns, 4, parameters) : ERR_OK;

    parameters[4] = param_uuid(w, in->agent);
    return rc || !any ? rc : db_query(w, Q_claim_lease, parameters, &none);
}

static enum err_code insert_claims(struct work *w, const struct agent_call *in,
                                   const struct placement *devices, const struct choice *choices,
                                   size_t count, struct rows *out)
{
    struct array columns[2] = {0}, leases[4] = {0};
    struct uuids ids = {arena_array(&w->arena, struct uuid, count), 0};
    const char *parameters[5];
    struct rows none;
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        if (!became_pending(&choices[i]))
            continue;
        struct uuid id = ids.items[ids.count++] = uuid_v7();
        array_uuid(&columns[0], id);
        array_uuid(&columns[1], choices[i].transition.run_id);
        add_leases(devices, id, &choices[i], leases);
        any |= choices[i].device_count > 0;
    }
    enum err_code rc = ids.count ? arrays_finish(w, columns, COUNT(columns), parameters) : ERR_OK;
    parameters[2] = param_uuid(w, in->agent);
    parameters[3] = param_i64(w, in->epoch);
    parameters[4] = param_i64(w, CLAIM_OFFER_S);
    if (!rc && ids.count)
        rc = db_query(w, Q_claim_insert, parameters, &none);
    if (!rc)
        rc = insert_leases(w, in, leases, any);
    if (ids.count)
        agenda_due(w->server->agenda, AGENDA_CLAIMS, w->now_us + CLAIM_OFFER_S * INT64_C(1000000));
    if (!rc && ids.count)
        rc = db_query(w, Q_claim_details, PARAMS(param_uuid_array(w, ids), parameters[2]), out);
    arrays_free(columns, COUNT(columns));
    arrays_free(leases, COUNT(leases));
    return rc;
}

enum err_code claims_take(struct work *w, const struct agent_call *in, struct rows *out,
                          struct transition_list *done)
{
    struct room room;
    struct choice *choices = NULL;
    size_t count = 0;

    *out = (struct rows){0};
    enum err_code rc = look_around(w, in, &room);
    if (!rc && room.slots > 0)
        rc = choose_runs(w, in, &room, &choices, &count);
    if (rc || !count)
        return rc;
    struct transition **items = arena_array(&w->arena, struct transition *, count);
    for (size_t i = 0; i < count; i++)
        items[i] = &choices[i].transition;
    rc = transitions_apply(w, items, count);
    if (!rc)
        transition_list_add(w, done, items, count);
    return rc ? rc : insert_claims(w, in, &room.devices, choices, count, out);
}

/* ---- keeping ---- */

int64_t claim_term(const struct work *w)
{
    return w->server->config.outage_s + CLAIM_GRACE_S;
}

const char *claim_term_s(struct work *w)
{
    return param_i64(w, claim_term(w));
}

enum err_code claims_ack(struct work *w, struct uuid agent, int64_t epoch,
                         const struct claim_ref *claims, size_t count, struct rows *out)
{
    struct array columns[2] = {0};
    const char *parameters[5];

    *out = (struct rows){0};
    for (size_t i = 0; i < count; i++) {
        array_uuid(&columns[0], claims[i].claim_id);
        array_int(&columns[1], claims[i].token);
    }
    enum err_code rc = count ? arrays_finish(w, columns, COUNT(columns), parameters) : ERR_OK;
    parameters[2] = param_uuid(w, agent);
    parameters[3] = param_i64(w, epoch);
    parameters[4] = claim_term_s(w);
    if (!rc && count)
        rc = db_query(w, Q_claim_ack, parameters, out);
    arrays_free(columns, COUNT(columns));
    return rc;
}
