#include "server/store/block_documents.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/block_data.h"
#include "server/secrets.h"
#include "server/server.h"
#include "server/store/block_schemas.h"
#include "server/store/block_sets.h"
#include "server/store/block_types.h"
#include "server/store/event_emit.h"
#include "shared/json/write.h"

static enum err_code not_found(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Block document not found");
}

static enum err_code parse(struct work *w, struct raw text, struct val *out)
{
    struct doc *d = arena_new(&w->arena, struct doc);
    struct doc_error error;

    if (!doc_parse(&w->arena, text.text, text.len, d, &error))
        return err_set(&w->err, INTERNAL, "block document: %s at byte %zu", error.reason,
                       error.offset);
    *out = doc_root(d);
    return ERR_OK;
}

static enum err_code unseal(struct work *w, struct uuid id, const char *bytea, struct val *out)
{
    struct raw text;
    enum err_code rc = secrets_unseal(w->server->secrets, &w->arena, id, bytea, &text, &w->err);
    return rc ? rc : parse(w, text, out);
}

/* Data as it is stored, and the references that were in it. */
struct parts {
    struct raw data;
    struct block_reference *references;
    size_t count;
};

static enum err_code split(struct work *w, struct raw text, struct parts *out)
{
    const char *reason;
    struct val data;

    if (text.len > BLOCK_DATA_MAX_BYTES)
        return err_set(&w->err, TOO_LARGE, "data: at most %d bytes", BLOCK_DATA_MAX_BYTES);
    enum err_code rc = parse(w, text, &data);
    if (rc)
        return rc;
    out->references = arena_array(&w->arena, struct block_reference, val_count(data) + 1);
    out->data = block_data_split(&w->arena, data, out->references, &out->count, &reason);
    return out->data.text ? ERR_OK : err_set(&w->err, BAD_REQUEST, "%s", reason);
}

static enum err_code link_one(struct work *w, const char *parent, const struct block_reference *ref)
{
    const char *child = param_uuid(w, ref->id);
    struct rows rows;

    enum err_code rc = db_query(w, Q_block_document_reaches, PARAMS(child, parent), &rows);
    if (rc)
        return rc;
    if (rows_bool(&rows, 0, 0))
        return err_set(&w->err, BAD_REQUEST,
                       "Cannot create block document reference: it would introduce a cycle into "
                       "the block_document_reference "
                       "graph (parent=%s, reference=%s).",
                       parent, child);
    return db_query(w, Q_block_document_link, PARAMS(parent, child, ref->name), &rows);
}

static enum err_code link_all(struct work *w, struct uuid id, const struct parts *parts)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < parts->count && !rc; i++)
        rc = link_one(w, param_uuid(w, id), &parts->references[i]);
    return rc;
}

static enum err_code insert(struct work *w, const struct block_document *in, struct uuid id,
                            const struct parts *parts)
{
    char anonymous[UUID_TEXT_BYTES];
    struct rows rows;

    uuid_format(uuid_v4(), anonymous);
    bool named = in->name && in->name[0];
    const char *const parameters[] = {
        param_uuid(w, id),
        named ? in->name : arena_printf(&w->arena, "anonymous-%s", anonymous),
        secrets_seal(w->server->secrets, &w->arena, id, parts->data),
        param_uuid(w, in->block_schema_id),
        param_uuid(w, in->block_type_id),
        param_bool(in->is_anonymous),
    };
    enum err_code rc = db_query(w, Q_block_document_insert, parameters, &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, CONFLICT, "Block already exists");
    return link_all(w, id, parts);
}

static bool is_named(struct val list, struct val name)
{
    for (struct val_iter it = val_each(list); val_next(&it);) {
        struct raw named = val_raw(it.value), wanted = val_raw(name);
        if (named.len == wanted.len && memcmp(named.text, wanted.text, named.len) == 0)
            return true;
    }
    return false;
}

/* Members that are text and no secrets: others an event does not tell. */
static void put_event_data(struct buf *b, struct val data, struct val secret_fields)
{
    write_object(b);
    for (struct val_iter it = val_each(data); val_next(&it);) {
        if (val_type(it.value) != DOC_STRING || is_named(secret_fields, it.key))
            continue;
        write_raw(b, val_raw(it.key));
        buf_lit(b, ":");
        write_raw(b, val_raw(it.value));
    }
    write_end_object(b);
}

/* {name, data, block_schema: {capabilities, block_type: {id, name}}} of a document as it is told.
 */
static struct raw event_payload(struct work *w, struct val document)
{
    struct buf b = {.max_bytes = BLOCK_DATA_MAX_BYTES};
    struct val schema = val_get(document, "block_schema"), type = val_get(document, "block_type");

    write_object(&b);
    write_key(&b, "name");
    write_raw(&b, val_raw(val_get(document, "name")));
    write_key(&b, "data");
    put_event_data(&b, val_get(document, "data"),
                   val_get(val_get(schema, "fields"), "secret_fields"));
    write_key(&b, "block_schema");
    write_object(&b);
    write_key(&b, "capabilities");
    write_raw(&b, val_raw(val_get(schema, "capabilities")));
    write_key(&b, "block_type");
    write_object(&b);
    write_key(&b, "id");
    write_raw(&b, val_raw(val_get(type, "id")));
    write_key(&b, "name");
    write_raw(&b, val_raw(val_get(type, "name")));
    write_end_object(&b);
    write_end_object(&b);
    write_end_object(&b);
    struct raw out = {arena_strndup(&w->arena, b.bytes, b.len), b.len};
    buf_free(&b);
    return out;
}

/* Secrets are asterisks in it; a document that is too large to be told has no event. */
static enum err_code emit(struct work *w, const char *what, struct uuid id)
{
    struct block_set documents = {0}, schemas = {0};
    struct buf b = {.max_bytes = BLOCK_DATA_MAX_BYTES};
    struct val document;
    enum err_code rc = block_documents_load(w, (struct uuids){&id, 1}, &documents, &schemas);
    const struct block_row *row = rc ? NULL : block_find(&documents, param_uuid(w, id));

    if (!row)
        return rc;
    block_documents_hide(&w->arena, &documents, &schemas);
    block_document_write(&w->arena, &b, &documents, &schemas, row);
    const char *text = arena_strndup(&w->arena, b.bytes, b.len);
    if (!b.full)
        rc = parse(w, (struct raw){text, b.len}, &document);
    if (!rc && !b.full)
        rc = event_emit_payload(w, SUBJECT_BLOCK_DOCUMENT, what, id, event_payload(w, document));
    buf_free(&b);
    return rc;
}

enum err_code block_document_create(struct work *w, const struct block_document *in,
                                    struct uuid *out_id)
{
    struct uuid id = uuid_v4();
    struct parts parts;

    enum err_code rc = split(w, in->data, &parts);
    if (!rc)
        rc = db_begin(w);
    if (!rc)
        rc = insert(w, in, id, &parts);
    if (!rc)
        rc = emit(w, "created", id);
    rc = db_end(w, rc);
    if (!rc)
        *out_id = id;
    return rc;
}

/* The schema after the change; another one must be of the same type. */
static enum err_code next_schema(struct work *w, const struct block_document_update *in,
                                 const struct rows *now, const char **out)
{
    const char *wanted = param_uuid(w, in->block_schema_id);
    struct rows rows;

    *out = rows_text(now, 0, 1);
    if (!wanted || strcmp(wanted, *out) == 0)
        return ERR_OK;
    enum err_code rc = db_query(w, Q_block_schema_type, PARAMS(wanted), &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, BAD_REQUEST, "Block schema %s not found", wanted);
    if (strcmp(rows_text(&rows, 0, 0), rows_text(now, 0, 3)) != 0)
        return err_set(&w->err, BAD_REQUEST,
                       "Must migrate block document to a block schema of the same block type.");
    *out = wanted;
    return ERR_OK;
}

static enum err_code change(struct work *w, struct uuid id, const struct block_document_update *in)
{
    const char *key = param_uuid(w, id), *schema;
    struct val now_data, new_data, secrets = {0};
    struct parts parts;
    struct rows now, rows;

    enum err_code rc = db_query(w, Q_block_document_for_update, PARAMS(key), &now);
    if (rc || !now.count)
        return rc ? rc : not_found(w);
    if (!given(in, data) && in->merge_existing_data)
        return ERR_OK; /* a schema changes together with data only */
    if ((rc = unseal(w, id, rows_text(&now, 0, 0), &now_data)) ||
        (rc = parse(w, in->data, &new_data)))
        return rc;
    const char *fields = rows_text(&now, 0, 2);
    if (fields && (rc = parse(w, (struct raw){fields, strlen(fields)}, &secrets)))
        return rc;
    struct raw changed =
        block_data_change(&w->arena, now_data, new_data, secrets, in->merge_existing_data);
    if ((rc = split(w, changed, &parts)) || (rc = next_schema(w, in, &now, &schema)))
        return rc;
    rc = db_query(w, Q_block_document_update,
                  PARAMS(key, secrets_seal(w->server->secrets, &w->arena, id, parts.data), schema),
                  &rows);
    if (!rc)
        rc = db_query(w, Q_block_document_unlink, PARAMS(key), &rows);
    return rc ? rc : link_all(w, id, &parts);
}

enum err_code block_document_update(struct work *w, struct uuid id,
                                    const struct block_document_update *in)
{
    enum err_code rc = db_begin(w);
    if (!rc)
        rc = change(w, id, in);
    if (!rc)
        rc = emit(w, "updated", id);
    return db_end(w, rc);
}

enum err_code block_document_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    enum err_code rc = db_begin(w);

    if (!rc)
        rc = emit(w, "deleted", id);
    if (!rc)
        rc = db_query(w, Q_block_document_delete, PARAMS(param_uuid(w, id)), &rows);
    if (!rc && !rows.count)
        rc = not_found(w);
    return db_end(w, rc);
}

struct uuids block_ids_take(struct work *w, const struct rows *rows)
{
    struct uuids ids = {arena_array(&w->arena, struct uuid, (size_t)rows->count + 1), 0};

    for (int i = 0; i < rows->count; i++)
        ids.count += uuid_parse(rows_text(rows, i, 0), rows_len(rows, i, 0), &ids.items[ids.count]);
    return ids;
}

enum err_code block_document_find(struct work *w, const char *type_slug, const char *name,
                                  struct uuid *out_id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_block_document_by_name, PARAMS(type_slug, name), &rows);

    if (rc || !rows.count)
        return rc ? rc : not_found(w);
    *out_id = block_ids_take(w, &rows).items[0];
    return ERR_OK;
}

enum err_code block_documents_of_type(struct work *w, const char *type_slug, struct uuids *out)
{
    struct rows rows;
    enum err_code rc = block_type_get_by_slug(w, type_slug, &rows);

    if (!rc)
        rc = db_query(w, Q_block_documents_of_type, PARAMS(type_slug), &rows);
    if (!rc)
        *out = block_ids_take(w, &rows);
    return rc;
}

enum { LOAD_MAX_BYTES = 8 << 20 };

/* Decrypts all and lists their schemas. */
static enum err_code open_all(struct work *w, struct block_set *set, struct uuids *out_schemas)
{
    struct uuid id;
    enum err_code rc = ERR_OK;
    size_t bytes = 0;

    *out_schemas = (struct uuids){arena_array(&w->arena, struct uuid, set->count + 1), 0};
    for (size_t i = 0; i < set->count && !rc; i++) {
        const struct column *c = set->rows[i].columns;
        bytes += c[4].len / 2;
        if (bytes > LOAD_MAX_BYTES)
            return err_set(&w->err, TOO_LARGE,
                           "the documents have more than %d bytes: ask for fewer at once",
                           LOAD_MAX_BYTES);
        if (uuid_parse(c[5].text, c[5].len, &id))
            out_schemas->items[out_schemas->count++] = id;
        if (uuid_parse(c[0].text, c[0].len, &id))
            rc = unseal(w, id, c[4].text, &set->rows[i].json);
    }
    return rc;
}

enum err_code block_documents_load(struct work *w, struct uuids ids, struct block_set *out,
                                   struct block_set *out_schemas)
{
    struct rows edges, rows;
    struct uuids schemas;

    enum err_code rc =
        db_query(w, Q_block_document_edges, PARAMS(param_uuid_array(w, ids)), &edges);
    if (rc)
        return rc;
    block_edges_take(w, &edges, out);
    rc = db_query(w, Q_block_documents_by_id, PARAMS(block_ids_param(w, ids, out)), &rows);
    if (rc)
        return rc;
    block_rows_take(w, &rows, BLOCK_DOCUMENT_COLUMNS, out);
    if ((rc = open_all(w, out, &schemas)))
        return rc;
    return block_schemas_load(w, schemas, out_schemas);
}
