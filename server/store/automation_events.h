/* Events that automations themselves give. */
#pragma once
#include "server/db/db.h"
#include "server/model/event.h"

/* prefect.automation.created, .updated or .deleted about the row of automation_resource.  Within a
 * transaction. */
MUST_CHECK enum err_code automation_event(struct work *w, const char *what,
                                          const struct rows *automation);
