#include "server/store/journal.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/artifacts.h"
#include "server/store/claims_left.h"
#include "server/store/events.h"
#include "server/store/logs.h"
#include "shared/json/write.h"

/* A state that is older than this was delivered late: it keeps its own time. */
#define LATE_US INT64_C(2000000)

enum { ARTIFACTS_MAX_BYTES = 32 << 20 };

struct claim {
    int64_t token;
    struct uuid id, flow_run_id;
    bool live;
    int64_t created_us;
};

struct delivery {
    struct work *w;
    const struct journal_call *in;
    struct journal_outcome *outcomes;
    struct transition_list *done;
    struct claim *claims;
    size_t claim_count;
    /* gathered until the end */
    struct transition **wave;
    size_t wave_count;
    struct log_batch *logs;
    size_t log_count;
    const struct event **events;
    size_t event_count;
    struct claim_end *ends;
    size_t end_count;
    struct buf artifacts; /* items of a JSON array */
};

/* ---- fencing ---- */

static enum err_code read_claims(struct delivery *d, const struct journal_body *bodies,
                                 const bool *wanted)
{
    struct work *w = d->w;
    struct array tokens = {0};
    const char *parameters[1];
    struct rows rows;

    for (size_t i = 0; i < d->in->records_count; i++)
        if (wanted[i])
            array_int(&tokens, bodies[i].token);
    enum err_code rc = arrays_finish(w, &tokens, 1, parameters);
    if (!rc)
        rc = db_query(w, Q_journal_claims, PARAMS(parameters[0], param_uuid(w, d->in->agent)),
                      &rows);
    arrays_free(&tokens, 1);
    if (rc)
        return rc;
    d->claims = arena_array(&w->arena, struct claim, (size_t)rows.count + 1);
    for (int i = 0; i < rows.count; i++) {
        struct claim *c = &d->claims[d->claim_count++];
        c->token = rows_i64(&rows, i, 0);
        c->live = strcmp(rows_text(&rows, i, 3), "LIVE") == 0;
        c->created_us = rows_time(&rows, i, 4);
        if (!uuid_parse(rows_text(&rows, i, 1), rows_len(&rows, i, 1), &c->id) ||
            !uuid_parse(rows_text(&rows, i, 2), rows_len(&rows, i, 2), &c->flow_run_id))
            c->live = false;
    }
    return ERR_OK;
}

static struct claim *find_claim(const struct delivery *d, const struct journal_body *body)
{
    for (size_t i = 0; i < d->claim_count; i++) {
        struct claim *c = &d->claims[i];
        if (c->token == body->token &&
            memcmp(&c->flow_run_id, &body->flow_run_id, sizeof(c->flow_run_id)) == 0)
            return c;
    }
    return NULL;
}

/* ---- the kinds of records ---- */

static enum err_code flush_wave(struct delivery *d)
{
    if (!d->wave_count)
        return ERR_OK;
    enum err_code rc = transitions_apply(d->w, d->wave, d->wave_count);
    if (!rc)
        transition_list_add(d->w, d->done, d->wave, d->wave_count);
    d->wave_count = 0;
    return rc;
}

static bool in_wave(const struct delivery *d, struct uuid run_id)
{
    for (size_t i = 0; i < d->wave_count; i++)
        if (memcmp(&d->wave[i]->run_id, &run_id, sizeof(run_id)) == 0)
            return true;
    return false;
}

static enum err_code apply_late(struct delivery *d, int64_t at_us)
{
    int64_t now_us = d->w->now_us;

    d->w->now_us = at_us;
    enum err_code rc = flush_wave(d);
    d->w->now_us = now_us;
    return rc;
}

static enum err_code take_state(struct delivery *d, const struct journal_body *body,
                                const struct claim *claim, struct journal_outcome *out)
{
    struct transition *t = arena_new(&d->w->arena, struct transition);
    int64_t at_us = body->timestamp_us;
    bool late = at_us != TIME_NONE && at_us < d->w->now_us - LATE_US;
    enum err_code rc = ERR_OK;

    if (!body->state) {
        out->refused = "state: is missing";
        return ERR_OK;
    }
    if (late || in_wave(d, body->flow_run_id))
        rc = flush_wave(d);
    *t = (struct transition){
        .run_id = body->flow_run_id,
        .proposed = state_from_create(&d->w->arena, body->state),
        .policy = body->force ? POLICY_FLOW_FORCED : POLICY_FLOW,
    };
    out->transition = t;
    d->wave[d->wave_count++] = t;
    if (!rc && late)
        rc = apply_late(d, at_us > claim->created_us ? at_us : claim->created_us + 1);
    return rc;
}

static enum err_code take_logs(struct delivery *d, const struct journal_body *body,
                               const struct claim *claim, struct journal_outcome *out)
{
    (void)claim, (void)out;
    d->logs[d->log_count++] = (struct log_batch){body->logs, body->logs_count};
    return ERR_OK;
}

static enum err_code take_events(struct delivery *d, const struct journal_body *body,
                                 const struct claim *claim, struct journal_outcome *out)
{
    const struct event **grown =
        arena_array(&d->w->arena, const struct event *, d->event_count + body->events_count + 1);
    (void)claim;

    for (size_t i = 0; i < body->events_count; i++) {
        struct loc at = {NULL, NULL, i};
        struct invalid bad = {.arena = &d->w->arena};
        if (event_check(&event_limits_default, &body->events[i], &at, &bad) != ERR_OK) {
            out->refused = arena_strndup(&d->w->arena, bad.first, strlen(bad.first));
            return ERR_OK;
        }
    }
    if (d->event_count)
        memcpy(grown, d->events, d->event_count * sizeof(const struct event *));
    for (size_t i = 0; i < body->events_count; i++)
        grown[d->event_count++] = &body->events[i];
    d->events = grown;
    return ERR_OK;
}

/* The artifact's own members, with the ids that the record is about. */
static enum err_code take_artifact(struct delivery *d, const struct journal_body *body,
                                   const struct claim *claim, struct journal_outcome *out)
{
    static const struct uuid nil;
    struct doc doc;
    struct doc_error bad;
    struct buf *b = &d->artifacts;
    (void)claim;

    if (!body->artifact.text ||
        !doc_parse(&d->w->arena, body->artifact.text, body->artifact.len, &doc, &bad) ||
        !val_storable(doc_root(&doc))) {
        out->refused = "artifact: must be an object without U+0000";
        return ERR_OK;
    }
    write_object(b);
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);) {
        write_key(b, val_string(&d->w->arena, it.key, NULL));
        write_raw(b, val_raw(it.value));
    }
    write_key(b, "id");
    write_uuid(b, memcmp(&body->id, &nil, sizeof(nil)) ? body->id : uuid_v7());
    write_key(b, "flow_run_id");
    write_uuid(b, body->flow_run_id);
    write_end_object(b);
    return ERR_OK;
}

static enum err_code take_done(struct delivery *d, const struct journal_body *body,
                               const struct claim *claim, struct journal_outcome *out)
{
    (void)out;
    d->ends[d->end_count++] = (struct claim_end){claim->token, claim->flow_run_id, body->message,
                                                 body->lost, body->cancelled};
    find_claim(d, body)->live = false;
    return ERR_OK;
}

static const struct kind {
    const char *name;
    enum err_code (*take)(struct delivery *d, const struct journal_body *body,
                          const struct claim *claim, struct journal_outcome *out);
} kinds[] = {
    {"state", take_state},       {"logs", take_logs}, {"events", take_events},
    {"artifact", take_artifact}, {"done", take_done},
};

static const struct kind *find_kind(const char *name)
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

static enum err_code take_record(struct delivery *d, const struct journal_record *r,
                                 const struct journal_body *body, struct journal_outcome *out)
{
    const struct kind *kind = find_kind(r->kind);
    const struct claim *claim = find_claim(d, body);

    if (!kind)
        out->refused = arena_printf(&d->w->arena, "kind %.60s: is not known", r->kind);
    else if (!claim)
        out->refused = "token: no claim of this agent on this run has it";
    else if (!claim->live)
        out->refused = "token: the claim is over";
    else
        return kind->take(d, body, claim, out);
    return ERR_OK;
}

/* ---- a delivery ---- */

/* Everything but states, which had to be applied in order. */
static enum err_code store_gathered(struct delivery *d)
{
    struct work *w = d->w;

    enum err_code rc = flush_wave(d);
    if (!rc)
        rc = claims_end(w, d->ends, d->end_count, d->done);
    if (!rc)
        rc = events_store(w, d->events, d->event_count);
    if (!rc && d->log_count)
        rc = logs_store(w, d->logs, d->log_count);
    if (rc || !d->artifacts.len)
        return rc;
    const char *list = arena_printf(&w->arena, "[%.*s]", (int)d->artifacts.len, d->artifacts.bytes);
    return artifacts_store(w, list);
}

/* Bodies of the records that are new; the others, and those that cannot be read, are done with. */
static void decode(struct delivery *d, int64_t acked, struct journal_body *bodies, bool *wanted)
{
    for (size_t i = 0; i < d->in->records_count; i++) {
        const struct journal_record *r = &d->in->records[i];
        struct err e = {0};
        if (r->seq <= acked)
            continue;
        wanted[i] = json_decode_text(&d->w->arena, &journal_body_resource, r->body.text,
                                     r->body.len, &bodies[i], &e) == ERR_OK;
        d->outcomes[i].flow_run_id = bodies[i].flow_run_id;
        if (!wanted[i])
            d->outcomes[i].refused = arena_printf(&d->w->arena, "%s", e.detail);
    }
}

static void prepare(struct delivery *d)
{
    struct arena *a = &d->w->arena;
    size_t count = d->in->records_count + 1;

    d->wave = arena_array(a, struct transition *, count);
    d->logs = arena_array(a, struct log_batch, count);
    d->ends = arena_array(a, struct claim_end, count);
    d->artifacts.max_bytes = ARTIFACTS_MAX_BYTES;
}

static enum err_code take_new(struct delivery *d, int64_t acked)
{
    size_t count = d->in->records_count;
    struct journal_body *bodies = arena_array(&d->w->arena, struct journal_body, count + 1);
    bool *wanted = arena_array(&d->w->arena, bool, count + 1);

    decode(d, acked, bodies, wanted);
    enum err_code rc = read_claims(d, bodies, wanted);
    for (size_t i = 0; i < count && !rc; i++)
        if (wanted[i])
            rc = take_record(d, &d->in->records[i], &bodies[i], &d->outcomes[i]);
    return rc ? rc : store_gathered(d);
}

enum err_code journal_take(struct work *w, const struct journal_call *in,
                           struct journal_outcome *outcomes, struct transition_list *done,
                           bool *out_room)
{
    struct delivery d = {.w = w, .in = in, .outcomes = outcomes, .done = done};
    struct rows rows;

    *out_room = false;
    memset(outcomes, 0, in->records_count * sizeof(*outcomes));
    enum err_code rc = db_query(w, Q_journal_lock, PARAMS(param_uuid(w, in->agent)), &rows);
    if (rc || !in->records_count)
        return rc;
    if (!rows.count) {
        for (size_t i = 0; i < in->records_count; i++)
            outcomes[i].refused = "agent: is not known here";
        return ERR_OK;
    }
    int64_t acked = rows_i64(&rows, 0, 1), last = in->records[in->records_count - 1].seq;
    prepare(&d);
    rc = take_new(&d, acked);
    buf_free(&d.artifacts);
    *out_room = d.end_count > 0;
    return rc || last <= acked ? rc : journal_skip(w, in->agent, last);
}

enum err_code journal_skip(struct work *w, struct uuid agent, int64_t seq)
{
    struct rows none;
    return db_query(w, Q_journal_acked, PARAMS(param_uuid(w, agent), param_i64(w, seq)), &none);
}
