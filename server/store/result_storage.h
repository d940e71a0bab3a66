/* The default storage of results.  Rows have the columns of result_storage_resource. */
#pragma once
#include "server/db/db.h"
#include "shared/base/uuid.h"

MUST_CHECK enum err_code result_storage_get(struct work *w, struct rows *out);
/* NOT_FOUND: no such document; INVALID: it cannot write. */
MUST_CHECK enum err_code result_storage_set(struct work *w, struct uuid document);
MUST_CHECK enum err_code result_storage_clear(struct work *w);
