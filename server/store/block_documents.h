/* All that can be done to block documents.  Their data is encrypted with the server's key. */
#pragma once
#include "server/db/db.h"
#include "server/model/block_json.h"

/* CONFLICT when the type has a document of that name or there is no such schema; BAD_REQUEST for
 * references that are wrong. */
MUST_CHECK enum err_code block_document_create(struct work *w, const struct block_document *in,
                                               struct uuid *out_id);
/* NOT_FOUND, BAD_REQUEST for another type's schema and for references that are wrong or lead back.
 */
MUST_CHECK enum err_code block_document_update(struct work *w, struct uuid id,
                                               const struct block_document_update *in);
MUST_CHECK enum err_code block_document_delete(struct work *w, struct uuid id);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code block_document_find(struct work *w, const char *type_slug,
                                             const char *name, struct uuid *out_id);
/* Ids of a type's documents that people see, by name.  NOT_FOUND: no such type. */
MUST_CHECK enum err_code block_documents_of_type(struct work *w, const char *type_slug,
                                                 struct uuids *out);

/* The documents, all that are nested in them, and the schemas of all. */
MUST_CHECK enum err_code block_documents_load(struct work *w, struct uuids ids,
                                              struct block_set *out, struct block_set *out_schemas);

/* Ids in the first column of an answer. */
struct uuids block_ids_take(struct work *w, const struct rows *rows);
