/* The data of a block document: references to other documents, secrets, changes.
 *
 * `secret_fields` of a schema are dotted paths ("auth.token"); behind a `*` everything is secret
 * ("headers.*").  A secret that is an object is secret as a whole. Source: Prefect 3.9.1; there an
 * object at a secret path is shown, here it is not. */
#pragma once
#include "shared/json/doc.h"
#include "shared/json/value.h"

enum { BLOCK_DATA_MAX_BYTES = 1 << 20 };
#define BLOCK_OBFUSCATED "********"

/* {"member": {"$ref": {"block_document_id": id}}} */
struct block_reference {
    const char *name;
    struct uuid id;
};

/* Data without references.  NULL text: *out_reason says which member is wrong.  `out` has room for
 * all members. */
struct raw block_data_split(struct arena *a, struct val data, struct block_reference *out,
                            size_t *out_count, const char **out_reason);

/* Data with asterisks in place of secrets. */
struct raw block_data_obfuscate(struct arena *a, struct val data, struct val secret_fields);

/* What is stored after a change: asterisks at a secret path mean the value that is there now;
 * `merge` keeps members that the change does not name. */
struct raw block_data_change(struct arena *a, struct val now, struct val change,
                             struct val secret_fields, bool merge);
