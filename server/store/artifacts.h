/* All that can be done to artifacts and their collections.  Rows have the columns of
 * artifact_resource. */
#pragma once
#include "server/db/columns.h"
#include "server/model/artifact.h"
#include "server/model/state.h"

/* A new version; with a key it becomes the latest of its collection. */
MUST_CHECK enum err_code artifact_create(struct work *w, const struct artifact *in,
                                         struct rows *out);
/* Of an agent's journal: a JSON array of artifacts with ids; those that are there already stay. */
MUST_CHECK enum err_code artifacts_store(struct work *w, const char *list);
/* The result in a state, that is kept.  Many at once: columns of Q_artifact_results. */
enum { ARTIFACT_RESULT_COLUMNS = 7 };
void artifact_put_result(struct array *columns, const struct state *s, struct uuid flow_run,
                         struct uuid task_run);
MUST_CHECK enum err_code artifact_store_result(struct work *w, const struct state *s,
                                               struct uuid flow_run, struct uuid task_run);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code artifact_get(struct work *w, struct uuid id, struct rows *out);
/* The collection's id, created and updated with the content of its latest artifact. */
MUST_CHECK enum err_code artifact_get_latest(struct work *w, const char *key, struct rows *out);
MUST_CHECK enum err_code artifact_update(struct work *w, struct uuid id,
                                         const struct artifact_update *in);
/* The version before it becomes the latest; without one the collection goes too. */
MUST_CHECK enum err_code artifact_delete(struct work *w, struct uuid id);
