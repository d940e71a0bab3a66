/* run-deployment: one run per firing and action, whatever is tried again. */
#include <string.h>

#include "server/model/hydrate.h"
#include "server/services/action_context.h"
#include "server/services/action_run.h"
#include "server/store/deployment_runs.h"
#include "server/store/flow_runs.h"
#include "server/store/variables.h"
#include "shared/base/clock.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

enum { RUN_MAX_BYTES = 8 << 20 };

static bool render(void *context, struct arena *a, const char *template, const char **out_text,
                   const char **out_reason)
{
    (void)a;
    return action_context_render(context, template, out_text, out_reason);
}

static struct val parse(struct work *w, struct buf *b)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    size_t len = b->len;
    const char *text = b->full ? NULL : arena_strndup(&w->arena, b->len ? b->bytes : "", b->len);

    buf_free(b);
    return text && doc_parse(&w->arena, text, len, doc, &bad) ? doc_root(doc) : (struct val){0};
}

/* Templates that stand in the parameters. */
static void collect_templates(struct arena *a, struct val v, struct strings *out)
{
    const char *text =
        val_type(v) == DOC_OBJECT ? val_string(a, val_get(v, "template"), NULL) : NULL;

    if (text && val_equals(val_get(v, "__prefect_kind"), "jinja", 5) && out->count < ACTIONS_MAX)
        out->items[out->count++] = text;
    if (val_type(v) == DOC_OBJECT || val_type(v) == DOC_ARRAY)
        for (struct val_iter it = val_each(v); val_next(&it);)
            collect_templates(a, it.value, out);
}

/* The action's parameters with all templates and variables replaced.  *out_reason: why they cannot
 * be; NULL: they are. */
static enum err_code make_parameters(struct work *w, const struct claimed_action *a,
                                     struct buf *out, const char **out_reason)
{
    struct raw raw = a->action.parameters;
    struct buf upgraded = {.max_bytes = RUN_MAX_BYTES};
    struct strings templates = {arena_array(&w->arena, const char *, ACTIONS_MAX), 0};
    struct hydration h = {.arena = &w->arena, .render = render};
    struct action_context *context = NULL;
    struct doc doc;
    struct doc_error bad;

    *out_reason = NULL;
    if (!raw.text || !doc_parse(&w->arena, raw.text, raw.len, &doc, &bad)) {
        buf_lit(out, "{}");
        return ERR_OK;
    }
    action_write_parameters(&w->arena, &upgraded, doc_root(&doc));
    struct val parameters = parse(w, &upgraded);
    collect_templates(&w->arena, parameters, &templates);
    enum err_code rc = action_context_load(w, a, templates.items, templates.count, &context);
    if (!rc)
        rc = variables_for_hydration(w, parameters, &h);
    h.context = context;
    if (rc == ERR_INVALID)
        *out_reason = w->err.detail;
    else if (!rc && !hydrate(&h, parameters, out))
        *out_reason = h.reason;
    return rc == ERR_INVALID ? ERR_OK : rc;
}

static struct raw created_by(struct work *w, const struct claimed_action *a)
{
    struct buf b = {.max_bytes = RUN_MAX_BYTES};

    write_object(&b);
    write_key(&b, "id");
    write_uuid(&b, a->automation_id);
    write_key(&b, "type");
    write_string(&b, "AUTOMATION");
    write_key(&b, "display_value");
    write_string(&b, val_string(&w->arena, val_get(a->automation, "name"), NULL));
    write_end_object(&b);
    struct raw raw = {arena_strndup(&w->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return raw;
}

/* The body of POST /deployments/{id}/create_flow_run. */
static void write_run(struct work *w, const struct claimed_action *a, struct raw parameters,
                      struct buf *b)
{
    write_object(b);
    write_key(b, "state");
    write_object(b);
    write_key(b, "type");
    write_string(b, "SCHEDULED");
    write_key(b, "name");
    write_string(b, "Scheduled");
    write_key(b, "state_details");
    write_object(b);
    write_key(b, "scheduled_time");
    write_time(b, clock_now_us() + a->action.schedule_after_us);
    write_end_object(b);
    write_end_object(b);
    write_key(b, "parameters");
    write_raw(b, parameters);
    write_key(b, "idempotency_key");
    write_string(b, arena_printf(&w->arena, "automation %s, action %lld, invocation %s",
                                 uuid_text(&w->arena, a->automation_id), (long long)a->index,
                                 uuid_text(&w->arena, a->id)));
    if (a->action.job_variables.text) {
        write_key(b, "job_variables");
        write_raw(b, a->action.job_variables);
    }
    write_end_object(b);
}

static enum err_code create_run(struct work *w, const struct claimed_action *a,
                                struct uuid deployment, struct raw parameters,
                                struct flow_run_new *run)
{
    struct buf b = {.max_bytes = RUN_MAX_BYTES};
    struct flow_run_create in;
    struct run_source source;

    write_run(w, a, parameters, &b);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    size_t len = b.len;
    bool full = b.full;
    buf_free(&b);
    if (full)
        return err_set(&w->err, INVALID, "the run's parameters are too large");
    enum err_code rc =
        json_decode_text(&w->arena, &deployment_run_create_resource, text, len, &in, &w->err);
    if (!rc)
        rc = run_source_get(w, deployment, &source);
    run->created_by = created_by(w, a);
    if (!rc)
        rc = run_source_prepare(w, &source, &in, run);
    return rc ? rc : flow_run_create(w, run);
}

enum err_code action_run_deployment(struct work *w, const struct claimed_action *a,
                                    struct action_result *result)
{
    struct buf b = {.max_bytes = RUN_MAX_BYTES};
    struct flow_run_new run = {0};
    struct uuid deployment;
    struct rows rows;
    const char *reason;

    if (!action_target(w, a, "prefect.deployment", result, &deployment))
        return ERR_OK;
    result_target(w, result, "prefect.deployment", deployment, NULL);
    enum err_code rc = make_parameters(w, a, &b, &reason);
    struct raw parameters = {arena_strndup(&w->arena, b.len ? b.bytes : "{}", b.len), b.len};
    buf_free(&b);
    if (!rc && reason)
        result->reason =
            arena_printf(&w->arena, "Unable to create flow run from deployment: %s", reason);
    if (rc || reason)
        return rc;
    if (create_run(w, a, deployment, parameters, &run))
        return result_refused(w, a, result);
    rc = flow_run_get(w, run.id, &rows);
    if (rc)
        return rc;
    result_relate(result,
                  arena_printf(&w->arena, "prefect.flow-run.%s", uuid_text(&w->arena, run.id)),
                  "flow-run", rows_text(&rows, 0, columns_index(&flow_run_resource, "name")));
    result_int(result, "status_code", run.created ? 201 : 200);
    return ERR_OK;
}
