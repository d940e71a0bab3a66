#include "server/api/measurements.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/model/measurement.h"
#include "server/store/measurements.h"

static const struct sort sorts[] = {
    {"CREATED_DESC", "m.created DESC, m.id DESC"},
    {"CREATED_ASC", "m.created, m.id"},
    {"MODEL_ASC", "m.model COLLATE \"C\", m.target COLLATE \"C\", m.created, m.id"},
    {"ENERGY_ASC", "m.median_energy_per_inference_j NULLS LAST, m.id"},
    {"ENERGY_DESC", "m.median_energy_per_inference_j DESC NULLS LAST, m.id"},
};
static const struct listing measurements = {
    .resource = &measurement_resource,
    .from = "measurement m",
    .alias = "m",
    .target = FILTER_MEASUREMENTS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .limit_max = 1000,
};

enum err_code measurements_filter(struct request *rq)
{
    return listing_filter(rq, &measurements);
}

enum err_code measurements_count(struct request *rq)
{
    return listing_count(rq, &measurements);
}

enum err_code measurements_compare_get(struct request *rq)
{
    const char *before = request_query(rq, "before"), *after = request_query(rq, "after");
    struct rows rows;

    if (!before || !after)
        return err_set(&rq->work.err, INVALID, "`before` and `after` are names of campaigns");
    enum err_code rc = measurements_compare(&rq->work, before, after, &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}
