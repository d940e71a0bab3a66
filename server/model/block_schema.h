/* The fields of a block schema: their checksum, what is stored of them, which other block schemas
 * they name. Source: Prefect 3.9.1, `Block._calculate_schema_checksum`. */
#pragma once
#include "shared/json/doc.h"

enum { BLOCK_CHECKSUM_BYTES = 72, BLOCK_REFERENCES_MAX = 200 };

/* "sha256:..." of the fields without `secret_fields` and without definitions that nothing refers to
 * or that are blocks. */
const char *block_schema_checksum(struct arena *a, struct val fields);

/* `fields` with the definitions of a schema around it, for one that is nested there; plain JSON
 * text. */
struct raw block_schema_with(struct arena *a, struct val fields, struct val definitions);

/* What is stored: no `block_schema_references`, only definitions that are not blocks. */
struct raw block_schema_stored(struct arena *a, struct val fields);

/* `block_schema_references`: {"member": {...}} or {"member": [{...}, {...}]}, one entry each. */
struct block_schema_reference {
    const char *name, *slug, *checksum;
};
/* Returns how many; SIZE_MAX when they are not well formed or too many. */
size_t block_schema_references(struct arena *a, struct val fields,
                               struct block_schema_reference *out);

/* The definition of the nested schema that a member refers to; DOC_NONE when it is not there. */
struct val block_schema_definition(struct arena *a, struct val fields,
                                   const struct block_schema_reference *ref);
