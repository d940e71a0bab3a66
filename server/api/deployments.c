#include "server/api/deployments.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/deployments.h"

enum err_code deployments_create(struct request *rq)
{
    struct rows rows;
    struct uuid id;
    bool created = false;
    enum err_code rc =
        deployment_upsert(&rq->work, request_in(rq, struct deployment_write), &id, &created);

    if (!rc)
        rc = deployment_get(&rq->work, id, &rows);
    return rc ? rc : reply_row(rq, created ? 201 : 200, &deployment_resource, &rows, 0);
}

enum err_code deployments_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = deployment_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &deployment_resource, &rows, 0);
}

enum err_code deployments_get_by_name(struct request *rq)
{
    struct rows rows;
    enum err_code rc = deployment_get_by_name(&rq->work, rq->params[0], rq->params[1], &rows);
    return rc ? rc : reply_row(rq, 200, &deployment_resource, &rows, 0);
}

static enum err_code done(struct request *rq, enum err_code rc, int status)
{
    return rc ? rc : reply_empty(rq, status);
}

enum err_code deployments_update(struct request *rq)
{
    return done(
        rq, deployment_update(&rq->work, rq->ids[0], request_in(rq, struct deployment_write)), 204);
}

enum err_code deployments_delete(struct request *rq)
{
    return done(rq, deployment_delete(&rq->work, rq->ids[0]), 204);
}

static enum err_code set_paused(struct request *rq, bool paused)
{
    enum err_code rc = deployment_pause(&rq->work, rq->ids[0], paused);
    return rc ? rc : reply_text(rq, 200, "null");
}

enum err_code deployments_pause(struct request *rq)
{
    return set_paused(rq, true);
}

enum err_code deployments_resume(struct request *rq)
{
    return set_paused(rq, false);
}

static const struct sort sorts[] = {
    {"CREATED_DESC", "d.created DESC, d.id"},
    {"UPDATED_DESC", "d.updated DESC, d.id"},
    {"NAME_ASC", "d.name COLLATE \"C\", d.id"},
    {"NAME_DESC", "d.name COLLATE \"C\" DESC, d.id"},
};
static const struct listing deployments = {
    .resource = &deployment_resource,
    .from = DEPLOYMENT_TABLES,
    .alias = "d",
    .target = FILTER_DEPLOYMENTS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 2,
};

enum err_code deployments_filter(struct request *rq)
{
    return listing_filter(rq, &deployments);
}

enum err_code deployments_count(struct request *rq)
{
    return listing_count(rq, &deployments);
}

enum err_code deployments_paginate(struct request *rq)
{
    return listing_paginate(rq, &deployments);
}
