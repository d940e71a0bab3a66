/* The ids that were seen last, so that a message that comes by two ways is told once.
 *
 * Owns: a table of RECENT_MAX ids.   Thread: one at a time. */
#pragma once
#include "shared/base/base.h"
#include "shared/base/uuid.h"

enum { RECENT_MAX = 8192 };

struct recent_ids;

struct recent_ids *recent_ids_new(void);
void recent_ids_free(struct recent_ids *r);
/* False: it was added before and not yet pushed out by RECENT_MAX others. */
bool recent_ids_add(struct recent_ids *r, struct uuid id);
