#include "server/api/flow_runs.h"

#include <string.h>

#include "server/api/deployment_runs.h"
#include "server/api/history.h"
#include "server/api/listing.h"
#include "server/api/set_state.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/store/flow_runs.h"
#include "server/store/transitions.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

enum err_code flow_runs_update_one(struct request *rq)
{
    enum err_code rc =
        flow_run_update(&rq->work, rq->ids[0], request_in(rq, struct flow_run_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code flow_runs_delete_one(struct request *rq)
{
    struct rows rows;
    enum err_code rc = flow_runs_delete(&rq->work, (struct uuids){rq->ids, 1}, &rows);

    if (!rc && !rows.count)
        rc = err_set(&rq->work.err, NOT_FOUND, "Flow run not found");
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code flow_runs_labels(struct request *rq)
{
    static const struct field whole = {.kind = FIELD_LABELS};
    struct val sent = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};
    struct raw labels = {0};

    if (val_type(sent) == DOC_NONE || val_type(sent) == DOC_NULL)
        invalid_add(&rq->invalid, &loc_body, "missing", "Field required", RAW("null"), NULL);
    else
        readers[FIELD_LABELS](&(struct reading){&whole, sent, &loc_body, &rq->invalid}, &labels);
    if (rq->invalid.count)
        return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
    labels.text = arena_strndup(&rq->work.arena, labels.text, labels.len);
    enum err_code rc = flow_run_add_labels(&rq->work, rq->ids[0], labels);
    return rc ? rc : reply_empty(rq, 204);
}

/* ---- lists ---- */

#define STARTED "coalesce(fr.start_time, fr.expected_start_time)"
static const struct sort sorts[] = {
    {"ID_DESC", "fr.id DESC"},
    {"START_TIME_ASC", STARTED ", fr.id"},
    {"START_TIME_DESC", STARTED " DESC, fr.id DESC"},
    {"EXPECTED_START_TIME_ASC", "fr.expected_start_time, fr.id"},
    {"EXPECTED_START_TIME_DESC", "fr.expected_start_time DESC, fr.id DESC"},
    {"NAME_ASC", "fr.name COLLATE \"C\", fr.id"},
    {"NAME_DESC", "fr.name COLLATE \"C\" DESC, fr.id"},
    {"NEXT_SCHEDULED_START_TIME_ASC", "fr.next_scheduled_start_time, fr.id"},
    {"END_TIME_DESC", "fr.end_time DESC, fr.id DESC"},
};
const struct listing flow_runs_listing = {
    .resource = &flow_run_resource,
    .from = "flow_run fr",
    .complete = flow_runs_name_pools,
    .alias = "fr",
    .target = FILTER_FLOW_RUNS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 0,
};

enum err_code flow_runs_filter(struct request *rq)
{
    return listing_filter(rq, &flow_runs_listing);
}

enum err_code flow_runs_count(struct request *rq)
{
    return listing_count(rq, &flow_runs_listing);
}

enum err_code flow_runs_paginate(struct request *rq)
{
    return listing_paginate(rq, &flow_runs_listing);
}

enum err_code flow_runs_history(struct request *rq)
{
    static const struct history history = {&flow_runs_listing, "fr", RUN_ESTIMATED_RUN_TIME("fr"),
                                           RUN_ESTIMATED_DELTA("fr")};
    return history_reply(rq, &history);
}

enum err_code flow_runs_lateness(struct request *rq)
{
    struct listing_in in;
    struct sql s;
    struct rows rows;
    enum err_code rc = listing_decode(rq, &flow_runs_listing, LISTING_COUNT, &in);

    if (rc)
        return rc;
    sql_begin(&s, &rq->work);
    listing_select(&s, &flow_runs_listing, &in, "avg(" RUN_ESTIMATED_DELTA("fr") ")");
    rc = sql_run(&s, &rows);
    if (rc)
        return rc;
    if (rows_text(&rows, 0, 0))
        write_double(&rq->reply.body, rows_f64(&rows, 0, 0));
    else
        write_null(&rq->reply.body);
    return reply_status(rq, 200);
}

/* ---- bulk ---- */

struct bulk {
    struct given given;
    struct filter_node *flow_runs;
    int64_t limit;
    struct state_create *state;
    bool force;
};

#define BULK_FILTER(T)                                                                             \
    F_ROW("flow_runs", T, flow_runs, FIELD_OBJECT, struct filter_node *,                           \
          .of = &filter_resources[FILTER_FLOW_RUNS], F_NULLABLE,                                   \
          .doc = "Which runs; all if none.")
#define BULK_LIMIT(T) F_INT(T, limit, .def = "50", F_GE(1), F_LE(50), .doc = "At most so many.")
static const struct field bulk_delete_fields[] = {BULK_FILTER(struct bulk),
                                                  BULK_LIMIT(struct bulk)};
const struct resource bulk_delete_resource =
    RESOURCE_NAMED("Body_bulk_delete_flow_runs", bulk, bulk_delete_fields, .extra = true);
static const struct field bulk_set_state_fields[] = {
    BULK_FILTER(struct bulk),
    F_OBJECT(struct bulk, state, state_create, F_REQUIRED, .doc = "Proposed to each of them."),
    F_BOOL(struct bulk, force, .def = "false", .doc = "Skip the rules that could refuse it."),
    BULK_LIMIT(struct bulk),
};
const struct resource bulk_set_state_resource =
    RESOURCE_NAMED("Body_bulk_set_flow_run_state", bulk, bulk_set_state_fields, .extra = true);

static enum err_code find_bulk(struct request *rq, struct uuids *out)
{
    const struct bulk *in = request_in(rq, struct bulk);
    struct sql s;
    struct rows rows;

    sql_begin(&s, &rq->work);
    sql_add(&s, "SELECT fr.id FROM flow_run fr WHERE true");
    filter_compile(&s, FILTER_FLOW_RUNS, FILTER_FLOW_RUNS, in->flow_runs);
    sql_add(&s, " ORDER BY fr.id LIMIT ");
    sql_param(&s, param_i64(&rq->work, in->limit));
    enum err_code rc = sql_run(&s, &rows);
    if (rc)
        return rc;
    *out = (struct uuids){arena_array(&rq->work.arena, struct uuid, (size_t)rows.count + 1), 0};
    for (int i = 0; i < rows.count; i++)
        out->count +=
            uuid_parse(rows_text(&rows, i, 0), rows_len(&rows, i, 0), &out->items[out->count]);
    return ERR_OK;
}

enum err_code flow_runs_bulk_delete(struct request *rq)
{
    struct buf *b = &rq->reply.body;
    struct uuids ids;
    struct rows gone;
    enum err_code rc = find_bulk(rq, &ids);

    if (!rc)
        rc = flow_runs_delete(&rq->work, ids, &gone);
    if (rc)
        return rc;
    write_object(b);
    write_key(b, "deleted");
    write_array(b);
    for (int i = 0; i < gone.count; i++)
        write_string(b, rows_text(&gone, i, 0));
    write_end_array(b);
    write_end_object(b);
    return reply_status(rq, 200);
}

static struct client_facts client_of(struct request *rq)
{
    return (struct client_facts){
        .version = client_version_parse(request_header(rq, "User-Agent")),
        .api_version = api_version_parse(request_header(rq, "X-PREFECT-API-VERSION"))};
}

/* The transitions in one transaction. */
static enum err_code apply(struct request *rq, struct transition *items, size_t count)
{
    struct work *w = &rq->work;
    struct transition **order = arena_array(&w->arena, struct transition *, count + 1);

    for (size_t i = 0; i < count; i++)
        order[i] = &items[i];
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = transitions_apply(w, order, count);
    rc = db_end(w, rc);
    if (!rc)
        transitions_announce(w, order, count);
    return rc;
}

/* {"flow_run_id", "status", "state", "details"} */
static void write_result(struct buf *b, const struct transition *t)
{
    write_object(b);
    write_key(b, "flow_run_id");
    write_uuid(b, t->run_id);
    set_state_write_members(b, &t->verdict);
    write_end_object(b);
}

enum err_code flow_runs_bulk_set_state(struct request *rq)
{
    const struct bulk *in = request_in(rq, struct bulk);
    struct buf *b = &rq->reply.body;
    struct uuids ids;
    enum err_code rc = find_bulk(rq, &ids);

    if (rc)
        return rc;
    struct transition *items = arena_array(&rq->work.arena, struct transition, ids.count + 1);
    for (size_t i = 0; i < ids.count; i++)
        items[i] = (struct transition){.run_id = ids.items[i],
                                       .proposed = state_from_create(&rq->work.arena, in->state),
                                       .policy = in->force ? POLICY_FLOW_FORCED : POLICY_FLOW,
                                       .client = client_of(rq)};
    rc = apply(rq, items, ids.count);
    if (rc)
        return rc;
    write_object(b);
    write_key(b, "results");
    write_array(b);
    for (size_t i = 0; i < ids.count; i++)
        if (items[i].found)
            write_result(b, &items[i]);
    write_end_array(b);
    write_end_object(b);
    return reply_status(rq, 200);
}
