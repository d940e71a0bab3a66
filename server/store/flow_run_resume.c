#include "server/store/flow_run_resume.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/flow_run.h"
#include "server/model/hydrate.h"
#include "server/store/flow_runs.h"
#include "server/store/variables.h"
#include "shared/json/schema.h"

enum { INPUT_MAX_BYTES = 16 << 20 };

static enum err_code read_state(struct work *w, struct uuid id, struct state *out)
{
    struct column columns[DB_PARAMETERS_MAX];
    struct state_read read;
    struct rows rows;
    enum err_code rc = db_query(w, Q_flow_run_lock, PARAMS(param_uuid(w, id)), &rows);

    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "Flow run not found");
    *out = (struct state){.details = STATE_DETAILS_INIT};
    if (!rows_text(&rows, 0, 0))
        return ERR_OK;
    for (int i = 0; i < rows.columns; i++)
        columns[i] = (struct column){rows_text(&rows, 0, i), rows_len(&rows, 0, i)};
    rc = columns_decode(&w->arena, &run_state_resource, columns, &read, &w->err);
    if (!rc)
        *out = state_from_read(&w->arena, &read);
    return rc;
}

/* The key of one of the inputs that the pause named. */
static const char *keyset_key(struct work *w, const struct state *s, const char *name)
{
    struct raw keyset = s->details.run_input_keyset;
    struct doc doc;
    struct doc_error bad;

    if (!keyset.text || !doc_parse(&w->arena, keyset.text, keyset.len, &doc, &bad))
        return NULL;
    return val_string(&w->arena, val_get(doc_root(&doc), name), NULL);
}

/* ---- the input ---- */

static enum err_code hydrate_input(struct work *w, struct val input, struct doc *out,
                                   const char **out_reason)
{
    struct hydration h = {.arena = &w->arena, .render = hydration_render};
    struct buf b = {.max_bytes = INPUT_MAX_BYTES};
    struct doc_error bad;
    bool nothing = val_type(input) <= DOC_NULL;
    enum err_code rc = nothing ? ERR_OK : variables_for_hydration(w, input, &h);

    if (rc)
        return rc;
    if (nothing)
        buf_lit(&b, "{}");
    else if (!hydrate(&h, input, &b))
        *out_reason = arena_printf(&w->arena, "Error hydrating run input: %s", h.reason);
    const char *text = arena_strndup(&w->arena, b.len ? b.bytes : "", b.len);
    if (!*out_reason && (b.full || !doc_parse(&w->arena, text, b.len, out, &bad)))
        *out_reason = "the run input is larger than the limit";
    buf_free(&b);
    return ERR_OK;
}

static const char *check_input(struct work *w, struct val schema, struct val input)
{
    const struct schema_rules rules = {.prefect = true};
    struct schema_error error;

    if (!schema_valid_as(&w->arena, schema, &rules, &error))
        return arena_printf(&w->arena, "Invalid schema: %s", error.message);
    if (schema_check_as(&w->arena, schema, &rules, input, &error))
        return NULL;
    return arena_printf(&w->arena, "Reason: %s", schema_error_text(&w->arena, &error));
}

static enum err_code load_schema(struct work *w, struct uuid id, const char *key, struct doc *out,
                                 const char **out_reason)
{
    struct doc_error bad;
    struct rows rows = {0};
    enum err_code rc =
        key ? db_query(w, Q_flow_run_input_get, PARAMS(param_uuid(w, id), key), &rows) : ERR_OK;

    if (rc)
        return rc;
    if (!rows.count)
        *out_reason = "Run input schema not found.";
    else if (!doc_parse(&w->arena, rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), out, &bad))
        *out_reason = "Run input schema is not valid JSON.";
    return ERR_OK;
}

/* Hydrated and checked; *out_reason when it is refused. */
static enum err_code take_input(struct work *w, const struct resume *r, const struct state *paused,
                                struct doc *out, const char **out_reason)
{
    struct doc schema;
    enum err_code rc = hydrate_input(w, r->input, out, out_reason);

    if (!rc && !*out_reason)
        rc = load_schema(w, r->id, keyset_key(w, paused, "schema"), &schema, out_reason);
    if (!rc && !*out_reason)
        *out_reason = check_input(w, doc_root(&schema), doc_root(out));
    return rc;
}

static enum err_code keep_input(struct work *w, const struct resume *r, const char *key,
                                const struct doc *input)
{
    struct raw text = val_raw(doc_root(input));
    struct rows none;

    return db_query(w, Q_flow_run_input_upsert,
                    PARAMS(param_uuid(w, uuid_v4()), param_uuid(w, r->id), key,
                           arena_strndup(&w->arena, text.text, text.len)),
                    &none);
}

/* ---- the state ---- */

static enum err_code move(struct work *w, struct resume *r, const struct state *paused,
                          struct transition *t)
{
    bool reschedule = paused->details.pause_reschedule;

    *t = (struct transition){.run_id = r->id, .policy = POLICY_FLOW, .client = r->client};
    t->proposed = (struct state){.type = reschedule ? STATE_SCHEDULED : STATE_RUNNING,
                                 .name = reschedule ? "Resuming" : NULL,
                                 .details = STATE_DETAILS_INIT};
    enum err_code rc = transitions_apply(w, &t, 1);
    r->verdict = t->verdict;
    return rc;
}

static enum err_code resume(struct work *w, struct resume *r, struct transition *t)
{
    struct state paused;
    struct doc input;
    const char *reason = NULL;
    enum err_code rc = read_state(w, r->id, &paused);

    if (rc)
        return rc;
    if (paused.type != STATE_PAUSED) {
        r->verdict = (struct verdict){.status = VERDICT_ABORT,
                                      .reason = "Cannot resume a flow run that is not paused."};
        return ERR_OK;
    }
    bool waits = paused.details.run_input_keyset.text;
    if (waits)
        rc = take_input(w, r, &paused, &input, &reason);
    if (!rc && reason) {
        r->input_refused = true;
        r->verdict = (struct verdict){.status = VERDICT_REJECT, .reason = reason, .state = paused};
        return ERR_OK;
    }
    const char *key = waits ? keyset_key(w, &paused, "response") : NULL;
    if (!rc)
        rc = move(w, r, &paused, t);
    if (!rc && key && r->verdict.status == VERDICT_ACCEPT && val_type(r->input) > DOC_NULL)
        rc = keep_input(w, r, key, &input);
    return rc;
}

enum err_code flow_run_resume(struct work *w, struct resume *r)
{
    struct transition *t = arena_new(&w->arena, struct transition);
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = resume(w, r, t);
    rc = db_end(w, rc);
    if (!rc)
        transitions_announce(w, &t, 1);
    return rc;
}
