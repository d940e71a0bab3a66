#include "server/store/flow_runs.h"

#include <string.h>

#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/http/parking.h"
#include "server/model/job_template.h"
#include "server/model/names.h"
#include "server/server.h"
#include "server/store/event_outbox.h"
#include "server/store/transitions_write.h"
#include "shared/base/buf.h"

enum { POLICY_MAX_BYTES = 64 << 10, DETAILS_MAX_BYTES = 1 << 20 };

static enum err_code not_found(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Flow run not found");
}

static enum err_code broken_reference(struct work *w)
{
    return err_set(&w->err, CONFLICT,
                   "Data integrity conflict. This usually means a unique or foreign key constraint "
                   "was violated. See server "
                   "logs for details.");
}

/* ---- making runs ---- */

enum err_code flow_run_find_queue(struct work *w, struct flow_run_new *run)
{
    const char *pool = run->in->work_pool_name, *queue = run->in->work_queue_name;
    struct rows rows;

    run->work_queue_name = queue;
    if (!pool)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_flow_run_queue, PARAMS(pool, queue), &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "Work pool \"%s\" not found.", pool);
    const char *id = rows_text(&rows, 0, 0);
    if (!id || !uuid_parse(id, strlen(id), &run->work_queue_id))
        return err_set(&w->err, NOT_FOUND, "Work pool queue '%s/%s' not found.", pool,
                       queue ? queue : "default");
    return ERR_OK;
}

/* The columns of flow_run_insert, in its order. */
enum {
    A_ID,
    A_CREATED,
    A_NAME,
    A_FLOW,
    A_DEPLOYMENT,
    A_DEPLOYMENT_VERSION,
    A_QUEUE,
    A_QUEUE_NAME,
    A_VERSION,
    A_PARAMETERS,
    A_KEY,
    A_CONTEXT,
    A_POLICY,
    A_TAGS,
    A_LABELS,
    A_PARENT,
    A_INFRASTRUCTURE,
    A_AUTO,
    A_CREATED_BY,
    A_JOB_VARIABLES,
    A_STATE_ID,
    A_TS,
    A_TYPE,
    A_STATE_NAME,
    A_MESSAGE,
    A_DETAILS,
    A_DATA,
    A_START,
    A_END,
    A_EXPECTED,
    A_NEXT,
    A_RUN_COUNT,
    COLUMNS
};

/* The first state, as the rules give it; makes a transition of it, so that its effects are done. */
static void decide_first_state(struct work *w, struct flow_run_new *run, struct transition *t)
{
    static const struct state_create pending = {.type = STATE_PENDING};
    struct proposal p = {.state = &t->proposed,
                         .policy = POLICY_FLOW_FORCED,
                         .now_us = w->now_us,
                         .state_id = uuid_v7()};

    *t = (struct transition){.run_id = run->id, .policy = p.policy, .found = true};
    t->proposed = state_from_create(&w->arena, run->in->state ? run->in->state : &pending);
    t->facts = (struct run_facts){.kind = RUN_FLOW, .id = run->id, .run = RUN_COLUMNS_INIT};
    t->facts.state.details = (struct state_details)STATE_DETAILS_INIT;
    t->facts.deployment.id = run->in->deployment_id;
    t->facts.parent_task_run_id = run->in->parent_task_run_id;
    if (run->in->empirical_policy)
        t->facts.run.policy = *run->in->empirical_policy;
    retry_policy_complete(&w->arena, RUN_FLOW, &t->facts.run.policy);
    orchestrate(&w->arena, &t->facts, &p, &t->verdict);
    run_facts_apply(&t->facts, &t->verdict);
}

static const char *name_of(struct work *w, const struct flow_run_new *run)
{
    uint64_t random;

    if (run->in->name && *run->in->name)
        return run->in->name;
    memcpy(&random, run->id.bytes + 8, sizeof(random));
    return random_name(&w->arena, random * UINT64_C(0x9e3779b97f4a7c15));
}

static struct raw or_empty(struct raw object)
{
    return object.text ? object : RAW("{}");
}

static void put_run(struct work *w, struct array *a, const struct flow_run_new *run)
{
    const struct flow_run_create *in = run->in;

    array_uuid(&a[A_ID], run->id);
    array_time(&a[A_CREATED], w->now_us);
    array_string(&a[A_NAME], name_of(w, run));
    array_uuid(&a[A_FLOW], in->flow_id);
    array_uuid(&a[A_DEPLOYMENT], in->deployment_id);
    array_string(&a[A_DEPLOYMENT_VERSION], run->deployment_version);
    array_uuid(&a[A_QUEUE], run->work_queue_id);
    array_string(&a[A_QUEUE_NAME], run->work_queue_name);
    array_string(&a[A_VERSION], in->flow_version);
    array_raw(&a[A_PARAMETERS], or_empty(in->parameters));
    array_string(&a[A_KEY], in->idempotency_key);
    array_raw(&a[A_CONTEXT], or_empty(in->context));
    array_string(&a[A_TAGS], in->tags.items ? param_strings(w, in->tags) : "[]");
    array_raw(&a[A_LABELS], or_empty(in->labels));
    array_uuid(&a[A_PARENT], in->parent_task_run_id);
    array_uuid(&a[A_INFRASTRUCTURE], in->infrastructure_document_id);
    array_bool(&a[A_AUTO], run->auto_scheduled);
    array_raw(&a[A_CREATED_BY], run->created_by);
    bool keyed = in->idempotency_key && *in->idempotency_key;
    bool none = keyed && !in->job_variables.text; /* null, as in Prefect */
    array_raw(&a[A_JOB_VARIABLES], none ? (struct raw){0} : or_empty(in->job_variables));
}

static void put_state(struct array *a, const struct transition *t, struct buf *scratch)
{
    const struct state *s = &t->verdict.state;
    const struct run_columns *r = &t->verdict.run;

    scratch->len = 0;
    retry_policy_write(scratch, RUN_FLOW, &r->policy);
    array_text(&a[A_POLICY], scratch->bytes, scratch->len);
    array_uuid(&a[A_STATE_ID], s->id);
    array_time(&a[A_TS], s->timestamp_us);
    array_string(&a[A_TYPE], state_type_name(s->type));
    array_string(&a[A_STATE_NAME], s->name);
    array_string(&a[A_MESSAGE], s->message);
    scratch->len = 0;
    state_details_store(scratch, &s->details);
    array_text(&a[A_DETAILS], scratch->bytes, scratch->len);
    array_raw(&a[A_DATA], s->data_stored ? s->data : (struct raw){0});
    array_time(&a[A_START], r->start_time_us);
    array_time(&a[A_END], r->end_time_us);
    array_time(&a[A_EXPECTED], r->expected_start_time_us);
    array_time(&a[A_NEXT], r->next_scheduled_start_time_us);
    array_int(&a[A_RUN_COUNT], r->run_count);
}

/* An item that was not written: its idempotency key is taken, or it refers to nothing. */
static enum err_code find_existing(struct work *w, struct flow_run_new *run)
{
    struct rows rows;

    run->id = (struct uuid){0};
    if (!run->in->idempotency_key || !*run->in->idempotency_key)
        return ERR_OK; /* an empty key may be taken once, as in Prefect */
    enum err_code rc =
        db_query(w, Q_flow_run_by_key,
                 PARAMS(param_uuid(w, run->in->flow_id), run->in->idempotency_key), &rows);
    if (!rc && rows.count && !uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), &run->id))
        return err_set(&w->err, INTERNAL, "flow_run.id: not a UUID");
    return rc;
}

static enum err_code sort_out(struct work *w, struct flow_run_new **items, size_t count,
                              const struct rows *written, struct transition *transitions)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < count && !rc; i++) {
        /* Rows come back in order unless some were left out. */
        items[i]->created = (size_t)written->count == count || rows_have(written, items[i]->id);
        transitions[i].found = items[i]->created;
        if (!items[i]->created)
            rc = find_existing(w, items[i]);
    }
    return rc;
}

enum err_code flow_runs_insert(struct work *w, struct flow_run_new **items, size_t count)
{
    struct transition *transitions = arena_array(&w->arena, struct transition, count);
    struct transition **all = arena_array(&w->arena, struct transition *, count);
    struct array columns[COLUMNS] = {0};
    struct buf scratch = {.max_bytes = DETAILS_MAX_BYTES};
    struct rows written;

    arrays_binary(columns, COLUMNS);
    for (size_t i = 0; i < count; i++) {
        all[i] = &transitions[i];
        items[i]->id = uuid_v7();
        decide_first_state(w, items[i], all[i]);
        items[i]->state_id = all[i]->verdict.state.id;
        items[i]->run_count = all[i]->verdict.run.run_count;
        put_run(w, columns, items[i]);
        put_state(columns, all[i], &scratch);
    }
    enum err_code rc = db_arrays(w, Q_flow_run_insert, columns, &written);
    arrays_free(columns, COLUMNS);
    buf_free(&scratch);
    if (!rc)
        rc = sort_out(w, items, count, &written, transitions);
    return rc ? rc : transitions_effects(w, all, count);
}

enum err_code flow_run_create(struct work *w, struct flow_run_new *run)
{
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = flow_runs_insert(w, &run, 1);
    if (!rc && uuid_is_nil(run->id))
        rc = broken_reference(w);
    rc = db_end(w, rc);
    if (!rc)
        flow_runs_announce(w, &run, 1);
    return rc;
}

/* The agenda hears when it may be late. */
static bool is_scheduled(struct work *w, const struct flow_run_new *run)
{
    const struct state_create *state = run->in->state;

    if (!state || state->type != STATE_SCHEDULED)
        return false;
    int64_t at_us = state->state_details ? state->state_details->scheduled_time_us : TIME_NONE;
    if (w->server->agenda)
        agenda_due(w->server->agenda, AGENDA_LATE_RUNS,
                   (at_us == TIME_NONE ? w->now_us : at_us) +
                       settings_us(&w->server->config.settings,
                                   SETTING_SERVER_SERVICES_LATE_RUNS_AFTER_SECONDS));
    return true;
}

void flow_runs_announce(struct work *w, struct flow_run_new **items, size_t count)
{
    struct state_written *written = arena_array(&w->arena, struct state_written, count);
    bool scheduled = false;
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (items[i]->created)
            written[n++] =
                (struct state_written){.id = items[i]->state_id, .run_count = items[i]->run_count};
    event_outbox_offer(w->server->outbox, written, n);
    for (size_t i = 0; i < count; i++)
        scheduled |= items[i]->created && is_scheduled(w, items[i]);
    if (scheduled)
        parking_ring(w->server->parking, parking_topic("flow_runs", "SCHEDULED"));
}

/* ---- reading ---- */

/* The row of the pool of that queue, or -1: it is gone. */
static int pool_row(const struct rows *pools, const char *queue)
{
    for (int i = 0; i < pools->count; i++)
        if (!strcmp(rows_text(pools, i, 0), queue))
            return i;
    return -1;
}

enum err_code flow_runs_name_pools(struct work *w, struct rows *rows)
{
    int queue = columns_index(&flow_run_resource, "work_queue_id");
    int pool = columns_index(&flow_run_resource, "work_pool_id");
    int name = columns_index(&flow_run_resource, "work_pool_name");
    int queue_name = columns_index(&flow_run_resource, "work_queue_name");
    struct array queues = {0};
    struct rows pools;
    enum err_code rc = ERR_OK;

    for (int i = 0; i < rows->count; i++)
        if (rows_text(rows, i, queue))
            array_string(&queues, rows_text(rows, i, queue));
    if (queues.count)
        rc = db_arrays(w, Q_pools_of_queues, &queues, &pools);
    for (int i = 0; !rc && queues.count && i < rows->count; i++) {
        const char *id = rows_text(rows, i, queue);
        int at = id ? pool_row(&pools, id) : -1;
        if (at >= 0 && (!rows_set(rows, i, pool, rows_text(&pools, at, 1)) ||
                        !rows_set(rows, i, name, rows_text(&pools, at, 2)) ||
                        !rows_set(rows, i, queue_name, rows_text(&pools, at, 3))))
            rc = err_set(&w->err, INTERNAL, "no memory for the pools of runs");
    }
    arrays_free(&queues, 1);
    return rc;
}

enum err_code flow_runs_get_as(struct work *w, const struct resource *shape, struct uuids ids,
                               struct rows *out)
{
    struct sql s;

    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, shape, "fr");
    sql_add(&s, " FROM flow_run fr WHERE fr.id = ANY(");
    sql_param(&s, param_uuid_array(w, ids));
    sql_add(&s, "::uuid[])");
    enum err_code rc = sql_run(&s, out);
    return rc || shape != &flow_run_resource ? rc : flow_runs_name_pools(w, out);
}

enum err_code flow_runs_get(struct work *w, struct uuids ids, struct rows *out)
{
    return flow_runs_get_as(w, &flow_run_resource, ids, out);
}

enum err_code flow_run_get(struct work *w, struct uuid id, struct rows *out)
{
    enum err_code rc = flow_runs_get(w, (struct uuids){&id, 1}, out);
    return rc ? rc : out->count ? ERR_OK : not_found(w);
}

/* ---- changing ---- */

static struct val parse(struct work *w, const char *text, struct doc *doc)
{
    struct doc_error bad;
    return text && doc_parse(&w->arena, text, strlen(text), doc, &bad) ? doc_root(doc)
                                                                       : (struct val){0};
}

static enum err_code check_job_variables(struct work *w, struct uuid id, struct raw variables)
{
    struct rows rows;
    struct doc template, of_deployment, of_run;

    enum err_code rc = db_query(w, Q_flow_run_for_job_variables, PARAMS(param_uuid(w, id)), &rows);
    if (rc || !rows.count)
        return rc ? rc : not_found(w);
    const char *type = rows_text(&rows, 0, 0);
    if (!type || strcmp(type, "SCHEDULED") != 0)
        return err_set(&w->err, BAD_REQUEST,
                       "Job variables for a flow run in state %s cannot be updated",
                       type ? type : "None");
    if (!rows_text(&rows, 0, 1))
        return err_set(&w->err, BAD_REQUEST, "A deployment for the flow run could not be found");
    const struct val layers[] = {parse(w, rows_text(&rows, 0, 2), &of_deployment),
                                 parse(w, variables.text, &of_run)};
    const char *reason = job_variables_check(&w->arena, parse(w, rows_text(&rows, 0, 3), &template),
                                             JOB_RUN, layers, COUNT(layers));
    return reason ? err_set(&w->err, INVALID, "Error updating flow run: %s", reason) : ERR_OK;
}

static const char *policy_text(struct work *w, const struct retry_policy *in)
{
    struct buf b = {.max_bytes = POLICY_MAX_BYTES};
    struct retry_policy p = *in;

    retry_policy_complete(&w->arena, RUN_FLOW, &p);
    retry_policy_write(&b, RUN_FLOW, &p);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    buf_free(&b);
    return text;
}

enum err_code flow_run_update(struct work *w, struct uuid id, const struct flow_run_update *in)
{
    enum err_code rc = ERR_OK;
    struct uuid fresh = uuid_v4();
    uint64_t random;
    struct rows rows;

    if (given(in, job_variables) && in->job_variables.text)
        rc = check_job_variables(w, id, in->job_variables);
    if (rc)
        return rc;
    memcpy(&random, fresh.bytes + 8, sizeof(random));
    const char *name = in->name && *in->name
                           ? in->name
                           : random_name(&w->arena, random * UINT64_C(0x9e3779b97f4a7c15));
    bool policy = given(in, empirical_policy);
    rc = db_query(w, Q_flow_run_update,
                  PARAMS(param_uuid(w, id), param_bool(given(in, name)), name,
                         param_bool(given(in, flow_version)), in->flow_version,
                         param_bool(given(in, parameters)), in->parameters.text, param_bool(policy),
                         policy ? policy_text(w, in->empirical_policy) : NULL,
                         param_bool(given(in, tags)),
                         given(in, tags) ? param_strings(w, in->tags) : NULL,
                         param_bool(given(in, infrastructure_pid)), in->infrastructure_pid,
                         param_bool(given(in, job_variables)), in->job_variables.text),
                  &rows);
    return rc ? rc : rows.count ? ERR_OK : not_found(w);
}

enum err_code flow_runs_delete(struct work *w, struct uuids ids, struct rows *out)
{
    return db_query(w, Q_flow_run_delete, PARAMS(param_uuid_array(w, ids), NULL), out);
}

enum err_code flow_run_add_labels(struct work *w, struct uuid id, struct raw labels)
{
    struct rows rows;
    char text[UUID_TEXT_BYTES];
    enum err_code rc =
        db_query(w, Q_flow_run_labels, PARAMS(param_uuid(w, id), labels.text), &rows);

    uuid_format(id, text);
    return rc           ? rc
           : rows.count ? ERR_OK
                        : err_set_object(&w->err, NOT_FOUND, "Flow run with id %s not found", text);
}

/* ---- inputs ---- */

enum err_code flow_run_input_add(struct work *w, struct uuid id, const char *key, const char *value,
                                 const char *sender)
{
    struct rows rows;
    enum err_code rc =
        db_query(w, Q_flow_run_input_insert,
                 PARAMS(param_uuid(w, uuid_v4()), param_uuid(w, id), key, value, sender), &rows);

    if (rc != ERR_CONFLICT)
        return rc;
    if (db_conflict_is(w, "flow_run_input_flow_run_id_key_key"))
        return err_set(&w->err, CONFLICT, "A flow run input with this key already exists.");
    return not_found(w);
}

enum err_code flow_run_inputs(struct work *w, struct uuid id, const char *prefix,
                              struct strings exclude, int64_t limit, struct rows *out)
{
    return db_query(
        w, Q_flow_run_input_filter,
        PARAMS(param_uuid(w, id), prefix, param_text_array(w, exclude), param_i64(w, limit)), out);
}

static enum err_code no_input(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Flow run input not found");
}

enum err_code flow_run_input_get(struct work *w, struct uuid id, const char *key, struct rows *out)
{
    enum err_code rc = db_query(w, Q_flow_run_input_get, PARAMS(param_uuid(w, id), key), out);
    return rc ? rc : out->count ? ERR_OK : no_input(w);
}

enum err_code flow_run_input_delete(struct work *w, struct uuid id, const char *key)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_flow_run_input_delete, PARAMS(param_uuid(w, id), key), &rows);
    return rc ? rc : rows.count ? ERR_OK : no_input(w);
}
