/* What the placement of a run looks at.  Errors: NOT_FOUND.  Thread: that of the work. */
#pragma once
#include "server/db/db.h"
#include "server/model/run_why.h"

MUST_CHECK enum err_code run_placement(struct work *w, struct uuid run, struct run_placement *out);
