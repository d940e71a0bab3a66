#include "server/api/tag_limits.h"

#include "server/api/concurrency_limits.h"
#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/server.h"
#include "server/store/tag_limits.h"
#include "shared/json/write.h"

static const struct uuid no_id;

static enum err_code reply_limit(struct request *rq, int status, struct uuid id, const char *tag)
{
    struct rows rows;
    enum err_code rc = tag_limit_get(&rq->work, id, tag, &rows);
    return rc ? rc : reply_row(rq, status, &tag_limit_resource, &rows, 0);
}

enum err_code tag_limits_create(struct request *rq)
{
    struct uuid id;
    bool created;
    enum err_code rc = tag_limit_put(&rq->work, request_in(rq, struct tag_limit), &id, &created);
    return rc ? rc : reply_limit(rq, created ? 201 : 200, id, NULL);
}

enum err_code tag_limits_get(struct request *rq)
{
    return reply_limit(rq, 200, rq->ids[0], NULL);
}

enum err_code tag_limits_get_by_tag(struct request *rq)
{
    return reply_limit(rq, 200, no_id, rq->params[0]);
}

enum err_code tag_limits_delete(struct request *rq)
{
    enum err_code rc = tag_limit_delete(&rq->work, rq->ids[0], NULL);
    return rc ? rc : reply_text(rq, 200, "null");
}

enum err_code tag_limits_delete_by_tag(struct request *rq)
{
    enum err_code rc = tag_limit_delete(&rq->work, no_id, rq->params[0]);
    return rc ? rc : reply_text(rq, 200, "null");
}

enum err_code tag_limits_reset(struct request *rq)
{
    enum err_code rc =
        tag_limit_reset(&rq->work, rq->params[0], request_in(rq, struct tag_reset)->slot_override);
    return rc ? rc : reply_text(rq, 200, "null");
}

static const struct sort by_name[] = {{"NAME_ASC", "cl.name COLLATE \"C\", cl.id"}};
static const struct listing limits = {
    .resource = &tag_limit_resource,
    .from = "concurrency_limit cl",
    .alias = "cl",
    .where = "cl.name LIKE 'tag:%'",
    .target = FILTER_TARGETS,
    .sorts = by_name,
    .sort_count = 1,
};

enum err_code tag_limits_filter(struct request *rq)
{
    return listing_filter(rq, &limits);
}

enum err_code tag_limits_increment(struct request *rq)
{
    const struct settings *s = &rq->work.server->config.settings;
    struct rows rows;
    bool never;
    enum err_code rc = tag_slots_take(&rq->work, request_in(rq, struct tag_slots), &rows, &never);

    if (rc == ERR_LOCKED && !never)
        reply_header(rq, "Retry-After",
                     arena_printf(&rq->work.arena, "%.1f",
                                  (double)settings_us(
                                      s, SETTING_SERVER_TASKS_TAG_CONCURRENCY_SLOT_WAIT_SECONDS) /
                                      1e6));
    if (rc)
        return rc;
    limits_write(&rq->reply.body, &rows);
    return reply_status(rq, 200);
}

enum err_code tag_limits_decrement(struct request *rq)
{
    struct rows rows;
    enum err_code rc = tag_slots_give_back(&rq->work, request_in(rq, struct tag_slots), &rows);

    if (rc)
        return rc;
    limits_write(&rq->reply.body, &rows);
    return reply_status(rq, 200);
}
