#include "server/api/set_state.h"

#include "server/db/db.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/transitions.h"
#include "shared/json/write.h"

static const struct field set_state_fields[] = {
    F_OBJECT(struct set_state, state, state_create, F_REQUIRED,
             .doc = "The state that is proposed."),
    F_BOOL(struct set_state, force, .def = "false", .doc = "Skip the rules that could refuse it."),
};
const struct resource set_state_resource =
    RESOURCE_NAMED("Body_set_flow_run_state", set_state, set_state_fields, .extra = true);

/* A request in the lane; lives in the request's arena. */
struct pending {
    struct lane_item item;
    struct request *rq;
    struct transition transition;
};

static void refuse(struct request *rq)
{
    reply_error(rq);
    request_finish(rq);
}

void flow_runs_set_state(struct request *rq)
{
    const struct set_state *in = request_in(rq, struct set_state);
    struct pending *p = arena_new(&rq->work.arena, struct pending);

    p->rq = rq;
    p->transition = (struct transition){
        .run_id = rq->ids[0],
        .proposed = state_from_create(&rq->work.arena, in->state),
        .policy = in->force ? POLICY_FLOW_FORCED : POLICY_FLOW,
        .client = {.version = client_version_parse(request_header(rq, "User-Agent")),
                   .api_version = api_version_parse(request_header(rq, "X-PREFECT-API-VERSION"))},
    };
    if (lane_submit(rq->work.server->transitions, &p->item, &rq->work.err) != ERR_OK)
        refuse(rq);
}

/* {"type": "reject_details", ...}, as the status wants it. */
static void write_details(struct buf *b, const struct verdict *v)
{
    static const char *const types[] = {[VERDICT_ACCEPT] = "accept_details",
                                        [VERDICT_REJECT] = "reject_details",
                                        [VERDICT_ABORT] = "abort_details",
                                        [VERDICT_WAIT] = "wait_details"};

    write_object(b);
    write_key(b, "type");
    write_string(b, types[v->status]);
    if (v->status == VERDICT_WAIT) {
        write_key(b, "delay_seconds");
        write_int64(b, v->delay_s);
    }
    if (v->status != VERDICT_ACCEPT) {
        write_key(b, "reason");
        write_string(b, v->reason);
    }
    write_end_object(b);
}

void set_state_write_members(struct buf *b, const struct verdict *v)
{
    write_key(b, "state");
    if (v->state.type)
        state_encode(b, &v->state);
    else
        write_null(b);
    write_key(b, "status");
    write_string(b, verdict_status_name(v->status));
    write_key(b, "details");
    write_details(b, v);
}

void set_state_write(struct buf *b, const struct verdict *v)
{
    write_object(b);
    set_state_write_members(b, v);
    write_end_object(b);
}

static void answer(struct pending *p, const struct err *failed)
{
    struct request *rq = p->rq;
    char id[UUID_TEXT_BYTES];

    if (failed) {
        rq->work.err = *failed;
        reply_error(rq);
    } else if (!p->transition.found) {
        uuid_format(p->transition.run_id, id);
        (void)err_set_object(&rq->work.err, NOT_FOUND, "Flow run with id %s not found", id);
        reply_error(rq);
    } else {
        set_state_write(&rq->reply.body, &p->transition.verdict);
        if (reply_status(rq, p->transition.verdict.writes ? 201 : 200) != ERR_OK)
            reply_error(rq);
    }
    request_finish(rq);
}

/* One transaction. */
static enum err_code run_batch(struct work *w, struct pending **batch, size_t count)
{
    struct transition **items = arena_array(&w->arena, struct transition *, count);

    for (size_t i = 0; i < count; i++)
        items[i] = &batch[i]->transition;
    enum err_code rc = transitions_run(w, items, count);
    if (!rc)
        transitions_announce(w, items, count);
    return rc;
}

/* An item that breaks the batch is found by trying each alone. */
static void run_lane(struct work *w, struct lane_item **items, size_t count)
{
    struct pending **batch = (struct pending **)items; /* item is the first member */

    enum err_code rc = run_batch(w, batch, count);
    for (size_t i = 0; i < count; i++) {
        if (rc && count > 1)
            answer(batch[i], run_batch(w, &batch[i], 1) ? &w->err : NULL);
        else
            answer(batch[i], rc ? &w->err : NULL);
    }
}

const struct lane_kind transitions_lane = {"transitions", 128, 8192, run_lane};
