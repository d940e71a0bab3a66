/* What a claimed run is to be started with. */
#pragma once
#include "server/db/db.h"
#include "shared/base/buf.h"
#include "shared/json/value.h"

/* Appends a claim (a row of claim_details) with its job filled from the template, blocks and
 * variables. A job that cannot be filled is told to the agent as the claim's `problem`. */
MUST_CHECK enum err_code claim_job_write(struct work *w, struct raw claim, struct buf *out);
