#include "server/api/flows.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/flows.h"

enum err_code flows_create(struct request *rq)
{
    struct rows rows;
    bool created;
    enum err_code rc = flow_upsert(&rq->work, request_in(rq, struct flow_create), &rows, &created);
    return rc ? rc : reply_row(rq, created ? 201 : 200, &flow_resource, &rows, 0);
}

enum err_code flows_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = flow_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &flow_resource, &rows, 0);
}

enum err_code flows_get_by_name(struct request *rq)
{
    struct rows rows;
    enum err_code rc = flow_get_by_name(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &flow_resource, &rows, 0);
}

enum err_code flows_update(struct request *rq)
{
    enum err_code rc = flow_update(&rq->work, rq->ids[0], request_in(rq, struct flow_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code flows_delete(struct request *rq)
{
    enum err_code rc = flow_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {
    {"CREATED_DESC", "f.created DESC, f.id"},
    {"UPDATED_DESC", "f.updated DESC, f.id"},
    {"NAME_ASC", "f.name COLLATE \"C\", f.id"},
    {"NAME_DESC", "f.name COLLATE \"C\" DESC, f.id"},
};
static const struct listing flows = {
    .resource = &flow_resource,
    .from = "flow f",
    .alias = "f",
    .target = FILTER_FLOWS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 2,
};

enum err_code flows_filter(struct request *rq)
{
    return listing_filter(rq, &flows);
}

enum err_code flows_count(struct request *rq)
{
    return listing_count(rq, &flows);
}

enum err_code flows_paginate(struct request *rq)
{
    return listing_paginate(rq, &flows);
}
