/* All that can be done to saved searches.  Rows have the columns of saved_search_resource. */
#pragma once
#include "server/db/db.h"
#include "server/model/saved_search.h"

/* The search of that name with these filters; made if there is none. */
MUST_CHECK enum err_code saved_search_put(struct work *w, const struct saved_search *in,
                                          struct rows *out, bool *out_created);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code saved_search_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code saved_search_delete(struct work *w, struct uuid id);
