/* The block types that are there from the start: those of Prefect's SDK and of its collections.
 *
 * Their fields must be those of the SDK to the letter, since it looks schemas up by their checksum.
 * They are data, written by tools/make_block_types.py. Source: Prefect 3.9.1 (Apache-2.0).
 * Order: a type stands after those that its schema refers to. */
#pragma once
#include "server/model/block.h"
#include "shared/base/err.h"
#include "shared/base/sha256.h"
#include "shared/json/doc.h"

struct block_system {
    struct block_type type;
    bool is_protected;
    struct block_schema schema; /* its checksum as Prefect says it; without block_type_id */
};

struct block_systems {
    struct block_system *items;
    size_t count;
};

/* Everything in the arena, or borrowed from the program itself. */
MUST_CHECK enum err_code block_systems_read(struct arena *a, struct block_systems *out,
                                            struct err *e);

/* Changes whenever one of them does. */
void block_systems_digest(char out_text[static SHA256_TEXT_BYTES]);
