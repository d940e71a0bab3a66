#include "server/store/transitions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/http/parking.h"
#include "server/server.h"
#include "server/store/concurrency_limits.h"
#include "server/store/event_outbox.h"
#include "server/store/transitions_write.h"
#include "server/watch.h"
#include "shared/base/buf.h"

static const struct state_details no_details = STATE_DETAILS_INIT;

static int compare_runs(const void *a, const void *b)
{
    const struct transition *x = *(struct transition *const *)a,
                            *y = *(struct transition *const *)b;
    return memcmp(&x->run_id, &y->run_id, sizeof(x->run_id));
}

static int64_t read_seconds_us(const struct rows *r, int row, int column)
{
    return (int64_t)(rows_f64(r, row, column) * 1e6 + 0.5);
}

/* The columns of transition_facts, in order. */
enum {
    C_ID,
    C_STATE_ID,
    C_TYPE,
    C_NAME,
    C_TIMESTAMP,
    C_MESSAGE,
    C_DETAILS,
    C_DATA,
    C_RUN_COUNT,
    C_TOTAL,
    C_START,
    C_END,
    C_EXPECTED,
    C_NEXT,
    C_POLICY,
    C_DEPLOYMENT,
    C_PARENT,
    C_HAS_PID,
    C_DEPLOYMENT_EXISTS,
    C_LIMIT,
    C_OPTIONS,
    C_VERSION,
};

static enum err_code read_state(struct work *w, const struct rows *r, int row, struct state *out)
{
    const char *details = rows_text(r, row, C_DETAILS);
    const char *type = rows_text(r, row, C_TYPE), *data = rows_text(r, row, C_DATA);

    *out = (struct state){.details = no_details, .timestamp_us = TIME_NONE};
    if (!type)
        return ERR_OK;
    out->id = rows_uuid(r, row, C_STATE_ID);
    out->type = state_type_parse(type, rows_len(r, row, C_TYPE));
    out->name = rows_text(r, row, C_NAME);
    out->timestamp_us = rows_time(r, row, C_TIMESTAMP);
    out->message = rows_text(r, row, C_MESSAGE);
    state_set_data(&w->arena, out, (struct raw){data, data ? rows_len(r, row, C_DATA) : 0});
    if (!details || strcmp(details, "{}") == 0)
        return ERR_OK;
    return json_decode_text(&w->arena, &state_details_resource, details,
                            rows_len(r, row, C_DETAILS), &out->details, &w->err);
}

static enum err_code read_policy(struct work *w, const struct rows *r, int row,
                                 struct retry_policy *out)
{
    *out = (struct retry_policy)RETRY_POLICY_INIT;
    return retry_policy_read(&w->arena, RUN_FLOW, rows_text(r, row, C_POLICY),
                             rows_len(r, row, C_POLICY), out, &w->err);
}

static int64_t settings_seconds(const struct settings *s, enum setting_id id)
{
    return settings_us(s, id) / 1000000;
}

static enum err_code read_options(struct work *w, const struct rows *r, int row,
                                  struct deployment_facts *out)
{
    struct doc doc;
    struct doc_error bad;
    const struct settings *settings = &w->server->config.settings;
    const char *text = rows_text(r, row, C_OPTIONS);

    out->slot_wait_s =
        settings_seconds(settings, SETTING_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS);
    out->grace_period_s =
        settings_seconds(settings, SETTING_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION);
    if (!text || !doc_parse(&w->arena, text, rows_len(r, row, C_OPTIONS), &doc, &bad))
        return ERR_OK;
    struct val root = doc_root(&doc), strategy = val_get(root, "collision_strategy");
    if (val_equals(strategy, "CANCEL_NEW", strlen("CANCEL_NEW")))
        out->collision = COLLISION_CANCEL_NEW;
    int64_t grace_s;
    if (val_int64(val_get(root, "grace_period_seconds"), &grace_s) && grace_s > 0)
        out->grace_period_s = grace_s;
    return ERR_OK;
}

static enum err_code read_facts(struct work *w, const struct rows *r, int row,
                                struct run_facts *out)
{
    *out = (struct run_facts){.kind = RUN_FLOW, .run = RUN_COLUMNS_INIT};
    out->id = rows_uuid(r, row, C_ID);
    enum err_code rc = read_state(w, r, row, &out->state);
    if (!rc)
        rc = read_policy(w, r, row, &out->run.policy);
    if (!rc)
        rc = read_options(w, r, row, &out->deployment);
    out->run.state_type = out->state.type;
    out->run.state_name = out->state.name;
    out->run.state_timestamp_us = out->state.timestamp_us;
    out->run.start_time_us = rows_time(r, row, C_START);
    out->run.end_time_us = rows_time(r, row, C_END);
    out->run.expected_start_time_us = rows_time(r, row, C_EXPECTED);
    out->run.next_scheduled_start_time_us = rows_time(r, row, C_NEXT);
    out->run.total_run_time_us = read_seconds_us(r, row, C_TOTAL);
    out->run.run_count = rows_i64(r, row, C_RUN_COUNT);
    out->parent_task_run_id = rows_uuid(r, row, C_PARENT);
    out->has_infrastructure_pid = rows_bool(r, row, C_HAS_PID);
    out->deployment.id = rows_uuid(r, row, C_DEPLOYMENT);
    out->deployment.exists = rows_bool(r, row, C_DEPLOYMENT_EXISTS);
    return rc;
}

/* ---- concurrency limits of deployments: rare, so queried only when there are any ---- */

/* The limit of row i of the facts as seen by this batch. */
struct limit_view {
    struct uuid id;
    int64_t limit, free;
};

static enum err_code lock_limits(struct work *w, const struct rows *facts, struct limit_view **out,
                                 size_t *out_count)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)facts->count), 0};
    struct rows rows;

    for (int i = 0; i < facts->count; i++)
        if (rows_text(facts, i, C_LIMIT))
            ids.items[ids.count++] = rows_uuid(facts, i, C_LIMIT);
    *out_count = 0;
    if (!ids.count)
        return ERR_OK;
    const char *limits = param_uuid_array(w, ids);
    enum err_code rc = limits_lock(w, NULL, limits);
    if (!rc)
        rc = db_query(w, Q_transition_limits, PARAMS(limits), &rows);
    if (rc)
        return rc;
    *out = arena_array(&w->arena, struct limit_view, (size_t)rows.count);
    for (int i = 0; i < rows.count; i++)
        (*out)[i] = (struct limit_view){rows_uuid(&rows, i, 0), rows_i64(&rows, i, 1),
                                        rows_i64(&rows, i, 2)};
    *out_count = (size_t)rows.count;
    return ERR_OK;
}

static enum err_code find_holders(struct work *w, const struct rows *facts, struct rows *out)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)facts->count),
                        (size_t)facts->count};

    for (int i = 0; i < facts->count; i++)
        ids.items[i] = rows_uuid(facts, i, C_ID);
    return db_query(w, Q_transition_holders, PARAMS(param_uuid_array(w, ids)), out);
}

static bool holds(const struct rows *holders, struct uuid id)
{
    for (int i = 0; i < holders->count; i++) {
        struct uuid holder = rows_uuid(holders, i, 0);
        if (memcmp(&holder, &id, sizeof(id)) == 0)
            return true;
    }
    return false;
}

static struct limit_view *view_of(struct limit_view *views, size_t count, struct uuid id)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&views[i].id, &id, sizeof(id)) == 0)
            return &views[i];
    return NULL;
}

/* ---- deciding ---- */

static struct proposal proposal_of(struct work *w, struct transition *t)
{
    struct proposal p = {.state = &t->proposed,
                         .policy = t->policy,
                         .now_us = w->now_us,
                         .state_id = uuid_v7(),
                         .lease_id = uuid_v4()};

    memcpy(&p.random, p.lease_id.bytes + 8, sizeof(p.random));
    return p;
}

static void decide(struct work *w, struct transition *t, struct limit_view *limit)
{
    struct proposal p = proposal_of(w, t);

    t->facts.client = t->client;
    if (limit) {
        t->facts.deployment.limited = true;
        t->facts.deployment.limit = limit->limit;
        t->facts.deployment.free_slots = limit->free;
    }
    orchestrate(&w->arena, &t->facts, &p, &t->verdict);
    if (limit && t->verdict.writes && (t->verdict.effects & EFFECT_TAKE_SLOT))
        limit->free--;
    if (limit && t->verdict.writes && (t->verdict.effects & EFFECT_RELEASE_SLOT))
        limit->free++;
}

/* Items and rows are both in the order of ids; several items may name one run. */
static enum err_code decide_all(struct work *w, struct transition **items, size_t count,
                                const struct rows *facts)
{
    struct limit_view *views = NULL;
    size_t view_count = 0;
    struct rows holders = {0};
    enum err_code rc = lock_limits(w, facts, &views, &view_count);

    if (!rc && view_count)
        rc = find_holders(w, facts, &holders);
    for (size_t i = 0, row = 0; i < count && !rc; i++) {
        struct transition *t = items[i];
        struct uuid id = {{0}};
        while (row < (size_t)facts->count &&
               (id = rows_uuid(facts, (int)row, C_ID), memcmp(&id, &t->run_id, sizeof(id)) < 0))
            row++;
        t->found = row < (size_t)facts->count && memcmp(&id, &t->run_id, sizeof(id)) == 0;
        if (!t->found)
            continue;
        struct transition *before =
            i && memcmp(&items[i - 1]->run_id, &t->run_id, sizeof(id)) == 0 ? items[i - 1] : NULL;
        if (before) {
            t->facts = before->facts;
            t->version = before->version;
        } else {
            rc = read_facts(w, facts, (int)row, &t->facts);
            t->version = rows_i64(facts, (int)row, C_VERSION);
            t->facts.deployment.slot_held = view_count && holds(&holders, t->run_id);
        }
        if (!rc) {
            t->previous = t->facts.state.id;
            decide(w, t, view_of(views, view_count, rows_uuid(facts, (int)row, C_LIMIT)));
            run_facts_apply(&t->facts, &t->verdict);
        }
    }
    return rc;
}

/* The runs in the order of their ids. */
static enum err_code read_runs(struct work *w, struct transition **items, size_t count, bool locks,
                               struct rows *out)
{
    struct array ids[1] = {{.binary = true}};
    struct db_step steps[] = {{.query = Q_transition_lock, .arrays = ids},
                              {.query = Q_transition_facts, .arrays = ids, .binary_rows = true}};

    qsort(items, count, sizeof(struct transition *), compare_runs);
    for (size_t i = 0; i < count; i++)
        array_uuid(ids, items[i]->run_id);
    enum err_code rc = locks ? db_pipeline(w, steps, 2) : db_pipeline(w, &steps[1], 1);
    arrays_free(ids, 1);
    *out = steps[1].rows;
    return rc;
}

enum err_code transitions_apply(struct work *w, struct transition **items, size_t count)
{
    struct rows facts;
    bool all = true;

    enum err_code rc = read_runs(w, items, count, true, &facts);
    if (!rc)
        rc = decide_all(w, items, count, &facts);
    if (!rc)
        rc = transitions_write(w, items, count, &all);
    if (!rc && !all)
        rc = err_set(&w->err, INTERNAL, "a locked run has changed");
    return rc ? rc : transitions_effects(w, items, count);
}

static enum err_code run_locked(struct work *w, struct transition **items, size_t count)
{
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = transitions_apply(w, items, count);
    return rc ? rc : db_commit(w);
}

static bool any_limit(const struct rows *facts)
{
    for (int i = 0; i < facts->count; i++)
        if (rows_text(facts, i, C_LIMIT))
            return true;
    return false;
}

/* Slots are counted and effects done together with the states: all or nothing. */
static enum err_code run_with_effects(struct work *w, struct transition **items, size_t count)
{
    bool all = true;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = transitions_write(w, items, count, &all);
    if (!rc && !all) {
        db_rollback(w);
        return run_locked(w, items, count);
    }
    if (!rc)
        rc = transitions_effects(w, items, count);
    return rc ? rc : db_commit(w);
}

/* The statement is a transaction. */
static enum err_code run_alone(struct work *w, struct transition **items, size_t count)
{
    struct transition **stale = arena_array(&w->arena, struct transition *, count);
    size_t n = 0;
    bool all;

    enum err_code rc = transitions_write(w, items, count, &all);
    if (rc || all)
        return rc;
    for (size_t i = 0; i < count; i++)
        if (items[i]->stale)
            stale[n++] = items[i];
    return run_locked(w, stale, n);
}

enum err_code transitions_run(struct work *w, struct transition **items, size_t count)
{
    struct rows facts;

    enum err_code rc = read_runs(w, items, count, false, &facts);
    if (!rc && any_limit(&facts))
        rc = run_locked(w, items, count);
    else if (!rc && !(rc = decide_all(w, items, count, &facts)))
        rc = transitions_wanted_effects(items, count) ? run_with_effects(w, items, count)
                                                      : run_alone(w, items, count);
    if (rc)
        db_rollback(w);
    return rc;
}

/* What time will do to a run in this state. */
static void tell_agenda(struct work *w, const struct state *s, int64_t next_us)
{
    const struct settings *settings = &w->server->config.settings;
    struct agenda *a = w->server->agenda;

    if (!a)
        return;
    if (s->type == STATE_SCHEDULED && next_us != TIME_NONE)
        agenda_due(a, AGENDA_LATE_RUNS,
                   next_us +
                       settings_us(settings, SETTING_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS));
    else if (s->type == STATE_PAUSED && s->details.pause_timeout_us != TIME_NONE)
        agenda_due(a, AGENDA_PAUSES, s->details.pause_timeout_us + 1);
    else if (s->type == STATE_CANCELLED)
        agenda_due(a, AGENDA_CANCELLATIONS, w->now_us);
    else if (s->type == STATE_CANCELLING)
        agenda_due(
            a, AGENDA_CANCELLATIONS,
            s->timestamp_us +
                settings_us(
                    settings,
                    SETTING_SERVER_SERVICES_CANCELLATION_CLEANUP_CANCELLING_TIMEOUT_SECONDS));
}

void transitions_announce(struct work *w, struct transition **items, size_t count)
{
    struct state_written *written = arena_array(&w->arena, struct state_written, count);
    unsigned entered = 0;
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const struct verdict *v = &items[i]->verdict;
        if (!items[i]->found || !v->writes)
            continue;
        entered |= 1u << v->state.type;
        if (v->state.type != STATE_RUNNING && v->state.type != STATE_COMPLETED)
            tell_agenda(w, &v->state, v->run.next_scheduled_start_time_us);
        if (state_is_terminal(v->state.type) && watch_has(w->server->checks, items[i]->run_id))
            agenda_due(w->server->agenda, AGENDA_HEALTH, w->now_us);
        written[n++] = (struct state_written){v->state.id, items[i]->previous, v->run.run_count};
    }
    event_outbox_offer(w->server->outbox, written, n);
    if (entered &
        (STATE_SET(SCHEDULED) | STATE_SET(CANCELLING))) /* agents wait for both on one topic */
        parking_ring(w->server->parking, parking_topic("flow_runs", "SCHEDULED"));
    if (entered & STATE_SET(CANCELLING))
        parking_ring(w->server->parking, parking_topic("flow_runs", "CANCELLING"));
}
