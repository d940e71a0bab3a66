/* Automations: made, changed, deleted.  What their triggers see is store/triggers.h, what they do
 * store/actions.h.  Each change tells with an event (prefect.automation.created ...). */
#pragma once
#include "server/db/filter.h"
#include "server/model/automation.h"

/* Rows of automation_resource.  NOT_FOUND for the deployment of an action; INVALID for its job
 * variables. */
MUST_CHECK enum err_code automation_create(struct work *w, const struct automation *in,
                                           struct rows *out);
/* NOT_FOUND. */
MUST_CHECK enum err_code automation_get(struct work *w, struct uuid id, struct rows *out);
MUST_CHECK enum err_code automation_update(struct work *w, struct uuid id,
                                           const struct automation *in);
/* *out_reason: why it may not be enabled, with ERR_INVALID. */
MUST_CHECK enum err_code automation_enable(struct work *w, struct uuid id, bool enabled,
                                           const char **out_reason);
MUST_CHECK enum err_code automation_delete(struct work *w, struct uuid id);
/* Those that act on the resource or belong to it. */
MUST_CHECK enum err_code automations_related_to(struct work *w, const char *resource_id,
                                                struct rows *out);
MUST_CHECK enum err_code automations_delete_owned(struct work *w, const char *resource_id);
