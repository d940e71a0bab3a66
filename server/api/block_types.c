#include "server/store/block_types.h"
#include "server/api/blocks.h"
#include "server/api/listing.h"
#include "server/http/reply.h"

enum err_code block_types_create(struct request *rq)
{
    struct rows rows;
    enum err_code rc = block_type_create(&rq->work, request_in(rq, struct block_type), &rows);
    return rc ? rc : reply_row(rq, 201, &block_type_resource, &rows, 0);
}

enum err_code block_types_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = block_type_get(&rq->work, rq->ids[0], &rows);
    return rc ? rc : reply_row(rq, 200, &block_type_resource, &rows, 0);
}

enum err_code block_types_get_by_slug(struct request *rq)
{
    struct rows rows;
    enum err_code rc = block_type_get_by_slug(&rq->work, rq->params[0], &rows);
    return rc ? rc : reply_row(rq, 200, &block_type_resource, &rows, 0);
}

enum err_code block_types_update(struct request *rq)
{
    enum err_code rc = block_type_update(&rq->work, rq->ids[0], request_in(rq, struct block_type));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code block_types_delete(struct request *rq)
{
    enum err_code rc = block_type_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {{"NAME_ASC", "bt.name COLLATE \"C\", bt.id"}};
static const struct listing block_types = {
    .resource = &block_type_resource,
    .from = "block_type bt",
    .alias = "bt",
    .complete = block_types_place_logos,
    .target = FILTER_BLOCK_TYPES,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum err_code block_types_filter(struct request *rq)
{
    return listing_filter(rq, &block_types);
}

enum err_code block_types_install(struct request *rq)
{
    enum err_code rc = block_types_install_system(&rq->work);
    return rc ? rc : reply_text(rq, 200, "null");
}
