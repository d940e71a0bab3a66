#include "server/api/saved_searches.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/saved_searches.h"

enum err_code saved_searches_put(struct request *rq)
{
    struct rows rows;
    bool created;
    enum err_code rc =
        saved_search_put(&rq->work, request_in(rq, struct saved_search), &rows, &created);
    return rc ? rc : reply_row(rq, created ? 201 : 200, &saved_search_resource, &rows, 0);
}

enum err_code saved_searches_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = saved_search_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &saved_search_resource, &rows, 0);
}

enum err_code saved_searches_delete(struct request *rq)
{
    enum err_code rc = saved_search_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {{"NAME_ASC", "s.name COLLATE \"C\""}};
static const struct listing saved_searches = {
    .resource = &saved_search_resource,
    .from = "saved_search s",
    .alias = "s",
    .target = FILTER_TARGETS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum err_code saved_searches_filter(struct request *rq)
{
    return listing_filter(rq, &saved_searches);
}
