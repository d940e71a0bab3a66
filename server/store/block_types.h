/* All that can be done to block types.  Rows have the columns of block_type_resource. */
#pragma once
#include "server/db/db.h"
#include "server/model/block.h"

/* FORBIDDEN for names of the system, CONFLICT when the slug is taken. */
MUST_CHECK enum err_code block_type_create(struct work *w, const struct block_type *in,
                                           struct rows *out);
/* Completes the logos of rows for who asks. */
MUST_CHECK enum err_code block_types_place_logos(struct work *w, struct rows *rows);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code block_type_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code block_type_get_by_slug(struct work *w, const char *slug, struct rows *out);
MUST_CHECK enum err_code block_type_update(struct work *w, struct uuid id,
                                           const struct block_type *in);
/* With its schemas and documents.  FORBIDDEN for types of the system. */
MUST_CHECK enum err_code block_type_delete(struct work *w, struct uuid id);
/* The types that every installation has (Secret, Webhook, LocalFileSystem) and their schemas. */
MUST_CHECK enum err_code block_types_install_system(struct work *w);
