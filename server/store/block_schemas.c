#include "server/store/block_schemas.h"

#include <string.h>

#include "server/db/params.h"
#include "server/model/block_schema.h"
#include "server/store/block_sets.h"

enum { NESTING_MAX = 20, FIELDS_MAX_BYTES = 1 << 20 };

static enum err_code not_found(struct work *w)
{
    return err_set(&w->err, NOT_FOUND, "Block schema not found");
}

static enum err_code id_of(struct work *w, const struct rows *rows, struct uuid *out)
{
    if (!rows->count || !uuid_parse(rows_text(rows, 0, 0), rows_len(rows, 0, 0), out))
        return not_found(w);
    return ERR_OK;
}

enum err_code block_schema_find(struct work *w, const char *checksum, const char *version,
                                struct uuid *out_id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_block_schema_by_checksum, PARAMS(checksum, version), &rows);
    return rc ? rc : id_of(w, &rows, out_id);
}

static bool parse(struct work *w, struct raw text, struct val *out)
{
    struct doc *d = arena_new(&w->arena, struct doc);
    struct doc_error error;

    if (!doc_parse(&w->arena, text.text, text.len, d, &error))
        return false;
    *out = doc_root(d);
    return true;
}

static enum err_code create(struct work *w, const struct block_schema *in, struct val fields,
                            int depth, struct uuid *out_id, bool *out_created);

/* The schema that a member refers to; made from the definitions when nobody registered it before.
 */
static enum err_code nested(struct work *w, struct val fields,
                            const struct block_schema_reference *ref, int depth, struct uuid *out)
{
    struct block_schema in = {.version = "non-versioned",
                              .capabilities = {arena_array(&w->arena, const char *, 1), 0}};
    struct rows rows;
    struct val whole;
    bool created;

    enum err_code rc = db_query(w, Q_block_type_by_slug, PARAMS(ref->slug), &rows);
    if (rc)
        return rc;
    if (!rows.count ||
        !uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), &in.block_type_id))
        return err_set(&w->err, CONFLICT,
                       "Cannot create block schema because block type '%.100s' was not found.Did "
                       "you forget to "
                       "register the block type?",
                       ref->slug);
    rc = db_query(w, Q_block_schema_by_checksum, PARAMS(ref->checksum, NULL), &rows);
    if (rc || rows.count)
        return rc ? rc : id_of(w, &rows, out);
    struct val definition = block_schema_definition(&w->arena, fields, ref);
    if (!definition.doc || depth == NESTING_MAX ||
        !parse(w, block_schema_with(&w->arena, definition, val_get(fields, "definitions")), &whole))
        return err_set(&w->err, CONFLICT,
                       "Unable to create nested block schema for block type '%.100s' due to "
                       "missing definition.",
                       ref->slug);
    return create(w, &in, whole, depth + 1, out, &created);
}

static enum err_code link_nested(struct work *w, struct val fields, struct uuid id, int depth)
{
    struct block_schema_reference *refs =
        arena_array(&w->arena, struct block_schema_reference, BLOCK_REFERENCES_MAX);
    size_t count = block_schema_references(&w->arena, fields, refs);
    enum err_code rc = ERR_OK;
    struct rows rows;
    struct uuid child;

    if (count == SIZE_MAX)
        return err_set(&w->err, INVALID,
                       "block_schema_references: each needs block_type_slug and "
                       "block_schema_checksum, at most %d",
                       BLOCK_REFERENCES_MAX);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = nested(w, fields, &refs[i], depth, &child);
        if (!rc)
            rc = db_query(w, Q_block_schema_link,
                          PARAMS(param_uuid(w, id), param_uuid(w, child), refs[i].name), &rows);
    }
    return rc;
}

static enum err_code create(struct work *w, const struct block_schema *in, struct val fields,
                            int depth, struct uuid *out_id, bool *out_created)
{
    const char *checksum = block_schema_checksum(&w->arena, fields);
    const char *const parameters[] = {
        param_uuid(w, uuid_v4()),
        checksum,
        block_schema_stored(&w->arena, fields).text,
        param_uuid(w, in->block_type_id),
        param_strings(w, in->capabilities),
        in->version,
    };
    struct rows rows;

    enum err_code rc = db_query(w, Q_block_schema_insert, parameters, &rows);
    if (rc)
        return rc;
    *out_created = rows.count > 0;
    if (!rows.count)
        return block_schema_find(w, checksum, in->version, out_id);
    rc = id_of(w, &rows, out_id);
    return rc ? rc : link_nested(w, fields, *out_id, depth);
}

enum err_code block_schema_create(struct work *w, const struct block_schema *in,
                                  struct uuid *out_id, bool *out_created)
{
    struct val fields;
    struct rows rows;

    if (in->fields.len > FIELDS_MAX_BYTES)
        return err_set(&w->err, TOO_LARGE, "fields: at most %d bytes", FIELDS_MAX_BYTES);
    if (!parse(w, in->fields, &fields))
        return err_set(&w->err, INTERNAL, "fields are not JSON");
    const char *type = param_uuid(w, in->block_type_id);
    enum err_code rc = db_query(w, Q_block_type_by_id, PARAMS(type), &rows);
    if (rc)
        return rc;
    if (!rows.count)
        return err_set(&w->err, NOT_FOUND, "Block type %s not found.",
                       type ? type : "00000000-0000-0000-0000-000000000000");
    return create(w, in, fields, 0, out_id, out_created);
}

enum err_code block_schemas_load(struct work *w, struct uuids ids, struct block_set *out)
{
    struct rows edges, rows;

    enum err_code rc = db_query(w, Q_block_schema_edges, PARAMS(param_uuid_array(w, ids)), &edges);
    if (rc)
        return rc;
    block_edges_take(w, &edges, out);
    rc = db_query(w, Q_block_schemas_by_id, PARAMS(block_ids_param(w, ids, out)), &rows);
    if (rc)
        return rc;
    block_rows_take(w, &rows, BLOCK_SCHEMA_COLUMNS, out);
    for (size_t i = 0; i < out->count; i++) {
        const struct column *fields = &out->rows[i].columns[4];
        if (!parse(w, (struct raw){fields->text, fields->len}, &out->rows[i].json))
            return err_set(&w->err, INTERNAL, "block schema %s: fields are not JSON",
                           out->rows[i].id);
    }
    return ERR_OK;
}

enum err_code block_schema_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    enum err_code rc = db_query(w, Q_block_schema_protection, PARAMS(param_uuid(w, id)), &rows);

    if (rc)
        return rc;
    if (!rows.count)
        return not_found(w);
    if (rows_bool(&rows, 0, 0))
        return err_set(&w->err, FORBIDDEN,
                       "Block schemas for protected block types cannot be deleted.");
    rc = db_query(w, Q_block_schema_delete, PARAMS(param_uuid(w, id)), &rows);
    return rc ? rc : rows.count ? ERR_OK : not_found(w);
}

enum err_code block_capabilities(struct work *w, struct rows *out)
{
    return db_query(w, Q_block_capabilities, PARAMS(NULL), out);
}
