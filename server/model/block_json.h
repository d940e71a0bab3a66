/* Block schemas and documents as Prefect replies them: what is nested in them is put back into its
 * place.
 *
 * Rows of a set have the columns of the resource without the computed ones, followed by those of
 * the block type. */
#pragma once
#include "server/model/block.h"
#include "shared/json/codec.h"

enum {
    BLOCK_NESTING_MAX = 50,
    BLOCK_TYPE_COLUMNS = 10,
    BLOCK_SCHEMA_COLUMNS = 8,
    BLOCK_DOCUMENT_COLUMNS = 9
};

/* `parent` has `child` under the member `name`. */
struct block_edge {
    const char *parent, *name, *child;
};

struct block_row {
    const char *id;
    const struct column *columns, *type;
    struct val json; /* the fields of a schema, the decrypted data of a document */
};

struct block_set {
    struct block_row *rows;
    size_t count;
    struct block_edge *edges;
    size_t edge_count;
};

/* NULL when it is not in the set. */
const struct block_row *block_find(const struct block_set *set, const char *id);

/* Appends a schema of the set.  b->full says that it, or what is below, is too large to be told. */
void block_schema_write(struct arena *a, struct buf *b, const struct block_set *schemas,
                        const struct block_row *schema);

/* Puts asterisks into the place of secrets, in all documents of the set.  `schemas` has the schemas
 * of all. */
void block_documents_hide(struct arena *a, struct block_set *documents,
                          const struct block_set *schemas);

/* Appends a document. */
void block_document_write(struct arena *a, struct buf *b, const struct block_set *documents,
                          const struct block_set *schemas, const struct block_row *document);
