#include "server/store/block_schemas.h"
#include "server/api/blocks.h"
#include "server/api/listing.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "server/store/block_documents.h"
#include "shared/json/compose.h"
#include "shared/json/write.h"

static enum err_code reply_schema(struct request *rq, int status, struct uuid id)
{
    struct block_set set = {0};
    enum err_code rc = block_schemas_load(&rq->work, (struct uuids){&id, 1}, &set);
    const struct block_row *row = rc ? NULL : block_find(&set, uuid_text(&rq->work.arena, id));

    if (rc)
        return rc;
    if (!row)
        return err_set(&rq->work.err, NOT_FOUND, "Block schema not found");
    block_schema_write(&rq->work.arena, &rq->reply.body, &set, row);
    return reply_status(rq, status);
}

enum err_code block_schemas_create(struct request *rq)
{
    struct work *w = &rq->work;
    struct uuid id;
    bool created = false;

    enum err_code rc = db_begin(w);
    if (!rc)
        rc = block_schema_create(w, request_in(rq, struct block_schema), &id, &created);
    rc = db_end(w, rc);
    if (rc)
        return rc;
    return reply_schema(rq, created ? 201 : 200, id);
}

enum err_code block_schemas_get(struct request *rq)
{
    return reply_schema(rq, 200, rq->ids[0]);
}

enum err_code block_schemas_get_by_checksum(struct request *rq)
{
    struct uuid id;
    enum err_code rc =
        block_schema_find(&rq->work, rq->params[0], request_query(rq, "version"), &id);
    return rc ? rc : reply_schema(rq, 200, id);
}

enum err_code block_schemas_delete(struct request *rq)
{
    enum err_code rc = block_schema_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

static const struct sort sorts[] = {{"CREATED_DESC", "bs.created DESC, bs.id"}};
static const struct listing block_schemas = {
    .from = "block_schema bs",
    .alias = "bs",
    .target = FILTER_BLOCK_SCHEMAS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
};

enum err_code block_schemas_filter(struct request *rq)
{
    struct work *w = &rq->work;
    struct block_set set = {0};
    struct listing_in in;
    struct rows rows;
    struct sql s;

    enum err_code rc = listing_decode(rq, &block_schemas, LISTING_FILTER, &in);
    if (rc)
        return rc;
    sql_begin(&s, w);
    listing_select(&s, &block_schemas, &in, "bs.id");
    sql_add(&s, " ORDER BY ");
    sql_add(&s, sorts[0].sql);
    sql_add(&s, " LIMIT ");
    sql_param(&s, param_i64(w, in.limit));
    sql_add(&s, " OFFSET ");
    sql_param(&s, param_i64(w, in.offset));
    if ((rc = sql_run(&s, &rows)) || (rc = block_schemas_load(w, block_ids_take(w, &rows), &set)))
        return rc;
    write_array(&rq->reply.body);
    for (int i = 0; i < rows.count; i++) {
        const struct block_row *row = block_find(&set, rows_text(&rows, i, 0));
        if (row)
            block_schema_write(&w->arena, &rq->reply.body, &set, row);
    }
    write_end_array(&rq->reply.body);
    return reply_status(rq, 200);
}

enum err_code block_capabilities_list(struct request *rq)
{
    struct rows rows;
    enum err_code rc = block_capabilities(&rq->work, &rows);
    return rc ? rc : reply_text(rq, 200, rows_text(&rows, 0, 0));
}
