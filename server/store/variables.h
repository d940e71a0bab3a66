/* All that can be done to variables.  Rows have the columns of variable_resource. */
#pragma once
#include "server/db/db.h"
#include "server/model/hydrate.h"
#include "server/model/variable.h"

/* CONFLICT when the name is taken. */
MUST_CHECK enum err_code variable_create(struct work *w, const struct variable_create *in,
                                         struct rows *out);
/* NOT_FOUND otherwise. */
MUST_CHECK enum err_code variable_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code variable_get_by_name(struct work *w, const char *name, struct rows *out);
MUST_CHECK enum err_code variable_update(struct work *w, struct uuid id,
                                         const struct variable_update *in);
MUST_CHECK enum err_code variable_update_by_name(struct work *w, const char *name,
                                                 const struct variable_update *in);
MUST_CHECK enum err_code variable_delete(struct work *w, struct uuid id);
MUST_CHECK enum err_code variable_delete_by_name(struct work *w, const char *name);

/* Gives a hydration the variables that the parameters refer to. */
MUST_CHECK enum err_code variables_for_hydration(struct work *w, struct val parameters,
                                                 struct hydration *h);
