#include "server/api/ui.h"

#include <string.h>

#include "server/api/flow_runs.h"
#include "server/api/listing.h"
#include "server/api/task_runs.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/model/task_run.h"
#include "server/model/ui.h"
#include "server/store/task_runs.h"
#include "shared/base/clock.h"
#include "shared/json/write.h"

enum { HISTORY_MAX = 1000, DASHBOARD_BUCKETS = 20, US_PER_MINUTE = 60000000 };

enum err_code ui_flow_runs_history(struct request *rq)
{
    struct listing own = flow_runs_listing;

    own.resource = &ui_run_resource;
    own.where = "fr.state_type IS NOT NULL";
    own.limit_max = HISTORY_MAX;
    own.default_sort = FLOW_RUNS_BY_EXPECTED_DESC;
    return listing_filter(rq, &own);
}

/* {id: number} */
static enum err_code reply_counts(struct request *rq, enum query q, struct uuids ids)
{
    struct buf *b = &rq->reply.body;
    struct rows rows;
    enum err_code rc = db_query(&rq->work, q, PARAMS(param_uuid_array(&rq->work, ids)), &rows);

    if (rc)
        return rc;
    write_object(b);
    for (int i = 0; i < rows.count; i++) {
        write_key(b, rows_text(&rows, i, 0));
        write_int64(b, rows_i64(&rows, i, 1));
    }
    write_end_object(b);
    return reply_status(rq, 200);
}

enum err_code ui_flow_runs_count_task_runs(struct request *rq)
{
    return reply_counts(rq, Q_ui_task_run_counts, request_in(rq, struct ui_ids)->flow_run_ids);
}

enum err_code ui_flows_count_deployments(struct request *rq)
{
    return reply_counts(rq, Q_ui_deployment_counts, request_in(rq, struct ui_ids)->flow_ids);
}

enum err_code ui_flows_next_runs(struct request *rq)
{
    const char *flows = param_uuid_array(&rq->work, request_in(rq, struct ui_ids)->flow_ids);
    struct buf *b = &rq->reply.body;
    struct rows rows;
    enum err_code rc = db_query(&rq->work, Q_ui_next_runs, PARAMS(flows), &rows);

    if (rc)
        return rc;
    write_object(b);
    for (int i = 0; i < rows.count; i++) {
        struct column columns[8] = {0};
        for (int k = 1; k < rows.columns; k++)
            columns[k - 1] = (struct column){rows_text(&rows, i, k), rows_len(&rows, i, k)};
        write_key(b, rows_text(&rows, i, 0));
        if (columns[0].text)
            json_encode_columns(b, &ui_next_run_resource, columns);
        else
            write_null(b);
    }
    write_end_object(b);
    return reply_status(rq, 200);
}

/* ---- task runs ---- */

enum err_code ui_task_runs_get(struct request *rq)
{
    const char *id = param_uuid(&rq->work, rq->ids[0]);
    struct rows rows, name;
    enum err_code rc = task_run_get(&rq->work, rq->ids[0], &rows);

    if (!rc)
        rc = db_query(&rq->work, Q_ui_flow_run_name, PARAMS(id), &name);
    if (!rc)
        rc = reply_row(rq, 200, &task_run_resource, &rows, 0);
    if (!rc)
        reply_add_string(rq, "flow_run_name", name.count ? rows_text(&name, 0, 0) : NULL);
    return rc;
}

enum err_code ui_task_runs_count(struct request *rq)
{
    static const char *const types[] = {"COMPLETED", "PENDING",    "RUNNING",
                                        "FAILED",    "CANCELLED",  "CRASHED",
                                        "PAUSED",    "CANCELLING", "SCHEDULED"};
    struct buf *b = &rq->reply.body;
    struct listing_in in;
    struct rows rows;
    struct sql s;
    enum err_code rc = listing_decode(rq, &task_runs_listing, LISTING_COUNT, &in);

    if (rc)
        return rc;
    sql_begin(&s, &rq->work);
    listing_select(&s, &task_runs_listing, &in, "tr.state_type, count(*)");
    sql_add(&s, " GROUP BY 1");
    rc = sql_run(&s, &rows);
    if (rc)
        return rc;
    write_object(b);
    for (size_t t = 0; t < COUNT(types); t++) {
        int64_t n = 0;
        for (int i = 0; i < rows.count; i++)
            if (rows_text(&rows, i, 0) && strcmp(rows_text(&rows, i, 0), types[t]) == 0)
                n = rows_i64(&rows, i, 1);
        write_key(b, types[t]);
        write_int64(b, n);
    }
    write_end_object(b);
    return reply_status(rq, 200);
}

struct window {
    struct given given;
    int64_t after__us, before__us;
};

static const struct field window_fields[] = {
    F_TIME(struct window, after_, F_NULLABLE, .doc = "Where the first bucket begins."),
    F_TIME(struct window, before_, F_NULLABLE, .doc = "Where the last one ends."),
};
static const struct resource window_resource =
    RESOURCE_NAMED("Window", window, window_fields, .lax = true);

/* The time that task_runs.start_time spans, in whole minutes. */
static enum err_code read_window(struct request *rq, int64_t *out_start_us, int64_t *out_end_us)
{
    struct val task_runs = val_get(doc_root(&rq->doc), "task_runs");
    struct val given_window = val_get(task_runs, "start_time");
    struct window window = {.after__us = TIME_NONE};
    struct work *w = &rq->work;

    if (val_type(given_window) == DOC_OBJECT &&
        json_decode(&window_resource, given_window, &loc_body, &window, &rq->invalid))
        return err_set(&w->err, INVALID, "%s", rq->invalid.first);
    if (val_type(task_runs) == DOC_NULL) {
        static const struct loc at = {&loc_body, "task_runs", 0};
        invalid_add(&rq->invalid, &at, "missing", "Field required", RAW("null"), NULL);
        return err_set(&w->err, INVALID, "%s", rq->invalid.first);
    }
    if (window.after__us == TIME_NONE)
        return err_set(&w->err, INVALID, "task_runs.start_time.after_ is required");
    int64_t end_us = window.before__us == TIME_NONE || !given(&window, before__us)
                         ? w->now_us
                         : window.before__us;
    *out_start_us = window.after__us / US_PER_MINUTE * US_PER_MINUTE;
    *out_end_us = end_us / US_PER_MINUTE * US_PER_MINUTE + US_PER_MINUTE;
    return ERR_OK;
}

static enum err_code require_task_runs(struct request *rq)
{
    const struct loc at = {.outer = &loc_body, .key = "task_runs"};
    struct val root = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};

    if (val_type(val_get(root, "task_runs")) != DOC_NONE)
        return ERR_OK;
    rq->invalid.arena = &rq->work.arena;
    invalid_add(&rq->invalid, &at, "missing", "Field required", RAW("null"), NULL);
    return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
}

/* Task runs that ended well and badly, by the time of their end. */
struct ends {
    int64_t good, bad;
};

static enum err_code count_ends(struct request *rq, const struct listing_in *in, int64_t start_us,
                                int64_t step_us, struct ends out[DASHBOARD_BUCKETS])
{
    struct rows rows;
    struct sql s;
    const char *columns =
        arena_printf(&rq->work.arena,
                     "floor((extract(epoch FROM tr.end_time) * 1000000 - %lld) / %lld)::bigint, "
                     "tr.state_type IN ('FAILED', 'CRASHED'), count(*)",
                     (long long)start_us, (long long)step_us);
    sql_begin(&s, &rq->work);
    listing_select(&s, &task_runs_listing, in, columns);
    sql_add(&s, " AND tr.end_time IS NOT NULL AND tr.state_type IN "
                "('COMPLETED', 'CANCELLED', 'FAILED', 'CRASHED') GROUP BY 1, 2");
    enum err_code rc = sql_run(&s, &rows);
    for (int i = 0; !rc && i < rows.count; i++) {
        int64_t bucket = rows_i64(&rows, i, 0);
        if (bucket < 0 || bucket >= DASHBOARD_BUCKETS)
            continue;
        struct ends *at = &out[bucket];
        *(rows_bool(&rows, i, 1) ? &at->bad : &at->good) += rows_i64(&rows, i, 2);
    }
    return rc;
}

enum err_code ui_task_runs_dashboard(struct request *rq)
{
    int64_t start_us, end_us;
    struct listing_in in;
    struct ends ends[DASHBOARD_BUCKETS] = {0};
    struct buf *b = &rq->reply.body;
    enum err_code rc = require_task_runs(rq);

    if (!rc)
        rc = listing_decode(rq, &task_runs_listing, PART_HISTORY | PART_POOLS, &in);
    if (!rc)
        rc = read_window(rq, &start_us, &end_us);
    int64_t step_us = rc ? 0 : (end_us - start_us) / DASHBOARD_BUCKETS;
    if (!rc)
        rc = count_ends(rq, &in, start_us, step_us > 0 ? step_us : 1, ends);
    if (rc)
        return rc;
    write_array(b);
    for (size_t i = 0; i < DASHBOARD_BUCKETS; i++) {
        write_object(b);
        write_key(b, "completed");
        write_int64(b, ends[i].good);
        write_key(b, "failed");
        write_int64(b, ends[i].bad);
        write_end_object(b);
    }
    write_end_array(b);
    return reply_status(rq, 200);
}
