/* Names for runs that were created without one.  Thread: any. */
#pragma once
#include "shared/base/arena.h"

/* `quick-otter`: one of some 50 000, as evenly spread as the random bits. */
const char *random_name(struct arena *a, uint64_t random);
