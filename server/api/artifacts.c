#include "server/api/artifacts.h"

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/artifacts.h"

enum err_code artifacts_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc = artifact_create(&rq->work, request_in(rq, struct artifact), &rows);
    return rc ? rc : reply_row(rq, 201, &artifact_resource, &rows, 0);
}

enum err_code artifacts_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = artifact_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &artifact_resource, &rows, 0);
}

enum err_code artifacts_get_latest(struct request *rq)
{
    struct rows rows;
    enum err_code rc = artifact_get_latest(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &artifact_resource, &rows, 0);
}

enum err_code artifacts_update(struct request *rq)
{
    enum err_code rc =
        artifact_update(&rq->work, rq->ids[0], request_in(rq, struct artifact_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code artifacts_delete(struct request *rq)
{
    enum err_code rc = artifact_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {
    /* one delivery of an agent has one time; the ids of ours tell what came later */
    {"CREATED_DESC", "a.created DESC, a.id DESC"},
    {"UPDATED_DESC", "a.updated DESC, a.id"},
    {"ID_DESC", "a.id DESC"},
    {"KEY_DESC", "a.key COLLATE \"C\" DESC, a.id"},
    {"KEY_ASC", "a.key COLLATE \"C\", a.id"},
};
static const struct listing artifacts = {
    .resource = &artifact_resource,
    .from = "artifact a",
    .alias = "a",
    .target = FILTER_ARTIFACTS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 2,
};

static const struct sort latest_sorts[] = {
    {"CREATED_DESC", "ac.created DESC, ac.id"},
    {"UPDATED_DESC", "ac.updated DESC, ac.id"},
    {"ID_DESC", "ac.id DESC"},
    {"KEY_DESC", "ac.key COLLATE \"C\" DESC, ac.id"},
    {"KEY_ASC", "ac.key COLLATE \"C\", ac.id"},
};
static const struct listing latest = {
    .resource = &artifact_collection_resource,
    .from = "artifact_collection ac JOIN artifact a ON a.id = ac.latest_id",
    .alias = "a",
    .target = FILTER_ARTIFACT_COLLECTIONS,
    .sorts = latest_sorts,
    .sort_count = COUNT(latest_sorts),
    .default_sort = 2,
};

enum err_code artifacts_filter(struct request *rq)
{
    return listing_filter(rq, &artifacts);
}

enum err_code artifacts_count(struct request *rq)
{
    return listing_count(rq, &artifacts);
}

enum err_code artifacts_latest_filter(struct request *rq)
{
    return listing_filter(rq, &latest);
}

enum err_code artifacts_latest_count(struct request *rq)
{
    return listing_count(rq, &latest);
}
