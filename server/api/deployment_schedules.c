#include "server/api/deployment_schedules.h"

#include <math.h>
#include <string.h>

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/model/flow_run.h"
#include "server/server.h"
#include "server/store/deployment_schedules.h"
#include "server/store/flow_runs.h"
#include "server/store/schedule_runs.h"
#include "shared/base/clock.h"
#include "shared/json/decode.h"
#include "shared/json/write.h"

enum { RUNS_MAX = 1000 };
#define TIME_MAX_S (100.0 * 366 * 86400)

static enum err_code done(struct request *rq, enum err_code rc, int status)
{
    return rc ? rc : reply_empty(rq, status);
}

enum err_code schedules_list(struct request *rq)
{
    struct rows rows;
    enum err_code rc = schedules_of(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_rows(rq, &deployment_schedule_resource, &rows);
}

enum err_code schedules_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc = schedules_add(&rq->work, rq->ids[0], rq->in, rq->in_count, &rows);

    if (!rc)
        rc = reply_rows(rq, &deployment_schedule_resource, &rows);
    return rc ? rc : reply_status(rq, 201);
}

enum err_code schedules_update(struct request *rq)
{
    const struct deployment_schedule *in = request_in(rq, struct deployment_schedule);
    return done(rq, schedule_update(&rq->work, rq->ids[0], rq->ids[1], in), 204);
}

enum err_code schedules_delete(struct request *rq)
{
    return done(rq, schedule_delete(&rq->work, rq->ids[0], rq->ids[1]), 204);
}

/* ---- making runs now ---- */

struct window_in {
    struct given given;
    int64_t start_time_us, end_time_us, min_runs, max_runs;
    double min_time;
};

static const struct field window_fields[] = {
    F_TIME(struct window_in, start_time, F_NULLABLE, .read = read_plain_time,
           .doc = "Now by default."),
    F_TIME(struct window_in, end_time, F_NULLABLE, .read = read_plain_time,
           .doc = "No run is after it."),
    F_NUM(struct window_in, min_time, F_NULLABLE, .doc = "Seconds that are to be covered."),
    F_INT(struct window_in, min_runs, F_NULLABLE, .doc = "Runs that are wanted."),
    F_INT(struct window_in, max_runs, F_NULLABLE, .doc = "No more runs than this."),
};
const struct resource schedule_window_resource =
    RESOURCE_NAMED("ScheduleDeployment", window_in, window_fields, .extra = true);

static int64_t int_or(int64_t value, int64_t otherwise)
{
    return value == INT_NONE ? otherwise : value < RUNS_MAX ? value : RUNS_MAX;
}

enum err_code deployments_schedule(struct request *rq)
{
    const struct window_in *in = request_in(rq, struct window_in);
    const struct settings *s = &rq->work.server->config.settings;
    struct schedule_window window = {
        .start_us = in->start_time_us == TIME_NONE ? rq->work.now_us : in->start_time_us,
        .end_us = in->end_time_us,
        .min_time_us = isnan(in->min_time)
                           ? settings_us(s, SETTING_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME)
                           : (int64_t)(fmin(fmax(in->min_time, 0), TIME_MAX_S) * 1e6),
        .min_runs =
            int_or(in->min_runs, settings_int(s, SETTING_SERVER_SERVICES_SCHEDULER_MIN_RUNS)),
        .max_runs =
            int_or(in->max_runs, settings_int(s, SETTING_SERVER_SERVICES_SCHEDULER_MAX_RUNS)),
    };
    if (window.end_us == TIME_NONE)
        window.end_us =
            window.start_us + settings_us(s, SETTING_SERVER_SERVICES_SCHEDULER_MAX_SCHEDULED_TIME);
    enum err_code rc = schedule_runs_make(&rq->work, rq->ids[0], &window);
    return rc ? rc : reply_text(rq, 200, "null");
}

/* ---- what is scheduled ---- */

struct scheduled_in {
    struct given given;
    struct uuids deployment_ids;
    int64_t scheduled_before_us, limit;
};

static const struct field scheduled_fields[] = {
    F_UUIDS(struct scheduled_in, deployment_ids, F_REQUIRED, .doc = "Of these deployments."),
    F_TIME(struct scheduled_in, scheduled_before, F_NULLABLE, .doc = "At this time or before."),
    F_INT(struct scheduled_in, limit, F_NULLABLE, .doc = "At most so many, 200 by default."),
};
const struct resource deployments_scheduled_resource = RESOURCE_NAMED(
    "GetScheduledFlowRunsForDeployments", scheduled_in, scheduled_fields, .extra = true);

enum err_code deployments_scheduled(struct request *rq)
{
    const struct scheduled_in *in = request_in(rq, struct scheduled_in);
    int64_t limit = in->limit;
    struct rows rows;
    enum err_code rc = listing_limit(rq, 0, &limit);

    if (!rc)
        rc = schedule_runs_list(&rq->work, in->deployment_ids, in->scheduled_before_us, limit,
                                &rows);
    return rc ? rc : reply_rows(rq, &flow_run_resource, &rows);
}
