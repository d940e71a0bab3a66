#include "server/store/schedule_runs.h"

#include <stdlib.h>
#include <string.h>

#include "server/agenda.h"
#include "server/db/columns.h"
#include "server/db/params.h"
#include "server/store/deployment_runs.h"
#include "server/store/event_emit.h"
#include "shared/base/clock.h"
#include "shared/base/log.h"
#include "shared/json/write.h"

enum { CREATED_BY_MAX_BYTES = 4096 };

/* Columns of schedules_take_due. */
enum { C_ID, C_DEPLOYMENT, C_SCHEDULE, C_PARAMETERS, C_SLUG, C_MADE_UNTIL, C_MISFIRE, C_ON };

/* A schedule whose runs are made. */
struct maker {
    const char *id; /* as text */
    struct uuid deployment;
    const char *slug;
    int64_t made_until_us;
    struct misfire misfire;
    struct val parameters;
    struct schedule schedule;
};

/* What one round makes. */
struct batch {
    struct flow_run_new **runs;
    size_t count, room;
};

static struct val parse(struct work *w, const char *text, size_t len)
{
    struct doc *doc = arena_new(&w->arena, struct doc);
    struct doc_error bad;
    return text && doc_parse(&w->arena, text, len, doc, &bad) ? doc_root(doc) : (struct val){0};
}

static enum err_code read_maker(struct work *w, const struct rows *r, int row, struct maker *out)
{
    const char *misfire = rows_text(r, row, C_MISFIRE);

    *out = (struct maker){.id = rows_text(r, row, C_ID),
                          .slug = rows_text(r, row, C_SLUG),
                          .made_until_us = rows_time(r, row, C_MADE_UNTIL)};
    if (!uuid_parse(rows_text(r, row, C_DEPLOYMENT), rows_len(r, row, C_DEPLOYMENT),
                    &out->deployment))
        return err_set(&w->err, INTERNAL, "deployment_schedule.deployment_id: not a UUID");
    const char *wrong = misfire_read(
        &w->arena, (struct raw){misfire, misfire ? rows_len(r, row, C_MISFIRE) : 0}, &out->misfire);
    if (wrong)
        return err_set(&w->err, INVALID, "switchyard_misfire: %s", wrong);
    out->parameters = parse(w, rows_text(r, row, C_PARAMETERS), rows_len(r, row, C_PARAMETERS));
    return schedule_read(&w->arena, w->server->zones,
                         parse(w, rows_text(r, row, C_SCHEDULE), rows_len(r, row, C_SCHEDULE)),
                         w->now_us, &out->schedule, &w->err);
}

/* ---- making ---- */

static struct raw created_by(struct work *w, const struct maker *m)
{
    struct buf b = {.max_bytes = CREATED_BY_MAX_BYTES};

    write_object(&b);
    write_key(&b, "id");
    write_string(&b, m->id);
    write_key(&b, "type");
    write_string(&b, "SCHEDULE");
    write_key(&b, "display_value");
    write_string(&b, m->slug ? m->slug : schedule_class(&m->schedule));
    write_end_object(&b);
    struct raw out = {arena_strndup(&w->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return out;
}

static struct strings tags_of(struct work *w, struct val own)
{
    struct strings all = {arena_array(&w->arena, const char *, val_count(own) + 1), 0};

    all.items[all.count++] = "auto-scheduled";
    for (struct val_iter it = val_each(own); val_next(&it);)
        all.items[all.count++] = val_string(&w->arena, it.value, NULL);
    return all;
}

static struct state_create *scheduled(struct work *w, int64_t at_us)
{
    static const struct state_details no_details = STATE_DETAILS_INIT;
    struct state_create *state = arena_new(&w->arena, struct state_create);

    state->type = STATE_SCHEDULED;
    state->message = "Flow run scheduled";
    state->state_details = arena_new(&w->arena, struct state_details);
    *state->state_details = no_details;
    state->state_details->scheduled_time_us = at_us;
    return state;
}

static void add_run(struct batch *b, struct work *w, struct flow_run_new *run)
{
    if (b->count == b->room) {
        size_t room = b->room * 2 + 64;
        struct flow_run_new **grown = arena_array(&w->arena, struct flow_run_new *, room);
        for (size_t i = 0; i < b->count; i++)
            grown[i] = b->runs[i];
        b->runs = grown;
        b->room = room;
    }
    b->runs[b->count++] = run;
}

/* One run per date, all with what they inherit. */
static enum err_code add_runs(struct work *w, const struct maker *m,
                              const struct schedule_dates *dates, struct batch *batch)
{
    struct run_source source;
    enum err_code rc = run_source_get(w, m->deployment, &source);

    if (rc)
        return rc;
    struct raw by = created_by(w, m),
               parameters = val_raw(run_source_merge(w, source.parameters, m->parameters));
    struct strings tags = tags_of(w, source.tags);
    const char *deployment = param_uuid(w, m->deployment);
    for (size_t i = 0; i < dates->count; i++) {
        struct flow_run_new *run = arena_new(&w->arena, struct flow_run_new);
        struct flow_run_create *in = arena_new(&w->arena, struct flow_run_create);
        *in = (struct flow_run_create){
            .state = scheduled(w, dates->items[i]),
            .flow_id = source.flow_id,
            .deployment_id = m->deployment,
            .parameters = parameters,
            .tags = tags,
            .infrastructure_document_id = source.infrastructure_document_id,
            .job_variables = RAW("{}"),
            .idempotency_key =
                arena_printf(&w->arena, "scheduled %s %s %s", deployment, m->id,
                             schedule_date_text(&w->arena, &m->schedule, dates->items[i]))};
        *run = (struct flow_run_new){.in = in,
                                     .work_queue_id = source.work_queue_id,
                                     .work_queue_name = source.work_queue_name,
                                     .deployment_version = source.version,
                                     .created_by = by,
                                     .auto_scheduled = true};
        add_run(batch, w, run);
    }
    return ERR_OK;
}

/* When the policies will have to look at what was made. */
static void tell_misfires(struct work *w, const struct maker *m, const struct schedule_dates *made)
{
    if (made->count && m->misfire.policy > MISFIRE_RUN_ALL)
        agenda_due(w->server->agenda, AGENDA_MISFIRES, made->items[0]);
}

/* What becomes of the row of the schedule. */
struct outcome {
    struct array ids, due, made_until;
};

static enum err_code make_one(struct work *w, const struct schedule_rules *rules,
                              const struct rows *r, int row, struct batch *batch,
                              struct outcome *out)
{
    const struct schedule_window window = {w->now_us, w->now_us + rules->max_time_us,
                                           rules->min_time_us, rules->min_runs, rules->max_runs};
    struct schedule_plan plan = {.due_us = TIME_NONE, .made_until_us = TIME_NONE};
    struct maker m;
    enum err_code rc = ERR_OK;

    if (rows_bool(r, row, C_ON)) {
        rc = read_maker(w, r, row, &m);
        if (!rc) {
            schedule_plan(&w->arena, &m.schedule, &window, m.made_until_us, &m.misfire, &plan);
            rc = add_runs(w, &m, &plan.make, batch);
            tell_misfires(w, &m, &plan.make);
        }
    }
    if (rc && rc != ERR_INVALID)
        return rc;
    if (rc) /* a row that cannot be read makes nothing until somebody changes it */
        log_warn("schedule", KV_S("schedule", rows_text(r, row, C_ID)), KV_E(&w->err));
    array_string(&out->ids, rows_text(r, row, C_ID));
    array_time(&out->due, plan.due_us);
    array_time(&out->made_until, plan.made_until_us);
    return ERR_OK;
}

static enum err_code deal(struct work *w, struct outcome *out)
{
    struct array columns[] = {out->ids, out->due, out->made_until};
    const char *parameters[COUNT(columns)];
    struct rows none;
    enum err_code rc = arrays_finish(w, columns, COUNT(columns), parameters);

    if (!rc)
        rc = db_query(w, Q_schedules_dealt_with, parameters, &none);
    arrays_free(columns, COUNT(columns));
    return rc;
}

static enum err_code make_due(struct work *w, const struct schedule_rules *rules,
                              struct batch *batch)
{
    struct outcome out = {0};
    struct rows due;
    enum err_code rc = db_query(w, Q_schedules_take_due,
                                PARAMS(param_time(w, w->now_us), param_i64(w, rules->batch)), &due);

    for (int i = 0; !rc && i < due.count; i++)
        rc = make_one(w, rules, &due, i, batch, &out);
    if (!rc && batch->count)
        rc = flow_runs_insert(w, batch->runs, batch->count);
    if (!rc && due.count)
        return deal(w, &out);
    struct array columns[] = {out.ids, out.due, out.made_until};
    arrays_free(columns, COUNT(columns));
    return rc;
}

static enum err_code finish(struct work *w, struct batch *batch, enum err_code rc)
{
    rc = db_end(w, rc);
    if (!rc && batch->count)
        flow_runs_announce(w, batch->runs, batch->count);
    return rc;
}

enum err_code schedule_runs_make_due(struct work *w, const struct schedule_rules *rules,
                                     int64_t *out_next_us)
{
    struct batch batch = {0};
    struct rows next;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = make_due(w, rules, &batch);
    rc = finish(w, &batch, rc);
    if (!rc)
        rc = db_query(w, Q_schedules_next_due, NULL, &next);
    if (!rc)
        *out_next_us = next.count ? rows_time(&next, 0, 0) : TIME_NONE;
    return rc;
}

enum err_code schedule_runs_make(struct work *w, struct uuid deployment,
                                 const struct schedule_window *window)
{
    struct batch batch = {0};
    struct schedule_plan plan;
    struct rows active;
    struct maker m;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_schedules_active, PARAMS(param_uuid(w, deployment)), &active);
    for (int i = 0; !rc && i < active.count; i++) {
        rc = read_maker(w, &active, i, &m);
        if (rc)
            break;
        schedule_plan(&w->arena, &m.schedule, window, TIME_NONE, &(struct misfire){0}, &plan);
        rc = add_runs(w, &m, &plan.make, &batch);
        tell_misfires(w, &m, &plan.make);
    }
    if (!rc && batch.count)
        rc = flow_runs_insert(w, batch.runs, batch.count);
    return finish(w, &batch, rc);
}

/* ---- what is there ---- */

enum err_code schedule_runs_list(struct work *w, struct uuids deployments, int64_t before_us,
                                 int64_t limit, struct rows *out)
{
    const char *ids = param_uuid_array(w, deployments);
    struct rows changed;
    struct sql s;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_deployments_polled, PARAMS(ids), &changed);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_DEPLOYMENT, "ready", &changed);
    rc = db_end(w, rc);
    if (rc)
        return rc;
    sql_begin(&s, w);
    sql_add(&s, "SELECT ");
    columns_list(&s.text, &flow_run_resource, "fr");
    sql_add(&s, " FROM flow_run fr WHERE fr.state_type = 'SCHEDULED' AND "
                "fr.deployment_id = ANY(");
    sql_param(&s, ids);
    sql_add(&s, "::uuid[])");
    if (before_us != TIME_NONE) {
        sql_add(&s, " AND fr.next_scheduled_start_time <= ");
        sql_param(&s, param_time(w, before_us));
    }
    sql_add(&s, " ORDER BY fr.next_scheduled_start_time, fr.id LIMIT ");
    sql_param(&s, param_i64(w, limit));
    sql_add(&s, "::bigint");
    rc = sql_run(&s, out);
    return rc ? rc : flow_runs_name_pools(w, out);
}

/* ---- what is not wanted any more ---- */

static const char *why(struct work *w, const struct rows *r, int row)
{
    const char *policy = rows_text(r, row, 1);

    if (!strcmp(policy, "latest_only"))
        return "Not begun before the next run of its schedule was due (misfire policy "
               "latest_only).";
    if (!strcmp(policy, "cancel"))
        return "Not begun on time (misfire policy cancel).";
    return arena_printf(&w->arena,
                        "Not begun within %s s after its time (misfire policy "
                        "skip_if_later_than).",
                        rows_text(r, row, 2));
}

static struct transition **cancellations(struct work *w, const struct rows *r)
{
    static const struct state_details no_details = STATE_DETAILS_INIT;
    struct transition **items = arena_array(&w->arena, struct transition *, (size_t)r->count + 1);

    for (int i = 0; i < r->count; i++) {
        items[i] = arena_new(&w->arena, struct transition);
        items[i]->policy = POLICY_FLOW_FORCED;
        items[i]->proposed = (struct state){.type = STATE_CANCELLED,
                                            .name = "Skipped",
                                            .message = why(w, r, i),
                                            .timestamp_us = TIME_NONE,
                                            .details = no_details};
        if (!uuid_parse(rows_text(r, i, 0), rows_len(r, i, 0), &items[i]->run_id))
            items[i]->run_id = (struct uuid){0};
    }
    return items;
}

enum err_code misfires_cancel(struct work *w, int64_t late_us, int64_t limit, size_t *out_count,
                              int64_t *out_next_us)
{
    const char *now = param_time(w, w->now_us), *late = param_f64(w, (double)late_us / 1e6);
    struct transition **items = NULL;
    struct rows rows, next;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = db_query(w, Q_misfires, PARAMS(now, late, param_i64(w, limit)), &rows);
    if (!rc && rows.count) {
        items = cancellations(w, &rows);
        rc = transitions_apply(w, items, (size_t)rows.count);
    }
    rc = db_end(w, rc);
    if (rc)
        return rc;
    *out_count = (size_t)rows.count;
    if (items)
        transitions_announce(w, items, (size_t)rows.count);
    rc = db_query(w, Q_misfires_next, PARAMS(now, late), &next);
    if (!rc)
        *out_next_us = rows_time(&next, 0, 0);
    return rc;
}
