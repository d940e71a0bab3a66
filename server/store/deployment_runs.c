#include "server/store/deployment_runs.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/job_template.h"
#include "server/model/limits.h"
#include "server/store/variables.h"
#include "server/store/work_pools.h"
#include "shared/json/schema.h"
#include "shared/json/write.h"

enum { VARIABLES_MAX_BYTES = 3 << 19 }; /* what they may add to the parameters */

static struct uuid read_uuid(const struct rows *r, int column)
{
    struct uuid id = {0};
    const char *text = rows_text(r, 0, column);
    return text && uuid_parse(text, strlen(text), &id) ? id : (struct uuid){0};
}

static struct val read_json(struct work *w, const struct rows *r, int column)
{
    const char *text = rows_text(r, 0, column);
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    return text && doc_parse(&w->arena, text, rows_len(r, 0, column), doc, &bad) ? doc_root(doc)
                                                                                 : (struct val){0};
}

enum err_code run_source_get(struct work *w, struct uuid deployment, struct run_source *out)
{
    struct rows r;
    enum err_code rc = db_query(w, Q_deployment_run_source, PARAMS(param_uuid(w, deployment)), &r);

    if (rc)
        return rc;
    if (!r.count)
        return err_set(&w->err, NOT_FOUND, "Deployment not found");
    *out = (struct run_source){
        .id = deployment,
        .flow_id = read_uuid(&r, 0),
        .version = rows_text(&r, 0, 1),
        .parameters = read_json(w, &r, 2),
        .job_variables = read_json(w, &r, 3),
        .tags = read_json(w, &r, 4),
        .enforce_parameter_schema = rows_bool(&r, 0, 5),
        .parameter_schema = read_json(w, &r, 6),
        .work_queue_id = read_uuid(&r, 7),
        .work_queue_name = rows_text(&r, 0, 8),
        .infrastructure_document_id = read_uuid(&r, 9),
        .work_pool_name = rows_text(&r, 0, 10),
        .job_template = read_json(w, &r, 11),
    };
    return ERR_OK;
}

/* ---- parameters ---- */

static struct val parse_buf(struct work *w, struct buf *b)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    const char *text = arena_strndup(&w->arena, b->len ? b->bytes : "", b->len);
    size_t len = b->len;
    bool full = b->full;

    buf_free(b);
    return !full && doc_parse(&w->arena, text, len, doc, &bad) ? doc_root(doc) : (struct val){0};
}

struct val run_source_merge(struct work *w, struct val base, struct val over)
{
    struct buf b = {.max_bytes = (size_t)limits()->parameters_bytes + VARIABLES_MAX_BYTES};

    if (val_type(val_get(over, "__prefect_kind")) != DOC_NONE)
        return over;
    write_object(&b);
    for (struct val_iter it = val_each(base); val_next(&it);) {
        const char *key = val_string(&w->arena, it.key, NULL);
        if (val_type(val_get(over, key)) != DOC_NONE)
            continue;
        write_key(&b, key);
        val_write(&b, it.value);
    }
    for (struct val_iter it = val_each(over); val_next(&it);) {
        write_key(&b, val_string(&w->arena, it.key, NULL));
        val_write(&b, it.value);
    }
    write_end_object(&b);
    return parse_buf(w, &b);
}

enum err_code parameters_hydrate(struct work *w, struct val parameters, const char *of,
                                 struct val *out)
{
    struct hydration h = {.arena = &w->arena, .render = hydration_render};
    struct buf b = {.max_bytes = (size_t)limits()->parameters_bytes + VARIABLES_MAX_BYTES};
    enum err_code rc = variables_for_hydration(w, parameters, &h);

    if (rc)
        return rc;
    if (!hydrate(&h, parameters, &b)) {
        buf_free(&b);
        return err_set(&w->err, BAD_REQUEST, "Error hydrating %s parameters: %s", of, h.reason);
    }
    *out = parse_buf(w, &b);
    return ERR_OK;
}

static enum err_code check_schema(struct work *w, const struct run_source *source,
                                  struct val parameters)
{
    const struct schema_rules rules = {.prefect = true};
    struct schema_error error;

    if (val_type(source->parameter_schema) != DOC_OBJECT)
        return err_set(&w->err, CONFLICT,
                       "Error updating deployment: Cannot update parameters because parameter "
                       "schema enforcement is enabled and "
                       "the deployment does not have a valid parameter schema.");
    if (schema_check_as(&w->arena, source->parameter_schema, &rules, parameters, &error))
        return ERR_OK;
    if (error.problem == SCHEMA_CIRCULAR)
        return err_set(&w->err, INVALID,
                       "Invalid schema: Unable to validate schema with circular references.");
    return err_set(&w->err, CONFLICT, "Error creating flow run: %s",
                   schema_error_text(&w->arena, &error));
}

static enum err_code make_parameters(struct work *w, const struct run_source *source,
                                     const struct flow_run_create *in, struct raw *out)
{
    struct doc own;
    struct doc_error bad;
    struct val given_ones = {0}, all = {0};

    if (in->parameters.text &&
        doc_parse(&w->arena, in->parameters.text, in->parameters.len, &own, &bad))
        given_ones = doc_root(&own);
    enum err_code rc = parameters_hydrate(w, run_source_merge(w, source->parameters, given_ones),
                                          "flow run", &all);
    bool enforce = in->enforce_parameter_schema == TRI_NONE
                       ? source->enforce_parameter_schema
                       : in->enforce_parameter_schema == TRI_TRUE;
    if (!rc && enforce)
        rc = check_schema(w, source, all);
    struct raw text = val_raw(all);
    if (!rc)
        *out = (struct raw){arena_strndup(&w->arena, text.text, text.len), text.len};
    return rc;
}

/* ---- everything else ---- */

static enum err_code check_variables(struct work *w, const struct run_source *source,
                                     const struct flow_run_create *in)
{
    struct doc own;
    struct doc_error bad;
    struct val layers[2] = {source->job_variables, {0}};

    if (!source->work_pool_name)
        return ERR_OK;
    if (in->job_variables.text &&
        doc_parse(&w->arena, in->job_variables.text, in->job_variables.len, &own, &bad))
        layers[1] = doc_root(&own);
    const char *why =
        job_variables_check(&w->arena, source->job_template, JOB_RUN, layers, COUNT(layers));
    return why ? err_set(&w->err, INVALID, "Error creating flow run: %s", why) : ERR_OK;
}

/* A set: each tag once, the deployment's first. */
static struct strings join_tags(struct work *w, struct val base, struct strings own)
{
    struct strings all = {arena_array(&w->arena, const char *, val_count(base) + own.count + 1), 0};

    for (struct val_iter it = val_each(base); val_next(&it);)
        all.items[all.count++] = val_string(&w->arena, it.value, NULL);
    for (size_t i = 0; i < own.count; i++) {
        size_t k = 0;
        while (k < all.count && strcmp(all.items[k], own.items[i]) != 0)
            k++;
        if (k == all.count)
            all.items[all.count++] = own.items[i];
    }
    return all;
}

static enum err_code choose_queue(struct work *w, const struct run_source *source,
                                  const struct flow_run_create *in, struct flow_run_new *out)
{
    const char *id;
    char deployment[UUID_TEXT_BYTES];

    out->work_queue_id = source->work_queue_id;
    out->work_queue_name = source->work_queue_name;
    if (!in->work_queue_name)
        return ERR_OK;
    uuid_format(source->id, deployment);
    if (!source->work_pool_name)
        return err_set(&w->err, BAD_REQUEST,
                       "Cannot create flow run in work queue %.100s because deployment %s is not "
                       "associated with a work pool. "
                       "Please remove work_pool_name and try again.",
                       in->work_queue_name, deployment);
    enum err_code rc = work_queue_ensure(w, source->work_pool_name, in->work_queue_name, &id);
    if (!rc && !uuid_parse(id, strlen(id), &out->work_queue_id))
        rc = err_set(&w->err, INTERNAL, "work_queue.id: not a UUID");
    out->work_queue_name = in->work_queue_name;
    return rc;
}

enum err_code run_source_prepare(struct work *w, const struct run_source *source,
                                 const struct flow_run_create *in, struct flow_run_new *out)
{
    static struct state_details no_details = STATE_DETAILS_INIT;
    static const struct state_create scheduled = {.type = STATE_SCHEDULED,
                                                  .state_details = &no_details};
    struct flow_run_create *run = arena_new(&w->arena, struct flow_run_create);

    *run = *in;
    run->flow_id = source->flow_id;
    run->deployment_id = source->id;
    if (!run->state)
        run->state = (struct state_create *)(uintptr_t)&scheduled;
    if (uuid_is_nil(run->infrastructure_document_id))
        run->infrastructure_document_id = source->infrastructure_document_id;
    run->tags = join_tags(w, source->tags, in->tags);
    out->in = run;
    out->deployment_version = source->version;
    enum err_code rc = make_parameters(w, source, in, &run->parameters);
    if (!rc)
        rc = check_variables(w, source, in);
    return rc ? rc : choose_queue(w, source, in, out);
}
