#include "server/api/agents.h"

#include <string.h>

#include "server/agenda.h"
#include "server/http/parking.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/claim_jobs.h"
#include "server/store/claims.h"
#include "server/store/journal.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

/* A parked call looks again after this, for what other servers did. */
#define LOOK_AGAIN_US INT64_C(5000000)

/* Commits or rolls back; then tells whoever waits. */
static enum err_code finish(struct work *w, enum err_code rc, struct transition_list *done)
{
    rc = db_end(w, rc);
    if (!rc && done->count)
        transitions_announce(w, done->items, done->count);
    return rc;
}

static void write_ids(struct buf *b, const char *key, const struct rows *rows)
{
    write_key(b, key);
    write_array(b);
    for (int i = 0; i < rows->count; i++)
        write_string(b, rows_text(rows, i, 0));
    write_end_array(b);
}

/* Runs to be stopped, and why where somebody said it. */
static void write_cancels(struct buf *b, const struct rows *rows)
{
    write_ids(b, "cancel", rows);
    write_key(b, "reasons");
    write_object(b);
    for (int i = 0; i < rows->count; i++) {
        const char *why = rows_text(rows, i, 1);
        if (!why || !*why)
            continue;
        write_key(b, rows_text(rows, i, 0));
        write_string(b, why);
    }
    write_end_object(b);
}

/* ---- claim ---- */

struct found {
    struct rows claims, cancels;
};

static enum err_code take(struct request *rq, struct found *found)
{
    struct work *w = &rq->work;
    const struct agent_call *in = rq->in;
    struct transition_list done = {0};

    enum err_code rc = db_begin(w);
    if (rc)
        return rc;
    rc = claims_take(w, in, &found->claims, &done);
    if (!rc)
        rc = claims_cancels(w, in->agent, &found->cancels);
    return finish(w, rc, &done);
}

static enum err_code introduce(struct request *rq)
{
    struct work *w = &rq->work;
    struct transition_list done = {0};

    enum err_code rc = db_begin(w);
    if (rc)
        return rc;
    rc = agent_seen(w, rq->in, true, &done);
    return finish(w, rc, &done);
}

static enum err_code answer(struct request *rq, const struct found *found)
{
    struct buf *b = &rq->reply.body;

    write_object(b);
    write_key(b, "claims");
    write_array(b);
    enum err_code rc = ERR_OK;
    for (int i = 0; i < found->claims.count && !rc; i++)
        rc = claim_job_write(
            &rq->work,
            (struct raw){rows_text(&found->claims, i, 0), rows_len(&found->claims, i, 0)}, b);
    write_end_array(b);
    write_cancels(b, &found->cancels);
    write_end_object(b);
    return rc ? rc : reply_status(rq, 200);
}

static int64_t end_us(const struct request *rq)
{
    const struct agent_call *in = rq->in;
    return rq->started_us + (int64_t)(in->wait_s * 1e6);
}

/* When a call that waits looks again by itself; `next_us` is a time of day. */
static int64_t until_us(const struct request *rq, int64_t now_us, int64_t next_us)
{
    int64_t until = now_us + LOOK_AGAIN_US < end_us(rq) ? now_us + LOOK_AGAIN_US : end_us(rq);
    int64_t due = next_us == TIME_NONE ? until : now_us + (next_us - clock_now_us());

    return due < until ? due : until;
}

static enum err_code wait_or_answer(struct request *rq, uint64_t seen, int64_t next_us,
                                    const struct found *found)
{
    int64_t now_us = clock_monotonic_us();

    if (atomic_load(&rq->work.server->stopping)) /* an empty answer would be followed by the next
                                                    call at once */
        return err_set(&rq->work.err, BUSY, "the server is stopping");
    if (now_us >= end_us(rq))
        return answer(rq, found);
    return park(rq, claims_topic(), seen, until_us(rq, now_us, next_us), rq->work.server->looks);
}

enum err_code agents_claim(struct request *rq)
{
    uint64_t seen = parking_seen(rq->work.server->parking, claims_topic());
    bool first = !rq->parked_until_us;
    const struct agent_call *in = rq->in;
    struct found found = {{0}, {0}};
    struct claim_view view = {.due = 1}; /* a call that waited was told so by run_looks() */
    enum err_code rc = ERR_OK;

    if (first)
        rc = introduce(rq);
    if (!rc && first)
        rc = claims_look(&rq->work, &in, 1, &view);
    if (!rc && (view.due || view.cancels))
        rc = take(rq, &found);
    if (rc)
        return rc;
    if (found.claims.count || found.cancels.count)
        return answer(rq, &found);
    if (!first)
        rc = claims_look(&rq->work, &in, 1, &view);
    if (!rc && view.refused)
        rc = introduce(rq); /* says why */
    return rc ? rc : wait_or_answer(rq, seen, view.next_us, &found);
}

/* Agents that stand for each other: of one pool, with the same queues and without devices. */
struct gate {
    const struct agent_call *like;
    int64_t left; /* due runs that nobody went for */
};

struct gates {
    struct gate *items;
    size_t count;
};

static bool are_alike(const struct agent_call *a, const struct agent_call *b)
{
    bool same = strcmp(a->pool, b->pool) == 0 && a->queues.count == b->queues.count;

    for (size_t i = 0; same && i < a->queues.count; i++)
        same = strcmp(a->queues.items[i], b->queues.items[i]) == 0;
    return same;
}

/* Who goes for the due runs: all that have devices, as each has others; else as many as there are
 * runs. */
static bool goes(struct gates *gates, const struct agent_call *in, const struct claim_view *view)
{
    size_t i = 0;

    if (!view->due || view->cancels || in->devices_count)
        return view->due || view->cancels;
    while (i < gates->count && !are_alike(gates->items[i].like, in))
        i++;
    if (i == gates->count)
        gates->items[gates->count++] = (struct gate){in, view->due};
    return gates->items[i].left-- > 0;
}

/* Calls that wait look together: a new run costs one query, however many agents there are. */
static void run_looks(struct work *w, struct lane_item **items, size_t count)
{
    struct parking *parking = w->server->parking;
    struct request **batch = arena_array(&w->arena, struct request *, count);
    const struct agent_call **calls = arena_array(&w->arena, const struct agent_call *, count);
    struct claim_view *views = arena_array(&w->arena, struct claim_view, count);
    struct gates gates = {arena_array(&w->arena, struct gate, count), 0};
    uint64_t seen = parking_seen(parking, claims_topic());

    for (size_t i = 0; i < count; i++) {
        batch[i] = (struct request *)(void *)((char *)items[i] - offsetof(struct request, parked));
        calls[i] = batch[i]->in;
    }
    enum err_code rc = claims_look(w, calls, count, views);
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < count; i++) {
        if (rc || views[i].refused || now_us >= end_us(batch[i]) ||
            goes(&gates, calls[i], &views[i])) {
            parking_run(parking, batch[i]);
            continue;
        }
        batch[i]->parked_seen = seen;
        batch[i]->parked_until_us = until_us(batch[i], now_us, views[i].next_us);
        parking_hold(parking, batch[i]);
    }
}

const struct lane_kind looks_lane = {"looks", 256, 65536, run_looks};

/* How long a claim is the agent's, from the moment at which it sent the request. */
static void write_lease(struct work *w, struct buf *b)
{
    write_key(b, "lease_s");
    write_int64(b, claim_term(w));
}

/* ---- acknowledgement ---- */

static bool has_id(const struct rows *rows, struct uuid id)
{
    struct uuid other;
    for (int i = 0; i < rows->count; i++)
        if (uuid_parse(rows_text(rows, i, 0), rows_len(rows, i, 0), &other) &&
            memcmp(&id, &other, sizeof(id)) == 0)
            return true;
    return false;
}

enum err_code agents_ack(struct request *rq)
{
    const struct claim_ack *in = rq->in;
    struct transition_list none = {0};
    struct buf *b = &rq->reply.body;
    struct rows live;

    enum err_code rc = db_begin(&rq->work);
    if (rc)
        return rc;
    rc = finish(&rq->work,
                claims_ack(&rq->work, in->agent, in->epoch, in->claims, in->claims_count, &live),
                &none);
    if (rc)
        return rc;
    write_object(b);
    write_ids(b, "live", &live);
    write_key(b, "lost");
    write_array(b);
    for (size_t i = 0; i < in->claims_count; i++)
        if (!has_id(&live, in->claims[i].claim_id))
            write_uuid(b, in->claims[i].claim_id);
    write_end_array(b);
    write_lease(&rq->work, b);
    write_end_object(b);
    return reply_status(rq, 200);
}

/* ---- heartbeat ---- */

enum err_code agents_heartbeat(struct request *rq)
{
    struct work *w = &rq->work;
    struct transition_list done = {0};
    struct heartbeat beat = {.news = false};

    enum err_code rc = db_begin(w);
    if (rc)
        return rc;
    rc = agent_seen(w, rq->in, false, &done);
    if (!rc)
        rc = agent_heartbeat(w, rq->in, &beat);
    rc = finish(w, rc, &done);
    if (rc)
        return rc;
    if (beat.news) {
        parking_ring(w->server->parking, claims_topic());
        agenda_due(w->server->agenda, AGENDA_HEALTH, clock_now_us());
    }
    write_object(&rq->reply.body);
    write_cancels(&rq->reply.body, &beat.cancel);
    write_ids(&rq->reply.body, "lost", &beat.gone);
    write_ids(&rq->reply.body, "return", &beat.returns);
    write_ids(&rq->reply.body, "held", &beat.held);
    write_lease(w, &rq->reply.body);
    write_end_object(&rq->reply.body);
    return reply_status(rq, 200);
}

/* ---- journal ---- */

static enum err_code deliver(struct work *w, const struct journal_call *in,
                             struct journal_outcome *outcomes)
{
    struct transition_list done = {0};
    bool room = false;

    enum err_code rc = db_begin(w);
    if (rc)
        return rc;
    rc = finish(w, journal_take(w, in, outcomes, &done, &room), &done);
    if (!rc && room)
        parking_ring(w->server->parking, claims_topic());
    return rc;
}

static enum err_code skip(struct work *w, struct uuid agent, int64_t seq)
{
    struct transition_list none = {0};

    enum err_code rc = db_begin(w);
    return rc ? rc : finish(w, journal_skip(w, agent, seq), &none);
}

/* A record that the database refuses is found by trying each alone, and passed over. */
static enum err_code deliver_singly(struct work *w, const struct journal_call *in,
                                    struct journal_outcome *outcomes)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < in->records_count && !rc; i++) {
        struct journal_call one = *in;
        one.records = &in->records[i];
        one.records_count = 1;
        rc = deliver(w, &one, &outcomes[i]);
        if (!rc || err_infos[rc].retry)
            continue;
        outcomes[i] =
            (struct journal_outcome){.refused = arena_printf(&w->arena, "%s", w->err.detail)};
        rc = skip(w, in->agent, in->records[i].seq);
    }
    return rc;
}

static void write_refused(struct buf *b, const struct journal_call *in,
                          const struct journal_outcome *outcomes)
{
    for (size_t i = 0; i < in->records_count; i++) {
        if (!outcomes[i].refused)
            continue;
        write_object(b);
        write_key(b, "seq");
        write_int64(b, in->records[i].seq);
        write_key(b, "flow_run_id");
        write_uuid(b, outcomes[i].flow_run_id);
        write_key(b, "reason");
        write_string(b, outcomes[i].refused);
        write_end_object(b);
    }
}

static void write_verdicts(struct buf *b, const struct journal_call *in,
                           const struct journal_outcome *outcomes)
{
    for (size_t i = 0; i < in->records_count; i++) {
        const struct transition *t = outcomes[i].transition;
        if (!t || (t->found && t->verdict.status == VERDICT_ACCEPT))
            continue;
        write_object(b);
        write_key(b, "seq");
        write_int64(b, in->records[i].seq);
        write_key(b, "flow_run_id");
        write_uuid(b, t->run_id);
        write_key(b, "status");
        write_string(b, t->found ? verdict_status_name(t->verdict.status) : "ABORT");
        write_key(b, "state_type");
        write_string(b, t->found ? state_type_name(t->verdict.state.type) : "");
        write_key(b, "reason");
        write_string(b, t->found ? t->verdict.reason : "the run was deleted");
        write_end_object(b);
    }
}

enum err_code agents_journal(struct request *rq)
{
    const struct journal_call *in = rq->in;
    struct buf *b = &rq->reply.body;
    struct journal_outcome *outcomes =
        arena_array(&rq->work.arena, struct journal_outcome, in->records_count + 1);

    enum err_code rc = deliver(&rq->work, in, outcomes);
    if (rc && !err_infos[rc].retry)
        rc = deliver_singly(&rq->work, in, outcomes);
    if (rc)
        return rc;
    write_object(b);
    write_key(b, "acked");
    write_int64(b, in->records_count ? in->records[in->records_count - 1].seq : 0);
    write_key(b, "refused");
    write_array(b);
    write_refused(b, in, outcomes);
    write_end_array(b);
    write_key(b, "verdicts");
    write_array(b);
    write_verdicts(b, in, outcomes);
    write_end_array(b);
    write_end_object(b);
    return reply_status(rq, 200);
}
