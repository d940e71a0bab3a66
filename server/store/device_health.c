#include "server/store/device_health.h"

#include <math.h>
#include <stdlib.h>

#include "server/db/params.h"
#include "server/model/device_health.h"
#include "server/store/deployment_runs.h"
#include "server/store/devices.h"
#include "shared/base/log.h"

enum { REPEAT_S = 60 };

/* ---- what is over ---- */

/* The columns of health_open. */
enum { O_ID, O_AGENT, O_DEVICE, O_STATE, O_MESSAGE, O_VALUE, O_VALID, O_GATES, O_SPEC, O_PAST };

static struct val parse(struct work *w, const struct rows *r, int row, int column)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    const char *text = rows_text(r, row, column);

    return text && doc_parse(&w->arena, text, rows_len(r, row, column), doc, &bad)
               ? doc_root(doc)
               : (struct val){0};
}

static double number(struct val v, double absent)
{
    double out;
    return val_double(v, &out) ? out : absent;
}

static struct health_facts facts_of(struct work *w, const struct rows *r, int row)
{
    struct val spec = parse(w, r, row, O_SPEC);
    const char *value = rows_text(r, row, O_VALUE), *gates = rows_text(r, row, O_GATES);
    struct health_facts f = {
        .state = rows_text(r, row, O_STATE),
        .message = rows_text(r, row, O_MESSAGE),
        .measured = value != NULL,
        .valid = rows_bool(r, row, O_VALID),
        .value_j = value ? strtod(value, NULL) : NAN,
        .failed_gates = gates ? gates : "",
        .low_j = number(val_get(spec, "low_j"), NAN),
        .high_j = number(val_get(spec, "high_j"), NAN),
        .sigmas = number(val_get(spec, "sigmas"), HEALTH_SIGMAS),
    };

    for (struct val_iter it = val_each(parse(w, r, row, O_PAST));
         f.past_count < HEALTH_PAST_MAX && val_next(&it);)
        f.past_j[f.past_count++] = number(it.value, 0);
    return f;
}

static const char *param_real(struct work *w, double value)
{
    return isnan(value) ? NULL : arena_printf(&w->arena, "%.17g", value);
}

static enum err_code settle(struct work *w, const struct rows *r, int row)
{
    static const char *const passed[] = {
        [HEALTH_UNDECIDED] = NULL, [HEALTH_FAILED] = "f", [HEALTH_PASSED] = "t"};
    struct health_facts facts = facts_of(w, r, row);
    struct health_verdict v = health_judge(&w->arena, &facts);
    struct rows none;

    log_info("device.health", KV_S("device", rows_text(r, row, O_DEVICE)), KV_S("says", v.reason));
    return db_query(w, Q_health_settle,
                    PARAMS(rows_text(r, row, O_ID), passed[v.result], param_real(w, facts.value_j),
                           param_real(w, v.low_j), param_real(w, v.high_j), v.reason),
                    &none);
}

enum err_code health_settle_all(struct work *w, size_t *out_count)
{
    struct rows over = {0};
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_health_open, NULL, &over);
    for (int i = 0; i < over.count && !rc; i++)
        rc = settle(w, &over, i);
    *out_count = (size_t)over.count;
    return db_end(w, rc);
}

/* ---- who is due ---- */

/* Its run, as a request would make it. */
static enum err_code begin(struct work *w, const struct rows *r, int row, struct flow_run_new *run)
{
    struct flow_run_create *in = arena_new(&w->arena, struct flow_run_create);
    struct run_source source;
    struct uuid deployment;
    struct rows none;
    enum err_code rc =
        uuid_parse(rows_text(r, row, 2), rows_len(r, row, 2), &deployment)
            ? json_decode_text(&w->arena, &deployment_run_create_resource, rows_text(r, row, 3),
                               rows_len(r, row, 3), in, &w->err)
            : err_set(&w->err, INTERNAL, "deployment.id: not a UUID");

    if (!rc)
        rc = run_source_get(w, deployment, &source);
    if (!rc)
        rc = run_source_prepare(w, &source, in, run);
    if (!rc)
        rc = flow_runs_insert(w, &run, 1);
    if (!rc && uuid_is_nil(run->id))
        rc = err_set(&w->err, CONFLICT, "the flow of the health check is not there");
    return rc ? rc
              : db_query(w, Q_health_begin,
                         PARAMS(rows_text(r, row, 0), rows_text(r, row, 1), rows_text(r, row, 2),
                                param_uuid(w, run->id)),
                         &none);
}

/* One that cannot be made does not hold up the others: the device's history says why.  *out_run
 * stays NULL. */
static enum err_code try_begin(struct work *w, const struct rows *r, int row,
                               struct flow_run_new **out_run)
{
    struct flow_run_new *run = arena_new(&w->arena, struct flow_run_new);
    struct rows none;
    enum err_code rc = db_query(w, Q_health_point, NULL, &none);

    if (rc)
        return rc;
    rc = begin(w, r, row, run);
    if (!rc)
        *out_run = run;
    if (!rc || err_infos[rc].retry)
        return rc;
    const char *why =
        arena_printf(&w->arena, "the health check could not be made: %s", w->err.detail);
    log_warn("device.health", KV_S("device", rows_text(r, row, 1)), KV_S("says", why));
    rc = db_query(w, Q_health_back, NULL, &none);
    return rc ? rc
              : db_query(
                    w, Q_health_unmade,
                    PARAMS(rows_text(r, row, 0), rows_text(r, row, 1), rows_text(r, row, 2), why),
                    &none);
}

enum err_code health_begin_all(struct work *w, size_t *out_count)
{
    struct rows due = {0}, told;
    size_t begun = 0;
    enum err_code rc = db_begin(w);

    if (!rc) /* whose quarantine is over by policy is checked */
        rc = db_query(w, Q_device_returns, PARAMS((const char *)NULL), &told);
    if (!rc)
        rc = db_query(w, Q_health_due,
                      PARAMS(param_i64(w, AGENT_OFFLINE_S), param_i64(w, REPEAT_S)), &due);
    struct flow_run_new **runs =
        arena_array(&w->arena, struct flow_run_new *, (size_t)due.count + 1);
    for (int i = 0; i < due.count && !rc; i++) {
        rc = try_begin(w, &due, i, &runs[begun]);
        begun += !rc && runs[begun];
    }
    *out_count = begun;
    rc = db_end(w, rc);
    if (!rc && begun)
        flow_runs_announce(w, runs, begun);
    return rc;
}

enum err_code health_open_runs(struct work *w, struct uuids *out)
{
    struct rows r;
    enum err_code rc = db_query(w, Q_health_open_runs, NULL, &r);

    if (rc)
        return rc;
    *out = (struct uuids){arena_array(&w->arena, struct uuid, (size_t)r.count + 1), 0};
    for (int i = 0; i < r.count; i++)
        out->count += uuid_parse(rows_text(&r, i, 0), rows_len(&r, i, 0), &out->items[out->count]);
    return ERR_OK;
}

enum err_code health_next(struct work *w, int64_t *out_us)
{
    struct rows r;
    enum err_code rc = db_query(w, Q_health_next,
                                PARAMS(param_i64(w, REPEAT_S), param_i64(w, AGENT_OFFLINE_S)), &r);

    if (!rc)
        *out_us = rows_text(&r, 0, 0) ? rows_time(&r, 0, 0) : TIME_NONE;
    return rc;
}
