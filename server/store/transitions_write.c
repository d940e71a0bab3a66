#include "server/store/transitions_write.h"

#include <string.h>

#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/artifacts.h"
#include "shared/base/buf.h"

/* The columns of transition_write; the first eight are a state. */
enum {
    A_STATE_ID,
    A_RUN,
    A_TS,
    A_TYPE,
    A_NAME,
    A_MESSAGE,
    A_DETAILS,
    A_DATA,
    A_START,
    A_END,
    A_EXPECTED,
    A_NEXT,
    A_TOTAL,
    A_RUNS,
    A_POLICY,
    A_LAST,
    A_VERSION,
    RUN_COLUMNS
};
enum { STATE_COLUMNS = A_DATA + 1, TEXT_MAX_BYTES = 1 << 20 };

static bool same_run(const struct transition *a, const struct transition *b)
{
    return memcmp(&a->run_id, &b->run_id, sizeof(a->run_id)) == 0;
}

static void put_state(struct array *a, struct uuid owner, const struct state *s,
                      struct buf *scratch)
{
    array_uuid(&a[A_STATE_ID], s->id);
    array_uuid(&a[A_RUN], owner);
    array_time(&a[A_TS], s->timestamp_us);
    array_string(&a[A_TYPE], state_type_name(s->type));
    array_string(&a[A_NAME], s->name);
    array_string(&a[A_MESSAGE], s->message);
    scratch->len = 0;
    state_details_store(scratch, &s->details);
    array_text(&a[A_DETAILS], scratch->bytes, scratch->len);
    array_raw(&a[A_DATA], s->data_stored ? s->data : (struct raw){0});
}

static void put_run(struct array *a, const struct transition *t, struct buf *scratch)
{
    const struct run_columns *r = &t->verdict.run;

    array_time(&a[A_START], r->start_time_us);
    array_time(&a[A_END], r->end_time_us);
    array_time(&a[A_EXPECTED], r->expected_start_time_us);
    array_time(&a[A_NEXT], r->next_scheduled_start_time_us);
    array_seconds(&a[A_TOTAL], r->total_run_time_us);
    array_int(&a[A_RUNS], r->run_count);
    if (!t->verdict.policy_changed) {
        array_text(&a[A_POLICY], NULL, 0);
        return;
    }
    scratch->len = 0;
    retry_policy_write(scratch, RUN_FLOW, &r->policy);
    array_text(&a[A_POLICY], scratch->bytes, scratch->len);
}

/* Several transitions of one run in a batch: every state is history, the last one is the run's. */
static bool is_last_of_run(struct transition **items, size_t count, size_t i)
{
    for (size_t k = i + 1; k < count && same_run(items[k], items[i]); k++)
        if (items[k]->found && items[k]->verdict.writes)
            return false;
    return true;
}

/* A policy that an earlier transition of the same run changed must not be lost. */
static void carry_policy(struct transition **items, size_t i)
{
    for (size_t k = i; k > 0 && same_run(items[k - 1], items[i]); k--)
        items[i]->verdict.policy_changed |=
            items[k - 1]->found && items[k - 1]->verdict.policy_changed;
}

/* True when a run that was to be written is not among the rows. */
static void mark_written(struct transition **items, size_t count, const struct rows *written,
                         bool *out_all)
{
    *out_all = true;
    for (size_t i = 0; i < count; i++) {
        struct transition *t = items[i];
        if (!t->found || !t->verdict.writes)
            continue;
        t->stale = true;
        for (int k = 0; k < written->count && t->stale; k++) {
            struct uuid id = rows_uuid(written, k, 0);
            t->stale = memcmp(&id, &t->run_id, sizeof(id)) != 0;
        }
        *out_all &= !t->stale;
    }
}

static void put_all(struct array *a, struct transition **items, size_t count)
{
    struct buf scratch = {.max_bytes = TEXT_MAX_BYTES};

    arrays_binary(a, A_VERSION);
    for (size_t i = 0; i < count; i++) {
        struct transition *t = items[i];
        if (!t->found || !t->verdict.writes)
            continue;
        bool last = is_last_of_run(items, count, i);
        if (last)
            carry_policy(items, i);
        put_state(a, t->run_id, &t->verdict.state, &scratch);
        put_run(a, t, &scratch);
        array_bool(&a[A_LAST], last);
        array_int(&a[A_VERSION], t->version);
    }
    buf_free(&scratch);
}

enum err_code transitions_write(struct work *w, struct transition **items, size_t count,
                                bool *out_all)
{
    struct array columns[RUN_COLUMNS] = {0};
    struct db_step step = {.query = Q_transition_write, .arrays = columns, .binary_rows = true};
    enum err_code rc = ERR_OK;

    *out_all = true;
    put_all(columns, items, count);
    if (columns[A_RUN].count) {
        rc = db_pipeline(w, &step, 1);
        if (!rc)
            mark_written(items, count, &step.rows, out_all);
    }
    arrays_free(columns, RUN_COLUMNS);
    return rc;
}

/* ---- effects ---- */

/* One row of parameters per item that has the effect. */
struct effect_row {
    enum effect effect;
    enum query query;
    void (*put)(struct array *a, const struct transition *t);
};

static void put_take(struct array *a, const struct transition *t)
{
    array_uuid(&a[0], t->verdict.lease_id);
    array_uuid(&a[1], t->run_id);
    array_int(&a[2], t->verdict.lease_ttl_s);
}

static void put_renew(struct array *a, const struct transition *t)
{
    array_uuid(&a[0], t->run_id);
    array_int(&a[1], t->verdict.lease_ttl_s);
}

/* A slot that "does not expire": a hundred years. */
static void put_pin(struct array *a, const struct transition *t)
{
    array_uuid(&a[0], t->run_id);
    array_int(&a[1], INT64_C(100) * 365 * 86400);
}

static void put_id(struct array *a, const struct transition *t)
{
    array_uuid(&a[0], t->run_id);
}

static void put_keyset(struct array *a, const struct transition *t)
{
    array_uuid(&a[0], t->run_id);
    array_raw(&a[1], t->verdict.state.details.run_input_keyset);
}

static void put_result(struct array *a, const struct transition *t)
{
    artifact_put_result(a, &t->verdict.state, t->run_id, (struct uuid){0});
}

static void put_mirror(struct array *a, const struct transition *t)
{
    struct state s = verdict_mirror(&t->verdict, t->run_id);
    struct buf scratch = {.max_bytes = TEXT_MAX_BYTES};

    s.id = uuid_v7();
    s.details.task_run_id = t->facts.parent_task_run_id;
    put_state(a, t->facts.parent_task_run_id, &s, &scratch);
    buf_free(&scratch);
}

/* In the order in which they are done. */
static const struct effect_row effects[] = {
    {EFFECT_RELEASE_SLOT, Q_transition_release_slots, put_id},
    {EFFECT_TAKE_SLOT, Q_transition_take_slots, put_take},
    {EFFECT_RENEW_LEASE, Q_transition_renew_slots, put_renew},
    {EFFECT_PIN_SLOT, Q_transition_renew_slots, put_pin},
    {EFFECT_DELETE_INPUTS, Q_transition_delete_inputs, put_keyset},
    {EFFECT_WRITE_RESULT, Q_artifact_results, put_result},
    {EFFECT_MIRROR_TO_PARENT, Q_transition_mirror, put_mirror},
};

static enum err_code do_effect(struct work *w, const struct effect_row *e,
                               struct transition **items, size_t count)
{
    struct array columns[STATE_COLUMNS] = {0};
    struct rows none;
    enum err_code rc = ERR_OK;

    arrays_binary(columns, STATE_COLUMNS);
    for (size_t i = 0; i < count; i++)
        if (items[i]->found && items[i]->verdict.writes && (items[i]->verdict.effects & e->effect))
            e->put(columns, items[i]);
    if (columns[0].count)
        rc = db_arrays(w, e->query, columns, &none);
    arrays_free(columns, STATE_COLUMNS);
    return rc;
}

unsigned transitions_wanted_effects(struct transition **items, size_t count)
{
    unsigned wanted = 0;

    for (size_t i = 0; i < count; i++)
        if (items[i]->found && items[i]->verdict.writes)
            wanted |= items[i]->verdict.effects;
    return wanted;
}

enum err_code transitions_effects(struct work *w, struct transition **items, size_t count)
{
    unsigned wanted = transitions_wanted_effects(items, count);
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < COUNT(effects) && !rc; i++)
        if (wanted & effects[i].effect)
            rc = do_effect(w, &effects[i], items, count);
    return rc;
}
