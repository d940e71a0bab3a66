#include "server/api/concurrency_limits.h"

#include <string.h>

#include "server/api/listing.h"
#include "server/http/reply.h"
#include "server/store/concurrency_limits.h"
#include "shared/json/write.h"

enum err_code limits_create(struct request *rq)
{
    const struct concurrency_limit *in = request_in(rq, struct concurrency_limit);
    struct rows rows;
    enum err_code rc = limit_create(&rq->work, in);

    if (!rc)
        rc = limit_get(&rq->work, in->name, &concurrency_limit_resource, &rows);
    return rc ? rc : reply_row(rq, 201, &concurrency_limit_resource, &rows, 0);
}

enum err_code limits_get(struct request *rq)
{
    struct rows rows;
    enum err_code rc = limit_get(&rq->work, rq->params[0], &concurrency_limit_read_resource, &rows);
    return rc ? rc : reply_row(rq, 200, &concurrency_limit_read_resource, &rows, 0);
}

enum err_code limits_update(struct request *rq)
{
    enum err_code rc =
        limit_update(&rq->work, rq->params[0], request_in(rq, struct concurrency_limit));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code limits_delete(struct request *rq)
{
    enum err_code rc = limit_delete(&rq->work, rq->params[0]);
    return rc ? rc : reply_empty(rq, 204);
}

/* No filters: the target is one that no body can name here. */
static const struct sort by_name[] = {{"NAME_ASC", "cl.name COLLATE \"C\", cl.id"}};
static const struct listing limits = {
    .resource = &concurrency_limit_read_resource,
    .from = "concurrency_limit cl",
    .alias = "cl",
    .target = FILTER_TARGETS,
    .sorts = by_name,
    .sort_count = 1,
};

enum err_code limits_filter(struct request *rq)
{
    return listing_filter(rq, &limits);
}

void limits_write(struct buf *b, const struct rows *rows)
{
    write_array(b);
    for (int i = 0; i < rows->count; i++) {
        write_object(b);
        write_key(b, "id");
        write_string(b, rows_text(rows, i, 0));
        write_key(b, "name");
        write_string(b, rows_text(rows, i, 1));
        write_key(b, "limit");
        write_int64(b, rows_i64(rows, i, 2));
        write_end_object(b);
    }
    write_end_array(b);
}

static enum err_code take(struct request *rq, bool with_lease, struct slots_taken *out)
{
    enum err_code rc = slots_take(&rq->work, request_in(rq, struct slots_wanted), with_lease, out);
    if (rc == ERR_LOCKED)
        reply_header(rq, "Retry-After", arena_printf(&rq->work.arena, "%.6f", out->retry_after_s));
    return rc;
}

enum err_code limits_increment(struct request *rq)
{
    struct slots_taken taken;
    enum err_code rc = take(rq, false, &taken);

    if (rc)
        return rc;
    limits_write(&rq->reply.body, &taken.limits);
    return reply_status(rq, 200);
}

enum err_code limits_increment_with_lease(struct request *rq)
{
    struct slots_taken taken;
    struct buf *b = &rq->reply.body;
    enum err_code rc = take(rq, true, &taken);

    if (rc)
        return rc;
    write_object(b);
    write_key(b, "lease_id");
    write_uuid(b, taken.lease);
    write_key(b, "limits");
    limits_write(b, &taken.limits);
    write_end_object(b);
    return reply_status(rq, 200);
}

enum err_code limits_decrement(struct request *rq)
{
    struct rows rows;
    enum err_code rc = slots_give_back(&rq->work, request_in(rq, struct slots_wanted), &rows);

    if (rc)
        return rc;
    limits_write(&rq->reply.body, &rows);
    return reply_status(rq, 200);
}

enum err_code limits_decrement_with_lease(struct request *rq)
{
    enum err_code rc = lease_end(&rq->work, request_in(rq, struct lease_named)->lease_id);
    return rc ? rc : reply_empty(rq, 204);
}

struct lease_path {
    struct uuid lease_id;
    struct given given;
};

static const struct field lease_path_fields[] = {F_UUID(struct lease_path, lease_id, F_REQUIRED)};
static const struct resource lease_path_resource = RESOURCE(lease_path, lease_path_fields);

enum err_code limits_renew(struct request *rq)
{
    struct lease_path path;
    enum err_code rc = request_decode_path(rq, &lease_path_resource, &path);

    if (!rc)
        rc = lease_renew(&rq->work, path.lease_id,
                         request_in(rq, struct lease_named)->lease_duration);
    return rc ? rc : reply_empty(rq, 204);
}
