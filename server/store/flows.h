/* All that can be done to flows.  Rows have the columns of flow_resource. */
#pragma once
#include "server/db/db.h"
#include "server/model/flow.h"

/* The flow of that name, made if there is none. */
MUST_CHECK enum err_code flow_upsert(struct work *w, const struct flow_create *in, struct rows *out,
                                     bool *out_created);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code flow_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code flow_get_by_name(struct work *w, const char *name, struct rows *out);
MUST_CHECK enum err_code flow_update(struct work *w, struct uuid id, const struct flow_update *in);
/* With its deployments and runs. */
MUST_CHECK enum err_code flow_delete(struct work *w, struct uuid id);
