/* Files by content, below <data>/files/ab/<sha256>; their names stand in the database.
 * A content is written once, fsynced, and never changed. */
#pragma once
#include "server/db/db.h"
#include "shared/base/sha256.h"

/* Keeps an unlinked file of the same file system (O_TMPFILE).  INVALID: its hash is another one. */
MUST_CHECK enum err_code file_put(struct work *w, int fd, const char *sha256, uint64_t bytes,
                                  bool *out_created);
/* Opens it for reading.  NOT_FOUND otherwise. */
MUST_CHECK enum err_code file_open(struct work *w, const char *sha256, int *out_fd,
                                   uint64_t *out_bytes);

/* NOT_FOUND: no such content. */
MUST_CHECK enum err_code file_name_put(struct work *w, const char *name, const char *sha256);
/* One row, one column: a JSON object.  NOT_FOUND otherwise. */
MUST_CHECK enum err_code file_name_get(struct work *w, const char *name, struct rows *out);
