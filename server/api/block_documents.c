#include "server/store/block_documents.h"
#include "server/api/blocks.h"
#include "server/api/listing.h"
#include "server/db/params.h"
#include "server/http/reply.h"
#include "shared/json/write.h"

/* Documents in the order of their ids; those that are gone meanwhile are left out. */
static enum err_code write_documents(struct request *rq, struct uuids ids, bool include_secrets,
                                     size_t *out_count)
{
    struct work *w = &rq->work;
    struct block_set documents = {0}, schemas = {0};
    char id[UUID_TEXT_BYTES];

    enum err_code rc = block_documents_load(w, ids, &documents, &schemas);
    if (rc)
        return rc;
    if (!include_secrets)
        block_documents_hide(&w->arena, &documents, &schemas);
    *out_count = 0;
    for (size_t i = 0; i < ids.count; i++) {
        uuid_format(ids.items[i], id);
        const struct block_row *row = block_find(&documents, id);
        if (!row)
            continue;
        block_document_write(&w->arena, &rq->reply.body, &documents, &schemas, row);
        ++*out_count;
    }
    return ERR_OK;
}

static enum err_code reply_document(struct request *rq, int status, struct uuid id,
                                    bool include_secrets)
{
    size_t count;
    enum err_code rc = write_documents(rq, (struct uuids){&id, 1}, include_secrets, &count);

    if (rc)
        return rc;
    return count ? reply_status(rq, status)
                 : err_set(&rq->work.err, NOT_FOUND, "Block document not found");
}

static enum err_code reply_documents(struct request *rq, struct uuids ids, bool include_secrets)
{
    size_t count;

    write_array(&rq->reply.body);
    enum err_code rc = write_documents(rq, ids, include_secrets, &count);
    write_end_array(&rq->reply.body);
    return rc ? rc : reply_status(rq, 200);
}

/* ?include_secrets=, a bool as pydantic reads it. */
struct secrets_query {
    struct given given;
    bool include_secrets;
};
static const struct field secrets_query_fields[] = {
    F_BOOL(struct secrets_query, include_secrets, .def = "false",
           .doc = "Whether secrets are shown."),
};
static const struct resource secrets_query_resource =
    RESOURCE(secrets_query, secrets_query_fields, .extra = true);

static enum err_code decode_secrets(struct request *rq, struct val v, const char *where, bool *out)
{
    struct loc at = {.key = where};
    struct secrets_query in;

    if (json_decode(&secrets_query_resource, v, &at, &in, &rq->invalid))
        return err_set(&rq->work.err, INVALID, "%s", rq->invalid.first);
    *out = in.include_secrets;
    return ERR_OK;
}

static enum err_code query_secrets(struct request *rq, bool *out)
{
    struct secrets_query in = {0};
    enum err_code rc = request_decode_query(rq, &secrets_query_resource, &in);

    *out = in.include_secrets;
    return rc;
}

enum err_code block_documents_create(struct request *rq)
{
    struct uuid id;
    enum err_code rc = block_document_create(&rq->work, request_in(rq, struct block_document), &id);
    return rc ? rc : reply_document(rq, 201, id, false);
}

enum err_code block_documents_get(struct request *rq)
{
    bool secrets;
    enum err_code rc = query_secrets(rq, &secrets);
    return rc ? rc : reply_document(rq, 200, rq->ids[0], secrets);
}

enum err_code block_documents_update(struct request *rq)
{
    enum err_code rc =
        block_document_update(&rq->work, rq->ids[0], request_in(rq, struct block_document_update));
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code block_documents_delete(struct request *rq)
{
    enum err_code rc = block_document_delete(&rq->work, rq->ids[0]);
    return rc ? rc : reply_empty(rq, 204);
}

enum err_code block_documents_get_by_name(struct request *rq)
{
    bool secrets;
    struct uuid id;
    enum err_code rc = query_secrets(rq, &secrets);

    if (!rc)
        rc = block_document_find(&rq->work, rq->params[0], rq->params[1], &id);
    return rc ? rc : reply_document(rq, 200, id, secrets);
}

enum err_code block_documents_list_type(struct request *rq)
{
    bool secrets;
    struct uuids ids;
    enum err_code rc = query_secrets(rq, &secrets);

    if (!rc)
        rc = block_documents_of_type(&rq->work, rq->params[0], &ids);
    return rc ? rc : reply_documents(rq, ids, secrets);
}

static const struct sort sorts[] = {
    {"NAME_DESC", "bd.name COLLATE \"C\" DESC, bd.id"},
    {"NAME_ASC", "bd.name COLLATE \"C\", bd.id"},
    {"BLOCK_TYPE_AND_NAME_ASC", "jbt.name COLLATE \"C\", bd.name COLLATE \"C\", bd.id"},
};
static const struct listing block_documents = {
    .from = "block_document bd JOIN block_type jbt ON jbt.id = bd.block_type_id",
    .alias = "bd",
    .target = FILTER_BLOCK_DOCUMENTS,
    .sorts = sorts,
    .sort_count = COUNT(sorts),
    .default_sort = 1,
};

/* Anonymous documents are hidden unless the filter speaks of them, be it with null. */
static void select_documents(struct request *rq, struct sql *s, const struct listing_in *in,
                             const char *what)
{
    struct val root = rq->doc.count ? doc_root(&rq->doc) : (struct val){0};

    sql_begin(s, &rq->work);
    listing_select(s, &block_documents, in, what);
    if (val_type(val_get(val_get(root, "block_documents"), "is_anonymous")) == DOC_NONE)
        sql_add(s, " AND NOT bd.is_anonymous");
}

enum err_code block_documents_filter(struct request *rq)
{
    struct work *w = &rq->work;
    struct listing_in in;
    struct rows rows;
    struct sql s;
    bool secrets;

    enum err_code rc = listing_decode(rq, &block_documents, LISTING_FILTER, &in);
    if (!rc)
        rc = decode_secrets(rq, rq->doc.count ? doc_root(&rq->doc) : (struct val){0}, "body",
                            &secrets);
    if (rc)
        return rc;
    select_documents(rq, &s, &in, "bd.id");
    sql_add(&s, " ORDER BY ");
    sql_add(&s, sorts[in.sort].sql);
    sql_add(&s, " LIMIT ");
    sql_param(&s, param_i64(w, in.limit));
    sql_add(&s, " OFFSET ");
    sql_param(&s, param_i64(w, in.offset));
    rc = sql_run(&s, &rows);
    return rc ? rc : reply_documents(rq, block_ids_take(w, &rows), secrets);
}

enum err_code block_documents_count(struct request *rq)
{
    struct listing_in in;
    struct rows rows;
    struct sql s;

    enum err_code rc = listing_decode(rq, &block_documents, LISTING_FILTER, &in);
    if (rc)
        return rc;
    select_documents(rq, &s, &in, "count(*)");
    if ((rc = sql_run(&s, &rows)))
        return rc;
    write_int64(&rq->reply.body, rows_i64(&rows, 0, 0));
    return reply_status(rq, 200);
}
