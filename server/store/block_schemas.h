/* All that can be done to block schemas. */
#pragma once
#include "server/db/db.h"
#include "server/model/block_json.h"

/* The schema with these fields and version, made if there is none; runs in the open transaction, or
 * without one. NOT_FOUND: no such block type; CONFLICT: a nested schema cannot be made. */
MUST_CHECK enum err_code block_schema_create(struct work *w, const struct block_schema *in,
                                             struct uuid *out_id, bool *out_created);
/* NULL version: the newest.  NOT_FOUND otherwise. */
MUST_CHECK enum err_code block_schema_find(struct work *w, const char *checksum,
                                           const char *version, struct uuid *out_id);
/* Loads the schemas and all that are nested in them; missing ones are left out. */
MUST_CHECK enum err_code block_schemas_load(struct work *w, struct uuids ids,
                                            struct block_set *out);
/* With its documents.  FORBIDDEN for types of the system. */
MUST_CHECK enum err_code block_schema_delete(struct work *w, struct uuid id);
/* A JSON array of all capabilities. */
MUST_CHECK enum err_code block_capabilities(struct work *w, struct rows *out);
