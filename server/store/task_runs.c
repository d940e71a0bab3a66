#include "server/store/task_runs.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/names.h"
#include "server/store/artifacts.h"
#include "server/store/concurrency_limits.h"
#include "server/store/tag_limits.h"
#include "server/store/task_queue.h"
#include "shared/base/buf.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

static const char *text_of(struct work *w, struct buf *b)
{
    const char *text = arena_strndup(&w->arena, b->bytes, b->len);
    buf_free(b);
    return text;
}

static const char *details_text(struct work *w, const struct state *s)
{
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};
    state_details_store(&b, &s->details);
    return text_of(w, &b);
}

static const char *policy_text(struct work *w, const struct retry_policy *p)
{
    struct buf b = {.max_bytes = TEXT_MAX_BYTES};
    retry_policy_write(&b, RUN_TASK, p);
    return text_of(w, &b);
}

static const char *data_text(const struct state *s)
{
    return s->data_stored ? s->data.text : NULL;
}

static const char *or_empty(struct raw object)
{
    return object.text ? object.text : "{}";
}

static struct proposal proposal_of(struct work *w, const struct state *proposed, bool force)
{
    struct proposal p = {.state = proposed,
                         .policy = policy_for(RUN_TASK, proposed, force),
                         .now_us = w->now_us,
                         .state_id = uuid_v7(),
                         .lease_id = uuid_v4()};

    memcpy(&p.random, p.lease_id.bytes + 8, sizeof(p.random));
    return p;
}

static enum err_code broken_reference(struct work *w)
{
    return err_set(&w->err, CONFLICT,
                   "Data integrity conflict. This usually means a unique or foreign key constraint "
                   "was violated. See server "
                   "logs for details.");
}

/* ---- effects ---- */

static enum err_code do_effects(struct work *w, const struct run_facts *facts,
                                const struct strings *tags, const struct verdict *v)
{
    const struct state *s = &v->state;
    const char *id = param_uuid(w, facts->id);
    struct rows none;
    enum err_code rc = ERR_OK;

    if (v->effects & EFFECT_TAKE_TAG_SLOTS)
        rc = db_query(w, Q_task_run_take_slots,
                      PARAMS(param_uuid(w, v->lease_id), id, tag_limit_names(w, tags)), &none);
    if (!rc && (v->effects & EFFECT_RELEASE_TAG_SLOTS))
        rc = db_query(w, Q_task_run_release_slots, PARAMS(id), &none);
    if (!rc && (v->effects & EFFECT_WRITE_CACHE))
        rc = db_query(w, Q_task_run_write_cache,
                      PARAMS(param_uuid(w, uuid_v7()), s->details.cache_key,
                             param_time(w, s->details.cache_expiration_us), param_uuid(w, s->id)),
                      &none);
    if (!rc && (v->effects & EFFECT_WRITE_RESULT))
        rc = artifact_store_result(w, s, facts->flow_run_id, facts->id);
    if (!rc && (v->effects & (EFFECT_ENQUEUE_TASK | EFFECT_ENQUEUE_RETRY)))
        rc = task_queue_put(w, facts->id, (v->effects & EFFECT_ENQUEUE_RETRY) != 0);
    return rc;
}

/* ---- making ---- */

static enum err_code insert(struct work *w, const struct task_run_create *in, const char *id,
                            const struct verdict *v, struct rows *out)
{
    const struct state *s = &v->state;
    const struct run_columns *r = &v->run;
    uint64_t random;
    struct uuid fresh = uuid_v4();

    memcpy(&random, fresh.bytes + 8, sizeof(random));
    const char *name = in->name && *in->name
                           ? in->name
                           : random_name(&w->arena, random * UINT64_C(0x9e3779b97f4a7c15));
    return db_query(
        w, Q_task_run_insert,
        PARAMS(id, param_time(w, w->now_us), name, param_uuid(w, in->flow_run_id), in->task_key,
               in->dynamic_key, in->cache_key, param_time(w, in->cache_expiration_us),
               in->task_version, policy_text(w, &r->policy),
               in->tags.items ? param_strings(w, in->tags) : "[]", or_empty(in->labels),
               or_empty(in->task_inputs), param_uuid(w, s->id), param_time(w, s->timestamp_us),
               state_type_name(s->type), s->name, s->message, details_text(w, s), data_text(s),
               param_time(w, r->start_time_us), param_time(w, r->end_time_us),
               param_time(w, r->expected_start_time_us),
               param_time(w, r->next_scheduled_start_time_us), param_i64(w, r->run_count)),
        out);
}

static enum err_code find_existing(struct work *w, const struct task_run_create *in,
                                   struct uuid *out_id)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_task_run_by_key,
                 PARAMS(param_uuid(w, in->flow_run_id), in->task_key, in->dynamic_key), &rows);

    if (rc)
        return rc;
    if (!rows.count || !uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), out_id))
        return broken_reference(w);
    return ERR_OK;
}

/* The rules give the first state, forced in. */
static struct run_facts first_facts(struct work *w, const struct task_run_create *in)
{
    struct run_facts facts = {
        .kind = RUN_TASK, .run = RUN_COLUMNS_INIT, .flow_run_id = in->flow_run_id};

    facts.id = uuid_is_nil(in->id) ? uuid_v7() : in->id;
    facts.state.details = (struct state_details)STATE_DETAILS_INIT;
    if (in->empirical_policy)
        facts.run.policy = *in->empirical_policy;
    facts.run.policy.retry_type = RETRY_NONE;
    facts.run.policy.retry_delay_s = INT_NONE;
    retry_policy_complete(&w->arena, RUN_TASK, &facts.run.policy);
    return facts;
}

static enum err_code create(struct work *w, const struct task_run_create *in, struct uuid *out_id,
                            bool *out_created)
{
    static const struct state_create pending = {.type = STATE_PENDING};
    struct run_facts facts = first_facts(w, in);
    struct state proposed = state_from_create(&w->arena, in->state ? in->state : &pending);
    struct proposal p = proposal_of(w, &proposed, true);
    struct verdict v;
    struct rows written;

    orchestrate(&w->arena, &facts, &p, &v);
    enum err_code rc = insert(w, in, param_uuid(w, facts.id), &v, &written);
    if (rc)
        return rc;
    *out_created = written.count == 1;
    *out_id = facts.id;
    return *out_created ? do_effects(w, &facts, &in->tags, &v) : find_existing(w, in, out_id);
}

enum err_code task_run_upsert(struct work *w, const struct task_run_create *in, struct uuid *out_id,
                              bool *out_created)
{
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = create(w, in, out_id, out_created);
    return db_end(w, rc);
}

/* ---- reading and changing ---- */

enum err_code task_run_get(struct work *w, struct uuid id, struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &task_run_resource, "tr");
    sql_add(&s, " FROM task_run tr WHERE tr.id = ");
    sql_param(&s, param_uuid(w, id));
    sql_add(&s, "::uuid");
    enum err_code rc = sql_run(&s, out);
    return rc ? rc : out->count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Task not found");
}

enum err_code task_run_rename(struct work *w, struct uuid id, const char *name)
{
    struct uuid fresh = uuid_v4();
    struct rows rows;
    uint64_t random;

    memcpy(&random, fresh.bytes + 8, sizeof(random));
    if (!name || !*name)
        name = random_name(&w->arena, random * UINT64_C(0x9e3779b97f4a7c15));
    enum err_code rc = db_query(w, Q_task_run_update, PARAMS(param_uuid(w, id), name), &rows);
    return rc ? rc : rows.count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Task run not found");
}

enum err_code task_run_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_task_run_delete, PARAMS(param_uuid(w, id)), &rows);
    return rc ? rc : rows.count ? ERR_OK : err_set(&w->err, NOT_FOUND, "Task not found");
}

/* ---- moving ---- */

static void read_around(const struct rows *r, struct run_facts *out)
{
    const char *timeout = rows_text(r, 0, 2), *type = rows_text(r, 0, 1);

    out->tag_slots_held = rows_bool(r, 0, 5);
    out->parent.pause_timeout_us = TIME_NONE;
    if (!rows_text(r, 0, 0) || !uuid_parse(rows_text(r, 0, 0), rows_len(r, 0, 0), &out->parent.id))
        return;
    out->parent.exists = true;
    out->parent.state_type = type ? state_type_parse(type, strlen(type)) : STATE_NONE;
    if (timeout && !time_parse(timeout, strlen(timeout), &out->parent.pause_timeout_us))
        out->parent.pause_timeout_us = TIME_NONE;
    out->parent.pause_reschedule = rows_bool(r, 0, 3);
    out->parent.run_count = rows_i64(r, 0, 4);
}

static enum err_code read_run(struct work *w, const struct rows *r, struct task_run *out,
                              struct run_facts *facts)
{
    struct column columns[DB_PARAMETERS_MAX];

    for (int i = 0; i < r->columns; i++)
        columns[i] = (struct column){rows_text(r, 0, i), rows_len(r, 0, i)};
    enum err_code rc = columns_decode(&w->arena, &task_run_resource, columns, out, &w->err);
    if (rc)
        return rc;
    facts->id = out->id;
    facts->flow_run_id = out->flow_run_id;
    facts->state.details = (struct state_details)STATE_DETAILS_INIT;
    if (out->state)
        facts->state = state_from_read(&w->arena, out->state);
    facts->run = (struct run_columns){
        .state_type = facts->state.type,
        .state_name = facts->state.name,
        .state_timestamp_us = facts->state.timestamp_us,
        .start_time_us = out->start_time_us,
        .end_time_us = out->end_time_us,
        .expected_start_time_us = out->expected_start_time_us,
        .next_scheduled_start_time_us = out->next_scheduled_start_time_us,
        .total_run_time_us = (int64_t)(out->total_run_time * 1e6 + 0.5),
        .run_count = out->run_count,
        .flow_run_run_count = out->flow_run_run_count,
    };
    return retry_policy_read(&w->arena, RUN_TASK, out->empirical_policy.text,
                             out->empirical_policy.len, &facts->run.policy, &w->err);
}

static enum err_code read_cached(struct work *w, const char *key, struct run_facts *out)
{
    struct column columns[DB_PARAMETERS_MAX];
    struct state_read read;
    struct rows rows;

    if (!key || !*key)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_task_run_cached, PARAMS(key), &rows);
    if (rc || !rows.count)
        return rc;
    for (int i = 0; i < rows.columns; i++)
        columns[i] = (struct column){rows_text(&rows, 0, i), rows_len(&rows, 0, i)};
    rc = columns_decode(&w->arena, &state_read_resource, columns, &read, &w->err);
    struct state *cached = arena_new(&w->arena, struct state);
    if (!rc)
        *cached = state_from_read(&w->arena, &read);
    out->cached = cached;
    return rc;
}

static enum err_code read_tag_limits(struct work *w, const struct strings *tags,
                                     struct run_facts *out)
{
    struct rows rows;

    if (!tags->count)
        return ERR_OK;
    const char *names = tag_limit_names(w, tags);
    enum err_code rc = limits_lock(w, names, NULL);
    if (!rc)
        rc = db_query(w, Q_task_run_tag_limits, PARAMS(names), &rows);
    if (rc)
        return rc;
    struct tag_limit_facts *limits =
        arena_array(&w->arena, struct tag_limit_facts, (size_t)rows.count + 1);
    for (int i = 0; i < rows.count; i++)
        limits[i] = (struct tag_limit_facts){rows_text(&rows, i, 0), rows_i64(&rows, i, 1),
                                             rows_i64(&rows, i, 2), rows_f64(&rows, i, 3)};
    out->tag_limits = limits;
    out->tag_limit_count = (size_t)rows.count;
    return ERR_OK;
}

/* The facts, with the run locked. */
static enum err_code gather(struct work *w, struct uuid id, const struct state *proposed,
                            struct task_run *run, struct run_facts *out)
{
    char text[UUID_TEXT_BYTES];
    struct rows around, row;
    enum err_code rc = db_query(w, Q_task_run_lock, PARAMS(param_uuid(w, id)), &around);

    *out = (struct run_facts){.kind = RUN_TASK};
    uuid_format(id, text);
    if (!rc && !around.count)
        rc = err_set_object(&w->err, NOT_FOUND, "Task run with id %s not found", text);
    if (!rc)
        rc = task_run_get(w, id, &row);
    if (!rc)
        rc = read_run(w, &row, run, out);
    if (rc)
        return rc;
    read_around(&around, out);
    if (proposed->type != STATE_RUNNING)
        return ERR_OK;
    rc = read_cached(w, proposed->details.cache_key, out);
    return rc ? rc : read_tag_limits(w, &run->tags, out);
}

static enum err_code write_move(struct work *w, struct uuid id, const struct verdict *v)
{
    const struct state *s = &v->state;
    const struct run_columns *r = &v->run;
    struct rows none;

    return db_query(w, Q_task_run_move,
                    PARAMS(param_uuid(w, id), param_uuid(w, s->id), param_time(w, s->timestamp_us),
                           state_type_name(s->type), s->name, s->message, details_text(w, s),
                           data_text(s), param_time(w, r->start_time_us),
                           param_time(w, r->end_time_us), param_time(w, r->expected_start_time_us),
                           param_time(w, r->next_scheduled_start_time_us),
                           param_f64(w, (double)r->total_run_time_us / 1e6),
                           param_i64(w, r->run_count), param_i64(w, r->flow_run_run_count)),
                    &none);
}

enum err_code task_run_set_state(struct work *w, struct uuid id, const struct state *proposed,
                                 bool force, struct verdict *out)
{
    struct proposal p = proposal_of(w, proposed, force);
    struct run_facts facts;
    struct task_run run;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = gather(w, id, proposed, &run, &facts);
    if (!rc)
        orchestrate(&w->arena, &facts, &p, out);
    if (!rc && out->writes)
        rc = write_move(w, id, out);
    if (!rc && out->writes)
        rc = do_effects(w, &facts, &run.tags, out);
    return db_end(w, rc);
}
