/* Query results as the sets that block_json.h writes. */
#pragma once
#include "server/db/db.h"
#include "server/model/block_json.h"

/* `own` columns, then those of the block type; json is left to the caller. */
void block_rows_take(struct work *w, const struct rows *rows, size_t own, struct block_set *out);
void block_edges_take(struct work *w, const struct rows *rows, struct block_set *out);
/* The given ids and the children of all edges, as a parameter. */
const char *block_ids_param(struct work *w, struct uuids ids, const struct block_set *edges);
