#include "server/store/flow_run_events.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/model/flow_run_event.h"
#include "server/store/events.h"

enum { EVENT_TEXT_MAX = 2 << 20, SWEEP_MAX = 1000 };

/* The columns of flow_run_event_facts, in order; each state takes six. */
enum {
    C_STATE = 0,
    C_RUN = 1,
    C_TIMESTAMP = 2,
    C_PREVIOUS = 7,
    C_RUN_COUNT = 13,
    C_NAME,
    C_TAGS,
    C_CREATED_BY,
    C_PARENT,
    C_PARENT_NAME,
    C_FLOW,
    C_FLOW_NAME,
    C_FLOW_TAGS,
    C_DEPLOYMENT,
    C_DEPLOYMENT_NAME,
    C_DEPLOYMENT_TAGS,
    C_QUEUE,
    C_QUEUE_NAME,
    C_POOL,
    C_POOL_NAME,
    C_POOL_TYPE,
};

/* timestamp, type, name, message, pause_reschedule from column `at` on. */
static struct state read_state(const struct rows *r, int row, int id, int at)
{
    const char *type = rows_text(r, row, at + 1), *reschedule = rows_text(r, row, at + 4);
    struct state s = {.id = rows_uuid(r, row, id), .timestamp_us = rows_time(r, row, at)};

    if (!type)
        return s;
    s.type = state_type_parse(type, rows_len(r, row, at + 1));
    s.name = rows_text(r, row, at + 2);
    s.message = rows_text(r, row, at + 3);
    s.details.pause_reschedule = reschedule && strcmp(reschedule, "true") == 0;
    return s;
}

static struct strings read_tags(struct work *w, const struct rows *r, int row, int column)
{
    struct strings tags = {0};
    struct doc doc;
    struct doc_error bad;
    const char *text = rows_text(r, row, column);

    if (!text || strcmp(text, "[]") == 0 ||
        !doc_parse(&w->arena, text, rows_len(r, row, column), &doc, &bad))
        return tags;
    tags.items = arena_array(&w->arena, const char *, val_count(doc_root(&doc)) + 1);
    for (struct val_iter it = val_each(doc_root(&doc)); val_next(&it);)
        if (val_type(it.value) == DOC_STRING)
            tags.items[tags.count++] = val_string(&w->arena, it.value, NULL);
    return tags;
}

static void read_creator(struct work *w, const struct rows *r, int row, struct flow_run_event *e)
{
    struct doc doc;
    struct doc_error bad;
    const char *text = rows_text(r, row, C_CREATED_BY);

    if (!text || !doc_parse(&w->arena, text, rows_len(r, row, C_CREATED_BY), &doc, &bad))
        return;
    struct val root = doc_root(&doc);
    const char *id = val_string(&w->arena, val_get(root, "id"), NULL);
    e->creator_type = val_string(&w->arena, val_get(root, "type"), NULL);
    e->creator.name = val_string(&w->arena, val_get(root, "display_value"), NULL);
    if (!id || !uuid_parse(id, strlen(id), &e->creator.id))
        e->creator.id = (struct uuid){{0}};
}

static struct related read_related(const struct rows *r, int row, int column)
{
    return (struct related){rows_uuid(r, row, column), rows_text(r, row, column + 1)};
}

static struct raw take_text(struct work *w, struct buf *b)
{
    struct raw text = {arena_strndup(&w->arena, b->bytes ? b->bytes : "", b->len), b->len};
    b->len = 0;
    return text;
}

static struct event *make_event(struct work *w, const struct rows *r, int row, struct buf *scratch)
{
    struct state state = read_state(r, row, C_STATE, C_TIMESTAMP);
    struct state initial = read_state(r, row, C_PREVIOUS, C_PREVIOUS + 1);
    struct flow_run_event e = {
        .flow_run_id = rows_uuid(r, row, C_RUN),
        .flow_run_name = rows_text(r, row, C_NAME),
        .run_count = rows_i64(r, row, C_RUN_COUNT),
        .initial = &initial,
        .state = &state,
        .flow = read_related(r, row, C_FLOW),
        .deployment = read_related(r, row, C_DEPLOYMENT),
        .work_queue = read_related(r, row, C_QUEUE),
        .work_pool = read_related(r, row, C_POOL),
        .parent_task_run = read_related(r, row, C_PARENT),
        .work_pool_type = rows_text(r, row, C_POOL_TYPE),
        .tags = {read_tags(w, r, row, C_FLOW_TAGS), read_tags(w, r, row, C_DEPLOYMENT_TAGS),
                 read_tags(w, r, row, C_TAGS)},
    };
    struct event *out = arena_new(&w->arena, struct event);

    read_creator(w, r, row, &e);
    *out = (struct event){.id = state.id,
                          .occurred_us = state.timestamp_us,
                          .event = flow_run_event_name(&w->arena, &e),
                          .follows = flow_run_event_follows(&e)};
    flow_run_event_resource(scratch, &e);
    out->resource = take_text(w, scratch);
    flow_run_event_related(&w->arena, scratch, &e);
    out->related = take_text(w, scratch);
    flow_run_event_payload(scratch, &e);
    out->payload = take_text(w, scratch);
    return out;
}

static enum err_code read_facts(struct work *w, const struct state_written *states, size_t count,
                                struct rows *out)
{
    struct array columns[3] = {0};
    struct db_step facts = {
        .query = Q_flow_run_event_facts, .arrays = columns, .binary_rows = true};

    arrays_binary(columns, COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        array_uuid(&columns[0], states[i].id);
        array_uuid(&columns[1], states[i].previous);
        array_int(&columns[2], states[i].run_count);
    }
    enum err_code rc = db_pipeline(w, &facts, 1);
    arrays_free(columns, COUNT(columns));
    *out = facts.rows;
    return rc;
}

static enum err_code store(struct work *w, const struct state_written *states, size_t count)
{
    struct buf scratch = {.max_bytes = EVENT_TEXT_MAX};
    struct rows facts;

    if (!count)
        return ERR_OK;
    enum err_code rc = read_facts(w, states, count, &facts);
    if (rc)
        return rc;
    const struct event **events = arena_array(&w->arena, const struct event *, count);
    for (int i = 0; i < facts.count; i++)
        events[i] = make_event(w, &facts, i, &scratch);
    buf_free(&scratch);
    return events_store(w, events, (size_t)facts.count);
}

enum err_code flow_run_events_store(struct work *w, const struct state_written *states,
                                    size_t count)
{
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = store(w, states, count);
    return db_end(w, rc);
}

static enum err_code sweep(struct work *w, double age_s, bool *out_more)
{
    struct rows range, missing, none;
    enum err_code rc =
        db_query(w, Q_flow_run_event_sweep_lock, PARAMS(param_f64(w, age_s)), &range);

    if (rc || !range.count)
        return rc;
    const char *from = rows_text(&range, 0, 0), *to = rows_text(&range, 0, 1);
    rc = db_query(w, Q_flow_run_event_missing, PARAMS(from, to, param_i64(w, SWEEP_MAX)), &missing);
    if (rc)
        return rc;
    size_t count = (size_t)missing.count;
    struct state_written *states = arena_array(&w->arena, struct state_written, count + 1);
    for (size_t i = 0; i < count; i++)
        states[i] =
            (struct state_written){rows_uuid(&missing, (int)i, 0), rows_uuid(&missing, (int)i, 1),
                                   rows_i64(&missing, (int)i, 2)};
    *out_more = count == SWEEP_MAX;
    rc = store(w, states, count);
    const char *upto = *out_more ? param_uuid(w, states[count - 1].id) : to;
    return rc ? rc : db_query(w, Q_flow_run_event_swept, PARAMS(upto), &none);
}

enum err_code flow_run_events_sweep(struct work *w, double age_s, bool *out_more)
{
    *out_more = false;
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = sweep(w, age_s, out_more);
    return db_end(w, rc);
}
