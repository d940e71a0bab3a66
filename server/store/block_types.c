#include "server/store/block_types.h"

#include <ctype.h>
#include <string.h>

#include "server/db/params.h"
#include "server/model/block_system.h"
#include "server/store/block_schemas.h"
#include "server/store/event_emit.h"
#include "shared/json/codec.h"

enum err_code block_types_place_logos(struct work *w, struct rows *rows)
{
    int logo = columns_index(&block_type_resource, "logo_url");

    for (int i = 0; i < rows->count; i++) {
        const char *stored = rows_text(rows, i, logo);
        const char *placed = block_logo(&w->arena, w->origin, stored);
        if (placed != stored && !rows_set(rows, i, logo, placed))
            return err_set(&w->err, INTERNAL, "no memory for the logos of block types");
    }
    return ERR_OK;
}

static enum err_code one(struct work *w, enum err_code rc, struct rows *rows)
{
    if (rc)
        return rc;
    return rows->count ? block_types_place_logos(w, rows)
                       : err_set(&w->err, NOT_FOUND, "Block type not found");
}

/* Without blanks around it. */
static const char *trimmed(struct work *w, const char *url)
{
    if (!url)
        return NULL;
    while (isspace((unsigned char)*url))
        url++;
    size_t len = strlen(url);
    while (len && isspace((unsigned char)url[len - 1]))
        len--;
    return arena_strndup(&w->arena, url, len);
}

static enum err_code insert(struct work *w, const struct block_type *in, struct rows *out)
{
    const char *const parameters[] = {
        param_uuid(w, uuid_v4()),
        in->name,
        in->slug,
        trimmed(w, in->logo_url),
        trimmed(w, in->documentation_url),
        block_escape_html(&w->arena, in->description),
        block_escape_html(&w->arena, in->code_example),
    };
    return db_query(w, Q_block_type_insert, parameters, out);
}

enum err_code block_type_create(struct work *w, const struct block_type *in, struct rows *out)
{
    if (strncasecmp(in->name, "prefect", 7) == 0)
        return err_set(&w->err, FORBIDDEN,
                       "Block type names beginning with 'Prefect' are reserved.");
    bool own;
    enum err_code rc = event_begin(w, &own);
    if (!rc)
        rc = insert(w, in, out);
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_BLOCK_TYPE, "created", out);
    rc = event_end(w, own, rc);
    if (rc || out->count)
        return rc;
    return err_set(&w->err, CONFLICT, "Block type with name \"%s\" already exists", in->name);
}

enum err_code block_type_get(struct work *w, struct uuid id, struct rows *out)
{
    return one(w, db_query(w, Q_block_type_by_id, PARAMS(param_uuid(w, id)), out), out);
}

enum err_code block_type_get_by_slug(struct work *w, const char *slug, struct rows *out)
{
    return one(w, db_query(w, Q_block_type_by_slug, PARAMS(slug), out), out);
}

enum err_code block_type_update(struct work *w, struct uuid id, const struct block_type *in)
{
    struct rows rows;
    const char *const parameters[] = {
        param_uuid(w, id),
        param_bool(given(in, logo_url)),
        trimmed(w, in->logo_url),
        param_bool(given(in, documentation_url)),
        trimmed(w, in->documentation_url),
        param_bool(given(in, description)),
        in->description,
        param_bool(given(in, code_example)),
        in->code_example,
    };
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = db_query(w, Q_block_type_update, parameters, &rows);
    if (!rc && !rows.count)
        rc = err_set(&w->err, NOT_FOUND, "Block type not found");
    if (!rc)
        rc = event_emit_rows(w, SUBJECT_BLOCK_TYPE, "updated", &rows);
    return event_end(w, own, rc);
}

enum err_code block_type_delete(struct work *w, struct uuid id)
{
    struct rows rows;
    bool own;
    enum err_code rc = event_begin(w, &own);

    if (!rc)
        rc = event_emit(w, SUBJECT_BLOCK_TYPE, "deleted", id);
    if (!rc)
        rc = db_query(w, Q_block_type_delete, PARAMS(param_uuid(w, id)), &rows);
    if (!rc && !rows.count && !(rc = block_type_get(w, id, &rows)))
        rc = err_set(&w->err, FORBIDDEN, "protected block types cannot be deleted.");
    return event_end(w, own, rc);
}

/* Whether every type of the system is here as this program knows it. */
static enum err_code present(struct work *w, const struct block_systems *all, const char *digest,
                             bool *out)
{
    struct strings sums = {arena_array(&w->arena, const char *, all->count + 1), 0};
    struct rows rows;

    for (size_t i = 0; i < all->count; i++)
        sums.items[sums.count++] = all->items[i].schema.checksum;
    enum err_code rc =
        db_query(w, Q_block_systems_present, PARAMS(digest, param_text_array(w, sums)), &rows);
    if (!rc)
        *out = rows_bool(&rows, 0, 0);
    return rc;
}

static enum err_code install_type(struct work *w, struct block_system *b)
{
    const char *const parameters[] = {
        param_uuid(w, uuid_v4()),
        b->type.name,
        b->type.slug,
        b->type.logo_url,
        b->type.documentation_url,
        b->type.description,
        b->type.code_example,
        param_bool(b->is_protected),
    };
    struct rows rows;

    enum err_code rc = db_query(w, Q_block_type_install, parameters, &rows);
    if (!rc && !uuid_parse(rows_text(&rows, 0, 0), rows_len(&rows, 0, 0), &b->schema.block_type_id))
        rc = err_set(&w->err, INTERNAL, "%s: no id", b->type.slug);
    return rc;
}

/* All types, then all schemas: one of them may refer to a type that comes later. */
static enum err_code install(struct work *w, struct block_systems *all, const char *digest)
{
    enum err_code rc = db_begin(w);
    struct rows rows;
    struct uuid id;
    bool created;

    for (size_t i = 0; i < all->count && !rc; i++)
        rc = install_type(w, &all->items[i]);
    for (size_t i = 0; i < all->count && !rc; i++)
        rc = block_schema_create(w, &all->items[i].schema, &id, &created);
    if (!rc)
        rc = db_query(w, Q_block_systems_installed, PARAMS(digest), &rows);
    return db_end(w, rc);
}

enum err_code block_types_install_system(struct work *w)
{
    char digest[SHA256_TEXT_BYTES];
    struct block_systems all;
    bool here = false;

    block_systems_digest(digest);
    enum err_code rc = block_systems_read(&w->arena, &all, &w->err);
    if (!rc)
        rc = present(w, &all, digest, &here);
    return rc || here ? rc : install(w, &all, digest);
}
