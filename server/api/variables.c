#include "server/api/variables.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/variables.h"

enum err_code variables_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc = variable_create(&rq->work, request_in(rq, struct variable_create), &rows);
    return rc ? rc : reply_row(rq, 201, &variable_resource, &rows, 0);
}

enum err_code variables_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = variable_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &variable_resource, &rows, 0);
}

enum err_code variables_get_by_name(struct request *rq)
{
    struct rows rows;
    enum err_code rc = variable_get_by_name(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &variable_resource, &rows, 0);
}

enum err_code variables_update(struct request *rq)
{
    enum err_code rc =
        variable_update(&rq->work, rq->ids[0], request_in(rq, struct variable_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code variables_update_by_name(struct request *rq)
{
    enum err_code rc =
        variable_update_by_name(&rq->work, rq->params[0], request_in(rq, struct variable_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code variables_delete(struct request *rq)
{
    enum err_code rc = variable_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code variables_delete_by_name(struct request *rq)
{
    enum err_code rc = variable_delete_by_name(&rq->work, rq->params[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {
    {"CREATED_DESC", "v.created DESC, v.id"},
    {"UPDATED_DESC", "v.updated DESC, v.id"},
    {"NAME_DESC", "v.name COLLATE \"C\" DESC"},
    {"NAME_ASC", "v.name COLLATE \"C\""},
};
static const struct listing variables = {
    .resource = &variable_resource,
    .from = "variable v",
    .alias = "v",
    .target = FILTER_VARIABLES,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 3,
};

enum err_code variables_filter(struct request *rq)
{
    return listing_filter(rq, &variables);
}

enum err_code variables_count(struct request *rq)
{
    return listing_count(rq, &variables);
}
